//! What an issuer answers, and what tests read in its tokens.

use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

/// What a successful token request gives.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub body: Value,
}

impl Tokens {
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().expect("a refresh token")
    }

    /// The claims, unverified.
    pub fn claims(&self) -> Value {
        claims(&self.access_token)
    }
}

pub fn claims(token: &str) -> Value {
    decoded(token, 1)
}

pub fn header(token: &str) -> Value {
    decoded(token, 0)
}

/// The generation that a refresh token stands for, read from its bytes: behind a version and the grant's identifier.
pub fn generation(refresh_token: &str) -> i64 {
    use base64::Engine as _;
    let encoded = refresh_token.strip_prefix("sgr_").expect("a refresh token");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).unwrap();
    u32::from_be_bytes(bytes[17..21].try_into().unwrap()).into()
}

fn decoded(token: &str, part: usize) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(part).expect("a JWT");
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.text);
        let body = self.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Tokens { access_token: text("access_token").unwrap(), refresh_token: text("refresh_token"), body }
    }

    /// Asserts a refusal in the form of RFC 6749 §5.2.
    #[track_caller]
    pub fn refused(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json()["error"].as_str().unwrap()), (status, error), "{}", self.text);
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("www-authenticate").starts_with("Basic "), status == 401);
        assert_eq!(self.headers.contains_key("retry-after"), matches!(status, 429 | 503));
    }
}
