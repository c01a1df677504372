//! `GET /metrics`: what is counted of what happens.

use std::collections::{BTreeMap, BTreeSet};

use signet::http::{Bounds, Limits};
use signet::keys::Activation;

use crate::metrics_documents::described;
use crate::on_both;
use crate::support::administration::Administration;
use crate::support::app::{Answer, Backend, run};
use crate::support::limited;

/// Every series with its value, as it is written.
struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    async fn of(administration: &Administration) -> Self {
        let answer = administration.get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Self::read(&answer)
    }

    fn read(answer: &Answer) -> Self {
        let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect(line);
            (series.to_owned(), value.parse().expect(line))
        });
        let mut all = BTreeMap::new();
        for (series, value) in series {
            assert_eq!(all.insert(series.clone(), value), None, "{series} is there twice");
        }
        Self(all)
    }

    #[track_caller]
    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not among {:#?}", self.0.keys()))
    }

    #[track_caller]
    fn tokens(&self, grant_type: &str, outcome: &str) -> f64 {
        self.get(&format!("signet_token_requests_total{{grant_type=\"{grant_type}\",outcome=\"{outcome}\"}}"))
    }

    #[track_caller]
    fn requests(&self, figure: &str, listener: &str, route: &str, status: &str) -> f64 {
        let labels = format!("listener=\"{listener}\",route=\"{route}\",status=\"{status}\"");
        self.get(&format!("signet_http_request_duration_seconds_{figure}{{{labels}}}"))
    }
}

on_both! {
    async fn token_requests_are_counted_by_grant_type_and_outcome(app) {
        let administration = Administration::of(&app).await;
        let before = Metrics::of(&administration).await;
        let tokens = app.log_in().await;
        app.token(&[("grant_type", "password"), ("username", "alice"), ("password", "wrong")]).await;
        app.token(&[("grant_type", "client_credentials")]).await.tokens();
        app.token(&[("grant_type", "client_credentials"), ("scope", "admin")]).await;
        app.token(&[("grant_type", "client_credentials"), ("resource", "https://nowhere.example")]).await;
        let wrong = ("erp", "not the secret");
        app.post_as("/oauth2/token", wrong, &[("grant_type", "client_credentials")]).await;
        // A grant type of the client's own invention, and one that it wrote into the wrong place.
        app.token(&[("grant_type", "a-client's-own")]).await;
        app.token(&[("grant_type", "signet"), ("grant_type", "password")]).await;
        // The same successor twice, and then a token that is used and old.
        let next = app.refresh(tokens.refresh()).await.tokens();
        assert_eq!(app.refresh(tokens.refresh()).await.tokens().refresh(), next.refresh());
        app.refresh(next.refresh()).await.tokens();
        assert_eq!(app.refresh(tokens.refresh()).await.status, 400);

        let after = Metrics::of(&administration).await;
        for (grant_type, outcome, count) in [
            ("password", "success", 1.0),
            ("password", "invalid_grant", 1.0),
            ("client_credentials", "success", 1.0),
            ("client_credentials", "invalid_scope", 1.0),
            ("client_credentials", "invalid_target", 1.0),
            ("client_credentials", "invalid_client", 1.0),
            ("other", "unsupported_grant_type", 1.0),
            ("other", "invalid_request", 1.0),
            ("refresh_token", "success", 3.0),
            ("refresh_token", "invalid_grant", 1.0),
            ("refresh_token", "server_error", 0.0),
            ("other", "success", 0.0),
        ] {
            let came = after.tokens(grant_type, outcome) - before.tokens(grant_type, outcome);
            assert_eq!(came, count, "{grant_type} {outcome}");
        }
        assert_eq!((after.get("signet_refresh_retries_total"), after.get("signet_refresh_reuses_total")), (1.0, 1.0));
        assert!(!after.0.keys().any(|series| series.contains("invention") || series.contains("own")));

        let count = |metrics: &Metrics, status| metrics.requests("count", "issuer", "/oauth2/token", status);
        assert_eq!(count(&after, "2xx") - count(&before, "2xx"), 5.0);
        assert_eq!(count(&after, "4xx"), 7.0);
        let infinite = "listener=\"issuer\",route=\"/oauth2/token\",status=\"4xx\",le=\"+Inf\"";
        let infinite = after.0.iter().find(|(series, _)| {
            series.starts_with("signet_http_request_duration_seconds_bucket") && {
                let sorted = |text: &str| text.split(',').map(str::to_owned).collect::<BTreeSet<_>>();
                let labels = series.split_once('{').unwrap().1.trim_end_matches('}');
                sorted(labels) == sorted(infinite)
            }
        });
        assert_eq!(infinite.map(|(_, count)| *count), Some(7.0));
        assert!(after.requests("sum", "issuer", "/oauth2/token", "2xx") > 0.0);
        // The first answer was not yet counted when it was made.
        assert_eq!(after.requests("count", "administration", "/metrics", "2xx"), 1.0);
    }

    async fn what_no_route_takes_is_counted_without_its_path(app) {
        let administration = Administration::of(&app).await;
        for path in ["/lantern/1", "/lantern/2", "/oauth2/token"] {
            app.get(path).await;
        }
        app.get("/status-lists/1").await;
        app.get("/status-lists/77").await;
        let metrics = Metrics::of(&administration).await;
        assert_eq!(metrics.requests("count", "issuer", "none", "4xx"), 2.0);
        assert_eq!(metrics.requests("count", "issuer", "/oauth2/token", "4xx"), 1.0);
        assert_eq!(metrics.requests("count", "issuer", "/status-lists/{id}", "4xx"), 1.0);
        assert!(!metrics.0.keys().any(|series| series.contains("lantern")));
    }

    async fn introspections_are_counted_by_outcome(app) {
        let administration = Administration::of(&app).await;
        let tokens = app.log_in().await;
        assert!(app.is_active(&tokens.access_token).await);
        for inactive in ["nonsense", "sgr_nonsense"] {
            assert!(!app.is_active(inactive).await);
        }
        app.post("/oauth2/introspect", &[]).await;
        app.post_as("/oauth2/introspect", ("erp", "wrong"), &[("token", "x")]).await;
        let metrics = Metrics::of(&administration).await;
        for (outcome, count) in [("active", 1.0), ("inactive", 2.0), ("invalid_request", 1.0), ("invalid_client", 1.0)] {
            assert_eq!(metrics.get(&format!("signet_introspections_total{{outcome=\"{outcome}\"}}")), count, "{outcome}");
        }
    }

    async fn the_state_of_keys_hashing_database_and_revocations_is_told(app) {
        let administration = Administration::of(&app).await;
        let tokens = app.log_in().await;
        app.token(&[("grant_type", "password"), ("username", "nobody"), ("password", "wrong")]).await;
        app.post("/oauth2/revoke", &[("token", tokens.refresh())]).await;
        app.advance(3);
        app.synchronise().await;
        let metrics = Metrics::of(&administration).await;
        let key = |state: &str| format!("signet_signing_keys{{algorithm=\"ES256\",state=\"{state}\"}}");
        for (state, count) in [("published", 0.0), ("signing", 1.0), ("verifying", 0.0), ("revoked", 0.0)] {
            assert_eq!(metrics.get(&key(state)), count, "{state}");
        }
        assert_eq!(metrics.get("signet_ready"), 1.0);
        assert_eq!(metrics.get("signet_key_ring_age_seconds"), 3.0);
        let due = metrics.get("signet_signing_key_rotation_due_seconds{algorithm=\"ES256\"}");
        let interval = app.provider.directory.settings().await.unwrap().key_rotation_interval as f64;
        // The first key began as long ago as clocks may be apart.
        assert!(due < interval && due > interval - 100.0, "{due} of {interval}");

        // alice, once to make her password and once to log in, and nobody, of whom nothing else is told.
        assert!(metrics.get("signet_password_hashes_total") >= 3.0);
        assert_eq!(metrics.get("signet_password_queue_waiting"), 0.0);
        assert_eq!(metrics.get("signet_password_queue_wait_seconds_count"), metrics.get("signet_password_hashes_total"));
        let pools = metrics.0.keys().filter(|series| series.starts_with("signet_database_pool_limit{")).count();
        let pool = if metrics.0.contains_key("signet_database_pool_limit{pool=\"writer\"}") { "writer" } else { "postgresql" };
        assert_eq!(pools, if pool == "writer" { 2 } else { 1 });
        assert!(metrics.get(&format!("signet_database_pool_size{{pool=\"{pool}\"}}")) >= 1.0);
        assert!(metrics.get("signet_database_confirmation_age_seconds") < 60.0);
        assert_eq!(metrics.get("signet_revocation_propagation_seconds_count"), 1.0);
        assert_eq!(metrics.get("signet_revocation_propagation_seconds_sum"), 3.0);

        // A successor that is on its way.
        app.admin().rotate_keys(None, Activation::Published).await.unwrap();
        app.synchronise().await;
        let metrics = Metrics::of(&administration).await;
        assert_eq!(metrics.get(&key("published")), 1.0);
        assert!(metrics.get("signet_signing_key_next_activation_seconds{algorithm=\"ES256\"}") > 0.0);
    }

    async fn the_page_describes_what_is_answered_and_nothing_else(app) {
        let administration = Administration::of(&app).await;
        app.log_in().await;
        app.provider.metrics.certificate_not_after.set(app.clock.now());
        app.admin().rotate_keys(None, Activation::Published).await.unwrap();
        app.synchronise().await;
        Metrics::of(&administration).await;
        let answer = administration.get("/metrics").await;
        let mut answered: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for line in answer.text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                answered.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
            }
        }
        for series in Metrics::read(&answer).0.keys() {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let name = answered.keys().find(|known| {
                name.strip_prefix(known.as_str()).is_some_and(|rest| matches!(rest, "" | "_sum" | "_count" | "_bucket"))
            });
            let name = name.unwrap_or_else(|| panic!("{series} has no type")).clone();
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0));
            let labels = labels.filter(|label| *label != "le").map(str::to_owned);
            answered.get_mut(&name).unwrap().1.extend(labels);
        }
        let described: BTreeMap<_, _> =
            described().into_iter().map(|(name, kind, labels)| (name, (kind, labels))).collect();
        assert_eq!(answered, described);
    }
}

#[test]
fn what_a_listener_bears_and_refuses_is_told() {
    run(Backend::Sqlite, |app| async move {
        // From now on the issuer's listener is this one.
        let bounds = Bounds { in_flight: 0, ..Bounds::default() };
        let server = limited::plain(&app, Limits { bounds, ..limited::limits() });
        let administration = Administration::of(&app).await;
        let kept = server.connect().await;
        let request = app.http.post(server.url("/oauth2/token")).basic_auth("erp", Some(&app.secret));
        Answer::of(request.form(&[("grant_type", "client_credentials")])).await.refused(503, "temporarily_unavailable");
        server.until("the kept connection is there", |load| load.connections >= 1).await;
        let metrics = Metrics::of(&administration).await;
        let of = |name: &str, listener: &str| metrics.get(&format!("{name}{{listener=\"{listener}\"}}"));
        assert_eq!(of("signet_requests_shed_total", "issuer"), 1.0);
        assert!(of("signet_connections", "issuer") >= 1.0);
        assert_eq!(of("signet_requests_in_flight", "issuer"), 0.0);
        assert_eq!(of("signet_requests_shed_total", "administration"), 0.0);
        assert!(of("signet_connections", "administration") >= 1.0);
        drop(kept);
    });
}
