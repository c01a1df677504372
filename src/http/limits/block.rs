//! Whom an address stands for when something is counted: the address itself, or the /64 of IPv6, which one host has whole
//! (RFC 4291 §2.5.4, RFC 6177).

use std::net::IpAddr;

/// What is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    Ipv4(u32),
    Ipv6(u64),
    /// Nobody can tell from where it comes: all of these together.
    Unknown,
}

impl Block {
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::Ipv4(address.to_bits()),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Ipv6([a, b, c, d].into_iter().fold(0, |block, part| block << 16 | u64::from(part)))
            }
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_ipv6_network_are_one_and_ipv4_addresses_are_one_each() {
        let block = |text: &str| Block::of(Some(text.parse().unwrap()));
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_eq!(block("192.0.2.1"), block("::ffff:192.0.2.1"), "IPv4 written as IPv6");
        assert_ne!(Block::of(None), block("0.0.0.0"));
    }
}
