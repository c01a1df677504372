//! Grants: what users have approved. Revoking one ends every token of it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Admin, Done, Error, clients, users};
use crate::protocol::scope::Scope;
use crate::status::revoke_grants;
use crate::store::grants::{self, Grant, Selection};
use crate::store::{self, Connection};

/// Which grants: all that match every name given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// As in the `grant_id` claim of its access tokens.
    pub grant_id: Uuid,
    pub username: String,
    pub client_id: String,
    pub audiences: Vec<String>,
    pub scope: Scope,
    pub state: GrantState,
    /// How often it was refreshed, plus one.
    pub generation: i64,
    pub created_at: DateTime<Utc>,
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it ends unless it is refreshed before.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    Live,
    Expired,
    Revoked,
}

impl GrantState {
    pub(super) fn of(grant: &Grant, now: DateTime<Utc>) -> Self {
        match grant.revoked_at {
            Some(_) => Self::Revoked,
            None if grant.is_live(now) => Self::Live,
            None => Self::Expired,
        }
    }
}

/// Most live grants that a user may be allowed at a client: what a login may have to count.
const HIGHEST_LIMIT: i64 = 10_000;

/// # Errors
/// When so many live grants are not sensible.
pub(super) fn check_limit(limit: i64) -> Result<(), Error> {
    if (1..=HIGHEST_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("grant_limit", format!("must be from 1 to {HIGHEST_LIMIT}")))
}

/// What a revocation came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// How many were live, or merely expired, until now.
    pub revoked: usize,
}

impl Admin {
    /// Grants in the order of their making, those behind `after`: the live ones, or `all`.
    pub async fn grants(&self, filter: &Filter, all: bool, after: Uuid, limit: i64) -> Result<Vec<GrantView>, Error> {
        let mut connection = self.store.reading().await?;
        let now = self.clock.now();
        let selection = Selection { live_at: (!all).then_some(now), ..select(&mut connection, filter).await? };
        let rows = grants::list(&mut connection, selection, after, limit).await?;
        let names = Names::of(&mut connection, &rows).await?;
        Ok(rows.into_iter().map(|grant| names.view(grant, now)).collect())
    }

    pub async fn grant(&self, id: Uuid) -> Result<GrantView, Error> {
        let mut connection = self.store.reading().await?;
        let grant = grants::find(&mut connection, id).await?.ok_or_else(|| unknown(id))?;
        Ok(Names::of(&mut connection, std::slice::from_ref(&grant)).await?.view(grant, self.clock.now()))
    }

    /// Ends what matches. Without any name nothing does: a slip must not log everybody out.
    pub async fn revoke(&self, filter: &Filter) -> Result<Done<Revoked>, Error> {
        if let Filter { grant_id: None, username: None, client_id: None } = filter {
            return Err(Error::invalid("grant", "must be named by its id, its user or its client"));
        }
        let ended = async |connection: &mut Connection| {
            let moment = self.moment(connection).await?;
            let selection = select(connection, filter).await?;
            let reason = "revoked by an administrator";
            let revoked = revoke_grants(connection, &self.entropy, selection, moment, reason).await?;
            let details = json!({
                "grant_id": filter.grant_id,
                "username": filter.username,
                "sub": selection.user,
                "client_id": filter.client_id,
                "grants_revoked": revoked,
            });
            if revoked > 0 {
                self.audit(connection, "grant.revoke", &target(filter), details).await?;
            }
            Ok(Done::plain(Revoked { revoked }))
        };
        self.store.transaction(ended).await
    }
}

/// # Errors
/// When one of the names is nobody's: a mistyped name must not look like "nothing to revoke".
async fn select(connection: &mut Connection, filter: &Filter) -> Result<Selection, Error> {
    let mut selection = Selection { grant: filter.grant_id, ..Selection::default() };
    if let Some(name) = &filter.username {
        selection.user = Some(users::find(connection, name).await?.id);
    }
    if let Some(client_id) = &filter.client_id {
        selection.client = Some(clients::find(connection, client_id).await?.id);
    }
    if let Some(id) = filter.grant_id
        && grants::find(connection, id).await?.is_none()
    {
        return Err(unknown(id));
    }
    Ok(selection)
}

fn unknown(id: Uuid) -> Error {
    Error::NotFound { kind: "grant", name: id.to_string() }
}

fn target(filter: &Filter) -> String {
    match (&filter.grant_id, &filter.username, &filter.client_id) {
        (Some(id), ..) => format!("grant:{id}"),
        (None, Some(name), _) => format!("user:{name}"),
        (None, None, client_id) => clients::target(client_id.as_deref().unwrap_or_default()),
    }
}

/// The names of users and clients by their keys, each asked for once a page.
#[derive(Default)]
pub(super) struct Names {
    users: HashMap<Uuid, String>,
    clients: HashMap<Uuid, String>,
}

impl Names {
    /// Those of the users and clients of these grants.
    pub async fn of(connection: &mut Connection, grants: &[Grant]) -> Result<Self, Error> {
        let distinct = |id: fn(&Grant) -> Uuid| -> Vec<Uuid> {
            let ids: HashSet<Uuid> = grants.iter().map(id).collect();
            ids.into_iter().collect()
        };
        let users = store::users::names(connection, &distinct(|grant| grant.user_id)).await?;
        let clients = store::clients::names(connection, &distinct(|grant| grant.client_id)).await?;
        Ok(Self { users: users.into_iter().collect(), clients: clients.into_iter().collect() })
    }

    pub fn view(&self, grant: Grant, now: DateTime<Utc>) -> GrantView {
        GrantView {
            state: GrantState::of(&grant, now),
            grant_id: grant.id,
            username: self.users.get(&grant.user_id).cloned().unwrap_or_default(),
            client_id: self.clients.get(&grant.client_id).cloned().unwrap_or_default(),
            audiences: grant.audiences.0,
            scope: grant.scope.0,
            generation: grant.generation,
            created_at: grant.created_at,
            rotated_at: grant.rotated_at,
            idle_expires_at: grant.idle_expires_at,
            expires_at: grant.expires_at,
            revoked_at: grant.revoked_at,
            revoked_reason: grant.revoked_reason,
        }
    }
}
