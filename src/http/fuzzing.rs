//! For the fuzz targets (`fuzz/`) alone: whom a proxy's headers name.

use std::net::IpAddr;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderValue, X_FORWARDED_FOR};

use super::client_address;
use crate::protocol::network::Network;

/// As the address of a request from `peer` with these headers: `true` is `Forwarded`, `false` `X-Forwarded-For`. What is
/// no value of a header is not there.
pub fn behind(peer: IpAddr, trusted: &[Network], lines: &[(bool, &[u8])]) -> Option<IpAddr> {
    let mut headers = HeaderMap::new();
    for (is_forwarded, value) in lines {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(if *is_forwarded { FORWARDED } else { X_FORWARDED_FOR }, value);
        }
    }
    client_address::behind(peer, trusted, &headers)
}
