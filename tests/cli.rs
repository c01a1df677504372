//! The command line as an administrator and a script meet it: the built program on a fresh SQLite database.

#[path = "cli/key_files.rs"]
mod key_files;
#[path = "cli/login_guards.rs"]
mod login_guards;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const API: &str = "https://api.example.com";
const PASSWORD: &str = "violet tractor ledger mango";

/// One data folder, and the program that works on it.
struct Desk {
    folder: tempfile::TempDir,
}

/// What came of a command.
struct Answer {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    /// A folder with a master key.
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let created = desk.json(&["master-key", "create"]);
        assert_eq!(created["created"], true);
        desk
    }

    fn run_with(&self, input: &str, arguments: &[&str]) -> Answer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signet"))
            .args(arguments)
            .env_clear()
            .env("SIGNET_DATA_DIR", self.folder.path().join("data"))
            .env("SIGNET_MASTER_KEY_FILE", self.folder.path().join("keys/master.key"))
            .env("SIGNET_ISSUER", "https://auth.example.com")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that asks for nothing may have ended before it is told anything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Answer {
            status: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with("", arguments)
    }

    /// The document of a command that is carried out.
    #[track_caller]
    fn json_with(&self, input: &str, arguments: &[&str]) -> Value {
        let answer = self.run_with(input, &[arguments, &["--json"]].concat());
        assert_eq!(answer.status, 0, "{arguments:?}: {}", answer.stderr);
        answer.document()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        self.json_with("", arguments)
    }

    /// The words in which a command is refused with this exit status.
    #[track_caller]
    fn refused(&self, status: i32, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!(answer.status, status, "{arguments:?}: {}{}", answer.stdout, answer.stderr);
        assert_eq!(answer.stdout, "", "{arguments:?}");
        answer.stderr
    }

    fn create_api(&self) -> Value {
        self.json(&["resource-server", "create", API, "--scope", "read write"])
    }
}

impl Answer {
    #[track_caller]
    fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", self.stdout))
    }
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member].as_str().unwrap_or_else(|| panic!("no {member} in {document}"))
}

#[test]
fn an_api_and_its_client_are_registered_shown_and_given_new_secrets() {
    let desk = Desk::new();
    let api = desk.create_api();
    assert_says(text(&api, "client_secret"), &["sga_"]);
    assert_eq!((text(&api, "audience"), text(&api, "signing_algorithm")), (API, "ES256"));
    assert_eq!(desk.json(&["key", "list"])[0]["state"], "signing", "the API's first key signs at once");

    let create = [
        "client",
        "create",
        "erp",
        "--grant-type",
        "password",
        "--grant-type",
        "refresh_token",
        "--audience",
        API,
        "--access-token-lifetime",
        "5m",
        "--auth-method",
        "client_secret_basic",
        "--json",
    ];
    let created = desk.run(&create);
    let client = created.document();
    assert_says(&created.stderr, &["legacy", "shown this once"]);
    assert_says(text(&client, "client_secret"), &["sgs_"]);
    assert_eq!(client["grant_types"], serde_json::json!(["password", "refresh_token"]));
    assert_eq!(client["access_token_lifetime"], 300);
    assert_eq!(text(&client, "token_endpoint_auth_method"), "client_secret_basic");
    assert_eq!(text(&client, "scope"), "read write", "all that the API offers");

    let rotated = desk.json(&["client", "rotate-secret", "erp", "--keep-old-for", "24h"]);
    assert_ne!(text(&rotated, "client_secret"), text(&client, "client_secret"));
    assert_eq!(rotated["client_secrets"].as_array().unwrap().len(), 2);
    let third = desk.refused(1, &["client", "rotate-secret", "erp", "--keep-old-for", "24h"]);
    assert_says(&third, &["two live secrets", "wait until", "or rotate without"]);
    let rotated_again = desk.json(&["client", "rotate-secret", "erp"]);
    assert_eq!(rotated_again["client_secrets"].as_array().unwrap().len(), 1, "both old ones have ended");

    let shown = [desk.run(&["client", "show", "erp"]), desk.run(&["client", "list", "--json"])];
    let servers = [desk.run(&["resource-server", "show", API, "--json"]), desk.run(&["resource-server", "list"])];
    for answer in shown.iter().chain(&servers) {
        assert_eq!(answer.status, 0);
        for hidden in ["sgs_", "sga_", "hash"] {
            assert!(!answer.stdout.contains(hidden), "{hidden} in {}", answer.stdout);
        }
    }
    assert_says(&shown[0].stdout, &["access_token_lifetime       5m\n"]);
    assert_says(&servers[1].stdout, &["AUDIENCE ", "https://api.example.com  read write"]);

    assert_says(&desk.refused(1, &["resource-server", "delete", API]), &["client(s) erp", "signet client update"]);
    assert!(desk.json(&["client", "disable", "erp"])["disabled_at"].is_string());
    assert_eq!(desk.json(&["client", "enable", "erp"])["disabled_at"], Value::Null);
    desk.json(&["client", "delete", "erp"]);
    desk.json(&["resource-server", "delete", API]);
    assert_eq!(desk.json(&["client", "list"]), serde_json::json!([]));
}

#[test]
fn a_users_password_comes_from_standard_input_and_never_from_an_argument() {
    let desk = Desk::new();
    assert_says(&desk.refused(2, &["user", "create", "anna", "--password", PASSWORD]), &["--password"]);
    assert_says(&desk.refused(2, &["user", "create", "anna"]), &["--password-stdin"]);

    let create = ["user", "create", "Anna", "--email", "anna@example.com", "--password-stdin"];
    let anna = desk.json_with(&format!("{PASSWORD}\r\nnot a password\n"), &create);
    assert_eq!((text(&anna, "username"), text(&anna, "email")), ("Anna", "anna@example.com"));
    assert!(text(&anna, "sub").parse::<uuid::Uuid>().is_ok());

    let again = desk.run_with(PASSWORD, &["user", "create", "ANNA", "--password-stdin", "--json"]);
    assert_eq!((again.status, text(&again.document(), "error")), (1, "exists"));
    let weak = desk.run_with("anna@example.com1", &["user", "set-password", "anna", "--password-stdin", "--json"]);
    assert_eq!((weak.status, text(&weak.document(), "error")), (1, "password"));

    let set = desk.run_with("seven otters paint slowly", &["user", "set-password", "anna", "--password-stdin"]);
    assert_eq!(set.status, 0, "{}", set.stderr);
    assert_says(&set.stderr, &["note: estimated guesses until the password is found: 10^1"]);
    let easy = desk.run_with("anna anna anna love", &["user", "set-password", "anna", "--password-stdin"]);
    assert!(!easy.stderr.contains("10^1"), "what is known of the user is easily guessed: {}", easy.stderr);
    assert!(desk.json(&["user", "disable", "anna"])["disabled_at"].is_string());
    let listed = desk.run(&["user", "list"]);
    assert_says(&listed.stdout, &["USERNAME  EMAIL", "Anna      anna@example.com"]);
    let shown = desk.run(&["user", "show", "anna", "--json"]);
    assert!(!shown.stdout.contains("argon2") && !shown.stdout.contains("password_hash"), "{}", shown.stdout);
    desk.json(&["user", "delete", "anna"]);
    assert_says(&desk.refused(1, &["user", "show", "anna"]), &["there is no user anna", "signet user list"]);
}

#[test]
fn what_cannot_be_is_misuse_and_what_may_not_be_is_refused() {
    let desk = Desk::new();
    desk.create_api();
    let client = |id: &str, rest: &[&'static str]| {
        [&["client", "create", id, "--audience", API, "--grant-type", "client_credentials"], rest]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (status, arguments, says) in [
        (2, client("a b", &[]), &["client_id", "printable ASCII"][..]),
        (2, client("erp", &["--access-token-lifetime", "10"]), &["write it as 90s"]),
        (2, client("erp", &["--grant-type", "implicit"]), &["must be one of client_credentials"]),
        (1, client("erp", &["--public"]), &["public", "client_credentials"]),
        (1, client("erp", &["--scope", "admin"]), &["scope admin is offered by none", "leave it out"]),
        (1, client("erp", &["--audience", "https://other.example"]), &["signet resource-server create"]),
        (1, client("erp", &["--access-token-lifetime", "30h"]), &["1d 6h", "key_retention 1d 1h"]),
        (1, client(API, &[]), &["is the audience of a resource server"]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_says(&desk.refused(status, &arguments), says);
    }
    let settings = desk.refused(1, &["settings", "set", "--jwks-max-age", "2d", "--retry-window", "10m"]);
    assert_says(&settings, &["key_publication_period (1d)", "jwks_max_age (2d)", "retry_window (10m)", "set it to 5m"]);
    assert_eq!(desk.json(&["settings", "show"])["retry_window"], 30, "nothing has changed");
    assert_eq!(desk.json(&["settings", "set", "--retry-window", "1m"])["retry_window"], 60);
    assert_says(&desk.refused(2, &["grant", "revoke"]), &["--user"]);
    assert_says(&desk.refused(1, &["grant", "revoke", "--user", "nobody"]), &["there is no user nobody"]);
    assert_says(&desk.refused(1, &["master-key", "create"]), &["never overwritten", "--if-missing"]);
    assert_eq!(desk.json(&["master-key", "create", "--if-missing"])["created"], false);
}

#[test]
fn the_grant_limit_is_set_for_all_or_for_one_client_and_shown() {
    let desk = Desk::new();
    desk.create_api();
    assert_eq!(desk.json(&["settings", "show"])["grant_limit"], 100);
    assert_eq!(desk.json(&["settings", "set", "--grant-limit", "20"])["grant_limit"], 20);
    assert_says(&desk.refused(2, &["settings", "set", "--grant-limit", "0"]), &["grant_limit must be from 1 to 10000"]);
    let create = ["client", "create", "erp", "--audience", API, "--grant-type", "password", "--grant-limit", "5"];
    assert_eq!(desk.json(&create)["grant_limit"], 5);
    assert_says(&desk.run(&["client", "show", "erp"]).stdout, &["grant_limit                 5\n"]);
    let update = |value| desk.json(&["client", "update", "erp", "--grant-limit", value])["grant_limit"].clone();
    assert_eq!((update("7"), update("default")), (7.into(), Value::Null));
    assert_says(&desk.refused(2, &["client", "update", "erp", "--grant-limit", "many"]), &["is not a number"]);
}

#[test]
fn a_purge_says_how_many_rows_of_which_table_it_removed() {
    let desk = Desk::new();
    let nothing = serde_json::json!({
        "grants": 0, "revocations": 0, "status_leases": 0, "status_lists": 0, "key_set_fetches": 0,
        "login_throttles": 0, "known_addresses": 0, "audit_events": 0, "webhook_deliveries": 0
    });
    assert_eq!(desk.json(&["purge"]), nothing);
    assert_says(&desk.run(&["purge"]).stdout, &["grants              0\n", "key_set_fetches     0"]);
}

#[test]
fn keys_rotate_and_a_token_that_does_not_hold_says_why() {
    let desk = Desk::new();
    desk.create_api();
    let staged = desk.json(&["key", "rotate"]);
    assert_eq!((&staged[0]["alg"], &staged[0]["new"]), (&"ES256".into(), &true.into()));
    let again = desk.run(&["key", "rotate", "--json"]);
    assert_eq!((again.document()[0]["kid"] == staged[0]["kid"], &again.document()[0]["new"]), (true, &false.into()));
    assert_says(&again.stderr, &["waiting already"]);
    let at_once = desk.run(&["key", "rotate", "--now"]);
    assert_says(&at_once.stderr, &["for 5m (jwks_max_age) may refuse new tokens for up to", "nobody has fetched"]);
    let keys = desk.json(&["key", "list"]);
    let states: Vec<&Value> = keys.as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["verifying", "signing"], "the key that waited signs");
    assert!(keys[0]["superseded_at"] == keys[1]["active_at"] && keys[0]["expires_at"].is_string(), "{keys}");
    assert!(keys[1]["superseded_at"].is_null() && keys[1]["rotates_at"].is_string(), "{keys}");

    let signing = text(&keys[1], "kid");
    let unconfirmed = desk.refused(2, &["key", "revoke", signing]);
    assert_says(&unconfirmed, &["0 grant(s)", "at most 0 that clients took", "no terminal", "--yes"]);
    let revoked = desk.run(&["key", "revoke", signing, "--yes", "--json"]);
    assert_says(&revoked.stderr, &["know nothing of forged ones", "signs from now on"]);
    let successor = text(&revoked.document()["successor"], "kid").to_owned();
    assert_says(&desk.refused(1, &["key", "revoke", signing, "--yes"]), &["was revoked already"]);
    assert_says(&desk.refused(1, &["key", "revoke", "nobody"]), &["there is no key nobody", "signet key list"]);
    let listed = desk.run(&["key", "list"]);
    assert_says(&listed.stdout, &["SUPERSEDED AT", "REVOKED AT", &format!("{successor}  ES256  signing")]);
    assert_eq!(desk.json(&["key", "verifiers"]), serde_json::json!([]));

    let update = desk.run(&["resource-server", "update", API, "--signing-algorithm", "EdDSA", "--json"]);
    assert_eq!(text(&update.document(), "former_signing_algorithm"), "ES256");
    assert_says(&update.stderr, &["signed with ES256 until", "with EdDSA from then on"]);

    let foreign = desk.run_with(
        "eyJhbGciOiJFUzI1NiIsImtpZCI6InN0cmFuZ2VyIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiJhbm5hIn0.AAAA\n",
        &["token", "inspect", "-", "--json"],
    );
    let found = foreign.document();
    assert_eq!((foreign.status, &found["active"], &found["genuine"]), (1, &false.into(), &false.into()));
    assert_eq!((text(&found, "reason"), text(&found["claims"], "sub")), ("unknown_kid", "anna"));
    let cut = desk.run(&["token", "inspect", "sgr_AAAA"]);
    assert_eq!(cut.status, 1);
    assert_says(&cut.stdout, &["did not make it"]);
}

#[test]
fn a_master_key_is_made_beside_a_new_database_and_missed_beside_an_old_one() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    assert_eq!(desk.run(&["user", "list"]).status, 0);
    std::fs::remove_file(desk.folder.path().join("keys/master.key")).unwrap();
    assert_says(&desk.refused(1, &["user", "list"]), &["restore the file", "signet master-key create"]);
    assert!(!desk.folder.path().join("keys/master.key").exists());
}
