//! What a token says, whether it holds, and if not, exactly why: for the administrator who is asked "why was I refused".
//! It changes nothing; above all, it does not redeem a refresh token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::grants::{GrantState, GrantView, Names};
use super::lifetime::spelled;
use super::{Admin, Error};
use crate::keys::RefreshTokenParts;
use crate::oauth::Provider;
use crate::oauth::access_token::{Standing, Unverified};
use crate::protocol::token::AccessTokenClaims;
use crate::secret::Secret;
use crate::store::grants;

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Inspection {
    /// Whether it would be accepted now, by this issuer and, if one was named, for this audience.
    pub active: bool,
    /// A word for what keeps it from being active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same with names and times.
    pub detail: String,
    /// `access_token`, `refresh_token`, or absent for what is neither.
    pub token_type: Option<String>,
    /// Whether this issuer made it. Otherwise header and claims are what somebody wrote.
    pub genuine: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Value>,
    /// The generation that a refresh token stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantView>,
}

type Found = (Option<&'static str>, String);

impl Admin {
    pub async fn inspect(&self, presented: &Secret, audience: Option<&str>) -> Result<Inspection, Error> {
        inspect(self.provider()?, presented, audience).await
    }
}

/// Judges `presented` as a token endpoint or an API with `audience` would.
///
/// # Errors
/// When the database does not answer. A token that does not hold is no error.
pub async fn inspect(provider: &Provider, presented: &Secret, audience: Option<&str>) -> Result<Inspection, Error> {
    if presented.expose().starts_with("sgr_") {
        return inspect_refresh_token(provider, presented).await;
    }
    let signed = provider.signed_claims(presented.expose());
    let genuine = signed.is_ok();
    let (reason, detail) = match signed {
        Ok(claims) => judge(provider, &claims, audience).await?,
        Err(unverified) => (Some(code(&unverified)), unverified.to_string()),
    };
    let mut parts = presented.expose().split('.').map(json_part);
    let (header, claims) = (parts.next().flatten(), parts.next().flatten());
    Ok(Inspection {
        active: reason.is_none(),
        reason: reason.map(str::to_owned),
        detail,
        token_type: (genuine || header.is_some()).then(|| "access_token".to_owned()),
        genuine,
        header,
        claims,
        generation: None,
        grant: None,
    })
}

/// What is wrong with a token that this issuer signed, in the order in which an API finds out.
async fn judge(provider: &Provider, claims: &AccessTokenClaims, audience: Option<&str>) -> Result<Found, Error> {
    let now = provider.clock.now().timestamp();
    if claims.exp <= now {
        return Ok((Some("expired"), format!("it expired {} ago, at {}", spelled(now - claims.exp), time(claims.exp))));
    }
    if let Some(audience) = audience.filter(|audience| *audience != claims.aud) {
        return Ok((Some("wrong_audience"), format!("it is for the audience {}, not for {audience}", claims.aud)));
    }
    Ok(match provider.standing(claims).await? {
        Standing::Active { username } => {
            let whom = username.map(|name| format!(" for the user {name}")).unwrap_or_default();
            (None, format!("it is good for {}{whom}", spelled(claims.exp - now)))
        }
        Standing::Revoked(at) => (Some("revoked"), format!("it was revoked at {}", at.format("%FT%TZ"))),
        Standing::Gone(what) => (Some("gone"), what.to_owned()),
    })
}

async fn inspect_refresh_token(provider: &Provider, presented: &Secret) -> Result<Inspection, Error> {
    let mut inspection = Inspection {
        active: false,
        reason: Some("not_genuine".to_owned()),
        detail: "it looks like a refresh token, but this issuer did not make it, or it was cut or altered".to_owned(),
        token_type: Some("refresh_token".to_owned()),
        genuine: false,
        header: None,
        claims: None,
        generation: None,
        grant: None,
    };
    let Some(RefreshTokenParts { grant, generation }) = provider.secrets.open_refresh_token(presented) else {
        return Ok(inspection);
    };
    inspection.genuine = true;
    inspection.generation = Some(generation);
    let now = provider.clock.now();
    let mut connection = provider.store.reading().await?;
    let Some(grant) = grants::find(&mut connection, grant).await? else {
        inspection.reason = Some("gone".to_owned());
        inspection.detail =
            format!("its grant {grant} is gone: it expired long ago, or its user or client was deleted");
        return Ok(inspection);
    };
    let window = provider.directory.settings().await?.retry_window;
    let view = Names::of(&mut connection, std::slice::from_ref(&grant)).await?.view(grant, now);
    let (reason, detail) = judge_generation(&view, generation, now, Duration::seconds(window));
    (inspection.reason, inspection.detail) = (reason.map(str::to_owned), detail);
    inspection.active = inspection.reason.is_none();
    inspection.grant = Some(view);
    Ok(inspection)
}

/// What redeeming `generation` of the grant at `now` would find (`oauth/refresh_token.rs`).
fn judge_generation(grant: &GrantView, generation: i64, now: DateTime<Utc>, retry_window: Duration) -> Found {
    let ends = grant.idle_expires_at.min(grant.expires_at);
    if let (GrantState::Revoked, Some(at)) = (grant.state, grant.revoked_at) {
        let why = grant.revoked_reason.as_deref().unwrap_or("no reason recorded");
        return (Some("revoked"), format!("its grant was revoked at {}: {why}", at.format("%FT%TZ")));
    }
    if grant.state != GrantState::Live {
        let kind = if grant.idle_expires_at < grant.expires_at { "lay idle until" } else { "came to its end at" };
        return (Some("expired"), format!("its grant {kind} {}", ends.format("%FT%TZ")));
    }
    if generation >= grant.generation {
        return (None, format!("it is good until {}", ends.format("%FT%TZ")));
    }
    let last = grant.rotated_at.filter(|at| generation + 1 == grant.generation && now - *at < retry_window);
    match last {
        Some(at) => {
            let until = at + retry_window;
            (
                None,
                format!("it was used a moment ago; until {} a retry gets the same successor", until.format("%FT%TZ")),
            )
        }
        None => (
            Some("used"),
            format!(
                "it was used (generation {generation}, the grant is at {}): presenting it again revokes the grant",
                grant.generation
            ),
        ),
    }
}

fn code(unverified: &Unverified) -> &'static str {
    match unverified {
        Unverified::Rejected(crate::keys::Reject::Signature) => "wrong_signature",
        Unverified::Rejected(_) => "malformed",
        Unverified::UnknownKey => "unknown_kid",
        Unverified::Key { .. } => "key_withdrawn",
        Unverified::Type => "not_an_access_token",
        Unverified::Claims(_) => "malformed_claims",
        Unverified::Issuer(_) => "wrong_issuer",
        Unverified::Expired(_) => "expired",
    }
}

fn json_part(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(|| seconds.to_string(), |at| at.format("%FT%TZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn grant(state: GrantState) -> GrantView {
        GrantView {
            grant_id: uuid::Uuid::nil(),
            username: "anna".to_owned(),
            client_id: "erp".to_owned(),
            audiences: vec![],
            scope: crate::protocol::scope::Scope::default(),
            state,
            generation: 3,
            created_at: at(0),
            rotated_at: Some(at(100)),
            idle_expires_at: at(1000),
            expires_at: at(5000),
            revoked_at: (state == GrantState::Revoked).then(|| at(110)),
            revoked_reason: Some("user disabled".to_owned()),
        }
    }

    fn found(state: GrantState, generation: i64, now: i64) -> Found {
        judge_generation(&grant(state), generation, at(now), Duration::seconds(30))
    }

    #[test]
    fn a_refresh_token_is_judged_as_redeeming_it_would() {
        assert_eq!(found(GrantState::Live, 3, 120).0, None);
        assert_eq!(found(GrantState::Live, 2, 129).0, None, "within the retry window");
        assert_eq!(found(GrantState::Live, 2, 130).0, Some("used"), "after it");
        assert_eq!(found(GrantState::Live, 1, 101).0, Some("used"), "two generations back");
    }

    #[test]
    fn the_end_of_a_grant_comes_before_its_generations() {
        let (reason, detail) = found(GrantState::Revoked, 1, 120);
        assert_eq!(reason, Some("revoked"));
        assert_eq!(detail, "its grant was revoked at 1970-01-01T00:01:50Z: user disabled");
        let (reason, detail) = found(GrantState::Expired, 3, 2000);
        assert_eq!((reason, detail.as_str()), (Some("expired"), "its grant lay idle until 1970-01-01T00:16:40Z"));
    }
}
