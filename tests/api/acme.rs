//! Certificates that are ordered from an authority (RFC 8555), with Pebble as that authority.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signet::certificate::acme::{Acme, ChallengeType, Surroundings, Terms};
use signet::certificate::{self, Shown};
use signet::http;
use signet::keys::master::{self, MasterKeyRing};
use signet::keys::reseal;
use signet::oauth::Provider;
use signet::secret::Secret;

use crate::support::app::{App, Backend, limits, serve_here};
use crate::support::pebble::{Pebble, Ports, free_port};

const DOMAIN: &str = "auth.signet.example";

/// An instance that orders: its certificate, and the port of its TLS.
struct Instance {
    acme: Acme,
    shown: Arc<Shown>,
    tls: u16,
}

async fn instance(provider: &Arc<Provider>, terms: &Terms, ports: Ports) -> Instance {
    let shown = Arc::new(match terms.challenge {
        ChallengeType::TlsAlpn01 => Shown::answering_challenges(),
        ChallengeType::Http01 => Shown::default(),
    });
    let around = Surroundings {
        store: provider.store.clone(),
        clock: provider.clock.clone(),
        entropy: provider.entropy.clone(),
        keys: provider.keys.clone(),
    };
    let acme = Acme::begin(terms.clone(), shown.clone(), around).await.unwrap();
    let bind = |port| TcpListener::bind(("127.0.0.1", port));
    let listener = bind(ports.tls).or_else(|_| bind(0)).unwrap();
    let tls = listener.local_addr().unwrap().port();
    let config = certificate::server_config(shown.clone()).unwrap();
    serve_here(http::listen(provider, listener, Some(config), limits(&[])).unwrap());
    if let Ok(listener) = bind(ports.http) {
        serve_here(http::listen_to_redirect(provider, Some(&shown), listener, limits(&[])).unwrap());
    }
    Instance { acme, shown, tls }
}

fn terms(pebble: &Pebble, challenge: ChallengeType) -> Terms {
    Terms {
        directory: pebble.directory.clone(),
        domains: vec![DOMAIN.to_owned()],
        contact: Some("admin@signet.example".to_owned()),
        challenge,
        root: Some(pebble.root.clone()),
        external_account: None,
    }
}

fn ports() -> Ports {
    Ports { http: free_port(), tls: free_port() }
}

/// Whether a client that believes the authority alone gets an answer over TLS.
async fn is_believed(pebble: &Pebble, port: u16) -> bool {
    let root = reqwest::Certificate::from_pem(pebble.issuing_root().await.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).resolve(DOMAIN, ([127, 0, 0, 1], port).into());
    let url = format!("https://{DOMAIN}:{port}/healthz");
    client.build().unwrap().get(url).send().await.is_ok_and(|answer| answer.status() == 200)
}

async fn order(backend: Backend, challenge: ChallengeType) {
    let Some(app) = App::start(backend).await else { return };
    let (folder, ports) = (tempfile::tempdir().unwrap(), ports());
    let Some(pebble) = Pebble::start(folder.path(), ports, None).await else { return };
    let terms = terms(&pebble, challenge);
    let first = instance(&app.provider, &terms, ports).await;
    assert!(!is_believed(&pebble, first.tls).await, "there is no certificate yet");
    app.clock.advance(chrono::Duration::seconds(1));
    // Another instance of the same issuer, where the authority does not ask.
    let second = instance(&app.second_instance().await.provider, &terms, ports).await;

    // It is the other one that orders: what it publishes, the one that is asked answers.
    let orders = second.acme.order_when_due();
    let looks = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            first.acme.look().await.unwrap();
        }
    };
    let ordered = tokio::select! { ordered = orders => ordered.unwrap(), () = looks => false };
    assert!(ordered, "it was due at once");
    assert!(second.shown.not_after().is_some(), "{}\n{}", app.newest_event().await.details.0, pebble.log());
    assert!(is_believed(&pebble, second.tls).await);
    first.acme.look().await.unwrap();
    assert!(is_believed(&pebble, first.tls).await, "what one has ordered, all show");
    let event = app.newest_event().await;
    assert_eq!((event.action.as_str(), event.outcome.as_str()), ("certificate.issue", "success"));

    // Nobody orders again before it is time to.
    assert!(!first.acme.order_when_due().await.unwrap() && !second.acme.order_when_due().await.unwrap());
    // A new instance shows what there is from the start.
    let third = instance(&app.second_instance().await.provider, &terms, ports).await;
    assert!(is_believed(&pebble, third.tls).await);
    // When a third of its life is left, one of them renews.
    let not_after = first.shown.not_after().unwrap();
    app.clock.advance(not_after - app.clock.now() - chrono::Duration::days(1));
    let (one, other) = tokio::join!(first.acme.order_when_due(), third.acme.order_when_due());
    assert!(one.unwrap() ^ other.unwrap(), "one of them, not both");
    first.acme.look().await.unwrap();
    third.acme.look().await.unwrap();
    assert_eq!(first.shown.not_after(), third.shown.not_after());
    assert!(is_believed(&pebble, first.tls).await);
}

macro_rules! orders {
    ($($name:ident: $backend:ident, $challenge:ident;)+) => {
        $(#[test]
        fn $name() {
            crate::support::app::block_on(order(Backend::$backend, ChallengeType::$challenge));
        })+
    };
}

orders! {
    a_certificate_is_ordered_by_tls_alpn_on_sqlite: Sqlite, TlsAlpn01;
    a_certificate_is_ordered_by_tls_alpn_on_postgres: Postgres, TlsAlpn01;
    a_certificate_is_ordered_by_http_on_postgres: Postgres, Http01;
}

#[test]
fn an_order_that_fails_is_told_and_tried_again_later() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        let folder = tempfile::tempdir().unwrap();
        // Nothing is where the authority asks.
        let nowhere = ports();
        let Some(pebble) = Pebble::start(folder.path(), nowhere, None).await else { return };
        let terms = terms(&pebble, ChallengeType::Http01);
        let elsewhere = instance(&app.provider, &terms, ports()).await;
        app.clock.advance(chrono::Duration::seconds(1));
        assert!(elsewhere.acme.order_when_due().await.unwrap());
        let event = app.newest_event().await;
        assert_eq!((event.action.as_str(), event.outcome.as_str()), ("certificate.issue", "failure"));
        let error = event.details.0["error"].as_str().unwrap();
        assert!(error.contains(DOMAIN) && error.contains("connection"), "{error}");
        assert!(!elsewhere.acme.order_when_due().await.unwrap(), "not at once");
        app.clock.advance(chrono::Duration::seconds(61));
        assert!(elsewhere.acme.order_when_due().await.unwrap());
        app.clock.advance(chrono::Duration::seconds(61));
        assert!(!elsewhere.acme.order_when_due().await.unwrap(), "the second pause is longer");
    });
}

#[test]
fn an_instance_that_dies_with_an_order_is_followed_by_another() {
    crate::support::app::run(Backend::Postgres, async |app: App| {
        let (folder, ports) = (tempfile::tempdir().unwrap(), ports());
        let Some(pebble) = Pebble::start(folder.path(), ports, None).await else { return };
        let terms = terms(&pebble, ChallengeType::TlsAlpn01);
        let dying = instance(&app.provider, &terms, ports).await;
        let began = Instant::now();
        // It has published what it is to answer, and waits for the others to know.
        {
            let mut order = std::pin::pin!(dying.acme.order_when_due());
            while dying_has_no_challenge(&app, &terms).await {
                assert!(began.elapsed() < Duration::from_secs(30));
                let _ = tokio::time::timeout(Duration::from_millis(50), &mut order).await;
            }
        }
        let heir = instance(&app.second_instance().await.provider, &terms, ports).await;
        assert!(!heir.acme.order_when_due().await.unwrap(), "the other may be at it still");
        app.clock.advance(chrono::Duration::minutes(6));
        let looks = async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                dying.acme.look().await.unwrap();
            }
        };
        let ordered = tokio::select! { ordered = heir.acme.order_when_due() => ordered.unwrap(), () = looks => false };
        assert!(ordered && heir.shown.not_after().is_some(), "{}", pebble.log());
    });
}

async fn dying_has_no_challenge(app: &App, terms: &Terms) -> bool {
    let key = (terms.directory.as_str(), DOMAIN);
    let mut connection = app.provider.store.reading().await.unwrap();
    let row = signet::store::acme::find(&mut connection, key).await.unwrap().unwrap();
    row.challenges.0.is_empty()
}

#[test]
fn an_authority_that_asks_for_an_account_of_its_own_is_told_it() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        let (folder, ports) = (tempfile::tempdir().unwrap(), ports());
        let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
        let Some(pebble) = Pebble::start(folder.path(), ports, Some(("kid-1", key))).await else { return };
        let without = terms(&pebble, ChallengeType::TlsAlpn01);
        let refused = instance(&app.provider, &without, ports).await;
        assert!(refused.acme.order_when_due().await.unwrap() && refused.shown.not_after().is_none());
        app.clock.advance(chrono::Duration::minutes(2));
        let account = Some(("kid-1".to_owned(), Secret::new(key)));
        let with = Terms { external_account: account, ..without };
        let around = Surroundings {
            store: app.provider.store.clone(),
            clock: app.clock.clone(),
            entropy: app.provider.entropy.clone(),
            keys: app.provider.keys.clone(),
        };
        let acme = Acme::begin(with, refused.shown.clone(), around).await.unwrap();
        let looks = async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                refused.acme.look().await.unwrap();
            }
        };
        tokio::select! { ordered = acme.order_when_due() => assert!(ordered.unwrap()), () = looks => {} }
        assert!(refused.shown.not_after().is_some(), "{}\n{}", app.newest_event().await.details.0, pebble.log());
    });
}

#[test]
fn what_is_kept_of_a_certificate_gives_nothing_away_and_survives_a_new_master_key() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        let (folder, ports) = (tempfile::tempdir().unwrap(), ports());
        let Some(pebble) = Pebble::start(folder.path(), ports, None).await else { return };
        let terms = terms(&pebble, ChallengeType::TlsAlpn01);
        let instance = instance(&app.provider, &terms, ports).await;
        assert!(instance.acme.order_when_due().await.unwrap());
        assert!(instance.shown.not_after().is_some(), "{}", pebble.log());
        // A new master key comes first, and all is sealed under it.
        let former = std::fs::read_to_string(&app.config.master_key_file).unwrap();
        let line = master::new_line(&app.provider.entropy);
        let ring = MasterKeyRing::from_text(&Secret::new(format!("{}\n{former}", line.expose()))).unwrap();
        reseal::rotate(&app.provider.store, &ring, |_, _| ()).await.unwrap();
        let alone = MasterKeyRing::from_text(&line).unwrap();
        let survey = reseal::survey(&app.provider.store, &alone).await.unwrap();
        assert!(survey.unopened.is_empty());
        let tables: Vec<_> = survey.sealed.values().flat_map(|tables| tables.keys().copied()).collect();
        assert!(tables.contains(&"acme_accounts") && tables.contains(&"acme_certificates"), "{tables:?}");
    });
}
