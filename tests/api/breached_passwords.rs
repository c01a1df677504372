//! New passwords against the range files of a breach: refused where they are in them, and said where they cannot be looked
//! up. A password that is in use is left alone.

use signet::admin::users::NewUser;
use signet::cli::compose;
use signet::secret::Secret;

use crate::on_both;
use crate::support::app::{App, Variant};

const BREACHED: &str = "violet tractor ledger mango";
/// The SHA-1 of it begins so, and goes on so: from `printf '%s' 'violet tractor ledger mango' | sha1sum`.
const RANGE: &str = "33245";
const SUFFIX: &str = "771433CAE5D6DA8B99E814B602885A28F64";

fn ranges(of_the_password: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for end in ["00000", "FFFFF"] {
        std::fs::write(folder.path().join(end), "").unwrap();
    }
    if let Some(text) = of_the_password {
        std::fs::write(folder.path().join(format!("{RANGE}.txt")), text).unwrap();
    }
    folder
}

async fn with_ranges(app: &App, folder: &tempfile::TempDir) -> App {
    let settings = [("SIGNET_BREACHED_PASSWORDS_DIR", folder.path().to_str().unwrap())];
    app.variant(Variant { settings: &settings, ..Variant::default() }).await
}

async fn create(app: &App, username: &str) -> Result<(), String> {
    let new = NewUser { username: username.to_owned(), email: None, password: Secret::new(BREACHED) };
    app.admin().create_user(new).await.map(drop).map_err(|error| error.to_string())
}

on_both! {
    async fn a_new_password_that_was_found_in_a_breach_is_refused(app) {
        let folder = ranges(Some(&format!("0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n{SUFFIX}:217\r\n")));
        let looking = with_ranges(&app, &folder).await;
        let refused = create(&looking, "bob").await.unwrap_err();
        assert!(refused.contains("data from a breach"), "{refused}");
        let set = looking.admin().set_password("alice", Secret::new(BREACHED)).await.unwrap_err().to_string();
        assert!(set.contains("data from a breach"), "{set}");
        looking.log_in().await;
        // Another instance did not look: the login does not, either, for the password is not new.
        create(&app, "bob").await.unwrap();
        let form = [("grant_type", "password"), ("username", "bob"), ("password", BREACHED)];
        looking.token(&form).await.tokens();
    }

    async fn what_is_not_in_its_range_is_taken_and_what_cannot_be_looked_up_is_not(app) {
        let folder = ranges(Some(&format!("{SUFFIX}:0\r\n")));
        create(&with_ranges(&app, &folder).await, "bob").await.unwrap();
        let incomplete = ranges(None);
        let refused = create(&with_ranges(&app, &incomplete).await, "carl").await.unwrap_err();
        assert!(refused.contains("no file 33245"), "{refused}");
        app.log_in().await;
    }

    async fn a_folder_that_is_missing_or_not_whole_keeps_the_issuer_from_starting(app) {
        let empty = tempfile::tempdir().unwrap();
        for folder in ["/nowhere", empty.path().to_str().unwrap()] {
            let mut program = app.program(&["user", "list"]);
            let output = program.env("SIGNET_BREACHED_PASSWORDS_DIR", folder).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(told.contains("SIGNET_BREACHED_PASSWORDS_DIR") && told.contains(folder), "{told}");
        }
        compose::admin(&app.config).await.unwrap();
    }
}
