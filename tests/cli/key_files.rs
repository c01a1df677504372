//! Keys as files: `signet key import` and `signet key export`, against OpenSSL where the machine has it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::{API, Desk, assert_says, text};

const PASSPHRASE: &str = "correct horse battery staple";

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn states(desk: &Desk) -> Vec<(String, String)> {
    let list = desk.json(&["key", "list"]);
    let keys = list.as_array().unwrap().iter();
    keys.map(|key| (text(key, "kid").to_owned(), text(key, "state").to_owned())).collect()
}

/// Runs OpenSSL; `None`, loudly, where there is none.
fn openssl(arguments: &[&str]) -> Option<Output> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: openssl is not on PATH ({error}): exported keys were not opened by it");
            None
        }
    }
}

#[test]
fn a_key_is_imported_from_an_encrypted_file_and_signs() {
    let desk = Desk::new();
    desk.create_api();
    let file = fixture("test-p256.encrypted.pem");
    let unsaid = desk.run_with(PASSPHRASE, &["key", "import", &file, "--passphrase-stdin"]);
    assert_eq!((unsaid.status, unsaid.stdout.as_str()), (1, ""));
    assert_says(&unsaid.stderr, &["--state signing", "--state verifying"]);
    let import = ["key", "import", &file, "--kid", "-former", "--state", "signing", "--passphrase-stdin"];
    let imported = desk.json_with(PASSPHRASE, &import);
    assert_eq!((text(&imported, "kid"), text(&imported, "alg")), ("-former", "ES256"));
    assert_eq!(
        (states(&desk)[0].1.as_str(), states(&desk)[1].clone()),
        ("verifying", ("-former".into(), "signing".into()))
    );
    let again = desk.run_with(PASSPHRASE, &import);
    assert_eq!(again.status, 1);
    assert_says(&again.stderr, &["the key -former exists already"]);
    let wrong = desk.run_with("another passphrase", &["key", "import", &file, "--passphrase-stdin"]);
    assert_says(&wrong.stderr, &["the passphrase does not open it"]);
    assert_says(&desk.refused(2, &["key", "import", &file]), &["--passphrase-stdin"]);
}

#[test]
fn what_must_not_sign_is_refused_with_the_reason() {
    let desk = Desk::new();
    for (file, reason) in [
        ("refused-rsa-1024.pem", "its modulus has 1024 bits"),
        ("refused-rsa-exponent-3.pem", "its public exponent"),
        ("refused-p384.pem", "an EC key on another curve"),
        ("test-ed25519.public.pem", "a public key only"),
    ] {
        assert_says(&desk.refused(1, &["key", "import", &fixture(file)]), &[file, "was not imported", reason]);
    }
    assert_says(&desk.refused(1, &["key", "import", "nowhere.pem"]), &["nowhere.pem"]);
    let rsa = fixture("test-rsa-2048.pkcs1.pem");
    assert_says(&desk.refused(1, &["key", "import", &rsa, "--algorithm", "ES256"]), &["it is an RSA key"]);
    let assumed = desk.run(&["key", "import", &rsa, "--state", "verifying"]);
    assert_eq!(assumed.status, 0, "{}", assumed.stderr);
    assert_says(&assumed.stderr, &["RS256 was taken", "holds the key in clear", "key_retention"]);
}

#[test]
fn public_keys_are_exported_in_both_forms_and_nothing_private_with_them() {
    let desk = Desk::new();
    desk.create_api();
    desk.run(&["key", "import", &fixture("test-rsa-2048.jwk.json"), "--state", "verifying"]);
    let all = desk.run(&["key", "export"]);
    assert_says(&all.stdout, &["PS256 former-rsa-key\n-----BEGIN PUBLIC KEY-----\n", "ES256 "]);
    let one = desk.run(&["key", "export", "former-rsa-key"]);
    assert_eq!(one.stdout, std::fs::read_to_string(fixture("test-rsa-2048.public.pem")).unwrap());
    let set: Value = serde_json::from_str(&desk.run(&["key", "export", "--format", "jwks"]).stdout).unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    assert_eq!(set, desk.json(&["key", "export", "--format", "jwks"]));
    for answer in [&all, &one] {
        assert!(!answer.stdout.contains("PRIVATE"), "{}", answer.stdout);
    }
    assert!(set["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none() && key.get("p").is_none()));
    assert_says(&desk.refused(1, &["key", "export", "nobody"]), &["there is no key nobody", "signet key list"]);
}

#[test]
fn a_private_key_leaves_only_encrypted_into_a_new_file_and_openssl_reads_it() {
    let desk = Desk::new();
    for algorithm in ["ES256", "RS256", "PS256", "EdDSA"] {
        let api = format!("{API}/{algorithm}");
        desk.json(&["resource-server", "create", &api, "--scope", "read", "--signing-algorithm", algorithm]);
    }
    let list = desk.json(&["key", "list"]);
    for key in list.as_array().unwrap() {
        let (kid, algorithm) = (text(key, "kid"), text(key, "alg"));
        let path: PathBuf = desk.folder.path().join(format!("{algorithm}.pem"));
        let file = path.to_str().unwrap();
        let export = ["key", "export", kid, "--private", "--output", file, "--passphrase-stdin"];
        let answer = desk.run_with(PASSPHRASE, &export);
        assert_eq!(answer.status, 0, "{}", answer.stderr);
        assert!(!format!("{}{}", answer.stdout, answer.stderr).contains("BEGIN"), "{}", answer.stdout);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let public = desk.run(&["key", "export", kid]).stdout;
        let passin = format!("pass:{PASSPHRASE}");
        if let Some(opened) = openssl(&["pkey", "-in", file, "-passin", &passin, "-pubout"]) {
            assert_eq!(String::from_utf8(opened.stdout).unwrap(), public, "{algorithm}");
            let wrong = openssl(&["pkey", "-in", file, "-passin", "pass:another", "-noout"]).unwrap();
            assert!(!wrong.status.success(), "{algorithm}");
        }

        let other = Desk::new();
        let import = ["key", "import", file, "--kid", kid, "--algorithm", algorithm, "--state", "signing"];
        other.json_with(PASSPHRASE, &[&import[..], &["--passphrase-stdin"]].concat());
        assert_eq!(other.run(&["key", "export", kid]).stdout, public, "{algorithm}");
    }
}

#[test]
fn a_private_export_that_is_refused_leaves_no_file() {
    let desk = Desk::new();
    desk.create_api();
    let kid = states(&desk)[0].0.clone();
    let path = desk.folder.path().join("key.pem");
    let file = path.to_str().unwrap();
    let export = |kid: &str, file: &str, passphrase: &str| {
        desk.run_with(passphrase, &["key", "export", kid, "--private", "--output", file, "--passphrase-stdin"])
    };
    let short = export(&kid, file, "fourteen chars");
    assert_eq!(short.status, 2);
    assert_says(&short.stderr, &["passphrase has 14 characters", "needs 15"]);
    assert_eq!(export("nobody", file, PASSPHRASE).status, 1);
    assert_eq!(export(&kid, file, "").status, 2);
    assert!(!path.exists());
    std::fs::write(&path, "other").unwrap();
    assert_says(&export(&kid, file, PASSPHRASE).stderr, &["name a file that does not exist yet"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"other");
    #[cfg(unix)]
    assert_eq!(export(&kid, "/dev/stdout", PASSPHRASE).stdout, "", "neither a terminal nor a pipe");
    for misuse in [
        &["key", "export", &kid, "--private"][..],
        &["key", "export", "--private", "--output", file],
        &["key", "export", &kid, "--output", file],
        &["key", "export", &kid, "--private", "--output", file, "--format", "pem"],
    ] {
        desk.refused(2, misuse);
    }
}
