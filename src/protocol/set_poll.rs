//! What a receiver that polls asks and is answered (RFC 8936 §2), with the members as they are spelled there; and the body
//! by which a receiver that is pushed to refuses a token (RFC 8935 §2.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A poll. Every member may be left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PollRequest {
    /// How many tokens are wanted at most; zero only acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u32>,
    /// Whether to be answered at once where nothing is there. Otherwise the answer waits.
    pub return_immediately: bool,
    /// The `jti` of tokens that have been taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ack: Vec<String>,
    /// The `jti` of tokens that are refused, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set_errs: BTreeMap<String, SetError>,
}

/// Why a token is refused: a code of the registry of RFC 8935 §7.1, and words.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct SetError {
    pub err: String,
    #[serde(default)]
    pub description: String,
}

/// The answer: tokens by their `jti`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PollResponse {
    pub sets: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_available: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_spelled_as_in_the_rfc() {
        let asked = json!({
            "maxEvents": 3, "returnImmediately": true, "ack": ["a"],
            "setErrs": { "b": { "err": "authentication_failed", "description": "who?" } },
        });
        let request: PollRequest = serde_json::from_value(asked.clone()).unwrap();
        assert_eq!(request.max_events, Some(3));
        assert_eq!(serde_json::to_value(&request).unwrap(), asked);
        assert_eq!(serde_json::from_value::<PollRequest>(json!({})).unwrap(), PollRequest::default());
        assert!(serde_json::from_value::<PollRequest>(json!({ "max_events": 3 })).is_err());
        let sets = [("a".to_owned(), "e30.e30.".to_owned())].into();
        let answer = serde_json::to_value(PollResponse { sets, more_available: true }).unwrap();
        assert_eq!(answer, json!({ "sets": { "a": "e30.e30." }, "moreAvailable": true }));
        assert_eq!(serde_json::to_value(PollResponse::default()).unwrap(), json!({ "sets": {} }));
    }
}
