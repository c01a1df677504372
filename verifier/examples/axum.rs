//! An API on axum that takes tokens of one issuer:
//!
//! ```text
//! cargo run -p signet-verifier --example axum --features tower -- https://issuer audience
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8088/reports
//! ```
//!
//! A third argument names a file with a certificate authority of one's own, such as the one of `signet dev`.

use axum::routing::get;
use axum::{Extension, Router};
use signet_verifier::tower::{RequireScopes, RequireToken};
use signet_verifier::{AccessToken, Client, Policy};

async fn who(Extension(token): Extension<AccessToken>) -> String {
    format!("{} by {}\n", token.sub(), token.client_id())
}

async fn reports(Extension(token): Extension<AccessToken>) -> String {
    format!("the reports of {}\n", token.sub())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, ca @ ..] = arguments.as_slice() else {
        return Err("usage: axum ISSUER AUDIENCE [CA-FILE]".into());
    };
    let mut builder = Client::builder(Policy::new(issuer, audience)).realm("reports").follow_changes(true);
    if let [file] = ca {
        builder = builder.root_certificate(&std::fs::read(file)?);
    }
    let client = builder.build()?;
    client.warm_up().await?;

    let app = Router::new()
        .route("/reports", get(reports))
        .layer(RequireScopes::new(["reports:read"]))
        .route("/who", get(who))
        .layer(RequireToken::new(client));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8088").await?;
    println!("listens on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
