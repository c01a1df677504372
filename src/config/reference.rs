//! The configuration in words: the listing that the command line prints and the page `docs/configuration.md`.

use std::fmt::Write as _;

use super::Config;
use super::names;
use super::settings::TABLE;

const INTRODUCTION: &str = "\
# Configuration

Every setting is an environment variable and a key of a TOML file: `SIGNET_LISTEN` and `listen`. The file is named by
`--config FILE` or by `SIGNET_CONFIG`; without either, none is read. Where both give a value, the environment wins.

- A variable that begins with `SIGNET_`, or a key, that is not in the table is an error, and so is an empty value.
  Everything wrong is reported at once. (The variables that Kubernetes adds for a Service called `signet`, such as
  `SIGNET_SERVICE_HOST`, are passed over.)
- A secret may instead be in a file of its own, without its last newline: where the table lists a name that ends in
  `_FILE`, that is the path.
- A relative path starts at the working directory, wherever it is written.
- `signet doctor` prints each value in force and where it was given; secrets are left out.

";

const CONCLUSION: &str = "
## Settings that hold for all instances

What all instances must agree on is in the database. `signet settings show` prints it, and `signet settings set` changes
it while they run; what contradicts is refused, with the numbers. A client may have its own value of those marked with *
(`signet client update CLIENT_ID --grant-limit 20`, or `default`), which `signet client show` prints.

| setting | what it is | value | default |
|---|---|---|---|
| `access_token_lifetime` * | How long an access token lives; of client, API and this the shortest counts. | `1s` to `3650d` | `10m` |
| `refresh_idle_lifetime` * | How long a grant lives without a refresh. | as above | `14d` |
| `refresh_absolute_lifetime` * | How long a grant lives in any case. | as above | `90d` |
| `grant_limit` * | How many live grants one user may have at one client. One more login ends the oldest, with its tokens and an audit event (`grant.evict`). | 1 to 10000 | 100 |
| `retry_window` | How long a used refresh token gets the same successor again. | `0s` to `5m` | `30s` |
| `login_throttling` | Whether failed password logins are counted and braked: see [passwords.md](passwords.md). | `on` or `off` | on |
| `login_limit_per_name`, `login_limit_per_pair`, `login_limit_per_known_pair` | How many logins may fail under one name; under one name from one address; the same where the user has logged in from the address before. | 1 to 100 | 20, 10, 20 |
| `login_limit_per_address` | How many logins may fail from one address. | 1 to 100000 | 100 |
| `login_window`, `login_longest_block` | How long a failed login counts; how long logins have to wait at most. | `1s` to `1d` | `15m` |
| `audit_retention` | How long audit events are kept: see [audit.md](audit.md). | `1d` to `3650d` | `365d` |
| `audit_tokens` | Whether each token that is issued or refreshed is an audit event. | `on` or `off` | off |
| `key_rotation_interval`, `key_publication_period`, `key_retention`, `jwks_max_age` | See [keys.md](keys.md). | | |

What is kept how long, and which of these settings rules it, is in [retention.md](retention.md).
";

impl Config {
    /// The page `docs/configuration.md`.
    pub fn reference() -> String {
        let mut page = format!("{INTRODUCTION}| variable | what it is | value | default |\n|---|---|---|---|\n");
        for entry in TABLE {
            let names: Vec<_> = entry.keys().map(|key| format!("`{}`", names::variable(&key))).collect();
            let (names, expected) = (names.join(" or "), (entry.expected)());
            let default = match entry.default {
                "none" => "none".to_owned(),
                words if words.contains(' ') => words.to_owned(),
                value => format!("`{value}`"),
            };
            let doc = entry.doc;
            writeln!(page, "| {names} | {doc} | {expected} | {default} |").expect("a String takes all");
        }
        page.push_str(CONCLUSION);
        page
    }

    /// The settings as `--help` lists them, in plain text.
    pub fn listing() -> String {
        TABLE.iter().fold(format!("{}  the TOML file, like --config\n", names::CONFIG), |mut text, entry| {
            let names: Vec<_> = entry.keys().map(|key| names::variable(&key)).collect();
            let (expected, default) = ((entry.expected)(), entry.default);
            writeln!(text, "{}  {} [{expected}; default: {default}]", names.join(" | "), entry.doc)
                .expect("a String takes all");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

    #[test]
    fn the_page_in_docs_is_what_the_table_says() {
        #[expect(clippy::disallowed_methods, reason = "asks for the page to be written, not a setting")]
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(PAGE, Config::reference()).unwrap();
        }
        let committed = fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            committed == Config::reference(),
            "docs/configuration.md is out of date; write it with: UPDATE_DOCS=1 cargo test --lib config::reference"
        );
    }

    #[test]
    fn the_page_has_one_row_of_four_cells_for_each_setting() {
        let page = Config::reference();
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `SIGNET_")).collect();
        assert_eq!(rows.len(), TABLE.len());
        assert!(rows.iter().all(|row| row.matches(" | ").count() == 3 && row.ends_with(" |")), "{page}");
    }

    #[test]
    fn the_listing_names_every_variable() {
        let listing = Config::listing();
        for name in ["SIGNET_CONFIG", "SIGNET_ISSUER", "SIGNET_DATABASE_URL | SIGNET_DATABASE_URL_FILE"] {
            assert!(listing.contains(&format!("{name}  ")), "{name}: {listing}");
        }
    }
}
