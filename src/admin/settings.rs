//! The settings that an administrator changes at run time. Values that would make tokens fail together are refused, with
//! the numbers.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit::differences;
use super::lifetime::{self, LEEWAY, spelled};
use super::{Admin, Done, Error, every, grants};
use crate::audit::SHORTEST_RETENTION as SHORTEST_AUDIT_RETENTION;
use crate::store::revisions::{self, Topic};
use crate::store::settings::{self, Settings};
use crate::store::{Connection, clients, resource_servers};

/// How much longer than `jwks_max_age` a key is published before it signs: clocks differ, and instances learn of a new
/// key a little later.
const PUBLICATION_MARGIN: i64 = 60;

/// The longest time for which a used refresh token is taken for a retry: afterwards a thief's use must be noticed.
const LONGEST_RETRY_WINDOW: i64 = 5 * 60;

/// Of the login brake, in seconds: what lasts longer is for an administrator to decide, by disabling.
const LONGEST_BLOCK: i64 = 86_400;

/// What is absent stays as it is. Seconds, but for the limits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_idle_lifetime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_absolute_lifetime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_window: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rotation_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_publication_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_retention: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_max_age: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_throttling: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_limit_per_name: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_limit_per_address: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_limit_per_pair: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_limit_per_known_pair: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_window: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_longest_block: Option<i64>,
    pub audit_retention: Option<i64>,
    pub audit_tokens: Option<bool>,
}

impl Admin {
    pub async fn settings(&self) -> Result<Settings, Error> {
        Ok(settings::load(&mut self.store.reading().await?).await?)
    }

    pub async fn change_settings(&self, change: SettingsChange) -> Result<Done<Settings>, Error> {
        let changed = async |connection: &mut Connection| {
            let before = settings::load(connection).await?;
            self.check_version(&before)?;
            let after = remember(&before, apply(before, change)?, self.clock.now());
            let longest = longest_access_token_lifetime(connection, &after).await?;
            let contradictions = contradictions(&after, &longest);
            if !contradictions.is_empty() {
                return Err(Error::Refused(contradictions.join("; ")));
            }
            settings::store(connection, &after).await?;
            // A ring of keys is built with the retention.
            revisions::bump(connection, Topic::Keys).await?;
            if let Some(differences) = differences(&before, &after) {
                self.audit(connection, "settings.change", "settings", json!(differences)).await?;
            }
            Ok(Done { notes: caveats(&before, &after), ..Done::plain(after) })
        };
        self.configure(changed).await
    }
}

/// The longest lifetime that is set for an access token anywhere, and where.
#[derive(Clone, Debug)]
pub(super) struct Longest {
    pub seconds: i64,
    place: String,
}

pub(super) async fn longest_access_token_lifetime(
    connection: &mut Connection,
    settings: &Settings,
) -> Result<Longest, Error> {
    let mut longest = Longest { seconds: settings.access_token_lifetime, place: "the default".to_owned() };
    let mut consider = |own: Option<i64>, place: String| {
        if let Some(seconds) = own.filter(|seconds| *seconds > longest.seconds) {
            longest = Longest { seconds, place };
        }
    };
    let page = async |after: &String, limit| Ok(clients::list(connection, after, limit).await?);
    for client in every(String::new(), page, |client| client.client_id.clone()).await? {
        consider(client.access_token_lifetime, format!("client {}", client.client_id));
    }
    let page = async |after: &String, limit| Ok(resource_servers::list(connection, after, limit).await?);
    for server in every(String::new(), page, |server| server.audience.clone()).await? {
        consider(server.access_token_lifetime, format!("resource server {}", server.audience));
    }
    Ok(longest)
}

fn apply(mut settings: Settings, change: SettingsChange) -> Result<Settings, Error> {
    if let Some(seconds) = change.retry_window {
        // Zero is allowed: no retry is forgiven then.
        if seconds < 0 {
            return Err(Error::invalid("retry_window", "must not be negative"));
        }
        settings.retry_window = seconds;
    }
    for (field, value, new) in [
        ("access_token_lifetime", &mut settings.access_token_lifetime, change.access_token_lifetime),
        ("refresh_idle_lifetime", &mut settings.refresh_idle_lifetime, change.refresh_idle_lifetime),
        ("refresh_absolute_lifetime", &mut settings.refresh_absolute_lifetime, change.refresh_absolute_lifetime),
        ("key_rotation_interval", &mut settings.key_rotation_interval, change.key_rotation_interval),
        ("key_publication_period", &mut settings.key_publication_period, change.key_publication_period),
        ("key_retention", &mut settings.key_retention, change.key_retention),
        ("jwks_max_age", &mut settings.jwks_max_age, change.jwks_max_age),
    ] {
        if let Some(seconds) = new {
            lifetime::check(field, seconds)?;
            *value = seconds;
        }
    }
    if let Some(limit) = change.grant_limit {
        grants::check_limit(limit)?;
        settings.grant_limit = limit;
    }
    if let Some(seconds) = change.audit_retention {
        if seconds < SHORTEST_AUDIT_RETENTION {
            return Err(Error::invalid(
                "audit_retention",
                format!("must be at least {}", spelled(SHORTEST_AUDIT_RETENTION)),
            ));
        }
        lifetime::check("audit_retention", seconds)?;
        settings.audit_retention = seconds;
    }
    settings.audit_tokens = change.audit_tokens.unwrap_or(settings.audit_tokens);
    apply_to_logins(&mut settings, change)?;
    Ok(settings)
}

fn apply_to_logins(settings: &mut Settings, change: SettingsChange) -> Result<(), Error> {
    settings.login_throttling = change.login_throttling.unwrap_or(settings.login_throttling);
    // The limits of one name end where SP 800-63B-4 §3.2.2 has its own.
    for (field, value, new, most) in [
        ("login_limit_per_name", &mut settings.login_limit_per_name, change.login_limit_per_name, 100),
        ("login_limit_per_address", &mut settings.login_limit_per_address, change.login_limit_per_address, 100_000),
        ("login_limit_per_pair", &mut settings.login_limit_per_pair, change.login_limit_per_pair, 100),
        (
            "login_limit_per_known_pair",
            &mut settings.login_limit_per_known_pair,
            change.login_limit_per_known_pair,
            100,
        ),
        ("login_window", &mut settings.login_window, change.login_window, LONGEST_BLOCK),
        ("login_longest_block", &mut settings.login_longest_block, change.login_longest_block, LONGEST_BLOCK),
    ] {
        if let Some(new) = new {
            if !(1..=most).contains(&new) {
                return Err(Error::invalid(field, format!("must be from 1 to {most}")));
            }
            *value = new;
        }
    }
    Ok(())
}

/// What cannot hold together. Each text names the numbers and what to do.
fn contradictions(settings: &Settings, longest: &Longest) -> Vec<String> {
    let mut found = Vec::new();
    let published = settings.jwks_max_age + PUBLICATION_MARGIN;
    if settings.key_publication_period < published {
        found.push(format!(
            "key_publication_period ({}) is shorter than jwks_max_age ({}) and a margin of {}, so that a key would sign \
             before verifiers know it: set it to {} or more",
            spelled(settings.key_publication_period),
            spelled(settings.jwks_max_age),
            spelled(PUBLICATION_MARGIN),
            spelled(published)
        ));
    }
    let retained = longest.seconds + LEEWAY;
    if settings.key_retention < retained {
        found.push(format!(
            "key_retention ({}) is shorter than the longest access token lifetime ({}, of {}) and a leeway of {}, so \
             that a key would leave the key set before its last token expires: set it to {} or more",
            spelled(settings.key_retention),
            spelled(longest.seconds),
            longest.place,
            spelled(LEEWAY),
            spelled(retained)
        ));
    }
    let rotated = 2 * settings.key_publication_period;
    if settings.key_rotation_interval < rotated {
        found.push(format!(
            "key_rotation_interval ({}) is shorter than twice key_publication_period ({}): set it to {} or more",
            spelled(settings.key_rotation_interval),
            spelled(settings.key_publication_period),
            spelled(rotated)
        ));
    }
    if settings.refresh_idle_lifetime > settings.refresh_absolute_lifetime {
        found.push(format!(
            "refresh_idle_lifetime ({}) is longer than refresh_absolute_lifetime ({}): set it to {} or less",
            spelled(settings.refresh_idle_lifetime),
            spelled(settings.refresh_absolute_lifetime),
            spelled(settings.refresh_absolute_lifetime)
        ));
    }
    if settings.retry_window > LONGEST_RETRY_WINDOW {
        found.push(format!(
            "retry_window ({}) is longer than {}, in which a stolen refresh token would not be noticed: set it to {} or \
             less",
            spelled(settings.retry_window),
            spelled(LONGEST_RETRY_WINDOW),
            spelled(LONGEST_RETRY_WINDOW)
        ));
    }
    found
}

/// Tokens and key sets that are out were promised the former settings: what they need holds on until they have expired.
fn remember(before: &Settings, mut after: Settings, now: DateTime<Utc>) -> Settings {
    let held = before.retention_at(now).num_seconds();
    if after.key_retention < held {
        // No token that is out lives longer than the retention under which it was issued.
        let until = now + Duration::seconds(before.key_retention);
        after.former_key_retention = Some(held);
        after.former_key_retention_until = before.former_key_retention_until.max(Some(until));
    } else {
        (after.former_key_retention, after.former_key_retention_until) = (None, None);
    }
    if after.jwks_max_age < before.jwks_max_age {
        let until = now + Duration::seconds(before.jwks_max_age + PUBLICATION_MARGIN);
        after.former_key_sets_until = before.former_key_sets_until.max(Some(until));
    }
    after
}

/// What of the former settings still holds after the change.
fn caveats(before: &Settings, after: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    let time = |at: DateTime<Utc>| at.format("%FT%TZ");
    if let (Some(former), Some(until)) = (after.former_key_retention, after.former_key_retention_until) {
        found.push(format!(
            "until {} keys and revocations are kept for {}, as before: tokens that are out may live so long",
            time(until),
            spelled(former)
        ));
    }
    if let Some(until) = after.former_key_sets_until.filter(|until| before.former_key_sets_until != Some(*until)) {
        found.push(format!(
            "verifiers may keep the key set that they have for up to {}, as before: no new key signs before {}",
            spelled(before.jwks_max_age),
            time(until)
        ));
    }
    found
}

#[cfg(test)]
pub(super) mod tests;
