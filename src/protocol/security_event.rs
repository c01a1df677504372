//! Security event tokens (RFC 8417): which kinds there are, which entry of the audit trail each comes from, whom it is about
//! (RFC 9493), and the claims that tell it. Nothing in one is secret. How they travel is in `set_poll` and `webhooks/`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::names;

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type";

names! {
    /// How tokens reach a receiver.
    Delivery {
        Push = "push",
        Poll = "poll",
    }
}

names! {
    /// What is told.
    Kind {
        RefreshTokenReuse = "refresh-token-reuse",
        SessionRevoked = "session-revoked",
        TokensRevoked = "tokens-revoked",
        CredentialChange = "credential-change",
        AccountDisabled = "account-disabled",
        AccountPurged = "account-purged",
        ClientDisabled = "client-disabled",
        ClientDeleted = "client-deleted",
        KeyStaged = "key-staged",
        KeyActivated = "key-activated",
        KeyRevoked = "key-revoked",
        Verification = "verification",
    }
}

impl Kind {
    /// The event's name in a token: OpenID's where one says exactly this (CAEP 1.0, RISC 1.0, SSF 1.0), otherwise one of
    /// the issuer's own.
    pub fn uri(self, issuer: &str) -> String {
        let profile = match self {
            Self::SessionRevoked | Self::CredentialChange => CAEP,
            Self::AccountDisabled | Self::AccountPurged => RISC,
            Self::Verification => SSF,
            _ => return format!("{issuer}/events/{self}"),
        };
        format!("{profile}/{self}")
    }
}

/// Whom an event is about.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// By the `sub` of the user's tokens.
    User(String),
    /// By the `grant_id` of its tokens.
    Grant(String),
    /// By its `client_id`.
    Client(String),
    /// By its `kid`.
    Key(String),
    /// All that the issuer has issued.
    Issuer,
    /// The stream of events itself, by the webhook's name.
    Stream(String),
}

impl Subject {
    fn identifier(&self, issuer: &str) -> Value {
        match self {
            Self::User(sub) => json!({ "format": "iss_sub", "iss": issuer, "sub": sub }),
            Self::Issuer => json!({ "format": "uri", "uri": issuer }),
            Self::Grant(id) | Self::Client(id) | Self::Key(id) | Self::Stream(id) => {
                json!({ "format": "opaque", "id": id })
            }
        }
    }
}

/// What happened, as the outbox keeps it: the issuer's name is put in when it is told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SecurityEvent {
    pub subject: Subject,
    /// The request that it happened in, where that is known.
    pub txn: Option<String>,
    /// The members of the event itself.
    pub members: Map<String, Value>,
}

/// What the audit trail says.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    pub action: &'a str,
    pub target: &'a str,
    pub details: &'a Value,
    pub request_id: Option<&'a str>,
}

impl Recorded<'_> {
    /// The events that this entry is told as; most are told nobody.
    pub fn security_events(self) -> Vec<(Kind, SecurityEvent)> {
        let (kind_of_target, name) = self.target.split_once(':').unwrap_or((self.target, ""));
        let user = || self.text("sub").map(Subject::User);
        let named = |kind: &str, subject: fn(String) -> Subject| {
            (kind_of_target == kind && !name.is_empty()).then(|| subject(name.to_owned()))
        };
        let by_admin = json!("admin");
        match self.action {
            "refresh_token.replayed" => {
                self.one(Kind::RefreshTokenReuse, named("grant", Subject::Grant), &["sub", "client_id"])
            }
            "grant.revoke" | "token.revoke" if kind_of_target == "grant" => {
                let ended = self.details["grants_revoked"] != json!(0);
                let grant = named("grant", Subject::Grant).filter(|_| ended);
                let mut events = self.one(Kind::SessionRevoked, grant, &["sub", "client_id"]);
                if self.text("initiating_entity").is_none() {
                    with(&mut events, "initiating_entity", &by_admin);
                }
                events
            }
            "grant.revoke" | "token.revoke" => {
                let subject = match kind_of_target {
                    "user" => user(),
                    "client" => named("client", Subject::Client),
                    "tokens" => Some(Subject::Issuer),
                    _ => None,
                };
                self.one(Kind::TokensRevoked, subject, &["client_id", "from", "until"])
            }
            "grant.evict" => {
                let evicted = self.details["evicted"].as_array().map(Vec::as_slice).unwrap_or_default();
                let grants = evicted.iter().filter_map(|id| Some(Subject::Grant(id.as_str()?.to_owned())));
                let mut events: Vec<_> = grants
                    .flat_map(|grant| self.one(Kind::SessionRevoked, Some(grant), &["sub", "client_id"]))
                    .collect();
                with(&mut events, "initiating_entity", &json!("policy"));
                events
            }
            "user.set_password" | "user.change_password" => {
                let mut events = self.one(Kind::CredentialChange, user(), &[]);
                with(&mut events, "credential_type", &json!("password"));
                with(&mut events, "change_type", &json!("update"));
                let by_user = self.action == "user.change_password";
                with(&mut events, "initiating_entity", &if by_user { json!("user") } else { by_admin });
                events
            }
            "user.disable" => self.one(Kind::AccountDisabled, user(), &[]),
            "user.delete" => self.one(Kind::AccountPurged, user(), &[]),
            "client.disable" => self.one(Kind::ClientDisabled, named("client", Subject::Client), &[]),
            "client.delete" => self.one(Kind::ClientDeleted, named("client", Subject::Client), &[]),
            "signing_key.create" | "signing_key.import" => {
                self.one(Kind::KeyStaged, named("signing_key", Subject::Key), &["alg", "active_at"])
            }
            "key.activate" => self.one(Kind::KeyActivated, named("signing_key", Subject::Key), &["alg", "active_at"]),
            "signing_key.revoke" => {
                self.one(Kind::KeyRevoked, named("signing_key", Subject::Key), &["alg", "successor"])
            }
            _ => Vec::new(),
        }
    }

    fn text(&self, detail: &str) -> Option<String> {
        self.details[detail].as_str().map(str::to_owned)
    }

    /// An event about `subject`, with those of the details that are named: what else the trail knows stays there.
    fn one(&self, kind: Kind, subject: Option<Subject>, told: &[&str]) -> Vec<(Kind, SecurityEvent)> {
        let members = told.iter().chain(&["initiating_entity"]).filter_map(|name| {
            let value = self.details.get(*name).filter(|value| !value.is_null())?;
            Some(((*name).to_owned(), value.clone()))
        });
        let txn = self.request_id.map(str::to_owned);
        let event = subject.map(|subject| (kind, SecurityEvent { subject, txn, members: members.collect() }));
        event.into_iter().collect()
    }
}

fn with(events: &mut [(Kind, SecurityEvent)], name: &str, value: &Value) {
    for (_, event) in events {
        event.members.insert(name.to_owned(), value.clone());
    }
}

/// The claims of a security event token (RFC 8417 §2.2). Times are seconds since 1970.
#[derive(Debug, Serialize)]
pub struct SetClaims<'a> {
    pub iss: &'a str,
    pub iat: i64,
    pub jti: String,
    pub aud: &'a str,
    /// When it happened; `iat` is when this token was made.
    pub toe: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn: Option<&'a str>,
    pub sub_id: Value,
    pub events: Map<String, Value>,
}

impl SecurityEvent {
    /// An event of SSF 1.0 §8.1.4, by which a receiver sees that events reach it.
    pub fn verification(webhook: &str) -> Self {
        Self { subject: Subject::Stream(webhook.to_owned()), txn: None, members: Map::new() }
    }

    /// `times` are when the token is made and when it happened.
    pub fn claims<'a>(
        &'a self,
        kind: Kind,
        (iss, aud): (&'a str, &'a str),
        jti: String,
        (iat, toe): (i64, i64),
    ) -> SetClaims<'a> {
        let event = Value::Object(self.members.clone());
        let events = std::iter::once((kind.uri(iss), event)).collect();
        SetClaims { iss, iat, jti, aud, toe, txn: self.txn.as_deref(), sub_id: self.subject.identifier(iss), events }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(action: &str, target: &str, details: &Value) -> Vec<(Kind, SecurityEvent)> {
        Recorded { action, target, details, request_id: Some("r-1") }.security_events()
    }

    #[test]
    fn what_is_told_names_its_subject_and_nothing_that_is_not_listed() {
        let details = json!({ "sub": "u1", "grants_revoked": 2, "password": "no" });
        let events = told("user.disable", "user:alice", &details);
        let [(Kind::AccountDisabled, event)] = events.as_slice() else { panic!("{events:?}") };
        let claims = event.claims(Kind::AccountDisabled, ("https://a.example", "erp"), "j".to_owned(), (2, 1));
        let expected = json!({
            "iss": "https://a.example", "iat": 2, "jti": "j", "aud": "erp", "toe": 1, "txn": "r-1",
            "sub_id": { "format": "iss_sub", "iss": "https://a.example", "sub": "u1" },
            "events": { "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {} },
        });
        assert_eq!(serde_json::to_value(claims).unwrap(), expected);
    }

    #[test]
    fn most_of_the_audit_trail_is_told_nobody() {
        for action in ["login.success", "client.create", "signing_key.activate", "signing_key.export", "user.enable"] {
            assert!(told(action, "user:alice", &json!({ "sub": "u1" })).is_empty(), "{action}");
        }
        // Nothing ended.
        assert!(told("token.revoke", "grant:g1", &json!({ "grants_revoked": 0 })).is_empty());
        // Without a name there is nobody to tell of.
        assert!(told("user.disable", "user:alice", &json!({})).is_empty());
    }

    #[test]
    fn each_evicted_grant_is_an_event_of_its_own() {
        let events = told("grant.evict", "user:alice", &json!({ "evicted": ["g1", "g2"], "sub": "u1" }));
        let subjects: Vec<_> = events.iter().map(|(_, event)| event.subject.clone()).collect();
        assert_eq!(subjects, [Subject::Grant("g1".to_owned()), Subject::Grant("g2".to_owned())]);
        assert_eq!(events[0].1.members["initiating_entity"], "policy");
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let uris: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.uri("https://a.example")).collect();
        assert_eq!(uris.len(), Kind::ALL.len());
        assert!(uris.contains("https://a.example/events/key-revoked"));
    }
}
