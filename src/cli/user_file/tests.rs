//! Files of users: what is read of them, and what is said of what cannot be.

use super::*;

fn file(name: &str, contents: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, contents).unwrap();
    (folder, path)
}

fn read(name: &str, contents: &[u8]) -> Vec<Result<ImportedUser, RefusedLine>> {
    let (_folder, path) = file(name, contents);
    let mut file = UserFile::open(&path).unwrap();
    let mut all = Vec::new();
    while let Some(next) = file.next().unwrap() {
        all.push(next);
    }
    all
}

fn unopened(name: &str, contents: &[u8]) -> String {
    let (_folder, path) = file(name, contents);
    UserFile::open(&path).err().unwrap().to_string()
}

#[track_caller]
fn refusal(name: &str, contents: &[u8]) -> (u64, String) {
    let refused = read(name, contents).into_iter().find_map(Result::err).expect("a line is refused");
    (refused.line, refused.reason)
}

#[test]
fn json_lines_have_all_fields_or_those_that_are_needed() {
    let text = "\u{feff}{\"username\":\"zoë\",\"password_hash\":\"h\"}\r\n\r\n\
                {\"password_changed_at\":\"2020-01-31T12:00:00+01:00\",\"disabled\":true,\"email\":\"a@b\",\
                \"password_hash\":\"$2b$\",\"username\":\"b\"}";
    let users: Vec<_> = read("u.jsonl", text.as_bytes()).into_iter().map(|user| user.ok().unwrap()).collect();
    let (first, second) = (&users[0], &users[1]);
    assert_eq!((first.line, first.username.as_str(), first.password_hash.as_str()), (1, "zoë", "h"));
    assert_eq!((&first.email, first.disabled, first.password_changed_at), (&None, false, None));
    assert_eq!((second.line, second.username.as_str(), second.email.as_deref()), (3, "b", Some("a@b")));
    assert!(second.disabled);
    assert_eq!(second.password_changed_at.unwrap().to_rfc3339(), "2020-01-31T11:00:00+00:00");
}

#[test]
fn csv_has_its_columns_in_any_order() {
    let text = "\u{feff}password_hash,disabled,username,email,password_changed_at\r\n\
                \"$argon2id$v=19$m=64,t=1,p=1$x$y\",yes,\"a \"\"b\"\"\",,\r\n\
                h,,c,c@d,2020-01-31T12:00:00Z\n";
    let users: Vec<_> = read("u.CSV", text.as_bytes()).into_iter().map(|user| user.ok().unwrap()).collect();
    assert_eq!((users[0].line, users[0].username.as_str(), users[0].disabled), (2, "a \"b\"", true));
    assert_eq!((users[0].password_hash.as_str(), &users[0].email), ("$argon2id$v=19$m=64,t=1,p=1$x$y", &None));
    assert_eq!((users[1].line, users[1].email.as_deref(), users[1].disabled), (3, Some("c@d"), false));
    assert!(users[1].password_changed_at.is_some());
}

#[test]
fn a_line_that_cannot_be_read_is_told_by_number_and_reason_without_its_contents() {
    let good = "{\"username\":\"a\",\"password_hash\":\"h\"}\n";
    for (bad, reason) in [
        ("{\"username\":\"a\"}", "missing field `password_hash`"),
        ("{\"username\":\"a\",\"password_hash\":\"sekret\",\"passwrd\":\"sekret\"}", "unknown field `passwrd`"),
        ("{\"username\":\"a\",\"username\":\"sekret\",\"password_hash\":\"h\"}", "duplicate field `username`"),
        ("{\"username\":\"a\",\"password_hash\":\"h\",\"disabled\":\"sekret\"}", "wrong kind"),
        ("{\"username\":\"a\",\"password_hash\":\"h\",\"password_changed_at\":\"sekret\"}", "wrong kind"),
        ("{\"username\":\"sekret", "is not a JSON object"),
        ("[\"sekret\"]", "wrong kind"),
    ] {
        let (line, told) = refusal("u.jsonl", format!("{good}\n{bad}\n{good}").as_bytes());
        assert_eq!(line, 3, "{bad}");
        assert!(told.contains(reason) && !told.contains("sekret"), "{bad}: {told}");
    }
    let header = "username,password_hash,disabled\n";
    for (bad, reason) in [
        ("a,sekret", "2 fields, where the header has 3"),
        ("a,h,no,sekret", "4 fields"),
        (",sekret,no", "no username"),
        ("sekret,,no", "no password_hash"),
        ("a,h,sekret", "neither true nor false"),
        ("a,\"sekret,no", "quote that is not closed"),
    ] {
        let (line, told) = refusal("u.csv", format!("{header}a,h,no\n{bad}\na,h,no\n").as_bytes());
        assert_eq!(line, 3, "{bad}");
        assert!(told.contains(reason) && !told.contains("sekret"), "{bad}: {told}");
    }
    let mut bytes = good.as_bytes().to_vec();
    bytes.extend(b"{\"username\":\"\xff\",\"password_hash\":\"h\"}\n");
    assert_eq!(refusal("u.jsonl", &bytes), (2, "is not UTF-8".to_owned()));
}

#[test]
fn a_file_of_another_kind_is_refused_with_what_it_is() {
    for (name, contents, reason) in [
        ("users.json", &b"{}"[..], "must end in .jsonl"),
        ("users", b"{}", "must end in .jsonl"),
        ("users.xlsx", b"PK\x03\x04", "must end in .jsonl"),
        ("users.csv", b"PK\x03\x04", "spreadsheet"),
        ("users.jsonl", b"\x1f\x8b\x08", "compressed"),
        ("users.csv", b"\xff\xfeu\0", "UTF-16"),
        ("users.csv", b"{\"username\":\"a\"}", "name it .jsonl"),
        ("users.jsonl", b"[\n{\"username\":\"a\"}]", "JSON array"),
        ("users.jsonl", b"username,password_hash\n", "no JSON object"),
        ("users.csv", b"", "is empty"),
        ("users.csv", b"username,hash\n", "\"hash\""),
        ("users.csv", b"username,username,password_hash\n", "twice"),
        ("users.csv", b"username,email\n", "lacks the column password_hash"),
    ] {
        let told = unopened(name, contents);
        assert!(told.contains(reason), "{name} {contents:?}: {told}");
    }
    assert!(UserFile::open(Path::new("/nowhere/users.csv")).is_err());
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("x.csv")).unwrap();
    assert!(UserFile::open(&folder.path().join("x.csv")).err().unwrap().to_string().contains("not a file"));
}
