//! One order, from the account to the certificate (RFC 8555 §7.1.6). What goes over the network has a time limit; what is
//! written to the database has none, for a transaction is never dropped half-way.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ExternalAccountKey, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::{Acme, AcmeError, Lease, SPREAD};
use crate::secret::SecretBytes;
use crate::store::acme::{self, AcmeAccount, Challenge};

/// How long the authority may take for each of the three parts of an order. Together less than the lease.
const PATIENCE: Duration = Duration::from_secs(80);

/// How the authority is asked whether it is done.
const POLLING: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(75));

impl Acme {
    /// The chain (PEM) and the private key (PEM) of a new certificate.
    pub(super) async fn order(&self, lease: Lease) -> Result<(String, SecretBytes), AcmeError> {
        let account = self.account().await?;
        let (mut order, challenges) = in_time(self.place(&account)).await?;
        if !challenges.is_empty() {
            if !acme::publish(&mut self.store.writing().await?, lease, challenges).await? {
                return Err(AcmeError::Overtaken);
            }
            self.look().await?;
            tokio::time::sleep(SPREAD).await;
            in_time(self.prove(&mut order)).await?;
        }
        in_time(self.fetch(&mut order)).await
    }

    /// The account that all instances share, made at the first order.
    async fn account(&self) -> Result<Account, AcmeError> {
        let directory = &self.terms.directory;
        let kept = acme::account(&mut self.store.reading().await?, directory).await?;
        if let Some(kept) = kept {
            let credentials = self.keys.open_acme_account(directory, &kept.sealed_credentials)?;
            let credentials: AccountCredentials = serde_json::from_slice(credentials.expose())?;
            return in_time(async { Ok(self.client()?.from_credentials(credentials).await?) }).await;
        }
        let contact = self.terms.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            // Who configures an authority has agreed to its terms; `docs/operations/tls.md` says so.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = match &self.terms.external_account {
            Some((id, key)) => {
                let key = key.expose().trim();
                let key = URL_SAFE_NO_PAD.decode(key).or_else(|_| URL_SAFE.decode(key));
                Some(ExternalAccountKey::new(id.clone(), &key.map_err(|_| AcmeError::ExternalAccountKey)?))
            }
            None => None,
        };
        let made = async { Ok(self.client()?.create(&new, directory.clone(), external.as_ref()).await?) };
        let (account, credentials) = in_time(made).await?;
        let credentials = SecretBytes::new(serde_json::to_vec(&credentials)?);
        let kept = AcmeAccount {
            directory: directory.clone(),
            sealed_credentials: self.keys.seal_acme_account(directory, &credentials),
            created_at: self.clock.now(),
        };
        acme::keep_account(&mut self.store.writing().await?, &kept).await?;
        Ok(account)
    }

    fn client(&self) -> Result<instant_acme::AccountBuilder, AcmeError> {
        Ok(match &self.terms.root {
            Some(root) => Account::builder_with_root(root)?,
            None => Account::builder()?,
        })
    }

    /// Places the order. Domains that the authority has checked not long ago ask for no challenge.
    async fn place(&self, account: &Account) -> Result<(Order, Vec<Challenge>), AcmeError> {
        let identifiers: Vec<Identifier> = self.terms.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let mut challenges = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let Some(challenge) = authorization.challenge(self.terms.challenge.acme()) else {
                return Err(AcmeError::NoChallenge { challenge: self.terms.challenge.as_str(), domain });
            };
            challenges.push(Challenge {
                domain,
                token: challenge.token.clone(),
                key_authorization: challenge.key_authorization().as_str().to_owned(),
            });
        }
        Ok((order, challenges))
    }

    /// Lets the authority check the domains.
    async fn prove(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Pending
                && let Some(mut challenge) = authorization.challenge(self.terms.challenge.acme())
            {
                challenge.set_ready().await?;
            }
        }
        match order.poll_ready(&POLLING).await? {
            OrderStatus::Ready | OrderStatus::Valid => Ok(()),
            status => Err(refused(order, status).await),
        }
    }

    /// Sends the request with a new key, and waits for the certificate.
    async fn fetch(&self, order: &mut Order) -> Result<(String, SecretBytes), AcmeError> {
        let key = KeyPair::generate()?;
        let mut request = CertificateParams::new(self.terms.domains.clone())?;
        request.distinguished_name = DistinguishedName::new();
        order.finalize_csr(request.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&POLLING).await?;
        Ok((chain, SecretBytes::new(key.serialize_pem().into_bytes())))
    }
}

/// What the authority says of each domain that it could not check.
async fn refused(order: &mut Order, status: OrderStatus) -> AcmeError {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let domain = authorization.identifier().to_string();
        if let Ok(state) = authorization.refresh().await {
            let faults = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(faults.map(|fault| format!("{domain}: {fault}")));
        }
    }
    AcmeError::Refused(if reasons.is_empty() { format!("it is {status:?}") } else { reasons.join("; ") })
}

async fn in_time<T>(part: impl Future<Output = Result<T, AcmeError>>) -> Result<T, AcmeError> {
    tokio::time::timeout(PATIENCE, part).await.map_err(|_| AcmeError::Silent)?
}
