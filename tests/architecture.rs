//! The architecture as a table that every build checks: who may import whom, and where diesel and actix are named.
//!
//! What is checked is the paths that the sources spell out (`crate::x`, `diesel::`, `actix_…::`), outside comments and
//! strings.

use std::collections::BTreeSet;
use std::path::Path;

/// The modules of `src/` from the outside to the inside, and what each may import. What is not listed is refused, and a
/// module without a row may not exist.
const ARCHITECTURE: [(&str, &[&str]); 23] = [
    // module     may import
    ("main", &["cli"]),
    ("lib", &[]),
    (
        "cli",
        &[
            "background",
            "backup",
            "telemetry",
            "config",
            "http",
            "admin",
            "audit",
            "certificate",
            "oauth",
            "webhooks",
            "status",
            "keys",
            "password",
            "store",
            "protocol",
            BASE,
        ],
    ),
    ("background", &["audit", "oauth", "webhooks", "store", BASE]),
    ("backup", &["keys", "store", "protocol", BASE]),
    ("telemetry", &["config", BASE]),
    ("http", &["config", "admin", "certificate", "oauth", "status", "keys", "password", "store", "protocol", BASE]),
    ("admin", &["audit", "oauth", "webhooks", "status", "keys", "password", "store", "protocol", BASE]),
    ("oauth", &["audit", "status", "keys", "password", "store", "protocol", BASE]),
    ("webhooks", &["keys", "store", "protocol", BASE]),
    ("audit", &["keys", "store", "protocol", BASE]),
    ("certificate", &["keys", "store", "protocol", BASE]),
    ("status", &["keys", "store", "protocol", BASE]),
    ("keys", &["store", "protocol", BASE]),
    ("password", &["store", "protocol", BASE]),
    ("store", &["protocol", BASE]),
    ("protocol", &[BASE]),
    ("config", &["protocol", BASE]),
    ("clock", &[BASE]),
    ("entropy", &[BASE]),
    ("secret", &[BASE]),
    ("metrics", &[BASE]),
    ("spans", &[BASE]),
];

/// Stands for the modules that know nothing of OAuth. `metrics` and `spans` are among them since whoever does the work is
/// who can say what it was and how long it took: they hold numbers and times, and no rule depends on them.
const BASE: &str = "(base)";
const BASE_MODULES: [&str; 5] = ["clock", "entropy", "secret", "metrics", "spans"];

/// Crates whose names start so are named in one module only.
const CONFINED: [(&str, &str); 2] = [("diesel", "store"), ("actix_", "http")];

const LONGEST_FILE: usize = 300;

/// Generated from the migrations: its length is nobody's choice.
const GENERATED: &str = "store/schema.rs";

/// A file of `src/`, as the rules see it.
struct Source {
    /// Relative to `src/`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules deep it is: 1 for `oauth/mod.rs`, 2 for `oauth/token.rs`.
    fn depth(&self) -> usize {
        self.path.split('/').filter(|part| *part != "mod.rs").count()
    }

    /// The names and the punctuation of the code.
    fn tokens(&self) -> Vec<String> {
        tokens(&self.text)
    }
}

#[test]
fn modules_import_only_inwards() {
    assert_rule(forbidden_imports, "oauth/token.rs", "use crate::http::Problem;");
    assert_rule(forbidden_imports, "store/grants.rs", "fn f() { crate::keys::ring(); }");
    assert_rule(forbidden_imports, "keys/ring.rs", "use crate::{clock::Clock, store::{Store, grants}, oauth::Error};");
    assert_rule(forbidden_imports, "admin/users.rs", "use signet::http::Error;");
    assert_rule(forbidden_imports, "store/grants.rs", "use super::super::oauth::Error;");
    assert_rule(forbidden_imports, "helpers/mod.rs", "use crate::clock::Clock;");
    assert_fine(forbidden_imports, "oauth/token.rs", "use crate::{store::{http, Store}, clock::Clock, oauth::Error};");
    assert_fine(forbidden_imports, "oauth/token.rs", "use super::http::Form;");
    assert_fine(forbidden_imports, "oauth/token.rs", "// use crate::http\nconst S: &str = r#\"crate::http::\"#;");
}

#[test]
fn diesel_and_actix_each_stay_in_one_module() {
    assert_rule(misplaced_crates, "oauth/token.rs", "use diesel::prelude::*;");
    assert_rule(misplaced_crates, "cli/migrate.rs", "diesel_migrations::embed_migrations!();");
    assert_rule(misplaced_crates, "cli/serve.rs", "#[actix_web::main] async fn main() {}");
    assert_rule(misplaced_crates, "admin/users.rs", "use ::actix_web as web;");
    assert_fine(misplaced_crates, "store/grants.rs", "use diesel::prelude::*;");
    assert_fine(misplaced_crates, "http/token.rs", "use actix_web::web;");
    assert_fine(misplaced_crates, "cli/serve.rs", "/* diesel:: */ const S: &str = \"actix_web::\"; // actix_web::");
}

#[test]
fn no_file_is_longer_than_a_reader_keeps_in_mind() {
    let lines = |count: usize| "\n".repeat(count);
    assert_rule(excess_lines, "oauth/token.rs", &lines(LONGEST_FILE + 1));
    assert_fine(excess_lines, "oauth/token.rs", &lines(LONGEST_FILE));
    assert_fine(excess_lines, GENERATED, &lines(LONGEST_FILE + 1));
}

#[test]
fn every_file_begins_by_saying_what_it_owns() {
    assert_rule(missing_introduction, "oauth/token.rs", "use std::fmt;\n//! Too late.");
    assert_rule(missing_introduction, "oauth/token.rs", "//!\n//!\n");
    assert_fine(missing_introduction, "oauth/token.rs", "//! The token endpoint (RFC 6749 §3.2).\n");
    assert_fine(missing_introduction, GENERATED, "diesel::table! {}");
}

#[test]
fn nothing_is_unsafe() {
    assert_rule(unsafe_code, "keys/seal.rs", "unsafe { std::mem::zeroed() }");
    assert_fine(unsafe_code, "keys/seal.rs", "#![forbid(unsafe_code)] // unsafe\nconst S: &str = \"unsafe\";");
}

/// The rule finds something in a source made to break it, and nothing in the real ones.
fn assert_rule(rule: fn(&Source) -> Vec<String>, path: &str, bad: &str) {
    assert!(!rule(&Source::new(path, bad)).is_empty(), "the rule does not see what is wrong with {path}: {bad}");
    let violations: Vec<_> = sources().iter().flat_map(rule).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn assert_fine(rule: fn(&Source) -> Vec<String>, path: &str, good: &str) {
    assert_eq!(rule(&Source::new(path, good)), Vec::<String>::new());
}

fn forbidden_imports(source: &Source) -> Vec<String> {
    // The library's root declares the modules and imports none.
    let module = if source.module() == "lib" { return Vec::new() } else { source.module() };
    let Some((_, allowed)) = ARCHITECTURE.iter().find(|(name, _)| *name == module) else {
        return vec![format!("src/{}: `{module}` has no row in the table of tests/architecture.rs", source.path)];
    };
    let is_allowed = |import: &str| {
        import == module
            || allowed.contains(&import)
            || allowed.contains(&BASE) && BASE_MODULES.contains(&import)
            // An item of the library's root is of no layer.
            || !ARCHITECTURE.iter().any(|(name, _)| *name == import)
    };
    let forbidden = imports(&source.tokens(), source.depth()).into_iter().filter(|import| !is_allowed(import));
    forbidden.map(|import| format!("src/{}: `{module}` may not import `{import}`", source.path)).collect()
}

/// The modules that follow the root of the crate, alone (`crate::x::…`) or in braces (`crate::{x::…, y}`). The root is
/// also `signet` in the program, and as many `super::` as the file is deep.
fn imports(tokens: &[String], depth: usize) -> BTreeSet<String> {
    let roots = [vec!["crate", "::"], vec!["signet", "::"], ["super", "::"].repeat(depth)];
    let after_root = |at: usize| roots.iter().find(|root| starts_with(&tokens[at..], root)).map(|root| at + root.len());
    (0..tokens.len()).filter_map(after_root).flat_map(|start| first_names(&tokens[start..])).collect()
}

/// `x` of `x::y`; `x` and `z` of `{x::{y, a}, z}`.
fn first_names(path: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    let mut at_start = true;
    for token in path {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => at_start = true,
            name if at_start => {
                names.push(name.to_owned());
                at_start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn misplaced_crates(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let named = |token: &String| CONFINED.iter().find(|(start, _)| is_crate(token, start));
    let misplaced = tokens.iter().enumerate().filter_map(|(at, token)| {
        let is_path = tokens.get(at + 1).is_some_and(|next| next == "::") || at > 0 && tokens[at - 1] == "::";
        let (_, home) = named(token).filter(|(_, home)| is_path && source.module() != *home)?;
        Some(format!("src/{}: `{token}` is named in src/{home}/ only", source.path))
    });
    misplaced.collect()
}

/// `diesel` is also `diesel_async` and `diesel_migrations`, but not `dieselgate`.
fn is_crate(token: &str, start: &str) -> bool {
    token.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('_') || start.ends_with('_'))
}

fn excess_lines(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let is_excess = lines > LONGEST_FILE && source.path != GENERATED;
    is_excess.then(|| format!("src/{}: {lines} lines, {LONGEST_FILE} are allowed", source.path)).into_iter().collect()
}

fn missing_introduction(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    let is_missing = first.strip_prefix("//! ").is_none_or(|words| words.trim().is_empty()) && source.path != GENERATED;
    is_missing
        .then(|| format!("src/{}: the first line is no `//!` saying what it owns", source.path))
        .into_iter()
        .collect()
}

fn unsafe_code(source: &Source) -> Vec<String> {
    let is_unsafe = source.tokens().iter().any(|token| token == "unsafe");
    is_unsafe.then(|| format!("src/{}: unsafe code", source.path)).into_iter().collect()
}

fn starts_with(tokens: &[String], start: &[&str]) -> bool {
    tokens.len() >= start.len() && tokens.iter().zip(start).all(|(token, expected)| token == expected)
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("reading src/") {
            let path = entry.expect("reading src/").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative =
                    path.strip_prefix(&root).expect("a file below src/").to_string_lossy().replace('\\', "/");
                sources.push(Source { path: relative, text: std::fs::read_to_string(path).expect("a source is text") });
            }
        }
    }
    assert!(!sources.is_empty());
    sources
}

/// Names, `::` and single marks, without comments and the contents of strings.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let skipped = comment(rest).or_else(|| text(rest));
        let taken = skipped.unwrap_or(if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) });
        if skipped.is_none() && !first.is_whitespace() {
            tokens.push(rest[..taken].to_owned());
        }
        rest = &rest[taken..];
    }
    tokens
}

/// The length of the comment that `code` begins with.
fn comment(code: &str) -> Option<usize> {
    if code.starts_with("//") {
        return Some(code.find('\n').unwrap_or(code.len()));
    }
    code.starts_with("/*").then(|| code.find("*/").map_or(code.len(), |end| end + 2))
}

/// The length of the string or character that `code` begins with. (A lifetime has no closing quote, so it is neither.)
fn text(code: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| code.starts_with(prefix))?;
    let quoted = code[prefix.len()..].trim_start_matches('#');
    let hashes = code.len() - prefix.len() - quoted.len();
    if prefix.ends_with('r') && quoted.starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        return Some(code[start..].find(&end).map_or(code.len(), |at| start + at + end.len()));
    }
    let quote = quoted.chars().next().filter(|quote| hashes == 0 && matches!(quote, '"' | '\''))?;
    let mut is_escaped = false;
    for (at, character) in quoted.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return Some(prefix.len() + at + 1),
            _ if quote == '\'' && at > 1 && !quoted.starts_with("'\\") => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn what_is_quoted_or_commented_is_not_code() {
    let code = "a /* b \" */ c // d\n e(\"f \\\" g\", r#\"h \" i\"#, b\"j\", 'k', '\\'', &'l m)";
    assert_eq!(tokens(code), ["a", "c", "e", "(", ",", ",", ",", ",", ",", "&", "'", "l", "m", ")"]);
}
