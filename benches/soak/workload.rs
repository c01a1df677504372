//! The load: sessions that log in, refresh, ask and log out; services that take tokens for themselves; readers of documents.
//! A third of each goes to the witness, the rest through HAProxy, so that every instance has the same share.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::caller::{Caller, Lost, jittered};
use crate::client;
use crate::ledger::{Kind, Ledger, Token};
use crate::options::{Broken, Options};
use crate::preparation::Subjects;
use crate::site::Site;

const TOKEN: &str = "/oauth2/token";
/// Between two requests of a session or a service.
const PAUSE: Duration = Duration::from_millis(700);
const PAUSE_OF_SERVICE: Duration = Duration::from_millis(200);
/// Every so many refreshes a session asks for its token, or logs out and in again.
const INTROSPECTS_EVERY: u32 = 4;
const LOGS_OUT_AFTER: u32 = 30;
/// Every so many tokens a service revokes one.
const REVOKES_EVERY: u32 = 20;
const FINISHING: Duration = Duration::from_secs(70);

static FAMILIES: AtomicU64 = AtomicU64::new(0);

pub struct Workload {
    tasks: JoinSet<()>,
    ledger: Arc<Ledger>,
}

/// Somebody who asks, and where.
struct Actor {
    number: usize,
    address: SocketAddr,
    caller: Caller,
    subjects: Arc<Subjects>,
    authorization: String,
    forwarded_for: String,
    keeps_first_token: bool,
}

impl Workload {
    pub fn start(site: &Site, ledger: &Arc<Ledger>, options: &Options) -> Self {
        let mut tasks = JoinSet::new();
        let subjects = Arc::new(site.subjects.clone());
        let actor = |number: usize, es256: bool| {
            let address = if number.is_multiple_of(3) { site.witness_address() } else { site.issuer_address() };
            let caller = Caller::new(address, ledger);
            let impatient = options.broken == Some(Broken::Client);
            let host = u32::from(Ipv4Addr::new(198, 18, 0, 1)) + u32::try_from(number).unwrap_or_default();
            let client = if es256 { &subjects.es256_client } else { &subjects.rs256_client };
            Actor {
                number,
                address,
                caller: if impatient { caller.without_patience() } else { caller },
                authorization: client.authorization(),
                subjects: subjects.clone(),
                forwarded_for: Ipv4Addr::from(host).to_string(),
                keeps_first_token: options.broken == Some(Broken::Rotation),
            }
        };
        for number in 0..options.sessions as usize {
            tasks.spawn(actor(number, number % 6 < 3).hold_sessions());
        }
        for number in 0..6 {
            tasks.spawn(actor(number, number < 3).take_tokens());
        }
        for number in 0..3 {
            tasks.spawn(actor(number, true).read_documents());
        }
        Self { tasks, ledger: ledger.clone() }
    }

    /// Lets everybody end what is under way.
    pub async fn finish(mut self) {
        self.ledger.end();
        let ended = timeout(FINISHING, async { while self.tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            let now = self.ledger.now();
            let left = self.tasks.len();
            self.ledger.book().lost.add(now, format_args!("{left} of those who ask did not come to an end"));
        }
    }
}

impl Actor {
    /// One session after another.
    async fn hold_sessions(mut self) {
        sleep(jittered(Duration::from_secs(2))).await;
        while !self.ledger().has_ended() {
            if let Err(lost) = self.session().await {
                let (number, now) = (self.number, self.ledger().now());
                self.ledger().book().lost.add(now, format_args!("session {number}: {lost}"));
                sleep(PAUSE).await;
            }
        }
    }

    async fn session(&mut self) -> Result<(), Lost> {
        let user = &self.subjects.users[self.number];
        let form = [("grant_type", "password"), ("username", &user.username), ("password", user.password.expose())];
        let login = self.request(TOKEN, &form);
        let mut answer = self.caller.ask(Kind::Password, &login).await?;
        let family = FAMILIES.fetch_add(1, Ordering::Relaxed);
        let mut access_token = self.note(&answer, family)?;
        let mut refresh_token = member(&answer, "refresh_token")?;
        // Until the retry window is over, the first token is good for its one successor; beyond that it is a replay.
        let last = if self.keeps_first_token { 4 * LOGS_OUT_AFTER } else { LOGS_OUT_AFTER };
        for refreshes in 1..=last {
            sleep(jittered(PAUSE)).await;
            if self.ledger().has_ended() {
                return Ok(());
            }
            let form = [("grant_type", "refresh_token"), ("refresh_token", &refresh_token)];
            let refresh = self.request(TOKEN, &form);
            answer = self.caller.ask(Kind::Refresh, &refresh).await?;
            access_token = self.note(&answer, family)?;
            if !self.keeps_first_token {
                refresh_token = member(&answer, "refresh_token")?;
            }
            // Sessions are out of step, so that they do not all log out at once.
            if (refreshes + u32::try_from(self.number).unwrap_or_default()).is_multiple_of(INTROSPECTS_EVERY) {
                sleep(jittered(PAUSE)).await;
                self.introspect(&access_token, true).await?;
            }
        }
        sleep(jittered(PAUSE)).await;
        self.revoke(&refresh_token, &access_token, family).await
    }

    /// Client credentials, over and over.
    async fn take_tokens(mut self) {
        let request = self.request(TOKEN, &[("grant_type", "client_credentials"), ("scope", "read")]);
        let mut taken = 0_u32;
        while !self.ledger().has_ended() {
            let family = FAMILIES.fetch_add(1, Ordering::Relaxed);
            let outcome = match self.caller.ask(Kind::ClientCredentials, &request).await {
                Ok(answer) => match self.note(&answer, family) {
                    Ok(token) if taken % REVOKES_EVERY == REVOKES_EVERY - 1 => {
                        self.revoke(&token, &token, family).await
                    }
                    otherwise => otherwise.map(drop),
                },
                Err(lost) => Err(lost),
            };
            if let Err(lost) = outcome {
                let (number, now) = (self.number, self.ledger().now());
                self.ledger().book().lost.add(now, format_args!("service {number}: {lost}"));
            }
            taken += 1;
            sleep(jittered(PAUSE_OF_SERVICE)).await;
        }
    }

    async fn read_documents(mut self) {
        let documents = [(Kind::KeySet, "/.well-known/jwks.json"), (Kind::StatusList, "/status-lists/1")];
        while !self.ledger().has_ended() {
            for (kind, path) in documents {
                let request = client::fetch(self.address, path);
                if let Err(lost) = self.caller.ask(kind, &request).await {
                    let now = self.ledger().now();
                    self.ledger().book().lost.add(now, format_args!("a reader of {path}: {lost}"));
                }
                sleep(jittered(PAUSE)).await;
            }
        }
    }

    /// Ends everything of a family, and looks at once whether that is so.
    async fn revoke(&mut self, token: &str, access_token: &str, family: u64) -> Result<(), Lost> {
        self.ledger().book().revoked.insert(family, None);
        let request = self.request("/oauth2/revoke", &[("token", token)]);
        self.caller.ask(Kind::Revocation, &request).await?;
        let now = self.ledger().now();
        self.ledger().book().revoked.insert(family, Some(now));
        self.introspect(access_token, false).await
    }

    async fn introspect(&mut self, token: &str, active: bool) -> Result<(), Lost> {
        let request = self.request("/oauth2/introspect", &[("token", token)]);
        let answer = self.caller.ask(Kind::Introspection, &request).await?;
        let now = self.ledger().now();
        let is_active =
            serde_json::from_str::<serde_json::Value>(&answer).ok().and_then(|answer| answer["active"].as_bool());
        match (is_active, active) {
            (Some(true), true) | (Some(false), false) => {}
            (_, true) => {
                self.ledger().book().unverified.add(now, format_args!("introspection of a live token: {answer}"))
            }
            (_, false) => self.ledger().book().unrevoked.add(now, format_args!("introspection after it: {answer}")),
        }
        Ok(())
    }

    /// Remembers the access token of an answer, to be verified until it expires.
    fn note(&self, answer: &str, family: u64) -> Result<String, Lost> {
        let text = member(answer, "access_token")?;
        let lifetime =
            serde_json::from_str::<serde_json::Value>(answer).ok().and_then(|answer| answer["expires_in"].as_u64());
        let lifetime = Duration::from_secs(lifetime.ok_or_else(|| Lost::Refused(200, answer.to_owned()))?);
        let now = self.ledger().now();
        let mut book = self.ledger().book();
        book.issued += 1;
        book.live.push(Token { text: text.as_str().into(), family, expires: now + lifetime, next_check: now });
        Ok(text)
    }

    fn request(&self, path: &str, form: &[(&str, &str)]) -> Vec<u8> {
        client::forwarded(&client::post(self.address, path, &self.authorization, form), &self.forwarded_for)
    }

    fn ledger(&self) -> &Ledger {
        &self.caller.ledger
    }
}

fn member(answer: &str, name: &str) -> Result<String, Lost> {
    let parsed: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    parsed[name].as_str().map(str::to_owned).ok_or_else(|| Lost::Refused(200, answer.to_owned()))
}
