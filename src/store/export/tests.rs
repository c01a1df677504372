//! That every column of every table is in a line, and comes back as it was.

use serde_json::{Value, json};

use super::super::schema;
use super::super::tables::Table;
use super::*;

const TIME: &str = "2026-01-05T12:00:00.250001Z";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A line with every column set: what the table test below fills in, by the column's name.
fn full(column: &str) -> Value {
    match column {
        "id" | "user_id" | "webhook_id" => json!(ID),
        "algorithm" | "signing_algorithm" | "former_signing_algorithm" => json!("ES256"),
        "public_jwk" => json!({
            "kty": "EC", "use": "sig", "alg": "ES256", "kid": "a", "crv": "P-256",
            "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        }),
        "token_endpoint_auth_method" => json!("client_secret_basic"),
        "allowed_networks" => json!(["10.0.0.0/8"]),
        "login_throttling" | "audit_tokens" => json!(true),
        "grant_types" => json!(["refresh_token"]),
        "audiences" => json!(["https://api.example"]),
        "scope" => json!("read write"),
        "details" | "payload" => json!({ "before": 1 }),
        "delivery" => json!("push"),
        "challenges" => json!([{ "domain": "a.example", "token": "t", "key_authorization": "t.k" }]),
        "not_before" | "not_after" => json!(TIME),
        "sealed_authorization"
        | "sealed_credentials"
        | "key"
        | "secret_hash"
        | "previous_secret_hash"
        | "ciphertext"
        | "sealed_private_key"
        | "previous_hash"
        | "hash" => json!("AP8="),
        name if name == "at" || ["_at", "_since", "_until"].iter().any(|end| name.ends_with(end)) => json!(TIME),
        name if is_number(name) => json!(7),
        name => json!(format!("{name} \"\u{1f600}\n")),
    }
}

fn is_number(name: &str) -> bool {
    let ends = [
        "_lifetime",
        "_window",
        "_interval",
        "_period",
        "_retention",
        "_age",
        "_index",
        "_list_id",
        "_limit",
        "_name",
        "_address",
        "_pair",
        "_block",
        "version",
    ];
    ends.iter().any(|end| name.ends_with(end))
        || ["size", "allocated", "generation", "revision", "attempts", "failures", "seal", "number", "events"]
            .contains(&name)
}

#[test]
fn a_line_has_each_column_of_its_table_and_comes_back_as_it_was() {
    for table in Table::ALL {
        let (_, columns) = schema::TABLES.iter().find(|(name, _)| *name == table.name()).unwrap();
        let value = |column: &str| match (table, column) {
            (Table::Settings | Table::StatusLists, "id") => json!(7),
            (Table::Webhooks, "events") => json!(["key-staged"]),
            (Table::ClientSecrets | Table::Grants | Table::StatusLeases, "client_id") => json!(ID),
            _ => full(column),
        };
        let line: Value = columns.iter().map(|column| ((*column).to_owned(), value(column))).collect();
        let mut rows = Rows::none(*table);
        rows.read(line.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}: {error}: {line}", table.name()));
        let mut written = Vec::new();
        rows.write(&mut written).unwrap();
        assert_eq!(written.pop(), Some(b'\n'));
        assert!(!written.contains(&b'\n'), "a row is one line");
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), line, "{}", table.name());
    }
}

#[test]
fn a_line_with_a_column_missing_or_unknown_is_refused() {
    for change in [json!({ "size": null }), json!({ "colour": "red" }), json!({ "id": "seven" })] {
        let mut line = json!({ "id": 7, "size": 1024, "allocated": 64, "created_at": TIME });
        for (name, value) in change.as_object().unwrap() {
            line[name] = value.clone();
        }
        assert!(Rows::none(Table::StatusLists).read(line.to_string().as_bytes()).is_err(), "{line}");
    }
    let line = json!({ "id": 7, "size": 1024, "allocated": 64, "created_at": TIME }).to_string();
    Rows::none(Table::StatusLists).read(line.as_bytes()).unwrap();
    assert!(Rows::none(Table::StatusLists).read(format!("{line} {line}").as_bytes()).is_err(), "two rows on a line");
}
