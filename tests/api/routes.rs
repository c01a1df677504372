//! Which addresses answer, to whom, and what browsers are told.

use reqwest::Method;

use crate::on_both;
use crate::support::app::{Answer, App, Variant};

const PUBLISHED: [&str; 3] =
    ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
const PROTECTED: [&str; 3] = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];

async fn send(app: &App, method: Method, path: &str) -> Answer {
    let request = app.http.request(method, format!("{}{path}", app.base)).header("origin", "https://evil.example");
    Answer::of(request.header("access-control-request-method", "POST")).await
}

on_both! {
    async fn only_published_documents_may_be_read_by_a_browser_of_another_origin(app) {
        for path in PUBLISHED {
            let answer = send(&app, Method::GET, path).await;
            assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"), "{path}");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        }
        for path in PROTECTED {
            for method in [Method::POST, Method::OPTIONS, Method::GET] {
                let answer = send(&app, method.clone(), path).await;
                assert!(answer.status >= 400, "{method} {path}");
                assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{method} {path}");
            }
        }
    }

    async fn a_published_document_has_a_head_alone(app) {
        for path in PUBLISHED.into_iter().chain(["/healthz", "/readyz"]) {
            let (head, get) = (send(&app, Method::HEAD, path).await, send(&app, Method::GET, path).await);
            assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
            for name in ["content-type", "cache-control", "etag", "content-length"] {
                assert_eq!(head.header(name), get.header(name), "{path} {name}");
            }
        }
    }

    async fn a_method_without_meaning_is_405_and_an_address_without_meaning_404(app) {
        for path in PUBLISHED.into_iter().chain(PROTECTED) {
            for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
                let answer = send(&app, method.clone(), path).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert!(!answer.header("allow").is_empty());
                assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
        for path in [
            "/", "/oauth2", "/oauth2/", "/oauth2/token/", "//oauth2/token", "/oauth2//token", "/oauth2/token/x", "/OAuth2/token",
            "/oauth2%2Ftoken", "/oauth2/token%00", "/oauth2/token;x=1", "/x/../oauth2/token;", "/.well-known/jwks.json/",
            "/.well-known/", "/%", "/%ff", "/%2e%2e/%2e%2e/etc/passwd", "/admin", "/admin/v1/users", "/metrics",
            "/status-lists/", "/.well-known/oauth-authorization-server/x",
        ] {
            for method in [Method::GET, Method::POST] {
                let answer = send(&app, method.clone(), path).await;
                assert_eq!((answer.status, answer.json()["error"].as_str()), (404, Some("not_found")), "{method} {path}");
                assert_eq!(answer.header("x-content-type-options"), "nosniff");
                assert!(!answer.text.contains("passwd"));
            }
        }
    }

    async fn a_harmless_respelling_of_an_address_finds_the_same(app) {
        for path in ["/oauth2/%74oken", "/%6fauth2/token", "/oauth2/token?", "/oauth2/token?x=1#y"] {
            let request = app.http.post(format!("{}{path}", app.base)).basic_auth("erp", Some(&app.secret));
            Answer::of(request.form(&[("grant_type", "client_credentials")])).await.tokens();
        }
    }

    async fn below_an_issuer_with_a_path_lie_all_endpoints_and_above_it_its_metadata(app) {
        let issuer = "http://127.0.0.1:8443/tenant/one";
        let tenant = app.variant(Variant { issuer, ..Variant::default() }).await;
        let metadata = tenant.get("/tenant/one/.well-known/openid-configuration").await;
        for path in [
            "/.well-known/oauth-authorization-server/tenant/one",
            "/.well-known/openid-configuration/tenant/one",
            "/tenant/one/.well-known/oauth-authorization-server",
        ] {
            let answer = tenant.get(path).await;
            assert_eq!((answer.status, &answer.text), (200, &metadata.text), "{path}");
        }
        let document = metadata.json();
        assert_eq!(document["issuer"], issuer);
        let at = |member: &str| document[member].as_str().unwrap().strip_prefix("http://127.0.0.1:8443").unwrap().to_owned();
        assert_eq!(tenant.get(&at("jwks_uri")).await.status, 200);
        let form = [("grant_type", "client_credentials")];
        let token = tenant.post(&at("token_endpoint"), &form).await.tokens();
        assert_eq!(token.claims()["iss"], issuer);
        let uri = token.claims()["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
        assert!(uri.starts_with(&format!("{issuer}/status-lists/")), "{uri}");
        let presented = [("token", token.access_token.as_str())];
        assert_eq!(tenant.post(&at("introspection_endpoint"), &presented).await.json()["active"], true);
        assert_eq!(tenant.post(&at("revocation_endpoint"), &presented).await.status, 200);
        assert_eq!(tenant.post(&at("introspection_endpoint"), &presented).await.json()["active"], false);
        for path in PUBLISHED.into_iter().chain(PROTECTED) {
            assert_eq!(tenant.post(path, &form).await.status, 404, "{path}");
        }
        // A token of the same keys under another name is another issuer's.
        assert!(!app.is_active(&tenant.token_at(&at("token_endpoint")).await).await);
    }

    async fn an_issuer_is_served_below_whatever_path_it_may_have(app) {
        for path in ["/a+b", "/a:b@c", "/A-b_c.d~e", "/a(b)*c", "/a//b", "/a,b;c=d&e!$'"] {
            let tenant = app.variant(Variant { issuer: &format!("http://127.0.0.1:8443{path}"), ..Variant::default() }).await;
            assert_eq!(tenant.get(&format!("{path}/.well-known/jwks.json")).await.status, 200, "{path}");
            let inserted = format!("/.well-known/oauth-authorization-server{path}");
            assert_eq!(tenant.get(&inserted).await.status, 200, "{inserted}");
        }
    }

    async fn answers_name_no_server_and_no_version(app) {
        for path in ["/", "/healthz", "/oauth2/token"] {
            let answer = send(&app, Method::GET, path).await;
            for name in ["server", "x-powered-by", "via"] {
                assert!(!answer.headers.contains_key(name), "{path} {name}");
            }
        }
    }
}

impl App {
    /// A token for the client itself, from wherever the endpoint is.
    async fn token_at(&self, path: &str) -> String {
        self.post(path, &[("grant_type", "client_credentials")]).await.tokens().access_token
    }
}
