//! The one form in which an event is hashed, whichever database it is read from: JSON without spaces, every column but `seal`
//! as a member, the members of each object in the order of their bytes, absent values as `null`, times in UTC with six digits
//! of fractions. Numbers are integers where they are whole and have no more than 53 bits, as in RFC 8785.

use chrono::{DateTime, Utc};
use serde_json::{Number, Value, json};

use crate::store::audit_events::AuditEvent;

/// Integers up to here are the same in every JSON implementation (RFC 8259 §6).
const EXACT: f64 = 9_007_199_254_740_992.0;

pub fn bytes(event: &AuditEvent) -> Vec<u8> {
    let members = json!({
        "id": event.id,
        "at": time(event.at),
        "actor": event.actor,
        "action": event.action,
        "target": event.target,
        "details": event.details.0,
        "address": event.address,
        "request_id": event.request_id,
        "outcome": event.outcome,
    });
    let mut bytes = Vec::with_capacity(512);
    write(&members, &mut bytes);
    bytes
}

/// RFC 3339 in UTC, to the microsecond: what both databases keep.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_bytes());
            out.push(b'{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(&Value::String(name.clone()), out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
        Value::Array(values) => {
            out.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(value, out);
            }
            out.push(b']');
        }
        Value::Number(number) => out.extend_from_slice(spelled(number).as_bytes()),
        // serde_json escapes what RFC 8785 §3.2.2.2 escapes, and nothing else.
        Value::String(_) | Value::Bool(_) | Value::Null => out.extend_from_slice(value.to_string().as_bytes()),
    }
}

/// jsonb keeps the decimal value and not the spelling: `1e3` comes back as `1000`, `-0.0` as `0.0`.
fn spelled(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() <= EXACT => format!("{value:.0}").replace("-0", "0"),
        Some(value) => format!("{value:e}"),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Json;

    fn event(details: Value) -> AuditEvent {
        AuditEvent {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            at: "2026-01-05T12:00:00.25Z".parse().unwrap(),
            actor: "client:erp".to_owned(),
            action: "login.failure".to_owned(),
            target: "user:zoë \"x\"\n".to_owned(),
            details: Json(details),
            address: Some("2001:db8::1".to_owned()),
            request_id: None,
            outcome: "failure".to_owned(),
            seal: Some(7),
        }
    }

    #[test]
    fn an_event_has_this_form_and_no_other() {
        let event = event(json!({ "b": [1, true, null, { "z": 0, "a": "ä" }], "B": -5, "a": {} }));
        let expected = r#"{"action":"login.failure","actor":"client:erp","address":"2001:db8::1","at":"2026-01-05T12:00:00.250000Z","details":{"B":-5,"a":{},"b":[1,true,null,{"a":"ä","z":0}]},"id":"01890a5d-ac96-774b-bcce-b302099a8057","outcome":"failure","request_id":null,"target":"user:zoë \"x\"\n"}"#;
        assert_eq!(String::from_utf8(bytes(&event)).unwrap(), expected);
        let sealed_elsewhere = AuditEvent { seal: None, ..event.clone() };
        assert_eq!(bytes(&sealed_elsewhere), bytes(&event), "the seal is not a part of it");
    }

    #[test]
    fn a_number_has_one_form_however_a_database_spells_it() {
        for (spellings, form) in [
            (&["1000", "1e3", "1000.0"][..], "1000"),
            (&["0", "-0.0", "0.0"], "0"),
            (&["-10", "-1e1"], "-10"),
            (&["2.5", "2.50", "25e-1"], "2.5e0"),
            (&["1e100"], "1e100"),
            (&["12345678901234567000", "1.2345678901234567e19"], "1.2345678901234567e19"),
        ] {
            for spelling in spellings {
                let number: Number = serde_json::from_str(spelling).unwrap();
                assert_eq!(super::spelled(&number), form, "{spelling}");
            }
        }
    }
}
