//! The issuer's metadata: where its key set is (RFC 8414 §3).

use reqwest::Url;

use super::http::{Fetched, Get, require_security};
use super::{Context, FetchError};
use crate::json::{Text, object};

object! {
    Metadata<'a> {
        issuer: Text<'a> = "issuer",
        jwks_uri: Text<'a> = "jwks_uri",
    }
}

/// RFC 8414 §3.1: the well-known part stands between the host and the path of the issuer.
fn metadata_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

pub(super) async fn jwks_uri(context: &Context, limit: usize) -> Result<Url, FetchError> {
    let url = metadata_url(&context.issuer);
    let get = Get { url: &url, accept: "application/json", etag: None, past_caches: false, limit };
    let Fetched::Document { body, .. } = context.http.get(&get).await? else {
        return Err(FetchError::Unusable("no metadata".into()));
    };
    let unusable = |why: &str| FetchError::Unusable(format!("the metadata {why}"));
    let metadata: Metadata<'_> = serde_json::from_slice(&body).map_err(|error| unusable(&error.to_string()))?;
    // RFC 8414 §3.3.
    if metadata.issuer.is_none_or(|issuer| issuer.as_str() != context.policy.issuer()) {
        return Err(unusable("is another issuer's"));
    }
    let uri = metadata.jwks_uri.ok_or_else(|| unusable("has no jwks_uri"))?;
    let uri: Url = uri.as_str().parse().map_err(|_| unusable("has a jwks_uri that is no address"))?;
    require_security(&uri)?;
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_an_issuer_with_a_path_is_where_rfc_8414_has_it() {
        for (issuer, expected) in [
            ("https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/", "https://a.example/.well-known/oauth-authorization-server"),
            ("https://a.example/x/y", "https://a.example/.well-known/oauth-authorization-server/x/y"),
        ] {
            assert_eq!(metadata_url(&issuer.parse().unwrap()).as_str(), expected);
        }
    }
}
