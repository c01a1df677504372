//! What a client may be registered for (RFC 7591 §2): judged as a whole, for a new client and for a changed one alike.

use std::collections::BTreeSet;

use super::clients::{ClientChange, is_public};
use super::lifetime::{self, LEEWAY, spelled};
use super::{Error, grants, resource_servers};
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::scope::Scope;
use crate::store::clients::Client;
use crate::store::resource_servers::ResourceServer;
use crate::store::settings::Settings;
use crate::store::{Connection, Json, Spelled};

/// A client's resource servers. Each must exist.
pub(super) async fn servers(connection: &mut Connection, client: &Client) -> Result<Vec<ResourceServer>, Error> {
    if client.audiences.0.is_empty() {
        return Err(Error::invalid("audiences", "must name at least one resource server"));
    }
    let mut servers = Vec::new();
    for audience in &client.audiences.0 {
        let server = resource_servers::find(connection, audience).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::Refused(format!(
                "there is no resource server {audience}: create it first, with `signet resource-server create`"
            )),
            other => other,
        })?;
        servers.push(server);
    }
    Ok(servers)
}

/// All that the resource servers offer.
pub(super) fn offered(servers: &[ResourceServer]) -> Result<Scope, Error> {
    let mut seen = BTreeSet::new();
    let tokens = servers.iter().flat_map(|server| server.scope.0.tokens()).filter(|token| seen.insert(*token));
    let scope = tokens.collect::<Vec<_>>().join(" ").parse();
    scope.map_err(|error| Error::invalid("scope", format!("of all audiences together is too much: {error}")))
}

/// Judges a client. Answers what the administrator should know of one that is allowed.
pub(super) fn check(client: &Client, servers: &[ResourceServer], settings: &Settings) -> Result<Vec<String>, Error> {
    let mut notes = check_grant_types(client)?;
    for token in client.scope.0.tokens() {
        if !servers.iter().any(|server| server.scope.0.contains(token)) {
            return Err(Error::Refused(format!(
                "scope {token} is offered by none of the client's audiences: leave it out, or add it to a resource \
                 server with `signet resource-server update`"
            )));
        }
    }
    notes.extend(check_access_token_lifetime(client.access_token_lifetime, settings)?);
    check_refresh_lifetimes(client, settings)?;
    client.grant_limit.map_or(Ok(()), grants::check_limit)?;
    notes.extend(check_networks(client)?);
    Ok(notes)
}

/// Each login goes through them.
const MOST_NETWORKS: usize = 100;

fn check_networks(client: &Client) -> Result<Option<String>, Error> {
    let networks = &client.allowed_networks.0;
    if networks.len() > MOST_NETWORKS {
        return Err(Error::invalid("allowed_networks", format!("must be at most {MOST_NETWORKS}")));
    }
    let has_no_effect = !networks.is_empty() && !client.grant_types.0.contains(&GrantType::Password);
    Ok(has_no_effect.then(|| "allowed_networks has no effect without the password grant type".to_owned()))
}

fn check_grant_types(client: &Client) -> Result<Vec<String>, Error> {
    let types = &client.grant_types.0;
    let has = |grant_type| types.contains(&grant_type);
    if types.is_empty() {
        return Err(Error::invalid("grant_types", "must name at least one grant type"));
    }
    let public = client.token_endpoint_auth_method.as_ref().is_some_and(|method| method.0 == AuthMethod::None);
    if public && has(GrantType::ClientCredentials) {
        return Err(Error::Refused(
            "a public client cannot use client_credentials (RFC 6749 section 4.4): leave the grant type out, or \
             create the client with a secret"
                .to_owned(),
        ));
    }
    let mut notes = Vec::new();
    if has(GrantType::RefreshToken) && !has(GrantType::Password) {
        if has(GrantType::ClientCredentials) {
            return Err(Error::Refused(
                "refresh_token needs the password grant type beside it, for client_credentials gives no refresh token \
                 (RFC 6749 section 4.4.3): leave refresh_token out, or add password"
                    .to_owned(),
            ));
        }
        notes.push(
            "with refresh_token alone nobody can log in: only grants that exist already go on until they expire"
                .to_owned(),
        );
    }
    if has(GrantType::Password) {
        notes.push(
            "password is a legacy grant, which shows the user's password to the client (RFC 9700 section 2.4): plan to \
             leave it"
                .to_owned(),
        );
    }
    Ok(notes)
}

/// The access token lifetime of a client or resource server.
pub(super) fn check_access_token_lifetime(own: Option<i64>, settings: &Settings) -> Result<Option<String>, Error> {
    let Some(seconds) = own else { return Ok(None) };
    lifetime::check("access_token_lifetime", seconds)?;
    let longest = settings.key_retention - LEEWAY;
    if seconds > longest {
        return Err(Error::Refused(format!(
            "access_token_lifetime ({}) must be at most {}, so that a token ends before its key leaves the key set \
             (key_retention {}, less {}): choose a shorter one, or raise key_retention with `signet settings set`",
            spelled(seconds),
            spelled(longest),
            spelled(settings.key_retention),
            spelled(LEEWAY),
        )));
    }
    Ok((seconds > settings.access_token_lifetime).then(|| {
        format!(
            "access_token_lifetime {} has no effect while the default is {}: the shortest that is set counts",
            spelled(seconds),
            spelled(settings.access_token_lifetime)
        )
    }))
}

fn check_refresh_lifetimes(client: &Client, settings: &Settings) -> Result<(), Error> {
    let set = [
        ("refresh_idle_lifetime", client.refresh_idle_lifetime),
        ("refresh_absolute_lifetime", client.refresh_absolute_lifetime),
    ];
    for (field, seconds) in set.into_iter().filter_map(|(field, own)| Some((field, own?))) {
        lifetime::check(field, seconds)?;
    }
    if set.iter().all(|(_, own)| own.is_none()) {
        return Ok(());
    }
    let idle = client.refresh_idle_lifetime.unwrap_or(settings.refresh_idle_lifetime);
    let absolute = client.refresh_absolute_lifetime.unwrap_or(settings.refresh_absolute_lifetime);
    if idle > absolute {
        return Err(Error::Refused(format!(
            "refresh_idle_lifetime ({}) is longer than refresh_absolute_lifetime ({}): set both, the first at most as \
             long as the second",
            spelled(idle),
            spelled(absolute)
        )));
    }
    Ok(())
}

/// The client as the change has it.
pub fn apply(mut client: Client, change: ClientChange) -> Result<Client, Error> {
    if let Some(method) = change.token_endpoint_auth_method {
        let was_public = is_public(&client);
        client.token_endpoint_auth_method = method.into_option().map(Spelled);
        if is_public(&client) != was_public {
            return Err(Error::Refused(
                "a client does not change between public and confidential, for its software would have to change too: \
                 create another client"
                    .to_owned(),
            ));
        }
    }
    if let Some(grant_types) = change.grant_types {
        client.grant_types = Json(each_once(grant_types));
    }
    if let Some(audiences) = change.audiences {
        client.audiences = Json(each_once(audiences));
    }
    if let Some(scope) = change.scope {
        client.scope = Spelled(scope);
    }
    if let Some(networks) = change.allowed_networks {
        client.allowed_networks = Json(each_once(networks));
    }
    for (own, choice) in [
        (&mut client.access_token_lifetime, change.access_token_lifetime),
        (&mut client.refresh_idle_lifetime, change.refresh_idle_lifetime),
        (&mut client.refresh_absolute_lifetime, change.refresh_absolute_lifetime),
        (&mut client.grant_limit, change.grant_limit),
    ] {
        if let Some(choice) = choice {
            *own = choice.into_option();
        }
    }
    Ok(client)
}

/// In the order given.
pub fn each_once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut once = Vec::with_capacity(values.len());
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::admin::settings::tests::DEFAULTS;
    use crate::store::{Json, Spelled};

    fn client(grant_types: &[GrantType]) -> Client {
        Client {
            id: uuid::Uuid::nil(),
            client_id: "erp".to_owned(),
            token_endpoint_auth_method: None,
            grant_types: Json(grant_types.to_vec()),
            scope: Spelled(Scope::default()),
            audiences: Json(vec![]),
            access_token_lifetime: None,
            refresh_idle_lifetime: None,
            refresh_absolute_lifetime: None,
            created_at: DateTime::UNIX_EPOCH,
            disabled_at: None,
            grant_limit: None,
            allowed_networks: Json(vec![]),
        }
    }

    fn refusal(client: &Client) -> String {
        check(client, &[], &DEFAULTS).unwrap_err().to_string()
    }

    #[test]
    fn a_public_client_cannot_use_client_credentials() {
        let mut public = client(&[GrantType::ClientCredentials]);
        assert!(check(&public, &[], &DEFAULTS).is_ok());
        public.token_endpoint_auth_method = Some(Spelled(AuthMethod::None));
        assert!(refusal(&public).contains("client_credentials"));
    }

    #[test]
    fn a_refresh_token_needs_a_grant_that_gives_it() {
        assert!(refusal(&client(&[GrantType::RefreshToken, GrantType::ClientCredentials])).contains("4.4.3"));
        let notes = check(&client(&[GrantType::RefreshToken]), &[], &DEFAULTS).unwrap();
        assert!(notes[0].contains("nobody can log in"), "{notes:?}");
    }

    #[test]
    fn the_password_grant_is_called_a_legacy_grant() {
        let notes = check(&client(&[GrantType::Password, GrantType::RefreshToken]), &[], &DEFAULTS).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("legacy"), "{notes:?}");
    }

    #[test]
    fn networks_are_for_the_password_grant_and_not_too_many() {
        let mut fenced = client(&[GrantType::ClientCredentials]);
        fenced.allowed_networks = Json(vec!["10.0.0.0/8".parse().unwrap(); MOST_NETWORKS]);
        assert!(check(&fenced, &[], &DEFAULTS).unwrap()[0].contains("allowed_networks has no effect"));
        fenced.grant_types = Json(vec![GrantType::Password]);
        assert_eq!(check(&fenced, &[], &DEFAULTS).unwrap().len(), 1, "only that it is a legacy grant");
        fenced.allowed_networks.0.push("::1".parse().unwrap());
        assert!(refusal(&fenced).contains("at most 100"));
    }

    #[test]
    fn no_access_token_outlives_its_key() {
        let mut lasting = client(&[GrantType::ClientCredentials]);
        lasting.access_token_lifetime = Some(DEFAULTS.key_retention - LEEWAY);
        let notes = check(&lasting, &[], &DEFAULTS).unwrap();
        assert!(notes[0].contains("has no effect while the default is 10m"), "{notes:?}");
        lasting.access_token_lifetime = Some(DEFAULTS.key_retention - LEEWAY + 1);
        assert!(refusal(&lasting).contains("key_retention 1d 1h"));
        lasting.access_token_lifetime = Some(0);
        assert!(refusal(&lasting).contains("at least one second"));
    }

    #[test]
    fn the_idle_lifetime_is_measured_against_the_absolute_one_in_force() {
        let mut idle = client(&[GrantType::Password, GrantType::RefreshToken]);
        idle.refresh_idle_lifetime = Some(DEFAULTS.refresh_absolute_lifetime + 1);
        assert!(refusal(&idle).contains("refresh_absolute_lifetime (90d)"));
        idle.refresh_absolute_lifetime = idle.refresh_idle_lifetime;
        assert!(check(&idle, &[], &DEFAULTS).is_ok());
    }
}
