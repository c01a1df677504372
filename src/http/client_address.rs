//! Where a request comes from: the socket's peer, or what a trusted proxy says of who came to it (`Forwarded`, RFC 7239,
//! or `X-Forwarded-For`).
//!
//! Each proxy appends whom it saw, so the list is read from its end, as long as those named are trusted themselves. What
//! lies before the first stranger is that stranger's own invention.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, X_FORWARDED_FOR};

use super::server::Limits;
use crate::protocol::network::Network;

/// `None` where nobody can tell: without a peer, or when the two headers name different clients. Then one of them came
/// through a proxy that does not know it, from the client itself.
pub fn of(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let trusted = request.app_data::<Limits>().map_or(&[][..], |limits| &limits.trusted_proxies);
    behind(peer, trusted, request.headers())
}

pub(super) fn behind(peer: IpAddr, trusted: &[Network], headers: &HeaderMap) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let walked = |named: Vec<Option<IpAddr>>| client(peer, &named, is_trusted);
    match (headers.contains_key(FORWARDED), headers.contains_key(X_FORWARDED_FOR)) {
        (false, false) => Some(peer),
        (true, false) => Some(walked(forwarded(headers))),
        (false, true) => Some(walked(x_forwarded_for(headers))),
        (true, true) => {
            let client = walked(forwarded(headers));
            (client == walked(x_forwarded_for(headers))).then_some(client)
        }
    }
}

/// The last of those named who is not trusted, or the first of all. Where one cannot be read, the list says nothing.
fn client(peer: IpAddr, named: &[Option<IpAddr>], is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for address in named.iter().rev() {
        let Some(address) = address else { return peer };
        client = *address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The `for` of each element (RFC 7239 §4), `None` for an element whose cannot be read.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).map(|line| line.to_str().unwrap_or(UNREADABLE));
    lines.flat_map(|line| split(line, ',')).map(forwarded_for).collect()
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split(element, ';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            // A parameter occurs once only.
            if found.is_some() {
                return None;
            }
            found = Some(value.trim());
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).map(|line| line.to_str().unwrap_or(UNREADABLE));
    lines.flat_map(|line| line.split(',')).map(|address| node(address.trim())).collect()
}

/// Stands for a line that is not ASCII.
const UNREADABLE: &str = "?";

/// At the separators that are not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
}

/// An address, perhaps with a port: IPv4, or IPv6 in brackets or bare. The hidden ones (`unknown`, `_name`) are none.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6);
    let address = text.parse().ok().or_else(bracketed).or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const PROXIES: [&str; 2] = ["10.0.0.0/8", "2001:db8:f::/48"];

    /// From a peer that is trusted, with these lines.
    fn from(peer: &str, lines: &[(&HeaderName, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append((*name).clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = PROXIES.map(|network| network.parse().unwrap());
        behind(peer.parse().unwrap(), &trusted, &headers).map(|address| address.to_string())
    }

    #[test]
    fn the_last_stranger_is_the_client() {
        for (list, client) in [
            ("192.0.2.1", "192.0.2.1"),
            ("198.51.100.9, 192.0.2.1", "192.0.2.1"),
            ("198.51.100.9,192.0.2.1 , 10.1.1.1,10.2.2.2", "192.0.2.1"),
            ("garbage, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("10.3.3.3, 10.1.1.1", "10.3.3.3"),
            // What cannot be read where it counts, or says nothing.
            ("192.0.2.1, garbage", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.1.1.1", "10.0.0.1"),
            ("192.0.2.1,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("192.0.2.1é", "10.0.0.1"),
            ("192.0.2.256", "10.0.0.1"),
            ("[192.0.2.1]", "10.0.0.1"),
        ] {
            assert_eq!(from("10.0.0.1", &[(&X_FORWARDED_FOR, list)]).as_deref(), Some(client), "{list:?}");
        }
        let two = [(&X_FORWARDED_FOR, "198.51.100.9"), (&X_FORWARDED_FOR, "192.0.2.1")];
        assert_eq!(from("10.0.0.1", &two).as_deref(), Some("192.0.2.1"), "lines follow each other");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        for (list, client) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1", "2001:db8::1"),
            ("proto=http; for=192.0.2.1, for=10.1.1.1", "192.0.2.1"),
            ("for=198.51.100.9, for=192.0.2.1;host=\"a,b;for=1.2.3.4\"", "192.0.2.1"),
            ("for=\"192.0.2.1:80\"", "192.0.2.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=192.0.2.1, for=_hidden", "10.0.0.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("for=192.0.2.1, proto=https", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
        ] {
            assert_eq!(from("10.0.0.1", &[(&FORWARDED, list)]).as_deref(), Some(client), "{list:?}");
        }
    }

    #[test]
    fn a_peer_that_is_not_trusted_speaks_for_itself_alone() {
        let lines = [(&X_FORWARDED_FOR, "192.0.2.1"), (&FORWARDED, "for=192.0.2.2")];
        for peer in ["11.0.0.1", "::1", "2001:db8:e::1"] {
            assert_eq!(from(peer, &lines).as_deref(), Some(peer));
        }
        assert_eq!(from("::ffff:10.0.0.1", &lines[..1]).as_deref(), Some("192.0.2.1"), "a proxy, written as IPv6");
        assert_eq!(from("2001:db8:f:1::1", &lines[1..]).as_deref(), Some("192.0.2.2"));
        assert_eq!(from("10.0.0.1", &[]).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn two_headers_that_disagree_tell_nothing() {
        let agreeing = [(&X_FORWARDED_FOR, "192.0.2.1"), (&FORWARDED, "for=192.0.2.1")];
        assert_eq!(from("10.0.0.1", &agreeing).as_deref(), Some("192.0.2.1"));
        let smuggled = [(&X_FORWARDED_FOR, "192.0.2.1"), (&FORWARDED, "for=198.51.100.9")];
        assert_eq!(from("10.0.0.1", &smuggled), None);
    }
}
