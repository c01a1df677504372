//! Which dispatcher a connection gets: actix-http's for HTTP/1, ours for HTTP/2.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::body::BoxBody;
use actix_http::error::DispatchError;
use actix_http::{Protocol, Request, Response};
use actix_service::{Service, ServiceFactory};
use futures_util::future::LocalBoxFuture;

use super::connection::Connection;
use super::http2::{self, Terms};

/// A connection, the protocol that it speaks, and whose it is.
pub type Accepted = (Connection, Protocol, Option<SocketAddr>);

/// Makes [`Dispatchers`], one for each worker.
pub struct Protocols<H, A, G> {
    pub http1: H,
    pub app: A,
    pub terms: Terms,
    /// What is ready when the server stops.
    pub stopping: G,
}

impl<H, A, G, F> ServiceFactory<Accepted> for Protocols<H, A, G>
where
    H: ServiceFactory<Accepted, Config = (), Response = (), Error = DispatchError, InitError = ()>,
    H::Future: 'static,
    H::Service: 'static,
    A: ServiceFactory<Request, Config = (), Response = Response<BoxBody>, Error = Response<BoxBody>, InitError = ()>,
    A::Future: 'static,
    A::Service: 'static,
    G: Fn() -> F + Clone + 'static,
    F: Future<Output = ()> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Config = ();
    type Service = Dispatchers<H::Service, A::Service, G>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (http1, app) = (self.http1.new_service(()), self.app.new_service(()));
        let (terms, stopping) = (self.terms.clone(), self.stopping.clone());
        Box::pin(async move { Ok(Dispatchers { http1: http1.await?, app: Rc::new(app.await?), terms, stopping }) })
    }
}

pub struct Dispatchers<H, A, G> {
    http1: H,
    app: Rc<A>,
    terms: Terms,
    stopping: G,
}

impl<H, A, G, F> Service<Accepted> for Dispatchers<H, A, G>
where
    H: Service<Accepted, Response = (), Error = DispatchError>,
    H::Future: 'static,
    A: Service<Request, Response = Response<BoxBody>, Error = Response<BoxBody>> + 'static,
    G: Fn() -> F,
    F: Future<Output = ()> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = LocalBoxFuture<'static, Result<(), DispatchError>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        ready!(self.http1.poll_ready(context))?;
        // It has answers for its errors, which nobody asked for here.
        self.app.poll_ready(context).map_err(|_| DispatchError::InternalError)
    }

    fn call(&self, (connection, protocol, peer): Accepted) -> Self::Future {
        if protocol == Protocol::Http2 {
            let (app, terms) = (self.app.clone(), self.terms.clone());
            return Box::pin(http2::serve(connection, peer, app, terms, (self.stopping)()));
        }
        Box::pin(self.http1.call((connection, protocol, peer)))
    }
}
