//! A certificate authority of the test's own, and what it signs.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Its certificate is for whoever is to believe it.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both PEM.
pub struct Signed {
    pub chain: String,
    pub key: String,
    /// The certificate alone, in DER.
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn write(&self, file: &Path) {
        std::fs::write(file, self.pem()).unwrap();
    }

    /// A certificate for these names, valid until a year far away.
    pub fn sign(&self, names: &[&str]) -> Signed {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Signed { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }
}
