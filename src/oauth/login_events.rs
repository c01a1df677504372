//! What the audit trail says of logins. Of those that fail, the first under a name from an address and each that begins a
//! block: however many a stranger tries, the brake bounds what is written. A name that is no user's is not written at all,
//! for it may be a password that was typed into the wrong field.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::audit::Deed;
use super::login_throttle::Attempt;
use super::{Error, Origin, Provider};
use crate::store::audit_events::{self, AuditEvent};
use crate::store::clients::Client;
use crate::store::users::User;

/// Why a login failed, for the administrator alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum LoginFailure {
    UnknownUser,
    Disabled,
    PasswordGrantDisabled,
    Password,
}

impl LoginFailure {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "no such user",
            Self::Disabled => "the user is disabled",
            Self::PasswordGrantDisabled => "the user may not use the password grant",
            Self::Password => "wrong password, or none is set",
        }
    }
}

impl Provider {
    pub(super) fn login_event(
        &self,
        (action, now): (&'static str, DateTime<Utc>),
        (client, user): (Option<&Client>, Option<&User>),
        details: serde_json::Value,
        origin: &Origin,
    ) -> AuditEvent {
        let deed = Deed {
            actor: client.map_or_else(|| "account".to_owned(), |client| format!("client:{}", client.client_id)),
            action,
            target: user.map_or_else(|| "user".to_owned(), |user| format!("user:{}", user.username)),
        };
        self.event(now, deed, details, origin)
    }

    /// The same work for users that exist and for those that do not.
    pub(super) async fn record_failed_login(
        &self,
        (client, user): (Option<&Client>, Option<&User>),
        (attempt, why): (&Attempt, LoginFailure),
        origin: &Origin,
    ) -> Result<(), Error> {
        let action = match attempt {
            Attempt { blocks: true, .. } => "login.throttled",
            Attempt { of_pair: 1, .. } => "login.failure",
            _ => return Ok(()),
        };
        let details = json!({
            "user_id": user.map(|user| user.id),
            "reason": why.as_str(),
            "attempts": attempt.of_pair,
        });
        let event = self.login_event((action, self.clock.now()), (client, user), details, origin).failed();
        Ok(audit_events::insert(&mut self.store.writing().await?, &event).await?)
    }
}
