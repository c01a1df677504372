//! Grants and tokens over HTTP and on the command line: what was approved and issued, and ending it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::admin::Done;
use crate::admin::grants::{Filter, GrantView, Revoked};
use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::{self, Page};
use crate::admin::token::Inspection;
use crate::admin::token_revocation::{Issued, RevokedTokens};
use crate::secret::Secret;

#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct GrantsQuery {
    /// Only grants of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Only grants to this client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether the expired and revoked ones are listed too.
    #[param(default = false)]
    pub all: bool,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// A token in question.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresentedToken {
    /// An access token or a refresh token.
    #[serde(with = "crate::secret::exposed")]
    #[schema(value_type = String, format = Password)]
    pub token: Secret,
    /// The API that is to judge it; only `token-inspections` looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

impl Body for Filter {}
impl Body for Issued {}
impl Body for PresentedToken {}
impl Answer for GrantView {}
impl Answer for Revoked {}
impl Answer for RevokedTokens {}
impl Answer for Inspection {}

operations! {
    /// Lists grants, the live ones or all, in the order of their making.
    ListGrants = Get "/grants" (List, Read) |admin, _: (), query: GrantsQuery, _: ()| -> Page<GrantView> {
        let after: Uuid = page::after(query.cursor.as_deref())?;
        let filter = Filter { grant_id: None, username: query.username, client_id: query.client_id };
        let fetch = async |limit| admin.grants(&filter, query.all, after, limit).await;
        admin.page(query.limit, fetch, |grant| grant.grant_id).await
    }

    /// Shows a grant.
    ShowGrant = Get "/grants/{grant_id}" (Act, Read) |admin, grant_id: Uuid, _: NoQuery, _: ()| -> GrantView {
        admin.grant(grant_id).await
    }

    /// Revokes one grant, or all of a user, of a client, or of both together, with every token of them.
    RevokeGrants = Post "/grant-revocations" (Act, Write) |admin, _: (), _: NoQuery, which: Filter| -> Done<Revoked> {
        admin.revoke(&which).await
    }

    /// Says what revoking what was issued would end.
    PlanRevocation = Post "/revocation-plans" (Act, Read)
        |admin, _: (), _: NoQuery, issued: Issued| -> RevokedTokens {
        admin.plan_revocation(&issued).await
    }

    /// Revokes all that a user or a client got, or that anybody got between two times.
    RevokeIssued = Post "/revocations" (Act, Write) |admin, _: (), _: NoQuery, issued: Issued| -> Done<RevokedTokens> {
        admin.revoke_issued(&issued).await
    }

    /// Revokes one token; the whole grant of a user's token ends.
    RevokeToken = Post "/token-revocations" (Act, Write)
        |admin, _: (), _: NoQuery, presented: PresentedToken| -> Done<RevokedTokens> {
        admin.revoke_presented(admin.provider()?, &presented.token).await
    }

    /// Says what a token says, whether it holds, and if not exactly why (RFC 9068, RFC 7662).
    InspectToken = Post "/token-inspections" (Act, Read)
        |admin, _: (), _: NoQuery, presented: PresentedToken| -> Inspection {
        admin.inspect(&presented.token, presented.audience.as_deref()).await
    }
}
