//! An issuer moves from one database to the other kind and back: all of it, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use serde_json::{Value, json};
use signet::admin::webhooks::NewWebhook;
use signet::config::DatabaseUrl;
use signet::protocol::client::{AuthMethod, GrantType};
use signet::secret::{Secret, SecretBytes};
use signet::store::acme::{self, AcmeAccount};
use signet::store::audit_events::{self, AuditEvent};
use signet::store::copy::{CopyError, copy};
use signet::store::grants::{self, Grant, Selection};
use signet::store::tables::Tally;
use signet::store::{Connection, Database, Error, Json, Store, users};

use crate::support::app::{API, App, Backend, Tokens, block_on, run};
use crate::support::cluster;
use crate::support::program::Program;
use crate::support::receiver::to;
use crate::support::sql::dump;

/// More than two pages.
const MANY: usize = 2_600;

/// Rows enough to cross page boundaries, in two tables.
async fn fill(app: &App) {
    let filled = async |connection: &mut Connection| -> Result<(), Error> {
        let pattern = grants::list(connection, Selection::default(), uuid::Uuid::nil(), 1).await?.remove(0);
        let now = app.clock.now();
        for number in 0..MANY {
            // In no order, as identifiers that other systems make.
            let grant = Grant { id: app.provider.entropy.uuid(), ..pattern.clone() };
            grants::insert(connection, &grant).await?;
            let details =
                json!({ "number": number, "b": [1, 2.5, null, "é \u{1F511} \" \\"], "a": { "z": 1, "y": true } });
            let event = AuditEvent {
                id: app.provider.entropy.ordered_uuid(now),
                at: now,
                actor: "test".to_owned(),
                action: "fill".to_owned(),
                target: format!("number:{number}"),
                details: Json(details),
                address: (number % 2 == 0).then(|| "::1".to_owned()),
                request_id: None,
                outcome: "success".to_owned(),
                seal: None,
            };
            audit_events::insert(connection, &event).await?;
        }
        Ok(())
    };
    app.provider.store.transaction(filled).await.unwrap();
}

/// An empty database of the other kind; it goes with what is answered beside.
fn other_kind(backend: Backend) -> Option<(Database, Box<dyn std::any::Any>)> {
    match backend {
        Backend::Sqlite => {
            let database = cluster::shared()?.empty_database();
            Some((Database::Postgres(database.url().to_owned()), Box::new(database)))
        }
        Backend::Postgres => {
            let folder = tempfile::tempdir().unwrap();
            Some((Database::Sqlite(folder.path().join("copy.db")), Box::new(folder)))
        }
    }
}

fn url(database: &Database) -> String {
    match database {
        Database::Postgres(url) => url.clone(),
        Database::Sqlite(path) => format!("sqlite:{}", path.display()),
    }
}

fn address(database: &Database) -> DatabaseUrl {
    match database {
        Database::Postgres(url) => DatabaseUrl::Postgres(Secret::new(url.as_str())),
        Database::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
    }
}

async fn open(database: &Database) -> Store {
    let store = Store::open(database.clone(), 4).unwrap();
    store.migrate().await.unwrap();
    store
}

/// What the copy says of each table.
async fn copied(source: &Store, target: &Store) -> BTreeMap<&'static str, Tally> {
    let mut tables = BTreeMap::new();
    let progress = |table, tally| assert!(tables.insert(table, tally).is_none(), "{table} is told once");
    copy(source, target, progress).await.unwrap();
    tables
}

/// What the databases say themselves, without what a copy need not have: the counters, and when migrations were run.
async fn content(database: &DatabaseUrl) -> BTreeSet<String> {
    let mut lines = dump(database).await;
    // What belongs to one database, not to the issuer.
    let own = ["revisions:", "login_throttles:", "__diesel"];
    lines.retain(|line| !own.iter().any(|table| line.starts_with(table)));
    lines
}

/// Tokens of every kind, some of them revoked.
struct Issued {
    session: Tokens,
    own: String,
    revoked: Tokens,
    revoked_own: String,
}

impl Issued {
    async fn by(app: &App) -> Self {
        let own = async || app.token(&[("grant_type", "client_credentials")]).await.tokens().access_token;
        let issued = Self {
            session: app.log_in().await,
            own: own().await,
            revoked: app.log_in().await,
            revoked_own: own().await,
        };
        for token in [&issued.revoked.access_token, &issued.revoked_own] {
            assert_eq!(app.post("/oauth2/revoke", &[("token", token)]).await.status, 200);
        }
        issued
    }

    async fn are_honoured_by(&self, app: &App) {
        assert!(app.is_active(&self.session.access_token).await);
        assert!(app.is_active(&self.own).await);
        assert!(!app.is_active(&self.revoked.access_token).await);
        assert!(!app.is_active(&self.revoked_own).await);
        app.refresh(self.revoked.refresh()).await.refused(400, "invalid_grant");
        let next = app.refresh(self.session.refresh()).await.tokens();
        assert!(app.is_active(&next.access_token).await);
        app.log_in().await;
    }
}

/// A certificate that is to be ordered, and the account for it.
async fn order(app: &App) {
    let (directory, now) = ("https://ca.example/directory".to_owned(), app.clock.now());
    let mut connection = app.provider.store.writing().await.unwrap();
    let id = app.provider.entropy.ordered_uuid(now);
    acme::register(&mut connection, id, (&directory, "auth.example"), now).await.unwrap();
    let credentials = SecretBytes::new(b"{}".to_vec());
    let sealed_credentials = app.provider.keys.seal_acme_account(&directory, &credentials);
    let account = AcmeAccount { directory, sealed_credentials, created_at: now };
    acme::keep_account(&mut connection, &account).await.unwrap();
}

/// From the app's database to one of the other kind, and from there to a new one of its own kind.
async fn there_and_back(app: App) {
    let kind = app.backend();
    let Some((target, _holder)) = other_kind(kind) else { return };
    let Some((back, _back_holder)) = other_kind(kind.other()) else { return };
    let public = Some(AuthMethod::None);
    app.client("public", &[API], &[GrantType::Password, GrantType::RefreshToken], public).await;
    let issued = Issued::by(&app).await;
    let authorization = Some(Secret::new("Bearer oyster-lantern-64-meadow"));
    app.admin().create_webhook(NewWebhook { authorization, ..to("https://siem.example/".to_owned()) }).await.unwrap();
    app.admin().test_webhook("siem").await.unwrap();
    order(&app).await;
    fill(&app).await;
    app.get("/.well-known/jwks.json").await;
    app.provider.record_key_set_fetches().await.unwrap();
    app.advance(180);
    app.provider.audit_trail().seal(1000).await.unwrap();

    let (there, home) = (open(&target).await, open(&back).await);
    let first = copied(&app.provider.store, &there).await;
    assert_eq!(copied(&there, &home).await, first);
    assert!(first["grants"].rows > MANY as u64 && first["audit_events"].rows > MANY as u64, "{first:?}");
    assert!(first.values().all(|tally| tally.rows > 0), "{first:?}");
    // Of the same kind, hence word for word the same.
    assert_eq!(content(&address(&back)).await, content(&app.config.database_url).await);

    for database in [&target, &back] {
        let copy = app.instance_on(&url(database)).await;
        assert_eq!(copy.get("/.well-known/jwks.json").await.text, app.get("/.well-known/jwks.json").await.text);
        issued.are_honoured_by(&copy).await;
        let verified = copy.admin().verify_audit_trail().await.unwrap();
        assert!(verified.holds && verified.seals > 2 && verified.events > MANY as u64, "{verified:?}");
    }
}

#[test]
fn tokens_issued_before_go_on_working_in_postgres_and_the_way_back_loses_nothing() {
    run(Backend::Sqlite, there_and_back);
}

#[test]
fn tokens_issued_before_go_on_working_in_sqlite_and_the_way_back_loses_nothing() {
    run(Backend::Postgres, there_and_back);
}

async fn what_is_not_empty_stays_as_it_is(app: App) {
    let Some((database, _holder)) = other_kind(app.backend()) else { return };
    let target = Store::open(database.clone(), 2).unwrap();
    target.migrate().await.unwrap();
    let user = users::list(&mut app.provider.store.reading().await.unwrap(), "", "", 1).await.unwrap().remove(0);
    users::insert(&mut target.writing().await.unwrap(), &user).await.unwrap();
    let before = dump(&address(&database)).await;

    let refused = copy(&app.provider.store, &target, |_, _| ()).await;
    assert!(matches!(refused, Err(CopyError::NotEmpty { table: "users", rows: 1 })), "{refused:?}");
    assert_eq!(dump(&address(&database)).await, before);
}

#[test]
fn a_copy_into_a_postgres_that_is_not_empty_is_refused_and_changes_nothing() {
    run(Backend::Sqlite, what_is_not_empty_stays_as_it_is);
}

#[test]
fn a_copy_into_an_sqlite_that_is_not_empty_is_refused_and_changes_nothing() {
    run(Backend::Postgres, what_is_not_empty_stays_as_it_is);
}

#[test]
fn the_command_copies_compares_and_refuses_to_do_it_twice() {
    let Some((target, _holder)) = other_kind(Backend::Sqlite) else { return };
    let (program, target) = (Program::new(), url(&target));
    program.json(&["resource-server", "create", API, "--scope", "read"]);
    let copy = ["database", "copy", "--to", &target];
    let tables = program.json(&copy);
    let rows = |name: &str| {
        let table = tables.as_array().unwrap().iter().find(|table| table["table"] == name);
        table.map(|table| table["rows"].clone()).unwrap_or_default()
    };
    assert_eq!((rows("resource_servers"), rows("settings"), rows("users")), (json!(1), json!(1), json!(0)));

    let key = program.file("master.key").display().to_string();
    let moved = Program::new().with("SIGNET_DATABASE_URL", &target).with("SIGNET_MASTER_KEY_FILE", &key);
    let listed = |program: &Program| -> Value { program.json(&["key", "list"])[0]["kid"].clone() };
    assert_eq!(listed(&moved), listed(&program));

    let before = block_on(dump(&moved.config().database_url));
    let twice = program.refused(1, &copy);
    assert!(twice.contains("is not empty") && twice.contains("Give an empty one"), "{twice}");
    assert_eq!(block_on(dump(&moved.config().database_url)), before);
    let itself = format!("sqlite:{}", program.file("signet.db").display());
    let onto_itself = program.refused(2, &["database", "copy", "--to", &itself]);
    assert!(onto_itself.contains("the database to copy from"), "{onto_itself}");
}

#[test]
fn reading_one_state_of_postgres_may_wait_for_as_long_as_the_other_database_takes() {
    run(Backend::Postgres, async |app: App| {
        let limit = async |connection: &mut Connection| -> Result<String, Error> {
            let Connection::Postgres(connection) = connection else { panic!("this is PostgreSQL") };
            let shown = "current_setting('idle_in_transaction_session_timeout')";
            Ok(diesel::select(diesel::dsl::sql::<Text>(shown)).get_result(&mut **connection).await?)
        };
        assert_eq!(app.provider.store.snapshot(limit).await.unwrap(), "0");
        assert_eq!(app.provider.store.transaction(limit).await.unwrap(), "30s");
    });
}
