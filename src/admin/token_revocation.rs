//! Revoking what was issued: one token, or everything that a user or a client got, or that anybody got between two times.
//! Each is one transaction with one audit event, and however many tokens it is, a few ranges of status indexes.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::lifetime::spelled;
use super::{Admin, Done, Error, clients, users};
use crate::keys::lifecycle::SKEW;
use crate::oauth::Provider;
use crate::secret::Secret;
use crate::status::{LEASE_LIFETIME, StatusIndex, revoke_client_tokens, revoke_grants, revoke_token};
use crate::store::grants::{self, Selection};
use crate::store::{Connection, Window, settings, status};

/// What to revoke: what matches all that is given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Issued {
    /// To this user, by whichever client. Leaves out what clients took for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// To this client, for users and for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// At this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// At this time or before; absent: until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What a revocation came to, or would.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RevokedTokens {
    /// Grants that ended: their refresh tokens and access tokens.
    pub grants: i64,
    /// At most so many tokens that clients took for themselves: the size of the blocks that their indexes are from.
    pub client_tokens_at_most: i64,
}

/// What a token leads to.
enum Presented {
    Grant(Uuid),
    Token(StatusIndex),
}

/// The rows that are meant.
struct Meant {
    grants: Selection,
    /// The client whose own tokens are meant, or all clients', and the times.
    own: Option<(Option<Uuid>, Option<Window>)>,
}

impl Admin {
    /// What [`Self::revoke_issued`] would end.
    pub async fn plan_revocation(&self, issued: &Issued) -> Result<RevokedTokens, Error> {
        let mut connection = self.store.reading().await?;
        let meant = self.meant(&mut connection, issued).await?;
        let grants = grants::count_unrevoked(&mut connection, meant.grants).await?;
        let mut client_tokens_at_most = 0;
        if let Some((client, between)) = meant.own {
            let leased = between.map(|(from, until)| (from - LEASE_LIFETIME, until));
            let leases = status::leases_of_clients(&mut connection, client, leased).await?;
            client_tokens_at_most = leases.iter().map(|lease| lease.size).sum();
        }
        Ok(RevokedTokens { grants, client_tokens_at_most })
    }

    /// Ends everything that was issued as `issued` says. A grant that got a token in that time ends as a whole, and so does
    /// one that was refreshed later: its row does not say whether it was in that time, too.
    ///
    /// # Errors
    /// When nothing is named, or something that there is not. A slip must not log everybody out.
    pub async fn revoke_issued(&self, issued: &Issued) -> Result<Done<RevokedTokens>, Error> {
        let revoked = async |connection: &mut Connection| {
            // What is being added at this moment is in it or comes after it.
            grants::hold(connection).await?;
            let meant = self.meant(connection, issued).await?;
            let moment = self.moment(connection).await?;
            let reason = "revoked by an administrator";
            let grants = revoke_grants(connection, &self.entropy, meant.grants, moment, reason).await?;
            let client_tokens_at_most = match meant.own {
                Some(own) => revoke_client_tokens(connection, &self.entropy, own, moment).await?,
                None => 0,
            };
            let view = RevokedTokens { grants: i64::try_from(grants).unwrap_or(i64::MAX), client_tokens_at_most };
            let details = json!({
                "username": issued.username,
                "sub": meant.grants.user,
                "client_id": issued.client_id,
                "from": issued.from,
                "until": issued.until,
                "grants_revoked": view.grants,
                "client_tokens_at_most": view.client_tokens_at_most,
            });
            self.audit(connection, "token.revoke", &target(issued), details).await?;
            let longer = issued.from.is_some() && view.client_tokens_at_most > 0;
            let note = longer.then(|| {
                format!(
                    "tokens that clients took for themselves are revoked in blocks: some that the same clients took up to \
                     {} before or after are among them; these clients ask for new ones",
                    spelled(LEASE_LIFETIME.num_seconds())
                )
            });
            Ok(Done { notes: note.into_iter().collect(), ..Done::plain(view) })
        };
        self.store.transaction(revoked).await
    }

    /// Ends one token, whose it is: the whole grant of a refresh token or a user's access token, or the one token that a
    /// client took for itself.
    ///
    /// # Errors
    /// When this issuer did not make it.
    pub async fn revoke_presented(&self, provider: &Provider, token: &Secret) -> Result<Done<RevokedTokens>, Error> {
        let presented = match provider.secrets.open_refresh_token(token) {
            Some(parts) => Some(Presented::Grant(parts.grant)),
            None => provider.signed_claims(token.expose()).ok().and_then(|claims| match claims.grant_id {
                Some(grant) => Some(Presented::Grant(grant)),
                None => provider.status_of(&claims).map(Presented::Token),
            }),
        };
        let presented = presented.ok_or_else(|| Error::invalid("token", "is none that this issuer made"))?;
        let revoked = async |connection: &mut Connection| {
            let moment = self.moment(connection).await?;
            let (target, view) = match presented {
                Presented::Grant(id) => {
                    let selection = Selection { grant: Some(id), ..Selection::default() };
                    let reason = "revoked by an administrator";
                    let grants = revoke_grants(connection, &self.entropy, selection, moment, reason).await?;
                    let grants = i64::try_from(grants).unwrap_or(i64::MAX);
                    (format!("grant:{id}"), RevokedTokens { grants, client_tokens_at_most: 0 })
                }
                Presented::Token(index) => {
                    revoke_token(connection, &self.entropy, index, moment).await?;
                    let view = RevokedTokens { grants: 0, client_tokens_at_most: 1 };
                    (format!("status_index:{}:{}", index.list, index.index), view)
                }
            };
            let details = json!({ "grants_revoked": view.grants });
            self.audit(connection, "token.revoke", &target, details).await?;
            Ok(Done::plain(view))
        };
        self.store.transaction(revoked).await
    }

    async fn meant(&self, connection: &mut Connection, issued: &Issued) -> Result<Meant, Error> {
        let now = self.clock.now();
        let between: Option<Window> = match (issued.from, issued.until) {
            (Some(from), until) => Some((from, until.unwrap_or(now))),
            (None, Some(_)) => return Err(Error::invalid("from", "must be given with `until`")),
            (None, None) => None,
        };
        if let Issued { username: None, client_id: None, from: None, .. } = issued {
            return Err(Error::invalid("tokens", "must be named by a user, a client or the time of their issue"));
        }
        if issued.from.is_some_and(|from| from > now) {
            return Err(Error::invalid("from", "lies ahead: nothing was issued since"));
        }
        if between.is_some_and(|(from, until)| until < from) {
            return Err(Error::invalid("until", "lies before the time from which tokens are to be revoked"));
        }
        let mut grants = Selection::default();
        if let Some(name) = &issued.username {
            grants.user = Some(users::find(connection, name).await?.id);
        }
        if let Some(client_id) = &issued.client_id {
            grants.client = Some(clients::find(connection, client_id).await?.id);
        }
        if let Some((from, until)) = between {
            // A retried refresh gives a token later than the grant's row says; instances' clocks differ.
            let retried = Duration::seconds(settings::load(connection).await?.retry_window);
            grants.issued = Some((from - retried - SKEW, until + SKEW));
        }
        let own = issued.username.is_none().then_some((grants.client, between.map(|(f, u)| (f - SKEW, u + SKEW))));
        Ok(Meant { grants, own })
    }
}

fn target(issued: &Issued) -> String {
    match (&issued.username, &issued.client_id) {
        (Some(name), _) => format!("user:{name}"),
        (None, Some(client_id)) => clients::target(client_id),
        (None, None) => "tokens".to_owned(),
    }
}
