//! What a client may get wrong, or an attacker right: always a refusal in the form of RFC 6749 §5.2, never a 5xx, nothing
//! of the input in the answer.

use std::io::{Read as _, Write as _};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::on_both;
use crate::support::app::{Answer, App, PASSWORD};

const FORM: &str = "application/x-www-form-urlencoded";

async fn send(app: &App, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = app.http.post(format!("{}/oauth2/token", app.base)).basic_auth("erp", Some(&app.secret));
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    Answer::of(request.body(body)).await
}

/// Bytes as they are, and the answer as it comes.
fn raw(app: &App, request: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(app.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A timeout ends what was kept alive.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

on_both! {
    async fn repeated_parameters_are_refused_whatever_their_values(app) {
        for body in [
            "grant_type=client_credentials&grant_type=client_credentials",
            "grant_type=client_credentials&scope=read&scope=read",
            "grant_type=client_credentials&scope=&scope=",
            "grant_type=client_credentials&foo=1&foo=2",
            "grant_type=client_credentials&%67rant_type=password",
        ] {
            send(&app, Some(FORM), body).await.refused(400, "invalid_request");
        }
    }

    async fn missing_and_empty_parameters_are_told(app) {
        for body in [
            "", "grant_type=", "scope=read", "grant_type=password&username=alice", "grant_type=password&password=x",
            "grant_type=password&username=&password=x", "grant_type=refresh_token", "grant_type=refresh_token&refresh_token=",
        ] {
            send(&app, Some(FORM), body).await.refused(400, "invalid_request");
        }
    }

    async fn unknown_parameters_are_ignored_and_empty_ones_absent(app) {
        send(&app, Some(FORM), "grant_type=client_credentials&foo=bar&scope=&resource=").await.tokens();
    }

    async fn an_unknown_grant_type_is_unsupported(app) {
        for grant in ["authorization_code", "PASSWORD", "password ", "implicit", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"] {
            send(&app, Some(FORM), format!("grant_type={grant}")).await.refused(400, "unsupported_grant_type");
        }
    }

    async fn broken_encodings_and_control_characters_are_refused(app) {
        for value in ["%", "%4", "%zz", "%ff", "%c0%80", "%00", "a%0ab", "%7f", "%ED%A0%80", "\u{1}"] {
            let body = format!("grant_type=password&username={value}&password=x");
            send(&app, Some(FORM), body).await.refused(400, "invalid_request");
        }
        send(&app, Some(FORM), &b"grant_type=password&username=\xff\xfe&password=x"[..])
            .await
            .refused(400, "invalid_request");
    }

    async fn only_a_form_is_read(app) {
        let json = r#"{"grant_type":"client_credentials"}"#;
        send(&app, Some("application/json"), json).await.refused(400, "invalid_request");
        let body = "grant_type=client_credentials";
        for content_type in ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencodedx"] {
            send(&app, Some(content_type), body).await.refused(400, "invalid_request");
        }
        send(&app, None, body).await.refused(400, "invalid_request");
        for content_type in ["application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-Urlencoded"] {
            send(&app, Some(content_type), body).await.tokens();
        }
    }

    async fn an_encoded_body_is_not_inflated(app) {
        let request = app.http.post(format!("{}/oauth2/token", app.base)).basic_auth("erp", Some(&app.secret));
        let request = request.header("content-encoding", "gzip").header(CONTENT_TYPE, FORM);
        Answer::of(request.body("grant_type=client_credentials")).await.refused(400, "invalid_request");
    }

    async fn a_body_over_64_kb_is_refused(app) {
        let body = format!("grant_type=client_credentials&x={}", "a".repeat(65_536));
        send(&app, Some(FORM), body.clone()).await.refused(413, "invalid_request");
        // Without a Content-Length that gives it away.
        let chunks = body.into_bytes().chunks(8192).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        send(&app, Some(FORM), stream).await.refused(413, "invalid_request");
        let fits = format!("grant_type=client_credentials&x={}", "a".repeat(65_536 - 32));
        send(&app, Some(FORM), fits).await.tokens();
    }

    async fn too_many_parameters_or_too_long_a_scope_are_refused(app) {
        let many: String = (0..70).map(|n| format!("&p{n}=1")).collect();
        send(&app, Some(FORM), format!("grant_type=client_credentials{many}")).await.refused(400, "invalid_request");
        let long = "a".repeat(5000);
        send(&app, Some(FORM), format!("grant_type=client_credentials&scope={long}")).await.refused(400, "invalid_scope");
    }

    async fn credentials_in_the_query_are_never_read(app) {
        let secret = app.secret.clone();
        let query = format!("/oauth2/token?client_id=erp&client_secret={secret}&grant_type=client_credentials");
        app.post_bare(&query, &[]).await.refused(401, "invalid_client");
        let query = format!("/oauth2/token?client_id=erp&client_secret={secret}");
        app.post_bare(&query, &[("grant_type", "client_credentials")]).await.refused(401, "invalid_client");
        app.post("/oauth2/token?grant_type=client_credentials", &[]).await.refused(400, "invalid_request");
    }

    async fn other_methods_are_told_which_one_it_is(app) {
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            let answer = app.get(path).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
        }
        let answer = app.post("/.well-known/jwks.json", &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
        let answer = app.get("/nothing").await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (404, Some("not_found")));
    }

    async fn two_authorization_headers_are_refused(app) {
        let request = app.http.post(format!("{}/oauth2/token", app.base)).basic_auth("erp", Some(&app.secret));
        let request = request.header(AUTHORIZATION, "Basic eDp5").form(&[("grant_type", "client_credentials")]);
        Answer::of(request).await.refused(400, "invalid_request");
    }

    async fn nothing_of_the_input_is_echoed(app) {
        let marker = "Zq7marker";
        for body in [
            format!("grant_type={marker}"),
            format!("grant_type=client_credentials&scope={marker}"),
            format!("grant_type=client_credentials&resource=https://{marker}.example"),
            format!("grant_type=refresh_token&refresh_token={marker}"),
            format!("grant_type=password&username={marker}&password={marker}"),
            format!("{marker}=1&{marker}=2"),
        ] {
            let answer = send(&app, Some(FORM), body).await;
            assert_eq!(answer.status, 400);
            assert!(!answer.text.contains(marker), "{}", answer.text);
        }
        let answer = app.post_as("/oauth2/token", (marker, marker), &[("grant_type", "password")]).await;
        assert!(!answer.text.contains(marker) && answer.status == 401);
    }

    async fn descriptions_keep_to_the_characters_of_rfc_6749(app) {
        for body in ["", "grant_type=x", "grant_type=client_credentials&scope=%22", "a=%"] {
            let answer = send(&app, Some(FORM), body).await.json();
            let text = answer["error_description"].as_str().unwrap();
            assert!(text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)), "{text}");
        }
    }

    async fn forged_and_foreign_refresh_tokens_are_an_invalid_grant(app) {
        let tokens = app.log_in().await;
        let good = tokens.refresh();
        let mut forged = good.to_owned();
        let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
        forged.push(last);
        for token in [
            &forged, &good[..good.len() - 4], &format!("{good}AAAA"), "sgr_", "sgr_AAAA", "x", &tokens.access_token,
            &good.to_uppercase(), "sgr_é",
        ] {
            app.refresh(token).await.refused(400, "invalid_grant");
        }
        app.refresh(good).await.tokens();
    }

    async fn a_host_header_changes_nothing(app) {
        let request = app.http.get(format!("{}/.well-known/openid-configuration", app.base));
        let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
        assert!(!Answer::of(request).await.text.contains("evil"));
    }

    async fn smuggled_requests_are_refused(app) {
        let body = "grant_type=client_credentials";
        for (what, head) in [
            ("two lengths", "Content-Length: 29\r\nContent-Length: 30\r\n"),
            ("length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            ("an odd coding", "Transfer-Encoding: xchunked\r\n"),
            ("a negative length", "Content-Length: -1\r\n"),
        ] {
            let request = format!("POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n{head}\r\n{body}");
            let answer = raw(&app, request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        }
    }

    async fn a_request_after_all_of_this_is_answered(app) {
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        app.token(&form).await.tokens();
    }
}
