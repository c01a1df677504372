//! For services of tower on `http` 1, such as axum's and tonic's: a layer that lets only requests with a good token
//! through and leaves its [`AccessToken`] in their extensions, and a layer that demands scopes.
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use signet_verifier::tower::{RequireScopes, RequireToken};
//! use signet_verifier::{AccessToken, Client};
//!
//! async fn reports(Extension(token): Extension<AccessToken>) -> String {
//!     format!("the reports of {}", token.sub())
//! }
//!
//! fn app(client: Client) -> Router {
//!     // The layer that is added last is the first to see a request.
//!     Router::new()
//!         .route("/reports", get(reports))
//!         .layer(RequireScopes::new(["reports:read"]))
//!         .layer(RequireToken::new(client))
//! }
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::bearer::{Denied, presented, require};
use crate::{AccessToken, Client};

/// Demands a good token. The refusal's [`Denied`] is in the extensions of the answer, for a log outside this layer.
#[derive(Clone, Debug)]
pub struct RequireToken {
    client: Client,
}

impl RequireToken {
    /// Tokens are good that this client finds good.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl<S> Layer<S> for RequireToken {
    type Service = TokenRequired<S>;

    fn layer(&self, inner: S) -> TokenRequired<S> {
        TokenRequired { inner, client: self.client.clone() }
    }
}

/// A service behind [`RequireToken`].
#[derive(Clone, Debug)]
pub struct TokenRequired<S> {
    inner: S,
    client: Client,
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, In, Out> Service<Request<In>> for TokenRequired<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Send + 'static,
    Out: Default,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Answering<Response<Out>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        // The one that was polled ready is called; the clone stays.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let client = self.client.clone();
        let headers = request.headers().get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let token = presented(headers).map(str::to_owned);
        Box::pin(async move {
            let verified = match token {
                Ok(token) => client.verify(&token).await.map_err(Denied::from),
                Err(denied) => Err(denied),
            };
            match verified {
                Ok(token) => {
                    request.extensions_mut().insert(Realm(client.realm().into()));
                    request.extensions_mut().insert(token);
                    inner.call(request).await
                }
                Err(denied) => Ok(answer(denied, client.realm())),
            }
        })
    }
}

/// What is protected, for the challenges of a layer further in.
#[derive(Clone)]
struct Realm(Arc<str>);

/// Demands scopes of the token that [`RequireToken`], further out, has verified. Where no token was, there is none to
/// have scopes, and the request is refused.
#[derive(Clone, Debug)]
pub struct RequireScopes {
    scopes: Arc<[Box<str>]>,
}

impl RequireScopes {
    /// All of them.
    pub fn new<I: IntoIterator<Item: AsRef<str>>>(scopes: I) -> Self {
        Self { scopes: scopes.into_iter().map(|scope| scope.as_ref().into()).collect() }
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = ScopesRequired<S>;

    fn layer(&self, inner: S) -> ScopesRequired<S> {
        ScopesRequired { inner, scopes: self.scopes.clone() }
    }
}

/// A service behind [`RequireScopes`].
#[derive(Clone, Debug)]
pub struct ScopesRequired<S> {
    inner: S,
    scopes: Arc<[Box<str>]>,
}

impl<S, In, Out> Service<Request<In>> for ScopesRequired<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Out: Default + Send + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Answering<Response<Out>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let token = request.extensions().get::<AccessToken>().ok_or(Denied::NoToken);
        match token.and_then(|token| require(token, &self.scopes)) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(denied) => {
                let realm = request.extensions().get::<Realm>().map_or("api", |realm| &realm.0);
                let answer = answer(denied, realm);
                Box::pin(async move { Ok(answer) })
            }
        }
    }
}

fn answer<Out: Default>(denied: Denied, realm: &str) -> Response<Out> {
    tracing::info!(reason = %denied, "a request is denied");
    let mut answer = Response::new(Out::default());
    *answer.status_mut() = StatusCode::from_u16(denied.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Both are printable ASCII: a realm and scopes are filtered, the rest is ours.
    if let Some(challenge) = denied.challenge(realm).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = denied.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    answer.extensions_mut().insert(denied);
    answer
}
