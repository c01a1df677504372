//! The access token of a request (RFC 6750 §2.1), and the answer where there is none that will do (RFC 6750 §3).

use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, dev, web};

use super::verify::{AccessToken, Refusal, Verifier};

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    #[error("no access token")]
    NoToken,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the token lacks the scope {0}")]
    Scope(&'static str),
}

impl AccessToken {
    pub fn require(&self, scope: &'static str) -> Result<(), Denied> {
        if self.has_scope(scope) { Ok(()) } else { Err(Denied::Scope(scope)) }
    }
}

impl FromRequest for AccessToken {
    type Error = Denied;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Denied>>>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let verifier = request.app_data::<web::Data<Verifier>>().expect("`listen` sets the verifier");
            Ok(verifier.verify(presented(&request).ok_or(Denied::NoToken)?).await?)
        })
    }
}

/// What follows `Bearer` in the one `Authorization` header. Tokens in the query or the body (RFC 6750 §2.2, §2.3) are
/// not looked for: queries end up in logs.
fn presented(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl ResponseError for Denied {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(Refusal::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoToken | Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Scope(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The reason goes to the log; the caller learns no more than the RFC has it learn.
    fn error_response(&self) -> HttpResponse {
        eprintln!("denied: {self}");
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        let challenge = match self {
            // The issuer cannot be asked for its keys: nothing is wrong with the token as far as one knows.
            Self::Refused(Refusal::Unavailable(_)) => return answer.insert_header((RETRY_AFTER, "10")).finish(),
            // Who sent no token gets no error code (RFC 6750 §3.1).
            Self::NoToken => r#"Bearer realm="orders""#.to_owned(),
            Self::Refused(_) => r#"Bearer realm="orders", error="invalid_token""#.to_owned(),
            Self::Scope(scope) => format!(r#"Bearer realm="orders", error="insufficient_scope", scope="{scope}""#),
        };
        answer.insert_header((WWW_AUTHENTICATE, challenge)).finish()
    }
}
