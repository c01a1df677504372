//! The API: a list of orders. Reading it needs scope `read`, adding to it scope `write`. What a handler demands of a token
//! stands among its arguments.

use std::io;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::{Deserialize, Serialize};
use signet_verifier::actix::Authorized;
use signet_verifier::{Client, scopes};

scopes!(ReadOrders = "read");
scopes!(WriteOrders = "write");

/// Starts to listen; awaiting the server runs it. Plain HTTP: in production a proxy or `listen_rustls` adds TLS, since
/// whoever reads a token on its way can use it until it expires.
pub fn listen(listener: TcpListener, verifier: Client) -> io::Result<Server> {
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

async fn list(_token: Authorized<ReadOrders>, orders: web::Data<Orders>) -> HttpResponse {
    HttpResponse::Ok().json(&*orders.lock().unwrap_or_else(PoisonError::into_inner))
}

// The token comes first, so that a request without a good one is refused before its body is looked at.
async fn add(token: Authorized<WriteOrders>, orders: web::Data<Orders>, new: web::Json<NewOrder>) -> HttpResponse {
    let NewOrder { item, quantity } = new.into_inner();
    let order = Order { item, quantity, placed_by: token.sub().to_owned() };
    orders.lock().unwrap_or_else(PoisonError::into_inner).push(order.clone());
    HttpResponse::Created().json(order)
}
