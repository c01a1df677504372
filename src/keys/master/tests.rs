//! The master key file.

use std::fs;

use super::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A file that only its owner can use.
fn written(path: &Path, text: &str) {
    create_file(path, &Entropy::seeded(1)).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_created_file_loads_and_holds_one_line_of_the_stated_form() {
    let directory = directory();
    let path = directory.path().join("master.key");
    create_file(&path, &Entropy::seeded(1)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX).unwrap().strip_suffix('\n').unwrap()).unwrap().len(),
        32
    );
    assert!(MasterKeyRing::load(&path).unwrap().others.is_empty());
}

#[test]
fn a_file_is_never_overwritten() {
    let directory = directory();
    let path = directory.path().join("master.key");
    create_file(&path, &Entropy::seeded(1)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(create_file(&path, &Entropy::seeded(2)), Err(MasterKeyError::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_missing_file_says_so() {
    let directory = directory();
    let missing = MasterKeyRing::load(&directory.path().join("master.key")).unwrap_err();
    assert!(matches!(missing, MasterKeyError::Missing(_)), "{missing}");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_use_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    let path = directory.path().join("master.key");
    create_file(&path, &Entropy::seeded(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = MasterKeyRing::load(&path).unwrap_err();
        assert!(matches!(refused, MasterKeyError::Permissions { .. }));
        assert!(refused.to_string().contains(&format!("(mode {mode:04o}): run `chmod 600`")), "{refused}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    MasterKeyRing::load(&path).unwrap();
}

#[test]
fn a_malformed_line_is_named_by_number_and_not_shown() {
    let directory = directory();
    let good = new_line(&Entropy::seeded(3)).expose().to_owned();
    let bad_lines = [
        good.replace("key-1", "key-2"),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        good.replace(PREFIX, ""),
        PREFIX.to_owned(),
    ];
    for (number, bad) in bad_lines.iter().enumerate() {
        let path = directory.path().join(number.to_string());
        written(&path, &format!("{good}\n\n{bad}\n"));
        let refused = MasterKeyRing::load(&path).unwrap_err();
        assert!(matches!(refused, MasterKeyError::Format { line: 3, .. }), "{bad}");
        assert!(!format!("{refused} {refused:?}").contains(&good[PREFIX.len()..PREFIX.len() + 8]));
    }
    let path = directory.path().join("empty");
    written(&path, "\n");
    assert!(matches!(MasterKeyRing::load(&path), Err(MasterKeyError::Format { line: 1, .. })));
}

#[test]
fn of_several_lines_the_first_seals_and_each_is_found_by_its_id() {
    let lines = [4, 5].map(|seed| new_line(&Entropy::seeded(seed)).expose().to_owned());
    let id = |line: &str| MasterKeyRing::parse(line).unwrap().first().id();
    let ring = MasterKeyRing::parse(&format!("{}\r\n{}\r\n", lines[0], lines[1])).unwrap();
    assert_eq!(ring.first().id(), id(&lines[0]));
    assert_ne!(id(&lines[0]), id(&lines[1]));
    assert_eq!(ring.find(id(&lines[1])).unwrap().id(), id(&lines[1]));
    assert!(ring.find(MasterKeyId([0; 8])).is_none());
}

#[test]
fn debug_output_does_not_show_the_key() {
    let line = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([0xab; 32]));
    let shown = format!("{:?}", MasterKeyRing::parse(&line).unwrap());
    assert!(!shown.contains("171, 171") && !shown.to_lowercase().contains("abab"), "{shown}");
}

#[test]
fn an_added_key_comes_first_and_the_old_ones_stay() {
    let directory = directory();
    let path = directory.path().join("master.key");
    create_file(&path, &Entropy::seeded(1)).unwrap();
    let old = MasterKeyRing::load(&path).unwrap().first().id();
    let [second, third] = [2, 3].map(|seed| add_key(&path, &Entropy::seeded(seed)).unwrap());
    let ring = MasterKeyRing::load(&path).unwrap();
    assert_eq!(ring.keys().map(MasterKey::id).collect::<Vec<_>>(), [third, second, old]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_key_is_not_added_to_a_file_that_is_missing_malformed_or_being_written() {
    let directory = directory();
    let path = directory.path().join("master.key");
    assert!(matches!(add_key(&path, &Entropy::seeded(2)), Err(MasterKeyError::Missing(_))));
    written(&path, "not a key\n");
    assert!(matches!(add_key(&path, &Entropy::seeded(2)), Err(MasterKeyError::Format { line: 1, .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "not a key\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    fs::write(directory.path().join("master.key.new"), "").unwrap();
    let refused = add_key(&path, &Entropy::seeded(2)).unwrap_err();
    assert!(matches!(refused, MasterKeyError::Unfinished(_)) && refused.to_string().contains("master.key.new exists"));
}

#[cfg(unix)]
#[test]
fn a_file_that_a_key_is_added_to_keeps_its_mode_and_stays_behind_its_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    let (path, link) = (directory.path().join("master.key"), directory.path().join("link"));
    create_file(&path, &Entropy::seeded(1)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    add_key(&link, &Entropy::seeded(2)).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(MasterKeyRing::load(&path).unwrap().keys().count(), 2);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// systemd shows the access control list of the unit's user as the group's mode, on a file of root's.
#[cfg(unix)]
#[test]
fn a_credential_may_be_roots_and_read_by_the_units_group_but_by_nobody_else() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let directory = directory();
    let path = directory.path().join("signet-master-key");
    create_file(&path, &Entropy::seeded(1)).unwrap();
    let with_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    with_mode(0o400);
    MasterKeyRing::load_credential(&path).unwrap();
    with_mode(0o440);
    let is_roots = fs::metadata(&path).unwrap().uid() == 0;
    assert_eq!(MasterKeyRing::load_credential(&path).is_ok(), is_roots, "nobody but root is trusted to share it");
    assert!(matches!(MasterKeyRing::load(&path), Err(MasterKeyError::Permissions { .. })), "as a file it is open");
    for mode in [0o444, 0o460, 0o450, 0o404] {
        with_mode(mode);
        assert!(matches!(MasterKeyRing::load_credential(&path), Err(MasterKeyError::Permissions { .. })), "{mode:o}");
    }
}

#[test]
fn keys_from_a_variable_may_stand_on_one_line_and_a_bad_one_is_named_by_its_number() {
    let lines = [4, 5].map(|seed| new_line(&Entropy::seeded(seed)).expose().to_owned());
    let ids = |text: String| {
        let ring = MasterKeyRing::from_text(&Secret::new(text)).unwrap();
        ring.keys().map(MasterKey::id).collect::<Vec<_>>()
    };
    let expected = ids(lines.join("\n"));
    assert_eq!(expected.len(), 2);
    assert_eq!(ids(format!("  {}  {}\n", lines[0], lines[1])), expected);
    let bad = MasterKeyRing::from_text(&Secret::new(format!("{} {}x", lines[0], lines[1]))).unwrap_err();
    assert!(matches!(bad, MasterKeyError::Given { number: 2 }));
    assert!(!bad.to_string().contains(&lines[1][PREFIX.len()..PREFIX.len() + 8]));
}
