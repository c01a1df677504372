//! Users: who may log in. Whatever makes a password or user worthless ends every grant of the user with it (SP 800-63B-4
//! §5.1), in the same transaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit::{differences, turned};
use super::{Admin, Choice, Done, Error, choice};
use crate::password;
use crate::protocol::username;
use crate::secret::Secret;
use crate::status::revoke_grants;
use crate::store::grants::{self, Selection};
use crate::store::users::{self, User};
use crate::store::{self, Connection};

const KIND: &str = "user";

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(with = "crate::secret::exposed")]
    #[schema(value_type = String, format = Password)]
    pub password: Secret,
}

/// What is absent stays as it is, and `null` takes away (RFC 7396).
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    #[serde(default, deserialize_with = "choice::present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Choice<String>>,
    /// Whether the user may log in by the password grant, or is refused there as if the password were wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_grant: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    pub username: String,
    /// The subject of the user's tokens: an identifier that never changes.
    pub sub: Uuid,
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
    pub password_changed_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when the user may not log in with a password, where that is so.
    pub password_grant_disabled_at: Option<DateTime<Utc>>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            username: user.username,
            sub: user.id,
            email: user.email,
            created_at: user.created_at,
            password_changed_at: user.password_changed_at,
            last_login_at: user.last_login_at,
            disabled_at: user.disabled_at,
            password_grant_disabled_at: user.password_grant_disabled_at,
        }
    }
}

impl Admin {
    pub async fn create_user(&self, new: NewUser) -> Result<Done<UserView>, Error> {
        username::check(&new.username).map_err(|reason| Error::invalid("username", reason))?;
        if let Some(email) = &new.email {
            check_email(email)?;
        }
        let password_hash = self.hash(new.password, &new.username, new.email.as_deref()).await?;
        let now = self.clock.now();
        let user = User {
            id: self.entropy.ordered_uuid(now),
            canonical_username: username::canonical(&new.username),
            username: new.username,
            email: new.email,
            password_hash: Some(password_hash),
            created_at: now,
            password_changed_at: now,
            password_version: 1,
            last_login_at: None,
            disabled_at: None,
            password_grant_disabled_at: None,
        };
        let created = async |connection: &mut Connection| -> Result<Done<UserView>, Error> {
            users::insert(connection, &user).await.map_err(|error| match error {
                store::Error::Exists => Error::Exists { kind: KIND, name: user.username.clone() },
                other => other.into(),
            })?;
            self.audit(connection, "user.create", &target(&user), json!({ "email": user.email })).await?;
            let done = Done::plain(UserView::from(user.clone()));
            self.remember(connection, &done).await?;
            Ok(done)
        };
        self.store.transaction(created).await
    }

    /// Users in the order of their names, those behind `after`.
    pub async fn users(&self, after: &str, limit: i64) -> Result<Vec<UserView>, Error> {
        self.users_beginning("", after, limit).await
    }

    /// Those of them whose names begin so.
    pub async fn users_beginning(&self, prefix: &str, after: &str, limit: i64) -> Result<Vec<UserView>, Error> {
        let (prefix, after) = (username::canonical(prefix), username::canonical(after));
        if prefix.contains('\0') || after.contains('\0') {
            return Ok(Vec::new());
        }
        let rows = users::list(&mut self.store.reading().await?, &prefix, &after, limit).await?;
        Ok(rows.into_iter().map(UserView::from).collect())
    }

    pub async fn count_users(&self) -> Result<i64, Error> {
        Ok(users::count(&mut self.store.reading().await?).await?)
    }

    pub async fn user(&self, name: &str) -> Result<UserView, Error> {
        Ok(find(&mut self.store.reading().await?, name).await?.into())
    }

    /// Sets a new password and ends every grant that the old one gave.
    pub async fn set_password(&self, name: &str, password: Secret) -> Result<Done<UserView>, Error> {
        let user = find(&mut self.store.reading().await?, name).await?;
        let password_hash = self.hash(password, &user.username, user.email.as_deref()).await?;
        let set = async |connection: &mut Connection| {
            users::set_password(connection, user.id, &password_hash, self.clock.now()).await?;
            // Read after the write: whoever deleted the user meanwhile is then noticed.
            let user = find(connection, name).await?;
            let revoked = self.end_grants(connection, &user, "password changed").await?;
            self.audit(connection, "user.set_password", &target(&user), ended(&user, revoked)).await?;
            Ok(Done { notes: note(revoked), ..Done::plain(user.into()) })
        };
        self.store.transaction(set).await
    }

    /// Refuses the user from now on and ends every grant. A user who is disabled already is left as it is.
    pub async fn disable_user(&self, name: &str) -> Result<Done<UserView>, Error> {
        let disabled = async |connection: &mut Connection| {
            let mut user = find(connection, name).await?;
            if user.disabled_at.is_some() {
                return Ok(Done::plain(user.into()));
            }
            user.disabled_at = Some(self.clock.now());
            users::set_disabled(connection, user.id, user.disabled_at).await?;
            let revoked = self.end_grants(connection, &user, "user disabled").await?;
            let mut details = ended(&user, revoked);
            details["disabled"] = turned("disabled", true)["disabled"].take();
            self.audit(connection, "user.disable", &target(&user), details).await?;
            Ok(Done { notes: note(revoked), ..Done::plain(user.into()) })
        };
        self.store.transaction(disabled).await
    }

    /// Lets the user log in again. Grants that ended stay ended.
    pub async fn enable_user(&self, name: &str) -> Result<Done<UserView>, Error> {
        let enabled = async |connection: &mut Connection| {
            let mut user = find(connection, name).await?;
            if user.disabled_at.take().is_some() {
                users::set_disabled(connection, user.id, None).await?;
                self.audit(connection, "user.enable", &target(&user), turned("disabled", false)).await?;
            }
            Ok(Done::plain(user.into()))
        };
        self.store.transaction(enabled).await
    }

    /// Changes what is not the user's to prove. Grants that exist go on.
    pub async fn update_user(&self, name: &str, change: UserChange) -> Result<Done<UserView>, Error> {
        let UserChange { email, password_grant } = change;
        if let Some(Choice::Own(email)) = &email {
            check_email(email)?;
        }
        let changed = async |connection: &mut Connection| {
            let mut user = find(connection, name).await?;
            self.check_version(&UserView::from(user.clone()))?;
            let before = user.clone();
            if let Some(email) = email {
                user.email = email.into_option();
                users::set_email(connection, user.id, user.email.as_deref()).await?;
            }
            if let Some(allowed) =
                password_grant.filter(|allowed| *allowed == user.password_grant_disabled_at.is_some())
            {
                user.password_grant_disabled_at = (!allowed).then(|| self.clock.now());
                users::set_password_grant_disabled(connection, user.id, user.password_grant_disabled_at).await?;
            }
            if let Some(differences) = differences(&UserView::from(before), &UserView::from(user.clone())) {
                self.audit(connection, "user.update", &target(&user), differences).await?;
            }
            let left = "grants that the user has go on: `signet grant revoke` ends them".to_owned();
            let notes = if password_grant == Some(false) { vec![left] } else { Vec::new() };
            Ok(Done { notes, ..Done::plain(user.into()) })
        };
        self.store.transaction(changed).await
    }

    /// Removes the user, whose tokens are invalid from then on.
    pub async fn delete_user(&self, name: &str) -> Result<Done<UserView>, Error> {
        let deleted = async |connection: &mut Connection| {
            let user = find(connection, name).await?;
            // Locks the row: a login in flight comes first, and its grant is found below, or fails.
            users::set_disabled(connection, user.id, Some(self.clock.now())).await?;
            let revoked = self.end_grants(connection, &user, "user deleted").await?;
            grants::delete(connection, Selection { user: Some(user.id), ..Selection::default() }).await?;
            users::delete(connection, user.id).await?;
            let target = target(&user);
            let mut details = ended(&user, revoked);
            let view = UserView::from(user);
            details["before"] = json!(view);
            self.audit(connection, "user.delete", &target, details).await?;
            Ok(Done { notes: note(revoked), ..Done::plain(view) })
        };
        self.store.transaction(deleted).await
    }

    async fn hash(&self, password: Secret, name: &str, email: Option<&str>) -> Result<String, Error> {
        let context: Vec<&str> = [Some(name), email].into_iter().flatten().collect();
        password::check(&password, &context)?;
        Ok(self.passwords.hash(password).await?.as_str().to_owned())
    }

    /// Ends the grants of a user whose row this transaction has written, which keeps logins in flight out.
    async fn end_grants(&self, connection: &mut Connection, user: &User, reason: &str) -> Result<usize, Error> {
        let moment = self.moment(connection).await?;
        let selection = Selection { user: Some(user.id), ..Selection::default() };
        Ok(revoke_grants(connection, &self.entropy, selection, moment, reason).await?)
    }
}

/// The user whom a login under this name would find.
pub(super) async fn find(connection: &mut Connection, name: &str) -> Result<User, Error> {
    let canonical = username::canonical(name);
    // PostgreSQL's text has no NUL, and would fail instead of finding nothing.
    let found = if canonical.contains('\0') { None } else { users::find_by_name(connection, &canonical).await? };
    found.ok_or_else(|| Error::NotFound { kind: KIND, name: name.to_owned() })
}

/// Only what a typing slip would break: whether mail arrives there, nobody can tell from the text.
pub(super) fn check_email(email: &str) -> Result<(), Error> {
    let (local, domain) = email.split_once('@').unwrap_or_default();
    let readable = email.len() <= 254 && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if readable && !local.is_empty() && !domain.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid("email", "is not an e-mail address, such as anna@example.com"))
    }
}

fn target(user: &User) -> String {
    format!("user:{}", user.username)
}

fn ended(user: &User, revoked: usize) -> Value {
    json!({ "sub": user.id, "grants_revoked": revoked })
}

fn note(revoked: usize) -> Vec<String> {
    let told = (revoked > 0).then(|| format!("{revoked} grant(s) of the user ended, with every token of them"));
    told.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_has_two_sides_and_no_blanks() {
        assert!(check_email("anna@example.com").is_ok());
        for bad in ["anna", "@example.com", "anna@", "an na@example.com", "anna@example.com\n"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }
}
