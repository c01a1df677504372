//! The documents of the administration API: the OpenAPI document is the one that is committed, and is served; the reference
//! page needs nothing from elsewhere.

use serde_json::Value;
use signet::http::administration;

use crate::on_both;
use crate::support::administration::Administration;

/// `signet admin openapi > docs/openapi.json` writes it.
const COMMITTED: &str = include_str!("../../docs/openapi.json");

#[test]
fn the_committed_document_is_that_of_the_program() {
    let committed: Value = serde_json::from_str(COMMITTED).unwrap();
    let differs = "docs/openapi.json is not what the program says: write it anew with `signet admin openapi`";
    assert!(committed == administration::openapi(), "{differs}");
}

#[test]
fn every_reference_within_the_document_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("a reference within the document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|value| check(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| check(value, document)),
            _ => {}
        }
    }
    let document = administration::openapi();
    check(&document, &document);
}

#[test]
fn the_reference_page_names_every_operation_and_needs_nothing_from_elsewhere() {
    let (page, document) = (administration::reference(), administration::openapi());
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    for outside in ["<script", "src=", "http://", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

on_both! {
    async fn both_are_served_to_administrators(app) {
        let administration = Administration::of(&app).await;
        let reader = administration.with_token(&app.administrator("admin:read").await);
        assert_eq!(reader.get("/admin/v1/openapi.json").await.done(), administration::openapi());
        let page = reader.get("/admin/v1/reference").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
}
