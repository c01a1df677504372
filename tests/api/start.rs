//! What the program refuses to start with, in which words, and that it has changed nothing then.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::support::app::{API, Answer, block_on};
use crate::support::cluster;
use crate::support::program::{Program, Serving, new_master_key};
use crate::support::sql::{dump, execute};

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// Runs a test on a new SQLite database and on a new PostgreSQL one, each with a master key in place.
fn on_each(test: impl Fn(&Program)) {
    let with_key = |program: Program| {
        std::fs::create_dir(program.file("")).unwrap();
        new_master_key(&program.file("master.key"));
        test(&program);
    };
    with_key(Program::new());
    if let Some(cluster) = cluster::shared() {
        let database = cluster.empty_database();
        with_key(Program::new().with("SIGNET_DATABASE_URL", database.url()));
    }
}

fn content(program: &Program) -> std::collections::BTreeSet<String> {
    block_on(dump(&program.config().database_url))
}

fn sql(program: &Program, statement: &str) {
    block_on(execute(&program.config().database_url, statement)).unwrap();
}

fn mode(program: &Program, name: &str) -> u32 {
    std::fs::metadata(program.file(name)).unwrap().permissions().mode() & 0o777
}

/// Makes an API and a client for itself; answers the client's secret.
fn register(program: &Program) -> String {
    program.json(&["resource-server", "create", API, "--scope", "read"]);
    let create = ["client", "create", "erp", "--grant-type", "client_credentials", "--audience", API];
    program.json(&create)["client_secret"].as_str().unwrap().to_owned()
}

/// The status of a token request.
fn token(serving: &Serving, secret: &str) -> u16 {
    block_on(async {
        let url = format!("{}/oauth2/token", serving.base);
        let request = reqwest::Client::new().post(url).basic_auth("erp", Some(secret));
        Answer::of(request.form(&[("grant_type", "client_credentials")])).await.status
    })
}

#[test]
fn a_wrong_master_key_is_refused_before_anything_is_written() {
    on_each(|program| {
        register(program);
        let before = content(program);
        let right = program.file("master.key");
        std::fs::rename(&right, program.file("right.key")).unwrap();
        new_master_key(&right);
        for command in [&["serve"][..], &["user", "list"]] {
            let refusal = program.refused(1, command);
            assert_says(&refusal, &["master key is not the one", "SIGNET_MASTER_KEY_FILE", "made with"]);
        }
        assert_eq!(content(program), before);
        std::fs::rename(program.file("right.key"), &right).unwrap();
        program.json(&["user", "list"]);
    });
}

#[test]
fn a_wrong_master_key_is_refused_before_an_older_schema_is_migrated() {
    on_each(|program| {
        register(program);
        undo_the_newest_migration(program);
        let before = content(program);
        let right = program.file("master.key");
        std::fs::rename(&right, program.file("right.key")).unwrap();
        new_master_key(&right);
        assert_says(&program.refused(1, &["serve"]), &["master key is not the one"]);
        assert_eq!(content(program), before);
        std::fs::rename(program.file("right.key"), &right).unwrap();
        program.json(&["user", "list"]);
        assert_ne!(content(program), before, "with the right one it is");
    });
}

fn undo_the_newest_migration(program: &Program) {
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let newest = folders.map(|folder| folder.unwrap().path()).max().unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap();
    let version = name.split_once('_').unwrap().0.replace('-', "");
    sql(program, &std::fs::read_to_string(newest.join("down.sql")).unwrap());
    sql(program, &format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"));
}

#[test]
fn a_lost_master_key_is_asked_for_and_not_replaced() {
    on_each(|program| {
        register(program);
        let before = content(program);
        std::fs::remove_file(program.file("master.key")).unwrap();
        assert_says(&program.refused(1, &["serve"]), &["no master key at", "master.key", "restore the file"]);
        assert!(!program.file("master.key").exists());
        assert_eq!(content(program), before);
    });
}

#[test]
fn a_new_embedded_database_and_the_master_key_made_with_it_are_for_their_owner_alone() {
    let program = Program::new();
    program.json(&["user", "list"]);
    assert_eq!(["master.key", "signet.db", ""].map(|name| mode(&program, name)), [0o600, 0o600, 0o700]);

    // A folder that somebody else made, for others to look into.
    let program = Program::new();
    std::fs::create_dir(program.file("")).unwrap();
    std::fs::set_permissions(program.file(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let serving = program.serve();
    for name in ["master.key", "signet.db", "signet.db-wal", "signet.db-shm"] {
        assert_eq!(mode(&program, name), 0o600, "{name}");
    }
    drop(serving);
}

#[test]
fn a_new_issuer_in_postgres_is_not_made_without_a_master_key() {
    let Some(cluster) = cluster::shared() else { return };
    let database = cluster.empty_database();
    let program = Program::new().with("SIGNET_DATABASE_URL", database.url());
    assert_says(&program.refused(1, &["serve"]), &["signet master-key create", "keep a copy apart"]);
    assert!(!program.file("master.key").exists());
    assert!(!content(&program).iter().any(|line| line.starts_with("sealed_secrets:")));
}

#[test]
fn a_database_that_a_newer_program_made_is_left_alone() {
    on_each(|program| {
        register(program);
        sql(program, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')");
        let before = content(program);
        assert_says(
            &program.refused(1, &["serve"]),
            &["20991231000000", "a newer signet made it", "nothing was changed"],
        );
        assert_eq!(content(program), before);
    });
}

#[test]
fn an_sqlite_file_has_one_server_and_commands_take_effect_beside_it() {
    let program = Program::new();
    let secret = register(&program);
    let serving = program.serve();
    assert_eq!(token(&serving, &secret), 200);

    // To a second server it looks as if it had to be migrated; it must not come to that.
    let rename = |from, to| sql(&program, &format!("ALTER TABLE {from} RENAME TO {to}"));
    rename("__diesel_schema_migrations", "put_aside");
    let before = content(&program);
    let refusal = program.refused(1, &["serve"]);
    assert_says(&refusal, &["another signet serves", "one instance", "signet database copy --to postgres://"]);
    assert_eq!(content(&program), before);
    rename("put_aside", "__diesel_schema_migrations");
    assert_eq!(token(&serving, &secret), 200);

    program.json(&["client", "disable", "erp"]);
    let began = Instant::now();
    while token(&serving, &secret) != 401 {
        assert!(began.elapsed() < Duration::from_secs(2), "the command has no effect");
        std::thread::sleep(Duration::from_millis(20));
    }
    serving.kill();
    program.json(&["client", "enable", "erp"]);
    assert_eq!(token(&program.serve(), &secret), 200, "a killed server leaves no lock behind");
}

#[test]
fn every_fault_of_the_settings_is_told_at_once_and_secrets_are_not() {
    let program = Program::new()
        .with("SIGNET_LISTEN", "nowhere")
        .with("SIGNET_WORKERS", "0")
        .with("SIGNET_DATABASE_URL", "mysql://signet:hunter2@db/signet")
        .with("SIGNET_ISSUR", "https://auth.example.com")
        .with("SIGNET_ISSUER", "http://auth.example.com");
    let refusal = program.refused(2, &["serve"]);
    assert_says(
        &refusal,
        &["SIGNET_LISTEN: `nowhere`", "SIGNET_WORKERS: `0`", "SIGNET_DATABASE_URL: the value (a secret"],
    );
    assert_says(&refusal, &["SIGNET_ISSUR: there is no such setting; did you mean SIGNET_ISSUER?"]);
    assert_says(&refusal, &["SIGNET_ISSUER: `http://auth.example.com`", "https"]);
    assert!(!refusal.contains("hunter2"), "{refusal}");
    assert!(!program.file("").exists(), "nothing was made");
}

#[test]
fn an_address_that_is_taken_is_named_with_its_setting_before_anything_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::new().with("SIGNET_LISTEN", &address);
    assert_says(&program.refused(1, &["serve"]), &[&address, "in use", "SIGNET_LISTEN"]);
    assert!(!program.file("").exists(), "nothing was made");
}

/// Reads one answer: a head, and a body whose length it says.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let whole = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let length =
            head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        (body.len() >= length.unwrap_or(0)).then_some(())
    };
    while whole(&answer).is_none() {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the connection ended: {answer}");
        answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    answer
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_it_has_begun_and_waits_for_nothing_else() {
    let program = Program::new();
    let secret = register(&program);
    let serving = program.serve();
    let address = serving.base.strip_prefix("http://").unwrap().to_owned();
    let connect = || {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    };
    // Two connections have been served and are kept for the next request; a third has sent half of its request.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http2 = block_on(async { reqwest::Client::builder().http2_prior_knowledge().build().unwrap() });
    assert_eq!(runtime.block_on(Answer::of(http2.get(format!("{}/healthz", serving.base)))).status, 200);
    let mut idle = connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_says(&read_answer(&mut idle), &["200 OK"]);
    let body = format!("grant_type=client_credentials&client_id=erp&client_secret={secret}");
    let mut begun = connect();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).unwrap();
    assert_says(&read_answer(&mut begun), &["100 Continue"]);

    serving.terminate();
    let told = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(told.elapsed() < Duration::from_secs(5), "it goes on taking connections");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Far longer than it takes to stop for a server that has nothing left to do.
    std::thread::sleep(Duration::from_secs(1));
    begun.write_all(body.as_bytes()).unwrap();
    assert_says(&read_answer(&mut begun), &["200 OK", "access_token"]);
    let status = serving.ended();
    assert_eq!(status.code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "it waited for connections that ask for nothing");
}
