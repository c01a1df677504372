//! Who may administer over HTTP: whoever has an access token of this issuer for the administration API, and could get the same
//! now. The token alone is not believed: a client or user that was disabled, or lost the scope, is out at once.

use super::Error;
use super::bootstrap;
use super::operation::Access;
use crate::oauth::Provider;
use crate::oauth::access_token::Standing;
use crate::protocol::token::AccessTokenClaims;
use crate::store::clients;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No token of ours that holds; the text is for the log.
    #[error("{0}")]
    Token(String),
    /// A good token, for something else.
    #[error("the scope {} is missing", .0.scope())]
    Scope(Access),
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Who is let in, as the audit trail calls it. `access` is what is to be done; without one, any access does.
pub async fn administrator(
    provider: &Provider,
    presented_token: &str,
    access: Option<Access>,
) -> Result<String, Denied> {
    let claims = provider.verify_access_token(presented_token).map_err(|why| Denied::Token(why.to_string()))?;
    let audience = bootstrap::audience(&provider.issuer);
    if claims.aud != audience {
        return Err(Denied::Token(format!("the token is for {}", claims.aud)));
    }
    let username = match provider.standing(&claims).await.map_err(Error::from)? {
        Standing::Active { username } => username,
        Standing::Revoked(_) => return Err(Denied::Token("the token is revoked".to_owned())),
        Standing::Gone(what) => return Err(Denied::Token(what.to_owned())),
    };
    // Not from memory, which may be two seconds old.
    let found = async || clients::find(&mut provider.store.reading().await?, &claims.client_id).await;
    let client = found().await.map_err(Error::from)?;
    let client = client.filter(|client| client.disabled_at.is_none() && client.audiences.0.contains(&audience));
    let client = client.ok_or_else(|| Denied::Token("the client may not administer any more".to_owned()))?;
    let has = |access: Access| has_scope(&claims, access) && client.scope.0.contains(access.scope());
    match access {
        Some(access) if !has(access) => return Err(Denied::Scope(access)),
        None if !Access::ALL.into_iter().any(has) => return Err(Denied::Scope(Access::Read)),
        _ => {}
    }
    Ok(match username {
        Some(username) => format!("user:{username}"),
        None => format!("client:{}", claims.client_id),
    })
}

fn has_scope(claims: &AccessTokenClaims, access: Access) -> bool {
    claims.scope.contains(access.scope())
}
