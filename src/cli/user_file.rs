//! A file of users to import, a line a user: JSON objects (`.jsonl`) or CSV with a header (`.csv`). A line that cannot be
//! read costs that line; no message repeats what it holds.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::error::Category;

use super::csv_line::Splitter;
use super::failure::Failure;
use super::lines::Lines;
use crate::admin::user_import::{ImportedUser, RefusedLine};

const FIELDS: [&str; 5] = ["username", "email", "password_hash", "disabled", "password_changed_at"];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub struct UserFile {
    lines: Lines<BufReader<File>>,
    format: Format,
    length: u64,
}

enum Format {
    JsonLines,
    Csv {
        /// The name of each column.
        columns: Vec<&'static str>,
        splitter: Box<Splitter>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    username: String,
    email: Option<String>,
    password_hash: String,
    disabled: Option<bool>,
    password_changed_at: Option<DateTime<Utc>>,
}

impl UserFile {
    /// Opens the file and sees whether it is what its name says.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let unusable = |reason: String| Failure::Unusable(format!("{}: {reason}", path.display()));
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_csv = extension == "csv";
        if !is_csv && extension != "jsonl" && extension != "ndjson" {
            let expected = "the name of the file must end in .jsonl (a JSON object a line) or .csv (with a header)";
            return Err(Failure::Usage(format!("{}: {expected}", path.display())));
        }
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| unusable(error.to_string()))?;
        if !metadata.is_file() {
            return Err(unusable("it is not a file".to_owned()));
        }
        let mut reader = BufReader::with_capacity(128 * 1024, file);
        let start = reader.fill_buf().map_err(|error| unusable(error.to_string()))?;
        let mark = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        if let Some(other) = other_kind(&start[mark..], is_csv) {
            return Err(unusable(other.to_owned()));
        }
        reader.consume(mark);
        let mut lines = Lines::new(reader);
        let format = if is_csv {
            let mut splitter = Box::new(Splitter::new());
            Format::Csv { columns: header(&mut lines, &mut splitter).map_err(unusable)?, splitter }
        } else {
            Format::JsonLines
        };
        Ok(Self { lines, format, length: metadata.len() })
    }

    /// Bytes read, and bytes of the file.
    pub fn progress(&self) -> (u64, u64) {
        (self.lines.bytes_read(), self.length)
    }

    /// The next user, or what is wrong with the next line; blank lines are passed over. `None` at the end.
    pub fn next(&mut self) -> Result<Option<Result<ImportedUser, RefusedLine>>, Failure> {
        loop {
            let next = self.lines.next();
            let next = next.map_err(|error| Failure::Unusable(format!("the file cannot be read further: {error}")))?;
            let Some((line, text)) = next else { return Ok(None) };
            let row = match text {
                Ok(text) if text.trim_ascii().is_empty() => continue,
                Ok(text) => self.format.row(text),
                Err(reason) => Err(reason.to_owned()),
            };
            let user = |row: Row| ImportedUser {
                line,
                username: row.username,
                email: row.email.filter(|email| !email.is_empty()),
                password_hash: row.password_hash,
                disabled: row.disabled.unwrap_or(false),
                password_changed_at: row.password_changed_at,
            };
            return Ok(Some(row.map(user).map_err(|reason| RefusedLine { line, reason })));
        }
    }
}

/// What a file is instead, by how it begins.
fn other_kind(start: &[u8], is_csv: bool) -> Option<&'static str> {
    let first = start.trim_ascii_start().first();
    match start {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is UTF-16 text: save it as UTF-8"),
        [0x1f, 0x8b, ..] => Some("it is compressed: unpack it first (gunzip)"),
        [b'P', b'K', 3, 4, ..] => Some("it is a ZIP archive or a spreadsheet: save it as CSV in UTF-8"),
        _ if is_csv && first == Some(&b'{') => Some("it is no CSV but JSON: name it .jsonl"),
        _ if !is_csv && first == Some(&b'[') => Some("it is one JSON array: write an object on each line instead"),
        _ if !is_csv && first.is_some_and(|first| *first != b'{') => Some("its first line is no JSON object"),
        _ => None,
    }
}

fn header(lines: &mut Lines<BufReader<File>>, splitter: &mut Splitter) -> Result<Vec<&'static str>, String> {
    let next = lines.next().map_err(|error| error.to_string())?;
    let Some((_, text)) = next else { return Err("it is empty: a CSV file begins with a header".to_owned()) };
    let text = text.map_err(|reason| format!("its header {reason}"))?;
    let mut columns = Vec::new();
    for name in splitter.split(text)? {
        let known = FIELDS.iter().find(|field| **field == name.trim());
        let Some(known) = known else {
            let fields = FIELDS.join(", ");
            return Err(format!("its header has the column {name:?}, which is none of {fields}"));
        };
        if columns.contains(known) {
            return Err(format!("its header has the column {known} twice"));
        }
        columns.push(*known);
    }
    match ["username", "password_hash"].iter().find(|needed| !columns.contains(*needed)) {
        Some(missing) => Err(format!("its header lacks the column {missing}")),
        None => Ok(columns),
    }
}

impl Format {
    fn row(&mut self, text: &str) -> Result<Row, String> {
        match self {
            Self::JsonLines => serde_json::from_str(text).map_err(|error| json_fault(&error)),
            Self::Csv { columns, splitter } => csv_row(&splitter.split(text)?, columns),
        }
    }
}

/// serde's own words would repeat values; its sentences about fields have only names.
fn json_fault(error: &serde_json::Error) -> String {
    let (text, column) = (error.to_string(), error.column());
    let of_a_field = ["unknown field", "missing field", "duplicate field"].iter().any(|start| text.starts_with(start));
    match error.classify() {
        Category::Data if of_a_field => {
            let sentence = text.rsplit_once(" at line ").map_or(text.as_str(), |(sentence, _)| sentence);
            format!("has an {sentence}").replacen("an missing", "a missing", 1).replacen(
                "an duplicate",
                "a duplicate",
                1,
            )
        }
        Category::Data => format!("has a value of the wrong kind before column {column}"),
        _ => format!("is not a JSON object (column {column})"),
    }
}

fn csv_row(record: &[String], columns: &[&'static str]) -> Result<Row, String> {
    if record.len() != columns.len() {
        return Err(format!("has {} fields, where the header has {}", record.len(), columns.len()));
    }
    let value = |name: &str| {
        let column = columns.iter().position(|column| *column == name)?;
        record.get(column).map(String::as_str).filter(|value| !value.is_empty())
    };
    let needed = |name: &str| value(name).map(str::to_owned).ok_or_else(|| format!("has no {name}"));
    let disabled = match value("disabled").map(str::to_ascii_lowercase).as_deref() {
        None => None,
        Some("true" | "yes" | "1") => Some(true),
        Some("false" | "no" | "0") => Some(false),
        Some(_) => return Err("has a `disabled` that is neither true nor false".to_owned()),
    };
    let changed = value("password_changed_at").map(str::parse::<DateTime<Utc>>).transpose();
    Ok(Row {
        username: needed("username")?,
        email: value("email").map(str::to_owned),
        password_hash: needed("password_hash")?,
        disabled,
        password_changed_at: changed
            .map_err(|_| "has a `password_changed_at` that is no time, such as 2026-01-31T12:00:00Z".to_owned())?,
    })
}

#[cfg(test)]
mod tests;
