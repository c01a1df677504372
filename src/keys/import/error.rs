//! Why a private key is not imported. No text repeats anything of the key.

use crate::keys::ring::UnusableKey;
use crate::keys::signer::OpenError;
use crate::keys::weak::Weakness;
use crate::protocol::jwk::Algorithm;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file's alg is {file}, and {stated} was asked for: sign with the algorithm that verifiers know it for")]
    AlgorithmOfFile { file: Algorithm, stated: Algorithm },
    #[error("{algorithm} does not go with it: it is {kind}")]
    AlgorithmOfKey { algorithm: Algorithm, kind: &'static str },
    #[error("its \"alg\" is not one of RS256, ES256, PS256, EdDSA")]
    AlgorithmUnknown,
    #[error("the file holds no PEM block and no JSON object: give PEM or JWK")]
    Form,
    #[error("its private and public numbers do not belong together")]
    Inconsistent,
    #[error("it is no well-formed JSON Web Key: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("the member {0:?} is missing, or not of the form and length that RFC 7518 and RFC 8037 give it")]
    JwkMember(&'static str),
    #[error("its \"key_ops\" do not list \"sign\"")]
    KeyOps,
    #[error("it is {0}: keys that sign here are RSA, EC on P-256 and Ed25519")]
    KeyType(&'static str),
    #[error("a kid has 1 to 255 visible ASCII characters: name another with --kid")]
    Kid,
    #[error(
        "it is encrypted in OpenSSL's old form, which derives the key by one round of MD5: convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW_FILE`"
    )]
    LegacyEncryption,
    #[error("its DER is malformed")]
    Malformed,
    #[error("it is an RSA key of more than two primes")]
    MultiPrime,
    #[error("it is in OpenSSH's form: convert a copy with `ssh-keygen -p -m PKCS8 -f COPY`")]
    OpenSsh,
    #[error("the passphrase does not open it")]
    Passphrase,
    #[error("it is encrypted: its passphrase is needed")]
    PassphraseNeeded,
    #[error("its PEM is malformed")]
    Pem,
    #[error("the file holds a public key only: the private key is needed to sign")]
    PublicOnly,
    #[error("an RSASSA-PSS key (id-RSASSA-PSS) is bound to parameters that are not kept here")]
    RsaPssOnly,
    #[error(
        "its encryption is not PBES2 with PBKDF2 (HMAC-SHA-2) or scrypt and AES, or asks for too much work: convert it \
         with `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in FILE -out NEW_FILE`"
    )]
    Scheme,
    #[error("the file holds {0} keys: give it one at a time")]
    Several(usize),
    #[error("it is a symmetric key: every verifier that knows it could sign with it")]
    Symmetric,
    #[error("its \"use\" is not \"sig\"")]
    Use,
    #[error(transparent)]
    Weak(#[from] Weakness),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Unusable(#[from] UnusableKey),
}
