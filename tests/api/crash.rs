//! The program is killed in the middle of its work, again and again, and no session is lost: a client whose answer was
//! lost asks again with the same refresh token.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signet::admin::clients::NewClient;
use signet::admin::resource_servers::NewResourceServer;
use signet::admin::users::NewUser;
use signet::cli::compose;
use signet::entropy::Entropy;
use signet::protocol::client::GrantType;
use signet::protocol::jwk::Algorithm;
use signet::secret::Secret;

use crate::support::app::{API, PASSWORD, block_on, generation};
use crate::support::cluster;
use crate::support::program::{Program, new_master_key};

const SESSIONS: usize = 5;
const KILLS: u32 = 7;

/// What the clients share.
struct World {
    http: reqwest::Client,
    secret: String,
    /// Where the program listens at present.
    base: Mutex<String>,
    stop: AtomicBool,
    /// Requests without an answer.
    unanswered: AtomicU32,
}

/// A client's session.
struct Session {
    refresh_token: String,
    /// How many refreshes were answered.
    refreshed: i64,
}

impl World {
    /// The answer, or `None` for a client that must try again.
    async fn ask(&self, form: &[(&str, &str)]) -> Option<serde_json::Value> {
        let url = format!("{}/oauth2/token", self.base.lock().unwrap());
        let request = self.http.post(url).basic_auth("erp", Some(&self.secret)).form(form);
        let answered = match request.timeout(Duration::from_secs(10)).send().await {
            Ok(response) => Ok((response.status().as_u16(), response.text().await)),
            Err(error) => Err(error),
        };
        match answered {
            Ok((200, Ok(text))) => Some(serde_json::from_str(&text).unwrap()),
            Ok((503, _)) => None,
            Ok((status, Ok(text))) => panic!("{status}: {text}"),
            Ok((_, Err(_))) | Err(_) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    async fn log_in(&self) -> Session {
        let login = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        let answer = self.ask(&login).await.expect("nobody is killed yet");
        Session { refresh_token: answer["refresh_token"].as_str().unwrap().to_owned(), refreshed: 0 }
    }

    /// One refresh, tried until it is answered: each time with the same token.
    async fn refresh(&self, session: &mut Session) {
        loop {
            let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
            if let Some(answer) = self.ask(&form).await {
                session.refresh_token = answer["refresh_token"].as_str().unwrap().to_owned();
                session.refreshed += 1;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn keep_refreshing(self: Arc<Self>, mut session: Session) -> Session {
        while !self.stop.load(Ordering::Relaxed) {
            self.refresh(&mut session).await;
        }
        session
    }
}

/// Registers an API, a client and a user; answers the client's secret.
pub async fn register(program: &Program) -> String {
    let admin = compose::admin(&program.config()).await.unwrap();
    let api = NewResourceServer {
        audience: API.to_owned(),
        scope: "read".parse().unwrap(),
        access_token_lifetime: None,
        signing_algorithm: Algorithm::ES256,
    };
    admin.create_resource_server(api).await.unwrap();
    let client = NewClient::new("erp", &[GrantType::Password, GrantType::RefreshToken], &[API]);
    let secret = admin.create_client(client).await.unwrap().client_secret.unwrap();
    let user = NewUser { username: "alice".to_owned(), email: None, password: Secret::new(PASSWORD) };
    admin.create_user(user).await.unwrap();
    secret.expose().to_owned()
}

/// The moments of the kills follow from `seed`.
async fn kill_again_and_again(program: &Program, seed: u64) {
    let secret = register(program).await;
    let mut serving = program.serve();
    let world = Arc::new(World {
        http: reqwest::Client::new(),
        secret,
        base: Mutex::new(serving.base.clone()),
        stop: AtomicBool::new(false),
        unanswered: AtomicU32::new(0),
    });
    let mut clients = Vec::new();
    for _ in 0..SESSIONS {
        clients.push(tokio::spawn(world.clone().keep_refreshing(world.log_in().await)));
    }
    let moments = Entropy::seeded(seed);
    for _ in 0..KILLS {
        let milliseconds = 150 + u64::from(moments.bytes::<1>()[0]) * 2;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        serving.kill();
        serving = program.serve();
        world.base.lock().unwrap().clone_from(&serving.base);
    }
    world.stop.store(true, Ordering::Relaxed);

    let mut refreshed = 0;
    for client in clients {
        let mut session = client.await.expect("no session is lost");
        world.refresh(&mut session).await;
        // Each answer stands for one generation: none was skipped, and none was given twice.
        assert_eq!(generation(&session.refresh_token), 1 + session.refreshed);
        refreshed += session.refreshed;
    }
    assert!(refreshed > 50, "only {refreshed} refreshes");
    assert!(world.unanswered.load(Ordering::Relaxed) >= KILLS, "the kills hit nobody");
}

#[test]
fn no_session_is_lost_when_a_server_on_sqlite_is_killed() {
    block_on(kill_again_and_again(&Program::new(), 1));
}

#[test]
fn no_session_is_lost_when_a_server_on_postgres_is_killed() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let program = Program::new().with("SIGNET_DATABASE_URL", database.url());
    std::fs::create_dir(program.file("")).unwrap();
    new_master_key(&program.file("master.key"));
    block_on(kill_again_and_again(&program, 2));
}
