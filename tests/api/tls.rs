//! TLS of a serving program: certificates that are replaced while it serves, and plain HTTP beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::tls::TlsInfo;

use crate::support::app::block_on;
use crate::support::authority::{Authority, Signed};
use crate::support::program::{Program, Serving};

const NAME: &str = "auth.signet.example";

/// A program that serves TLS with a certificate from files that the test replaces.
struct Site {
    authority: Authority,
    program: Program,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> (Self, Signed) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let program = Program::new()
            .with("SIGNET_ISSUER", &format!("https://{NAME}"))
            .with("SIGNET_TLS", "on")
            .with("SIGNET_TLS_CERT_FILE", &file("tls.pem"))
            .with("SIGNET_TLS_KEY_FILE", &file("tls.key"))
            .with("SIGNET_REDIRECT_LISTEN", "127.0.0.1:0");
        let site = Self { authority: Authority::new("authority"), program, folder };
        let signed = site.authority.sign(&[NAME]);
        site.put("tls.key", &signed.key);
        site.put("tls.pem", &signed.chain);
        (site, signed)
    }

    fn put(&self, name: &str, text: &str) {
        // As those do who renew certificates: a reader sees the old file or the new one.
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    /// A client that believes the authority.
    fn client(&self, serving: &Serving) -> reqwest::Client {
        client(&self.authority.pem(), address(serving))
    }

    /// Waits until a new connection is shown that certificate.
    async fn until_shown(&self, serving: &Serving, signed: &Signed) {
        let began = Instant::now();
        loop {
            let shown = ask(&self.client(serving)).await.unwrap();
            if shown == signed.der {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the new certificate is not shown: {}", serving.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn client(authority: &str, address: SocketAddr) -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.as_bytes()).unwrap()])
        .tls_info(true)
        .resolve(NAME, address)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn address(serving: &Serving) -> SocketAddr {
    serving.base.trim_start_matches("http://").parse().unwrap()
}

/// The certificate that was shown.
async fn ask(client: &reqwest::Client) -> Result<Vec<u8>, reqwest::Error> {
    let answer = client.get(format!("https://{NAME}/healthz")).send().await?;
    assert_eq!(answer.status(), 200);
    let shown = answer.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).unwrap_or_default().to_vec();
    answer.bytes().await?;
    Ok(shown)
}

/// Waits until that is in the log.
async fn until_said(serving: &Serving, words: &str) {
    let began = Instant::now();
    while !serving.log().contains(words) {
        assert!(began.elapsed() < Duration::from_secs(30), "{words:?} is not said: {}", serving.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn hang_up(serving: &Serving) {
    let kill = format!("kill -HUP {}", serving.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn a_certificate_that_is_replaced_is_shown_to_new_connections_and_old_ones_go_on() {
    let (site, first) = Site::new();
    let serving = site.program.serve();
    block_on(async {
        let old = site.client(&serving);
        assert_eq!(ask(&old).await.unwrap(), first.der);
        // Noticed without being told.
        let second = site.authority.sign(&[NAME]);
        site.put("tls.key", &second.key);
        site.put("tls.pem", &second.chain);
        site.until_shown(&serving, &second).await;
        // And at once when told.
        let third = site.authority.sign(&[NAME]);
        site.put("tls.key", &third.key);
        site.put("tls.pem", &third.chain);
        hang_up(&serving);
        site.until_shown(&serving, &third).await;
        // The connection from before the two changes is still that one: it shows what it was opened with.
        assert_eq!(ask(&old).await.unwrap(), first.der);
    });
}

#[test]
fn files_that_do_not_fit_leave_the_former_certificate_in_force() {
    let (site, first) = Site::new();
    let serving = site.program.serve();
    block_on(async {
        let next = site.authority.sign(&[NAME]);
        for (name, text, says) in [
            ("tls.key", next.key.as_str(), "does not belong to the private key"),
            ("tls.key", "nonsense", "holds no private key in PEM"),
            ("tls.pem", "", "holds no certificate in PEM"),
        ] {
            site.put(name, text);
            hang_up(&serving);
            until_said(&serving, says).await;
            assert_eq!(ask(&site.client(&serving)).await.unwrap(), first.der);
        }
        assert!(!serving.log().contains(&next.key[28..60]), "no key is in the log");
        site.put("tls.key", &next.key);
        site.put("tls.pem", &next.chain);
        site.until_shown(&serving, &next).await;
    });
    // What cannot be used at the start is refused with its file.
    site.put("tls.key", "nonsense");
    let refusal = site.program.refused(1, &["serve"]);
    assert!(refusal.contains("tls.key") && refusal.contains("private key"), "{refusal}");
}

/// Handshakes go on all the time while the certificate is replaced again and again.
#[test]
fn no_handshake_fails_while_the_certificate_is_replaced() {
    const SWAPS: u32 = 20;
    let (site, _) = Site::new();
    let serving = site.program.serve();
    let (stop, handshakes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, handshakes) = (stop.clone(), handshakes.clone());
            let (authority, address) = (site.authority.pem(), address(&serving));
            std::thread::spawn(move || {
                block_on(async {
                    while !stop.load(Ordering::Relaxed) {
                        // A new one each time: a handshake each time.
                        ask(&client(&authority, address)).await.expect("a handshake");
                        handshakes.fetch_add(1, Ordering::Relaxed);
                    }
                });
            })
        })
        .collect();
    block_on(async {
        for _ in 0..SWAPS {
            let next = site.authority.sign(&[NAME]);
            site.put("tls.key", &next.key);
            site.put("tls.pem", &next.chain);
            hang_up(&serving);
            site.until_shown(&serving, &next).await;
        }
    });
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no handshake has failed");
    }
    let handshakes = handshakes.load(Ordering::Relaxed);
    println!("{handshakes} handshakes, none failed, while the certificate was replaced {SWAPS} times");
    assert!(handshakes >= SWAPS);
}

#[test]
fn plain_http_beside_tls_redirects_to_the_issuer_and_answers_nothing_else() {
    let (site, _) = Site::new();
    let serving = site.program.serve();
    block_on(async {
        until_said(&serving, "redirection=\"").await;
        let log = serving.log();
        let (_, after) = log.split_once("redirection=\"").unwrap();
        let base = format!("http://{}", after.split('"').next().unwrap());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        // To the issuer and its path, whatever host was asked for.
        let asked = http.get(format!("{base}/.well-known/jwks.json?a=b%20c")).header("Host", "evil.example");
        let answer = asked.header("X-Forwarded-Host", "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.headers()["location"], format!("https://{NAME}/.well-known/jwks.json?a=b%20c"));
        // RFC 6797 §7.2: a policy that came over plain HTTP could be anybody's.
        assert!(!answer.headers().contains_key("strict-transport-security"));
        let other = http.get(format!("{base}//evil.example/x")).send().await.unwrap();
        assert_eq!(other.headers()["location"], format!("https://{NAME}//evil.example/x"));
        // A password that comes this way is not taken, and its sender is not sent on to send it again.
        let sent = http.post(format!("{base}/oauth2/token")).basic_auth("erp", Some("secret")).form(&[("a", "b")]);
        let refused = sent.send().await.unwrap();
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("location")), (403, false));
        assert!(refused.text().await.unwrap().contains("use https"));
        let challenge = http.get(format!("{base}/.well-known/acme-challenge/abc")).send().await.unwrap();
        assert_eq!(challenge.status(), 404);
        // Over TLS the policy is there.
        let secure = site.client(&serving).get(format!("https://{NAME}/readyz")).send().await.unwrap();
        assert_eq!(secure.headers()["strict-transport-security"], "max-age=63072000");
    });
}

#[test]
fn a_hang_up_does_not_end_a_program_that_has_no_certificate() {
    let serving = Program::new().serve();
    hang_up(&serving);
    block_on(async {
        until_said(&serving, "SIGHUP").await;
        assert_eq!(reqwest::get(format!("{}/healthz", serving.base)).await.unwrap().status(), 200);
    });
}
