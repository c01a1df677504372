//! A user's own change of password: by the password that it replaces, and nothing else. Ends every grant of the user, since
//! whoever else knew the old password may hold one.

use serde_json::json;

use super::audit::Deed;
use super::{Error, GrantRefusal, Origin, Provider};
use crate::password;
use crate::protocol::form::Form;
use crate::secret::Secret;
use crate::status::{Moment, revoke_grants};
use crate::store::Connection;
use crate::store::audit_events;
use crate::store::grants::Selection;
use crate::store::logins;
use crate::store::users;

/// Whoever sets a password for itself is told no more: an attacker would learn from the reason what others have.
const UNACCEPTABLE: &str = "the new password is not acceptable: it must have at least 15 characters, and must not be among \
                            those that are guessed first, such as common ones, repetitions, sequences or the user's name";

impl Provider {
    /// `username`, `password` and `new_password`. Wrong, unknown and disabled are told apart no more than at a login, and
    /// are counted with logins.
    pub async fn change_own_password(&self, form: &Form, origin: &Origin) -> Result<(), Error> {
        let current = Secret::new(form.required("password")?);
        let new = Secret::new(form.required("new_password")?);
        let settings = self.directory.settings().await?;
        let login = self.log_in(None, (form.required("username")?, &current), &settings, origin).await?;
        let user = &login.user;
        let context: Vec<&str> = [Some(user.username.as_str()), user.email.as_deref()].into_iter().flatten().collect();
        password::check(&new, &context).map_err(|_| Error::InvalidRequest(UNACCEPTABLE))?;
        let hash = self.passwords.hash(new).await.map_err(|error| match error {
            password::Error::Breached => Error::InvalidRequest(UNACCEPTABLE),
            other => other.into(),
        })?;
        let now = self.clock.now();
        let moment = Moment { now, retention: settings.retention_at(now) };
        let changed = async |connection: &mut Connection| -> Result<bool, Error> {
            // As at a login: somebody else's change, or the user's removal, comes first or comes later.
            if !users::record_login(connection, user, now).await? {
                return Ok(false);
            }
            users::set_password(connection, user.id, hash.as_str(), now).await?;
            let selection = Selection { user: Some(user.id), ..Selection::default() };
            let revoked =
                revoke_grants(connection, &self.entropy, selection, moment, "password changed by the user").await?;
            login.remember(connection, now).await?;
            if let Some(counter) = login.counter_of_known() {
                logins::forget(connection, counter).await?;
            }
            let deed = Deed {
                actor: format!("user:{}", user.username),
                action: "user.change_password",
                target: format!("user:{}", user.username),
            };
            let event = self.event(now, deed, json!({ "sub": user.id, "grants_revoked": revoked }), origin);
            audit_events::insert(connection, &event).await?;
            Ok(true)
        };
        if self.store.transaction(changed).await? { Ok(()) } else { Err(Error::InvalidGrant(GrantRefusal::Changed)) }
    }
}
