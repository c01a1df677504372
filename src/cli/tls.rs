//! TLS for the listener: the certificate from its files, or, for `signet dev`, from a certificate authority made for it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::failure::Failure;

/// TLS 1.2 and 1.3 with rustls's defaults: ECDHE and AEAD only.
///
/// # Errors
/// When a file cannot be read, or the key is not the certificate's.
pub fn server_config(certificate_file: &Path, key_file: &Path) -> Result<ServerConfig, Failure> {
    let refused = |file: &Path, why: String| Failure::Unusable(format!("{}: {why}", file.display()));
    let chain = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(certificate_file, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(certificate_file, "holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| refused(key_file, error.to_string()))?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Unusable(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| refused(certificate_file, error.to_string()))
}

/// The files of a certificate for this machine alone, and of the authority that signed it.
pub struct LocalCertificate {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Makes an authority and a certificate for `localhost` in `folder`, once. The authority's key is thrown away as soon as
/// it has signed: whoever trusts it trusts this one certificate.
pub fn local_certificate(folder: &Path) -> Result<LocalCertificate, Failure> {
    let files = LocalCertificate {
        authority: folder.join("dev-ca.pem"),
        certificate: folder.join("dev-tls.pem"),
        key: folder.join("dev-tls.key"),
    };
    if files.authority.exists() && files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let failed = |error: rcgen::Error| Failure::Unusable(format!("making a certificate: {error}"));
    let authority_key = KeyPair::generate().map_err(failed)?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "signet dev authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;

    let key = KeyPair::generate().map_err(failed)?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut certificate = CertificateParams::new(names).map_err(failed)?;
    certificate.distinguished_name.push(DnType::CommonName, "localhost");
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
