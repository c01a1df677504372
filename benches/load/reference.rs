//! The reference server: what the machine gives at most. Bare actix handlers that do one costly thing of the service
//! each, with as many workers. It runs as a child, so that its processor time is accounted for in the same way.

use std::net::SocketAddr;

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::WORKERS;
use crate::failure::Failure;
use crate::reference_database::Database;

/// As long as the signing input (RFC 7515 §5.1) of a usual access token.
const SIGNING_INPUT: [u8; 420] = [b'x'; 420];

struct Keys {
    es256: EcdsaKeyPair,
    rs256: RsaKeyPair,
    random: SystemRandom,
}

/// Serves on `address` until it is stopped by a signal.
pub fn serve(address: SocketAddr, database_url: &str, rows: u32) -> Result<(), Failure> {
    let keys = web::Data::new(Keys::generate()?);
    actix_web::rt::System::new().block_on(async move {
        let database = web::Data::new(Database::create(database_url, rows).await?);
        let app = move || {
            App::new()
                .app_data(keys.clone())
                .app_data(database.clone())
                .route("/readyz", web::get().to(HttpResponse::Ok))
                .route("/es256", web::get().to(sign_es256))
                .route("/rs256", web::get().to(sign_rs256))
                .route("/update/{row}", web::get().to(update))
        };
        let server = HttpServer::new(app).workers(WORKERS).bind(address).map_err(Failure::io("binding"))?;
        server.run().await.map_err(Failure::io("serving"))
    })
}

impl Keys {
    fn generate() -> Result<Self, Failure> {
        Ok(Self {
            es256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| Failure::Key)?,
            rs256: RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| Failure::Key)?,
            random: SystemRandom::new(),
        })
    }
}

async fn sign_es256(keys: web::Data<Keys>) -> impl Responder {
    answer(keys.es256.sign(&keys.random, &SIGNING_INPUT).ok().as_ref().map(AsRef::as_ref))
}

async fn sign_rs256(keys: web::Data<Keys>) -> impl Responder {
    let mut signature = vec![0; keys.rs256.public_modulus_len()];
    let signed = keys.rs256.sign(&RSA_PKCS1_SHA256, &keys.random, &SIGNING_INPUT, &mut signature);
    answer(signed.is_ok().then_some(&signature))
}

async fn update(database: web::Data<Database>, row: web::Path<i64>) -> impl Responder {
    match database.update(*row).await {
        Ok(generation) => json(format!("{{\"generation\":{generation}}}")),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn answer(signature: Option<&[u8]>) -> HttpResponse {
    match signature {
        Some(signature) => json(format!("{{\"signature\":\"{}\"}}", URL_SAFE_NO_PAD.encode(signature))),
        None => HttpResponse::InternalServerError().body("the signature failed"),
    }
}

fn json(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}
