//! What a command prints: one JSON document for scripts, or aligned text for people. Both come from the same view, so that
//! neither says less than the other.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use crate::admin::Done;
use crate::admin::lifetime::spelled;
use crate::secret::Secret;

/// The answer of a command that was carried out.
pub struct Report {
    document: Value,
    text: String,
    notes: Vec<String>,
    /// False where the command was carried out and the answer is no (`token inspect`).
    pub holds: bool,
}

impl Report {
    /// The end of a command that has said all it had to say.
    pub fn nothing() -> Self {
        Self { document: Value::Null, text: String::new(), notes: Vec::new(), holds: true }
    }

    /// One thing: the named members of `view`, a line each.
    pub fn record(view: &impl Serialize, members: &[&str]) -> Result<Self, Failure> {
        let document = document(view)?;
        let text = lines(&document, members);
        Ok(Self { document, text, notes: Vec::new(), holds: true })
    }

    /// Many things: the named members of each, in columns.
    pub fn list(views: &impl Serialize, members: &[&str]) -> Result<Self, Failure> {
        let document = document(views)?;
        let text = table(&document, members);
        Ok(Self { document, text, notes: Vec::new(), holds: true })
    }

    /// A change: what the thing is now, its new secret if it has one, and what to know about it.
    pub fn done<T: Serialize>(done: &Done<T>, members: &[&str]) -> Result<Self, Failure> {
        let mut report = Self::record(&done.view, members)?;
        report.notes.clone_from(&done.notes);
        if let Some(secret) = &done.client_secret {
            report.show_once(secret, members);
        }
        Ok(report)
    }

    /// A text of a standard's form, which is printed as it is; `document` says the same to scripts.
    pub fn verbatim(document: Value, text: String) -> Self {
        Self { document, text, notes: Vec::new(), holds: true }
    }

    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The one place where a secret is printed.
    fn show_once(&mut self, secret: &Secret, members: &[&str]) {
        self.document["client_secret"] = secret.expose().into();
        self.text = lines(&self.document, &[members, &["client_secret"]].concat());
        self.notes.push("the client_secret is shown this once: keep it now, in a safe place".to_owned());
    }

    /// # Errors
    /// When standard output is closed or full.
    pub fn print(&self, json: bool) -> Result<(), Failure> {
        for note in &self.notes {
            line(io::stderr(), &format!("note: {note}"))?;
        }
        if self.document.is_null() {
            return Ok(());
        }
        let text = if json { format!("{:#}", self.document) } else { self.text.clone() };
        Ok(line(io::stdout(), &text)?)
    }
}

/// Prints a line, and sees to it that it is out.
pub fn line(mut to: impl Write, text: &str) -> io::Result<()> {
    writeln!(to, "{text}")?;
    to.flush()
}

fn document(view: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(view).map_err(|error| Failure::Output(error.into()))
}

fn lines(document: &Value, members: &[&str]) -> String {
    let width = members.iter().map(|name| name.len()).max().unwrap_or(0);
    let line = |name: &&str| format!("{name:width$}  {}", shown(name, &document[name]));
    members.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn table(document: &Value, members: &[&str]) -> String {
    let header = members.iter().map(|name| name.replace('_', " ").to_uppercase()).collect::<Vec<_>>();
    let rows = document.as_array().map(Vec::as_slice).unwrap_or_default();
    let cells = |row: &Value| members.iter().map(|name| shown(name, &row[name])).collect();
    let table: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..members.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value as people read it. Durations are known by their names, which end as the columns do; times lose fractions.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => match number.as_i64().filter(|_| is_duration(name)) {
            Some(seconds) => spelled(seconds),
            None => number.to_string(),
        },
        Value::String(text) if name == "at" || name.ends_with("_at") || name.ends_with("_since") => whole_seconds(text),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => visible(text),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(|value| shown(name, value)).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name} {}", shown(name, value))).collect::<Vec<_>>().join(" ")
        }
    }
}

fn is_duration(name: &str) -> bool {
    ["_lifetime", "_window", "_interval", "_period", "_retention", "_age"].iter().any(|end| name.ends_with(end))
}

/// RFC 3339 in UTC, to the second.
fn whole_seconds(text: &str) -> String {
    text.split_once('.').map_or_else(|| text.to_owned(), |(seconds, _)| format!("{seconds}Z"))
}

/// What a stranger wrote into a token must not steer the terminal.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_aligned_and_readable() {
        let view = json!({
            "client_id": "erp",
            "access_token_lifetime": 600,
            "audiences": ["https://a.example", "https://b.example"],
            "created_at": "2026-11-24T21:00:00.123456Z",
            "disabled_at": null,
        });
        let members = ["client_id", "audiences", "access_token_lifetime", "created_at", "disabled_at"];
        let expected = "client_id              erp\n\
                        audiences              https://a.example, https://b.example\n\
                        access_token_lifetime  10m\n\
                        created_at             2026-11-24T21:00:00Z\n\
                        disabled_at            -";
        assert_eq!(lines(&view, &members), expected);
    }

    #[test]
    fn a_list_has_a_header_and_columns_even_when_it_is_empty() {
        let rows = json!([{ "username": "anna", "sub": "1" }, { "username": "zoë-maria", "sub": "2" }]);
        assert_eq!(table(&rows, &["username", "sub"]), "USERNAME   SUB\nanna       1\nzoë-maria  2");
        assert_eq!(table(&json!([]), &["username", "sub"]), "USERNAME  SUB");
    }

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        assert_eq!(shown("sub", &json!("a\u{1b}[2J\n")), "a\\u{1b}[2J\\n");
    }
}
