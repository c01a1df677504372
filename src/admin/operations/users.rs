//! Users over HTTP and on the command line.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::{self, Listed, Page};
use crate::admin::password_hashes::HashCount;
use crate::admin::user_import::{ImportAnswer, UserImport};
use crate::admin::users::{NewUser, UserChange, UserView};
use crate::admin::{Done, version_of};
use crate::secret::Secret;

#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Only users whose names begin so, however they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username_prefix: Option<String>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[serde(with = "crate::secret::exposed")]
    #[schema(value_type = String, format = Password)]
    pub password: Secret,
}

impl Body for NewUser {}
impl Body for UserChange {}
impl Body for NewPassword {}
impl Body for UserImport {}
impl Answer for ImportAnswer {}

impl Answer for UserView {
    fn version(&self) -> Option<String> {
        // A login is no change that somebody decided.
        Some(version_of(&Self { last_login_at: None, ..self.clone() }))
    }

    fn named(&self) -> Option<String> {
        Some(self.username.clone())
    }
}

operations! {
    /// Lists users in the order of their names.
    ListUsers = Get "/users" (List, Read) |admin, _: (), query: UsersQuery, _: ()| -> Page<UserView> {
        let after: String = page::after(query.cursor.as_deref())?;
        let prefix = query.username_prefix.as_deref().unwrap_or_default();
        let fetch = async |limit| admin.users_beginning(prefix, &after, limit).await;
        let mut page = admin.page(query.limit, fetch, |user| user.username.clone()).await?;
        page.total = if prefix.is_empty() { Some(admin.count_users().await?) } else { None };
        Ok(page)
    }

    /// Makes a user, who may log in with the password.
    CreateUser = Post "/users" (Create, Write) |admin, _: (), _: NoQuery, new: NewUser| -> Done<UserView> {
        admin.create_user(new).await
    }

    /// Shows a user.
    ShowUser = Get "/users/{username}" (Show, Read) |admin, name: String, _: NoQuery, _: ()| -> UserView {
        admin.user(&name).await
    }

    /// Changes a user; what is absent stays as it is.
    UpdateUser = Patch "/users/{username}" (Update, Write)
        |admin, name: String, _: NoQuery, change: UserChange| -> Done<UserView> {
        admin.update_user(&name, change).await
    }

    /// Sets a new password and revokes every grant that the old one gave.
    SetUserPassword = Post "/users/{username}/password" (Act, Write)
        |admin, name: String, _: NoQuery, new: NewPassword| -> Done<UserView> {
        admin.set_password(&name, new.password).await
    }

    /// Refuses the user's logins and revokes every grant.
    DisableUser = Post "/users/{username}/disable" (Act, Write) |admin, name: String, _: NoQuery, _: ()| -> Done<UserView> {
        admin.disable_user(&name).await
    }

    /// Lets a disabled user log in again; grants that were revoked stay so.
    EnableUser = Post "/users/{username}/enable" (Act, Write) |admin, name: String, _: NoQuery, _: ()| -> Done<UserView> {
        admin.enable_user(&name).await
    }

    /// Removes the user; every token is invalid from then on.
    DeleteUser = Delete "/users/{username}" (Act, Write) |admin, name: String, _: NoQuery, _: ()| -> Done<UserView> {
        admin.delete_user(&name).await
    }

    /// Takes over users of another system with their password hashes, at most 1,000 at a time, all in one transaction.
    ImportUsers = Post "/user-imports" (Act, Write) |admin, _: (), _: NoQuery, import: UserImport| -> ImportAnswer {
        admin.import_users(import).await
    }

    /// Counts the stored password hashes by scheme: how many still wait for their user's next login.
    CountPasswordHashes = Get "/password-hashes" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> Listed<HashCount> {
        Ok(Listed { items: admin.password_hashes().await?, notes: Vec::new() })
    }
}
