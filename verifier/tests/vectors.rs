//! The vectors for verifiers in other languages, which this one is held to as well.

use std::time::Duration;

use serde_json::Value;
use signet_verifier::{Error, JwsError, KeySet, Policy, StatusList, StatusLists, UnixTime};

fn reason(error: &Error) -> &'static str {
    match error {
        Error::Jws(error) => match error {
            JwsError::TooLong { .. }
            | JwsError::Parts(_)
            | JwsError::Base64(_)
            | JwsError::Empty(_)
            | JwsError::Header => "form",
            JwsError::Type(_) | JwsError::Missing("typ") => "type",
            JwsError::Forbidden(_) | JwsError::Missing(_) => "header",
            JwsError::UnsupportedAlgorithm | JwsError::AlgorithmNotAllowed(_) | JwsError::AlgorithmMismatch { .. } => {
                "algorithm"
            }
            JwsError::UnknownKey => "unknown-key",
            JwsError::Signature => "signature",
            JwsError::Claims(_) | JwsError::ClaimMissing(_) => "claims",
            JwsError::Issuer => "issuer",
            JwsError::Expired(_) => "expired",
            JwsError::NotYetValid(_) => "not-yet-valid",
            JwsError::IssuedInFuture(_) => "issued-in-future",
            other => panic!("{other}"),
        },
        Error::Audience => "audience",
        Error::NoStatus => "no-status",
        Error::StatusUnavailable(_) => "status-list",
        Error::StatusIndex { .. } => "status-index",
        Error::Revoked => "revoked",
        Error::Suspended => "suspended",
        Error::UnknownStatus(_) => "status",
        other => panic!("{other}"),
    }
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/access_tokens.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let now = UnixTime::from_secs(vectors["now"].as_i64().unwrap());
    let policy = Policy::new(&text(&vectors["issuer"]), &text(&vectors["audience"]));
    let keys = KeySet::from_json(vectors["jwks"].to_string().as_bytes()).unwrap();
    let lists = vectors["status_lists"].as_object().unwrap();
    // A list that is not believed is not there.
    let lists: StatusLists = lists
        .iter()
        .filter_map(|(uri, token)| StatusList::verify(&text(token), uri, &keys, &policy, now).ok())
        .collect();
    assert_eq!(lists.len(), 4);
    let (mut accepted, mut refused) = (0, 0);
    for case in vectors["cases"].as_array().unwrap() {
        let leeway = Duration::from_secs(case["leeway"].as_u64().unwrap_or(0));
        let outcome = policy.clone().leeway(leeway).verify(&text(&case["token"]), &keys, &lists, now);
        let (verdict, why) = match &outcome {
            Ok(_) => ("accept", "good"),
            Err(error) => ("refuse", reason(error)),
        };
        assert_eq!(
            (verdict, why),
            (&*text(&case["verdict"]), &*text(&case["reason"])),
            "{}: {outcome:?}",
            case["name"]
        );
        if outcome.is_ok() { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 15 && refused > 100, "{accepted} accepted, {refused} refused");
}
