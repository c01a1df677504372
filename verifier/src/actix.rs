//! For actix-web 4: a handler says in its arguments what it takes.
//!
//! ```
//! use actix_web::{App, HttpResponse, Responder, web};
//! use signet_verifier::actix::Authorized;
//! use signet_verifier::{Client, Policy, scopes};
//!
//! scopes!(ReadReports = "reports:read");
//!
//! async fn reports(token: Authorized<ReadReports>) -> impl Responder {
//!     HttpResponse::Ok().body(format!("the reports of {}", token.sub()))
//! }
//!
//! fn app(client: Client) -> App<impl actix_web::dev::ServiceFactory<
//!     actix_web::dev::ServiceRequest, Config = (), Error = actix_web::Error, InitError = (),
//!     Response = actix_web::dev::ServiceResponse>> {
//!     App::new().app_data(web::Data::new(client)).route("/reports", web::get().to(reports))
//! }
//! ```

use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, dev, web};

use crate::bearer::{Denied, Scopes, presented, require};
use crate::{AccessToken, Client};

/// The verified token of the request, with at least these scopes. Where there is none, the handler is not called and the
/// answer is RFC 6750's. Takes the [`Client`] from the application's data.
#[derive(Clone, Debug)]
pub struct Authorized<S = ()> {
    token: AccessToken,
    scopes: PhantomData<S>,
}

impl<S> Authorized<S> {
    /// The token itself.
    pub fn into_token(self) -> AccessToken {
        self.token
    }
}

impl<S> Deref for Authorized<S> {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        &self.token
    }
}

/// Why the handler was not called. It is its own answer; its text, which is for the log, says exactly why.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request is denied.
    #[error("{denied}")]
    Denied {
        /// Why.
        #[source]
        denied: Denied,
        /// What is protected.
        realm: Box<str>,
    },
    /// The application has no [`Client`] in its data: a mistake of the program, answered with 500.
    #[error("the application has no signet_verifier::Client in its data")]
    NoClient,
}

impl<S: Scopes> FromRequest for Authorized<S> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let client = request
            .app_data::<web::Data<Client>>()
            .map(|client| Client::clone(client))
            .or_else(|| request.app_data::<Client>().cloned());
        let headers = request.headers().get_all(AUTHORIZATION).map(HeaderValue::as_bytes);
        let token = presented(headers).map(str::to_owned);
        Box::pin(async move {
            let client = client.ok_or(Rejection::NoClient)?;
            let verified = async {
                let token = client.verify(&token?).await?;
                require(&token, S::REQUIRED)?;
                Ok(Self { token, scopes: PhantomData })
            };
            verified.await.map_err(|denied: Denied| {
                tracing::info!(reason = %denied, "a request is denied");
                Rejection::Denied { denied, realm: client.realm().into() }
            })
        })
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Denied { denied, .. } => {
                StatusCode::from_u16(denied.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::NoClient => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Self::Denied { denied, realm } = self {
            if let Some(challenge) = denied.challenge(realm) {
                answer.insert_header((WWW_AUTHENTICATE, challenge));
            }
            if let Some(seconds) = denied.retry_after() {
                answer.insert_header((RETRY_AFTER, seconds.to_string()));
            }
        }
        answer.finish()
    }
}
