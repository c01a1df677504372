//! Where events may be pushed to. Checked when it is set, and again before each push.

use url::{Host, Url};

/// Why an address is not pushed to; each reads as "*the address* …".
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointError {
    #[error("is not an absolute https URL")]
    NotUrl,
    #[error("uses http for a host that is not loopback")]
    HttpNotLoopback,
    #[error("holds a user name or password: give an authorization instead")]
    Userinfo,
    #[error("has a fragment")]
    Fragment,
    #[error("is longer than 2048 characters")]
    Long,
}

/// `https`, or `http` where nothing leaves the machine.
///
/// # Errors
/// What is wrong with it.
pub fn check_endpoint(text: &str) -> Result<Url, EndpointError> {
    if text.len() > 2048 {
        return Err(EndpointError::Long);
    }
    // The URL standard forgives these; the text is compared as `aud`, character by character.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') || !text.contains("://") {
        return Err(EndpointError::NotUrl);
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NotUrl)?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(EndpointError::NotUrl),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return Err(EndpointError::HttpNotLoopback),
        _ => return Err(EndpointError::NotUrl),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Userinfo);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_the_machine_by_https_alone() {
        for fine in ["https://siem.example/sets?tenant=1", "http://127.0.0.1:9/x", "http://[::1]/", "http://localhost/"]
        {
            assert!(check_endpoint(fine).is_ok(), "{fine}");
        }
        for (bad, error) in [
            ("http://siem.example/", EndpointError::HttpNotLoopback),
            ("http://10.0.0.1/", EndpointError::HttpNotLoopback),
            ("ftp://siem.example/", EndpointError::NotUrl),
            ("siem.example", EndpointError::NotUrl),
            ("https://siem.example /", EndpointError::NotUrl),
            ("https://u:p@siem.example/", EndpointError::Userinfo),
            ("https://siem.example/#a", EndpointError::Fragment),
        ] {
            assert_eq!(check_endpoint(bad), Err(error), "{bad}");
        }
    }
}
