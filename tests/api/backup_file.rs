//! The file of a backup: what can be read in it, what is wrong with a forged one, and the program that writes it.

use std::io::Read as _;

use signet::backup::age::{Decryptor, Encryptor, Work};
use signet::backup::{BackupError, Creation};
use signet::config::Config;
use signet::entropy::Entropy;
use signet::keys::master::MasterKeyRing;
use signet::secret::Secret;

use crate::backup::{PASSPHRASE, back_up, verify};
use crate::support::app::{App, Backend, Place, program};

/// What is inside the encryption.
fn lines(backup: &[u8]) -> Vec<String> {
    let mut age = Decryptor::new(backup, &Secret::new(PASSPHRASE)).unwrap();
    let mut plaintext = Vec::new();
    while let Some(chunk) = age.chunk().unwrap() {
        plaintext.extend_from_slice(&chunk);
    }
    String::from_utf8(plaintext).unwrap().lines().map(str::to_owned).collect()
}

/// A backup by somebody who knows the passphrase.
fn forged(lines: &[String]) -> Vec<u8> {
    let mut age = Encryptor::new(Vec::new(), &Secret::new(PASSPHRASE), Work::TRIVIAL, &Entropy::seeded(4)).unwrap();
    lines.iter().for_each(|line| age.write(format!("{line}\n").as_bytes()).unwrap());
    age.finish().unwrap()
}

/// Runs on SQLite alone: the database plays no part.
fn on_a_backup(test: impl FnOnce(Vec<u8>)) {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        app.log_in().await;
        test(back_up(&app).await);
    });
}

#[test]
fn a_backup_holds_nothing_readable_and_no_private_key_even_when_decrypted() {
    on_a_backup(|backup| {
        for text in ["alice", "signet-master-key", "erp", "argon2"] {
            assert!(!backup.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
        }
        let inside = lines(&backup).join("\n");
        assert!(inside.contains("alice") && inside.contains("$argon2id$"));
        assert!(!inside.contains("\"d\":"), "a private JWK");
    });
}

#[test]
fn what_does_not_add_up_inside_the_encryption_is_refused() {
    on_a_backup(|backup| {
        let original = lines(&backup);
        verify(&forged(&original), PASSPHRASE).unwrap();
        let find = |part: &str| original.iter().position(|line| line.contains(part)).unwrap();
        let refused = |change: &dyn Fn(&mut Vec<String>), says: &str| {
            let mut lines = original.clone();
            change(&mut lines);
            let error = verify(&forged(&lines), PASSPHRASE).unwrap_err().to_string();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        };
        let (user, key) = (find("\"canonical_username\":\"alice\""), find("\"sealed_private_key\""));
        refused(&|lines| lines[user] = lines[user].replace("alice", "alicf"), "users have another checksum");
        refused(&|lines| drop(lines.remove(user)), "is not what belongs there");
        refused(&|lines| lines.insert(user, lines[user].clone()), "is not what belongs there");
        refused(&|lines| drop(lines.pop()), "the backup ends here");
        refused(&|lines| lines.push("{}".to_owned()), "expected nothing behind it");
        refused(&|lines| drop(lines.remove(find("{\"table\":\"clients\"}"))), "is not what belongs there");
        refused(&|lines| lines[0] = lines[0].replace("\"version\":1", "\"version\":2"), "has version 2");
        refused(&|lines| lines[0] = "{\"format\":\"tar\",\"version\":1}".to_owned(), "is no backup of signet");
        let newest = signet::store::migrations::known().unwrap().pop().unwrap();
        refused(&|lines| lines[0] = lines[0].replace(&newest, "20991231000000"), "has migration 20991231000000");
        // Another curve point than that of the private key.
        let swap = |lines: &mut Vec<String>| {
            let mut row: serde_json::Value = serde_json::from_str(&lines[key]).unwrap();
            let x = row["public_jwk"]["x"].take();
            row["public_jwk"]["x"] = row["public_jwk"]["y"].take();
            row["public_jwk"]["y"] = x;
            lines[key] = row.to_string();
        };
        refused(&swap, "the stored public key does not belong to the stored private key");
        let rename = |lines: &mut Vec<String>| {
            let kid = serde_json::from_str::<serde_json::Value>(&lines[key]).unwrap()["kid"].to_string();
            lines[key] = lines[key].replacen(&kid, "\"other\"", 1);
        };
        refused(&rename, "signing key other: its private key does not open");
    });
}

#[test]
fn a_short_passphrase_makes_no_backup() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        let creation = Creation {
            store: &app.provider.store,
            master: &MasterKeyRing::load(&app.config.master_key_file).unwrap(),
            clock: &app.clock,
            entropy: &app.provider.entropy,
            issuer: None,
            work: Work::TRIVIAL,
        };
        let refused =
            creation.write(Vec::new(), &Secret::new("14 characters!"), |_, _| ()).await.map(drop).unwrap_err();
        assert!(matches!(refused, BackupError::WeakPassphrase));
        assert_ne!(app.newest_event().await.action, "backup.create");
    });
}

#[test]
fn the_program_writes_checks_and_restores_a_backup() {
    crate::support::app::run(Backend::Sqlite, async |app: App| {
        let tokens = app.log_in().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signet.backup");
        let run = |config: &Config, command: &str, input: &str| {
            let mut typed = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut typed, input.as_bytes()).unwrap();
            std::io::Seek::rewind(&mut typed).unwrap();
            let arguments = ["backup", command, file.to_str().unwrap(), "--passphrase-stdin", "--json"];
            let output = program(config, &arguments).stdin(typed).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let document = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default();
            (output.status.code().unwrap(), document, stderr)
        };
        let (status, _, says) = run(&app.config, "create", "too short\n");
        assert!(status == 2 && says.contains("shorter than 15 characters"), "{says}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of it");

        let (status, created, says) = run(&app.config, "create", PASSPHRASE);
        assert!(status == 0 && says.contains("keep the passphrase apart"), "{says}");
        assert_eq!((&created["rows"]["users"], &created["rows"]["grants"]), (&1.into(), &1.into()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let (status, _, says) = run(&app.config, "create", PASSPHRASE);
        assert!(status == 1 && says.contains("there is a file of this name, which is not replaced"), "{says}");
        let mut start = [0; 21];
        std::fs::File::open(&file).unwrap().read_exact(&mut start).unwrap();
        assert_eq!(&start, b"age-encryption.org/v1");

        let (status, verified, _) = run(&app.config, "verify", PASSPHRASE);
        assert_eq!((status, &verified["rows"]), (0, &created["rows"]));
        let (status, _, says) = run(&app.config, "verify", "something else entirely");
        assert!(status == 1 && says.contains("the passphrase is not the one"), "{says}");
        let (status, _, says) = run(&app.config, "restore", PASSPHRASE);
        assert!(status == 1 && says.contains("the database is not empty"), "{says}");

        let place = Place::new(Backend::Sqlite).await.unwrap();
        let (status, _, says) = run(&place.config, "restore", PASSPHRASE);
        assert!(status == 0 && says.contains("revoke again what was revoked since"), "{says}");
        app.moved_to(place).await.refresh(tokens.refresh()).await.tokens();
    });
}
