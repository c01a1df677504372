//! Where the master key may come from: a file, a variable, a systemd credential.

use super::*;

const LINE: &str = "signet-master-key-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A folder as systemd makes one for a unit.
fn credentials(name: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), LINE).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn without_a_word_it_is_a_file_in_the_data_folder() {
    let config = good(&[], "");
    assert!(matches!(config.master_key_source(), MasterKeySource::File(path) if path.ends_with("master.key")));
}

#[test]
fn a_variable_may_hold_it_and_is_never_shown() {
    let config = good(&[("SIGNET_MASTER_KEY", LINE)], "");
    let MasterKeySource::Text(text) = config.master_key_source() else { panic!("{:?}", config.master_key_source()) };
    assert_eq!(text.expose(), LINE);
    let described = config.describe().into_iter().find(|row| row.variable == "SIGNET_MASTER_KEY").unwrap();
    assert_eq!(described.value, "(hidden)");
    assert!(!format!("{config:?} {}", config.master_key_source()).contains("AAAA"));
}

#[test]
fn a_variable_and_a_file_are_one_too_many() {
    let both = [("SIGNET_MASTER_KEY", LINE), ("SIGNET_MASTER_KEY_FILE", "/run/keys/master.key")];
    let expected = "SIGNET_MASTER_KEY: is given while SIGNET_MASTER_KEY_FILE is; expected one or the other";
    assert_eq!(faults(&both, ""), [expected]);
    assert_eq!(faults(&both[..1], "master_key_file = '/run/keys/master.key'"), [expected]);
    assert_eq!(faults(&[("SIGNET_MASTER_KEY", "")], "").len(), 1, "an empty variable is a slip, not its absence");
}

#[test]
fn the_credential_is_taken_when_nothing_else_is_given() {
    let (folder, path) = credentials("signet-master-key");
    let given = ("CREDENTIALS_DIRECTORY", path.as_str());
    let config = good(&[given], "");
    let expected = folder.path().join("signet-master-key");
    assert!(matches!(config.master_key_source(), MasterKeySource::Credential(path) if path == expected));
    let described = config.describe().into_iter().find(|row| row.variable == "SIGNET_MASTER_KEY_FILE").unwrap();
    assert_eq!(described.origin.to_string(), "systemd credential signet-master-key");

    let file = good(&[given, ("SIGNET_MASTER_KEY_FILE", "/run/keys/master.key")], "");
    assert!(
        matches!(file.master_key_source(), MasterKeySource::File(path) if path == Path::new("/run/keys/master.key"))
    );
    let file = good(&[given], "master_key_file = '/run/keys/master.key'");
    assert!(matches!(file.master_key_source(), MasterKeySource::File(_)));
    let text = good(&[given, ("SIGNET_MASTER_KEY", LINE)], "");
    assert!(matches!(text.master_key_source(), MasterKeySource::Text(_)));
}

#[test]
fn credentials_of_another_name_are_none_of_ours() {
    let (_folder, path) = credentials("database-password");
    let config = good(&[("CREDENTIALS_DIRECTORY", &path)], "");
    assert!(matches!(config.master_key_source(), MasterKeySource::File(_)));
    let nowhere = good(&[("CREDENTIALS_DIRECTORY", "/nowhere")], "");
    assert!(matches!(nowhere.master_key_source(), MasterKeySource::File(_)));
}
