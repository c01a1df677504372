//! Every operation there is, one file a noun.

pub mod audit;
pub mod clients;
pub mod grants;
pub mod issuer;
pub mod resource_servers;
pub mod signing_keys;
pub mod users;
pub mod webhooks;

use super::operation::Visitor;

/// Shows the visitor every operation.
pub fn each(visitor: &mut impl Visitor) {
    users::each(visitor);
    clients::each(visitor);
    resource_servers::each(visitor);
    signing_keys::each(visitor);
    grants::each(visitor);
    webhooks::each(visitor);
    audit::each(visitor);
    issuer::each(visitor);
}
