//! The command line at a server: the same commands, the same output, and nothing of the database on the machine that asks.

use std::path::Path;
use std::process::Output;

use crate::on_both;
use crate::support::administration::Administration;
use crate::support::app::{API, App, Backend, program, run};

/// A profile of the client `signet-admin`, with the mode given.
fn profile(folder: &Path, app: &App, administration: &Administration, mode: u32) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(format!("profile-{mode:o}.toml"));
    let text = format!(
        "server = \"{}\"\ntoken_endpoint = \"{}/oauth2/token\"\nclient_id = \"signet-admin\"\nclient_secret = \"{}\"\n",
        administration.base, app.base, administration.client_secret
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

/// On a machine that has nothing but the profile.
async fn remote(folder: &Path, profile: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_signet"));
    command.args(["--profile", profile]).args(arguments).env_clear().current_dir(folder);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

async fn local(app: &App, arguments: &[&str]) -> Output {
    tokio::process::Command::from(program(&app.config, arguments)).output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

on_both! {
    async fn a_server_is_asked_by_the_same_commands_with_the_same_output(app) {
        let administration = Administration::of(&app).await;
        let folder = tempfile::tempdir().unwrap();
        let profile = profile(folder.path(), &app, &administration, 0o600);
        for arguments in [
            &["user", "list"][..],
            &["user", "show", "alice"],
            &["--json", "user", "show", "alice"],
            &["user", "hashes"],
            &["client", "list"],
            &["client", "show", "erp"],
            &["--json", "client", "show", "erp"],
            &["resource-server", "list"],
            &["resource-server", "show", API],
            &["settings", "show"],
            &["--json", "settings", "show"],
            &["key", "verifiers"],
            &["grant", "list"],
        ] {
            let (there, here) = (remote(folder.path(), &profile, arguments, "").await, local(&app, arguments).await);
            assert!(there.status.success(), "{arguments:?}: {}", text(&there.stderr));
            assert_eq!(text(&there.stdout), text(&here.stdout), "{arguments:?}");
        }
        let told = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(told, 1, "nothing is made on the machine that asks");
    }

    async fn a_change_at_a_server_is_a_change(app) {
        let administration = Administration::of(&app).await;
        let folder = tempfile::tempdir().unwrap();
        let profile = profile(folder.path(), &app, &administration, 0o600);
        let ask = async |arguments: &[&str], input: &str| remote(folder.path(), &profile, arguments, input).await;
        let made = ask(&["user", "create", "bob", "--password-stdin"], "gravel 93 teapot orbit\n").await;
        assert!(made.status.success(), "{}", text(&made.stderr));
        let set = ask(&["settings", "set", "--access-token-lifetime", "5m"], "").await;
        assert!(text(&set.stdout).contains("access_token_lifetime       5m"), "{}", text(&set.stdout));
        let client = ask(&["--json", "client", "create", "robot", "--grant-type", "client_credentials", "--audience", API], "").await;
        let client: serde_json::Value = serde_json::from_slice(&client.stdout).unwrap();
        app.synchronise().await;
        let token = app.token_of("robot", client["client_secret"].as_str().unwrap()).await;
        let inspected = ask(&["token", "inspect", "-"], &format!("{token}\n")).await;
        assert!(inspected.status.success(), "{}", text(&inspected.stdout));
        assert!(ask(&["token", "revoke", &token], "").await.status.success());
        assert_eq!(ask(&["token", "inspect", &token], "").await.status.code(), Some(1));
        let lines = "{\"username\":\"old\",\"password_hash\":\"$2b$04$abcdefghijklmnopqrstuuKcSCR3r7oTR9aL6MnkYt0x0zFbqzfMe\"}\n{\"username\":1}\n";
        std::fs::write(folder.path().join("users.jsonl"), lines).unwrap();
        let imported = ask(&["--json", "user", "import", "users.jsonl"], "").await;
        let summary: serde_json::Value = serde_json::from_slice(&imported.stdout).unwrap();
        assert_eq!((&summary["imported"], &summary["refused"]), (&1.into(), &1.into()), "{}", text(&imported.stderr));
        let counted = ask(&["--json", "statistics"], "").await;
        let counted: serde_json::Value = serde_json::from_slice(&counted.stdout).unwrap();
        assert_eq!((&counted["users"], &counted["clients"]), (&3.into(), &3.into()));
        let exported = ask(&["key", "export", "--format", "jwks"], "").await;
        assert_eq!(text(&exported.stdout).trim(), format!("{:#}", app.get("/.well-known/jwks.json").await.json()));
    }

    async fn what_a_server_refuses_is_told_with_the_reason(app) {
        let administration = Administration::of(&app).await;
        let folder = tempfile::tempdir().unwrap();
        let good = profile(folder.path(), &app, &administration, 0o600);
        let ask = async |profile: &str, arguments: &[&str]| {
            let output = remote(folder.path(), profile, arguments, "").await;
            (output.status.code().unwrap(), text(&output.stderr))
        };
        let (status, told) = ask(&good, &["client", "show", "nobody"]).await;
        assert!(status == 1 && told.contains("there is no client nobody"), "{told}");
        let (status, told) = ask(&good, &["settings", "set", "--login-window", "2d"]).await;
        assert!(status == 2 && told.contains("login_window must be from 1 to 86400"), "{told}");
        let (status, told) = ask(&good, &["backup", "create", "x"]).await;
        assert!(status == 2 && told.contains("--server"), "{told}");
        let (status, told) = ask(&good, &["key", "export", "kid", "--private", "--output", "f"]).await;
        assert!(status == 2 && told.contains("--server"), "{told}");
        let open = profile(folder.path(), &app, &administration, 0o644);
        let (status, told) = ask(&open, &["user", "list"]).await;
        assert!(status == 1 && told.contains("chmod 600"), "{told}");
        std::fs::write(&good, "server = \"http://auth.example.com\"\ntoken = \"secret-token\"\n").unwrap();
        let (status, told) = ask(&good, &["user", "list"]).await;
        assert!(status == 2 && told.contains("https"), "{told}");
        std::fs::write(&good, format!("server = \"{}\"\ntoken = \"secret-token\"\n", administration.base)).unwrap();
        let (status, told) = ask(&good, &["user", "list"]).await;
        assert!(status == 1 && told.contains("still valid") && !told.contains("secret-token"), "{told}");
        std::fs::write(&good, "client_secret = \"secret\ntoken").unwrap();
        let (status, told) = ask(&good, &["user", "list"]).await;
        assert!(status == 1 && told.contains("line ") && !told.contains("secret"), "{told}");
        std::fs::write(&good, "server = \"http://127.0.0.1:1\"\ntoken = \"x\"\n").unwrap();
        let (status, told) = ask(&good, &["user", "list"]).await;
        assert!(status == 1 && told.contains("http://127.0.0.1:1 does not answer"), "{told}");
    }
}

#[test]
fn the_first_administrator_gets_a_profile_that_works() {
    run(Backend::Sqlite, |app| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.toml");
        let file = path.display().to_string();
        let made = local(&app, &["admin", "bootstrap", "--write-profile", &file]).await;
        assert!(made.status.success(), "{}", text(&made.stderr));
        let again = local(&app, &["admin", "bootstrap", "--write-profile", &file]).await;
        assert!(text(&again.stderr).contains("a file that does not exist yet"), "{}", text(&again.stderr));
        let again = local(&app, &["admin", "bootstrap"]).await;
        assert!(text(&again.stderr).contains("rotate-secret signet-admin"), "{}", text(&again.stderr));
        app.synchronise().await;
        let written: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let secret = written["client_secret"].as_str().unwrap();
        assert!(text(&made.stdout).contains(secret), "it is printed, once");
        app.token_of("signet-admin", secret).await;
    });
}
