//! A year of use in steps of five days: the database grows to a size and stays there, and nothing live is lost on the way.

use std::collections::BTreeMap;

use signet::admin::Choice;
use signet::admin::clients::ClientChange;
use signet::oauth::purge::Purge;
use signet::protocol::client::GrantType;

use crate::on_both;
use crate::status_lists::is_invalid;
use crate::support::app::{API, App, PASSWORD, Tokens};
use crate::support::sql;

const STEPS: usize = 73;
const DAY: i64 = 86_400;
const STEP: i64 = 5 * DAY;

/// Grants that are refreshed end after 90 days, those that are not after 14.
const KEPT: usize = 17;
const LEFT_ALONE: usize = 2;

/// How many rows each table has.
async fn sizes(app: &App) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for line in sql::dump(&app.config.database_url).await {
        *sizes.entry(line.split_once(": ").unwrap().0.to_owned()).or_default() += 1;
    }
    sizes
}

/// What happens at the issuer all the time.
struct Use {
    kiosk_secret: String,
    purge: Purge,
    /// Refreshed in each step; the oldest first.
    kept: Vec<Tokens>,
    /// Never refreshed.
    left_alone: Vec<Tokens>,
    /// The one session that the kiosk may have.
    kiosk: Option<Tokens>,
}

/// The tokens of one step: those that hold, and those that must not.
#[derive(Default)]
struct Sample {
    live: Vec<Tokens>,
    dead: Vec<Tokens>,
}

impl Use {
    async fn of(app: &App) -> Self {
        let kiosk_secret = app.client("kiosk", &[API], GrantType::ALL, None).await.unwrap();
        let limit = ClientChange { grant_limit: Some(Choice::Own(1)), ..ClientChange::default() };
        app.admin().update_client("kiosk", limit).await.unwrap();
        app.synchronise().await;
        let purge = Purge::new(app.provider.store.clone(), app.clock.clone(), app.provider.entropy.clone());
        Self { kiosk_secret, purge, kept: Vec::new(), left_alone: Vec::new(), kiosk: None }
    }

    async fn maintain(&mut self, app: &App) {
        app.provider.keys.maintain().await.unwrap();
        self.purge.round().await.unwrap();
        app.synchronise().await;
    }

    async fn step(&mut self, app: &App, step: usize) -> Sample {
        let mut sample = Sample::default();
        for session in &mut self.kept {
            *session = app.refresh(session.refresh()).await.tokens();
            sample.live.push(session.clone());
        }
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push(app.log_in().await);
        if self.left_alone.len() == LEFT_ALONE {
            // Ten days old: good for four days more.
            sample.live.push(app.refresh(self.left_alone.remove(0).refresh()).await.tokens());
        }
        self.left_alone.push(app.log_in().await);

        let revoked = app.log_in().await;
        app.post("/oauth2/revoke", &[("token", revoked.refresh())]).await;
        let replayed = app.log_in().await;
        let successor = app.refresh(replayed.refresh()).await.tokens();
        app.advance(60);
        app.refresh(replayed.refresh()).await.refused(400, "invalid_grant");
        sample.dead.extend([revoked, replayed, successor]);

        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let kiosk = app.post_as("/oauth2/token", ("kiosk", &self.kiosk_secret), &login).await.tokens();
        sample.live.push(kiosk.clone());
        if let Some(evicted) = self.kiosk.replace(kiosk) {
            let form = [("grant_type", "refresh_token"), ("refresh_token", evicted.refresh())];
            app.post_as("/oauth2/token", ("kiosk", &self.kiosk_secret), &form).await.refused(400, "invalid_grant");
        }
        for number in 0..4 {
            let own = app.token(&[("grant_type", "client_credentials")]).await.tokens();
            if number == 0 {
                app.post("/oauth2/revoke", &[("token", &own.access_token)]).await;
                sample.dead.push(own);
            } else {
                sample.live.push(own);
            }
        }
        let fetch = app.http.get(format!("{}/.well-known/jwks.json", app.base));
        fetch.header("user-agent", format!("api/{step}")).send().await.unwrap();
        app.provider.record_key_set_fetches().await.unwrap();
        sample
    }
}

impl Sample {
    async fn holds(&self, app: &App, bits: bool) {
        for token in &self.live {
            assert!(app.is_active(&token.access_token).await);
        }
        for token in &self.dead {
            assert!(!app.is_active(&token.access_token).await);
        }
        if bits {
            for (tokens, invalid) in [(&self.live, false), (&self.dead, true)] {
                for token in [tokens.first(), tokens.last()].into_iter().flatten() {
                    assert_eq!(is_invalid(app, token).await, invalid);
                }
            }
        }
    }
}

on_both! {
    async fn a_year_of_use_reaches_a_size_that_it_keeps_and_loses_nothing_live(app) {
        let mut using = Use::of(&app).await;
        let mut history = Vec::new();
        for step in 0..STEPS {
            using.maintain(&app).await;
            if step % 10 == 9 {
                app.sql("UPDATE status_lists SET size = allocated").await;
            }
            let sample = using.step(&app, step).await;
            app.advance(300);
            using.maintain(&app).await;
            sample.holds(&app, step % 8 == 0).await;
            if step % 24 == 0 {
                sample.holds(&app.second_instance().await, true).await;
            }
            history.push(sizes(&app).await);
            app.advance(STEP - 360);
        }
        for session in &using.kept {
            app.refresh(session.refresh()).await.tokens();
        }
        let (first, second) = history.split_at(STEPS / 2);
        for table in history[STEPS - 1].keys().filter(|table| *table != "audit_events") {
            let most = |half: &[BTreeMap<String, usize>]| half.iter().filter_map(|sizes| sizes.get(table)).max().copied();
            let (before, after) = (most(first).unwrap_or(0), most(second).unwrap_or(0));
            assert!(after <= before + before / 20 + 1, "{table}: {before} rows at most in the first half, then {after}");
        }
        let rows = |table: &str| history[STEPS - 1][table];
        assert!(rows("grants") < 40 && rows("status_lists") < 5, "{:?}", history[STEPS - 1]);
    }
}
