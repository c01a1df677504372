//! What a receiver of security events sends: a poll (RFC 8936 §2.4), and the refusal of a pushed event (RFC 8935 §2.4).

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use signet::protocol::set_poll::{PollRequest, SetError};

fuzz_target!(|json: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<PollRequest>(json) {
        if let Ok(Value::Object(plain)) = serde_json::from_slice(json) {
            assert!(plain.keys().all(|name| ["maxEvents", "returnImmediately", "ack", "setErrs"].contains(&&**name)));
            let acknowledged = plain.get("ack").and_then(Value::as_array).map_or(0, Vec::len);
            assert_eq!(request.ack.len(), acknowledged);
        }
        let written = serde_json::to_string(&request).expect("a request can be written");
        assert_eq!(serde_json::from_str::<PollRequest>(&written).ok(), Some(request));
    }
    if let Ok(refusal) = serde_json::from_slice::<SetError>(json) {
        let written = serde_json::to_string(&refusal).expect("a refusal can be written");
        assert_eq!(serde_json::from_str::<SetError>(&written).ok(), Some(refusal));
    }
});
