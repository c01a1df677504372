//! An issuer for tests: publishes metadata and keys, counts who fetches them, and signs whatever it is told.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub struct Key {
    pub jwk: Value,
    kid: String,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Key {
    pub fn new(kid: &str, algorithm: Algorithm) -> Self {
        let private = match algorithm {
            Algorithm::EdDSA => {
                EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::RS256 | Algorithm::PS256 => {
                let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap().as_ref().to_vec();
                let pem = base64::engine::general_purpose::STANDARD.encode(pkcs8);
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
                EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
            }
            Algorithm::HS256 => EncodingKey::from_secret(&[7; 32]),
            _ => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
        };
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        Self { jwk, kid: kid.to_owned(), algorithm, private }
    }

    pub fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        header
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    pub fn sign_as(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.private).unwrap()
    }

    /// The oldest trick: a verifier that believes the header takes the public key, which all know, for a shared secret.
    pub fn sign_with_public_key_as_secret(&self, claims: &Value) -> String {
        let mut header = self.header();
        header.alg = Algorithm::HS256;
        let modulus = URL_SAFE_NO_PAD.decode(self.jwk["n"].as_str().unwrap()).unwrap();
        encode(&header, claims, &EncodingKey::from_secret(&modulus)).unwrap()
    }
}

/// A token with `"alg": "none"` and an empty signature.
pub fn unsigned(kid: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({ "alg": "none", "typ": "at+jwt", "kid": kid })), part(claims))
}

#[derive(Default)]
struct Published {
    keys: Vec<Value>,
    name: String,
    jwks_uri: String,
    fetches: usize,
    uncached: bool,
}

pub struct Issuer {
    pub url: String,
    published: Arc<Mutex<Published>>,
    server: ServerHandle,
}

impl Issuer {
    pub fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let published = Arc::new(Mutex::new(Published {
            name: url.clone(),
            jwks_uri: format!("{url}/keys"),
            ..Published::default()
        }));
        let state = web::Data::from(published.clone());
        let app = move || {
            App::new()
                .app_data(state.clone())
                .route("/.well-known/oauth-authorization-server", web::get().to(metadata))
                .route("/keys", web::get().to(jwks))
        };
        let server = HttpServer::new(app).workers(1).listen(listener).unwrap().run();
        let issuer = Self { url, published, server: server.handle() };
        issuer.publish(keys);
        actix_web::rt::spawn(server);
        issuer
    }

    pub fn publish(&self, keys: &[&Key]) {
        self.published.lock().unwrap().keys = keys.iter().map(|key| key.jwk.clone()).collect();
    }

    pub fn claim_to_be(&self, name: &str) {
        name.clone_into(&mut self.published.lock().unwrap().name);
    }

    /// From now on a key set is old as soon as it is fetched.
    pub fn allow_no_caching(&self) {
        self.published.lock().unwrap().uncached = true;
    }

    /// How often the key set was fetched.
    pub fn fetches(&self) -> usize {
        self.published.lock().unwrap().fetches
    }

    pub async fn stop(&self) {
        self.server.stop(false).await;
    }
}

async fn metadata(state: web::Data<Mutex<Published>>) -> HttpResponse {
    let published = state.lock().unwrap();
    HttpResponse::Ok().json(json!({ "issuer": published.name, "jwks_uri": published.jwks_uri }))
}

async fn jwks(state: web::Data<Mutex<Published>>) -> HttpResponse {
    let mut published = state.lock().unwrap();
    published.fetches += 1;
    let cache_control = if published.uncached { "max-age=0" } else { "public, max-age=300" };
    HttpResponse::Ok().insert_header(("Cache-Control", cache_control)).json(json!({ "keys": published.keys }))
}
