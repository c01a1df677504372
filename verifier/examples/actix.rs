//! An API on actix-web that takes tokens of one issuer:
//!
//! ```text
//! cargo run -p signet-verifier --example actix --features actix -- https://issuer audience
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8088/reports
//! ```
//!
//! A third argument names a file with a certificate authority of one's own, such as the one of `signet dev`.

use actix_web::{App, HttpServer, get, web};
use signet_verifier::actix::Authorized;
use signet_verifier::{Client, Policy, scopes};

scopes!(ReadReports = "reports:read");

#[get("/who")]
async fn who(token: Authorized) -> String {
    format!("{} by {}\n", token.sub(), token.client_id())
}

#[get("/reports")]
async fn reports(token: Authorized<ReadReports>) -> String {
    format!("the reports of {}\n", token.sub())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, ca @ ..] = arguments.as_slice() else {
        return Err("usage: actix ISSUER AUDIENCE [CA-FILE]".into());
    };
    let mut builder = Client::builder(Policy::new(issuer, audience)).realm("reports").follow_changes(true);
    if let [file] = ca {
        builder = builder.root_certificate(&std::fs::read(file)?);
    }
    let client = builder.build()?;
    client.warm_up().await?;

    println!("listens on http://127.0.0.1:8088");
    let server =
        HttpServer::new(move || App::new().app_data(web::Data::new(client.clone())).service(who).service(reports));
    Ok(server.bind(("127.0.0.1", 8088))?.run().await?)
}
