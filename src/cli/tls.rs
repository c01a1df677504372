//! TLS for the listeners: the certificate from its files or ordered, as the configuration says, or, for `signet dev`, from a
//! certificate authority made for it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use chrono::Datelike as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use tokio::sync::Notify;

use super::failure::Failure;
use crate::certificate::acme::{self, Acme, ChallengeType, Terms};
use crate::certificate::{self, Files, Shown};
use crate::clock::Clock;
use crate::config::{AcmeChallenge, CertificateSource, Config, TlsFiles};
use crate::oauth::Provider;

/// TLS as it is to be served: what handshakes are answered with, and what keeps that up to date.
pub struct Prepared {
    pub config: ServerConfig,
    pub shown: Arc<Shown>,
    upkeep: Upkeep,
}

enum Upkeep {
    Files(Pin<Box<dyn Future<Output = ()>>>),
    Ordered(Box<Terms>),
}

/// With the certificate that the configuration names.
///
/// # Errors
/// When a file cannot be read, or the key is not the certificate's.
pub fn prepare(config: &Config, source: CertificateSource<'_>, hangup: &Arc<Notify>) -> Result<Prepared, Failure> {
    match source {
        CertificateSource::Files(TlsFiles { cert, key }) => from_files(cert, key, hangup),
        CertificateSource::Ordered { domains } => {
            let challenge = match config.acme_challenge {
                AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
                AcmeChallenge::Http01 => ChallengeType::Http01,
            };
            let external = config.acme_eab_key_id.as_ref().zip(config.acme_eab_hmac_key.as_ref());
            let terms = Terms {
                directory: config.acme_directory.as_str().to_owned(),
                domains,
                contact: config.acme_contact.as_ref().map(|contact| contact.as_str().to_owned()),
                challenge,
                root: config.acme_root_file.clone(),
                external_account: external.map(|(id, key)| (id.as_str().to_owned(), key.secret().clone())),
            };
            let shown = match challenge {
                ChallengeType::TlsAlpn01 => Shown::answering_challenges(),
                ChallengeType::Http01 => Shown::default(),
            };
            prepared(Arc::new(shown), Upkeep::Ordered(Box::new(terms)))
        }
    }
}

/// With a certificate from two files, which are read again when they change.
pub fn from_files(certificate: &Path, key: &Path, hangup: &Arc<Notify>) -> Result<Prepared, Failure> {
    let files = Files { chain: certificate.to_owned(), key: key.to_owned() };
    let shown = Arc::new(Shown::default());
    let follow = files.follow(shown.clone(), Clock::system(), hangup.clone());
    let follow = follow.map_err(|error| Failure::Unusable(error.to_string()))?;
    prepared(shown, Upkeep::Files(Box::pin(follow)))
}

fn prepared(shown: Arc<Shown>, upkeep: Upkeep) -> Result<Prepared, Failure> {
    let config = certificate::server_config(shown.clone()).map_err(|error| Failure::Unusable(error.to_string()))?;
    Ok(Prepared { config, shown, upkeep })
}

impl Prepared {
    /// What keeps the certificate up to date, until it is dropped.
    ///
    /// # Errors
    /// When the database does not answer, or holds a certificate that cannot be used.
    pub async fn keep(self, provider: &Provider) -> Result<Pin<Box<dyn Future<Output = ()>>>, Failure> {
        self.shown.tell(provider.metrics.certificate_not_after.clone());
        match self.upkeep {
            Upkeep::Files(follow) => Ok(follow),
            Upkeep::Ordered(terms) => {
                let around = acme::Surroundings {
                    store: provider.store.clone(),
                    clock: provider.clock.clone(),
                    entropy: provider.entropy.clone(),
                    keys: provider.keys.clone(),
                };
                let acme = Acme::begin(*terms, self.shown, around).await;
                let acme = acme.map_err(|error| Failure::Unusable(format!("the TLS certificate: {error}")))?;
                Ok(Box::pin(acme.keep()))
            }
        }
    }
}

/// The files of a certificate for this machine alone, and of the authority that signed it.
pub struct LocalCertificate {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Makes an authority and a certificate for `localhost` in `folder`, for a year, unless they are there. The authority's key is thrown away as soon as
/// it has signed: whoever trusts it trusts this one certificate.
pub fn local_certificate(folder: &Path) -> Result<LocalCertificate, Failure> {
    let files = LocalCertificate {
        authority: folder.join("dev-ca.pem"),
        certificate: folder.join("dev-tls.pem"),
        key: folder.join("dev-tls.key"),
    };
    let now = Clock::system().now();
    let kept = Files { chain: files.certificate.clone(), key: files.key.clone() };
    if files.authority.exists() && kept.load().is_ok_and(|held| !held.ends_soon(now)) {
        return Ok(files);
    }
    let day = |day: chrono::NaiveDate| {
        let of_month = |number: u32| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(day.year(), of_month(day.month()), of_month(day.day()))
    };
    let today = now.date_naive();
    let (from, until) = (day(today), day(today + chrono::Days::new(365)));
    let failed = |error: rcgen::Error| Failure::Unusable(format!("making a certificate: {error}"));
    let authority_key = KeyPair::generate().map_err(failed)?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "signet dev authority");
    (authority.not_before, authority.not_after) = (from, until);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;

    let key = KeyPair::generate().map_err(failed)?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut certificate = CertificateParams::new(names).map_err(failed)?;
    certificate.distinguished_name.push(DnType::CommonName, "localhost");
    (certificate.not_before, certificate.not_after) = (from, until);
    certificate.use_authority_key_identifier_extension = true;
    let certificate = certificate.signed_by(&key, &Issuer::new(authority, authority_key)).map_err(failed)?;

    write(&files.authority, &authority_certificate.pem(), 0o644)?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate.pem(), 0o644)?;
    Ok(files)
}

/// Writes a whole file with its permissions from the start.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let failed = |error| Failure::Unusable(format!("{}: {error}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}
