//! The API: a list of orders. Reading it needs scope `read`, adding to it scope `write`.
//!
//! `key_set` fetches the issuer's keys, `verify` judges a token, `bearer` does both for a request and answers refusals.
//! The three are the part to copy; nothing in them is about orders.

pub mod bearer;
pub mod key_set;
pub mod verify;

use std::io;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};

use bearer::Denied;
use verify::{AccessToken, Verifier};

/// Starts to listen; awaiting the server runs it. Plain HTTP: in production a proxy or `listen_rustls` adds TLS, since
/// whoever reads a token on its way can use it until it expires.
pub fn listen(listener: TcpListener, verifier: Verifier) -> io::Result<Server> {
    let verifier = web::Data::new(verifier);
    let orders = web::Data::new(Mutex::<Vec<Order>>::default());
    let app = move || {
        let routes = web::resource("/orders").route(web::get().to(list)).route(web::post().to(add));
        App::new().app_data(verifier.clone()).app_data(orders.clone()).service(routes)
    };
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run())
}

#[derive(Clone, Serialize)]
struct Order {
    item: String,
    quantity: u32,
    /// The token's subject: a user's id, or the `client_id` of a client that acts for itself.
    placed_by: String,
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    quantity: u32,
}

type Orders = Mutex<Vec<Order>>;

// The token is the first argument of each handler, so that a request without a good one is refused before its body is
// looked at.

async fn list(token: AccessToken, orders: web::Data<Orders>) -> Result<HttpResponse, Denied> {
    token.require("read")?;
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(HttpResponse::Ok().json(&*orders))
}

async fn add(token: AccessToken, orders: web::Data<Orders>, new: web::Json<NewOrder>) -> Result<HttpResponse, Denied> {
    token.require("write")?;
    let NewOrder { item, quantity } = new.into_inner();
    let order = Order { item, quantity, placed_by: token.subject };
    orders.lock().unwrap_or_else(PoisonError::into_inner).push(order.clone());
    Ok(HttpResponse::Created().json(order))
}
