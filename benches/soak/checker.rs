//! The APIs: they verify each token when it was issued and again and again until it expires, with keys and lists fetched and
//! kept as `signet-verifier` does for any API; and revoked ones, to see when they are refused.

use std::sync::Arc;
use std::time::Duration;

use signet_verifier::client::{Clock as _, SystemClock};
use signet_verifier::{Client, Error, KeySet, Policy};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::ledger::{Ledger, Token};
use crate::options::Broken;
use crate::preparation::{ES256_AUDIENCE, RS256_AUDIENCE};
use crate::site::Site;

const LOOKS_EVERY: Duration = Duration::from_millis(250);
/// Each token is verified this often.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Nothing is said of a token in its last seconds: it may expire on the way.
const LAST_SECONDS: Duration = Duration::from_secs(3);

pub struct Checker {
    task: JoinHandle<()>,
    ledger: Arc<Ledger>,
}

struct Apis {
    /// Follows the changes of status lists: knows of a revocation at once.
    follower: Client,
    /// Fetches the lists: knows of one when its copy has got old.
    reader: Client,
    /// The policy and key set of an API that never fetches another, where that is asked for.
    frozen: Option<(Policy, KeySet)>,
    /// Whether these APIs take no notice of a revocation, where that is asked for.
    blind: bool,
    ledger: Arc<Ledger>,
}

struct Revoked {
    token: Token,
    at: Duration,
    followed: bool,
    read: bool,
    next_look: Duration,
}

impl Checker {
    pub async fn start(site: &Site, ledger: &Arc<Ledger>, broken: Option<Broken>) -> Result<Self, Failure> {
        let issuer = site.issuer();
        let policy = Policy::new(&issuer, ES256_AUDIENCE).or_audience(RS256_AUDIENCE);
        let client = |follow: bool| {
            let client = Client::builder(policy.clone()).follow_changes(follow).build();
            client.map_err(|error| failure(error.to_string()))
        };
        let (follower, reader) = (client(true)?, client(false)?);
        for api in [&follower, &reader] {
            api.warm_up().await.map_err(|error| failure(error.to_string()))?;
        }
        let frozen = if broken == Some(Broken::Keys) {
            let keys =
                KeySet::from_json(site.key_set().await?.as_bytes()).map_err(|error| failure(error.to_string()))?;
            Some((policy, keys))
        } else {
            None
        };
        let blind = broken == Some(Broken::Status);
        let apis = Apis { follower, reader, frozen, blind, ledger: ledger.clone() };
        Ok(Self { task: tokio::spawn(apis.watch()), ledger: ledger.clone() })
    }

    pub async fn finish(self) {
        self.ledger.end();
        // A panic there is a fault of the soak; the report then lacks checks, and fails.
        if let Err(error) = self.task.await {
            let now = self.ledger.now();
            self.ledger.book().unverified.add(now, error);
        }
    }
}

impl Apis {
    async fn watch(self) {
        let mut revoked = Vec::new();
        while !self.ledger.has_ended() {
            for token in self.due(&mut revoked) {
                self.verify(&token).await;
            }
            let now = self.ledger.now();
            for one in revoked.iter_mut().filter(|one: &&mut Revoked| one.next_look <= now) {
                self.look(one).await;
            }
            revoked.retain(|one| one.token.expires >= now + LAST_SECONDS || self.judge(one));
            sleep(LOOKS_EVERY).await;
        }
        for one in &revoked {
            self.judge(one);
        }
    }

    /// Tokens that are to be verified now. Those that were revoked meanwhile go to `revoked`, those that expire go.
    fn due(&self, revoked: &mut Vec<Revoked>) -> Vec<Token> {
        let now = self.ledger.now();
        let mut book = self.ledger.book();
        let (mut due, mut live) = (Vec::new(), Vec::new());
        for mut token in std::mem::take(&mut book.live) {
            if token.expires < now + LAST_SECONDS {
                book.expired += 1;
                continue;
            }
            match book.revoked.get(&token.family) {
                // One of them stands for all that ended with it.
                Some(Some(_)) if revoked.iter().any(|one| one.token.family == token.family) => {}
                Some(Some(at)) => {
                    revoked.push(Revoked { at: *at, token, followed: false, read: false, next_look: now });
                }
                Some(None) => live.push(token),
                None => {
                    if token.next_check <= now {
                        token.next_check = now + AGAIN_AFTER;
                        due.push(token.clone());
                    }
                    live.push(token);
                }
            }
        }
        live.append(&mut book.live);
        book.live = live;
        book.checks += 2 * u32::try_from(due.len()).unwrap_or_default();
        due
    }

    async fn verify(&self, token: &Token) {
        for (api, name) in [(&self.follower, "that follows changes"), (&self.reader, "that reads lists")] {
            let mut verdict = api.verify(&token.text).await.map(drop);
            if let Some((policy, keys)) = &self.frozen {
                verdict = verdict.and(policy.verify_signed(&token.text, keys, SystemClock.now()).map(drop));
            }
            let Err(error) = verdict else { continue };
            let now = self.ledger.now();
            let mut book = self.ledger.book();
            // It may have been revoked, or have expired, on the way.
            if !book.is_revoked(token.family) && token.expires >= now + LAST_SECONDS {
                let left = (token.expires - now).as_secs();
                book.unverified.add(now, format_args!("an API {name}, {left} s before it expires: {error}"));
            }
        }
    }

    /// Notes when a revoked token is refused first, and whether it is accepted after that.
    async fn look(&self, one: &mut Revoked) {
        for (api, follows) in [(&self.follower, true), (&self.reader, false)] {
            let verdict = api.verify(&one.token.text).await;
            let now = self.ledger.now();
            let known = if follows { &mut one.followed } else { &mut one.read };
            let mut book = self.ledger.book();
            match verdict {
                Err(Error::Revoked) if !*known && !self.blind => {
                    *known = true;
                    let took = now.saturating_sub(one.at);
                    if follows { book.followed.push(took) } else { book.read.push(took) }
                }
                Ok(_) if *known => book.unrevoked.add(now, "a revoked token that was refused is accepted again"),
                _ => {}
            }
        }
        one.next_look = self.ledger.now() + if one.followed && one.read { AGAIN_AFTER } else { Duration::ZERO };
    }

    /// One that was not refused in time is a fault. It is not kept any longer.
    fn judge(&self, one: &Revoked) -> bool {
        let now = self.ledger.now();
        let had = now.saturating_sub(one.at);
        // What was revoked late in its life did not live long enough to be judged by a reader of lists.
        for (known, bound, who) in
            [(one.followed, FOLLOWED_WITHIN, "follows changes"), (one.read, READ_WITHIN, "reads lists")]
        {
            if !known && had > bound {
                let text = format!("{} s after it an API that {who} has not refused a token", had.as_secs());
                self.ledger.book().unrevoked.add(now, text);
            }
        }
        false
    }
}

/// A follower knows within a quarter of a second, unless its connection or the database has just gone: then it has to
/// connect again, after a pause that grows, or reads the list like others.
pub const FOLLOWED_WITHIN: Duration = Duration::from_secs(60);
/// The lists' `ttl` of a minute, a fetch that failed and the pause after it.
pub const READ_WITHIN: Duration = Duration::from_secs(90);

fn failure(answer: String) -> Failure {
    Failure::Unexpected { request: "an API's verifier".into(), answer }
}
