//! Where values come from: the environment, which wins, then the TOML file. Collects what is wrong with either.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::names;
use super::value::Setting;

/// Enough for any configuration or URL; a device or a wrong file is not read into memory whole.
const FILE_LIMIT: u64 = 1 << 20;

/// Where the value in force was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The variable's name: one that ends in `_FILE` if the value was read from the file it names.
    Environment(String),
    /// The file that systemd put there for the unit (`LoadCredential=` and its like).
    Credential,
    /// Line (from 1) and key in the configuration file.
    File {
        path: PathBuf,
        line: usize,
        key: String,
    },
}

impl Origin {
    /// What a fault begins with: the variable, and the place in the file if it was given there.
    fn place(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Environment(variable) => variable.clone(),
            Self::Credential => format!("credential {}", names::MASTER_KEY_CREDENTIAL),
            Self::File { key, .. } => format!("{} ({self})", names::variable(key)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(variable) => write!(f, "variable {variable}"),
            Self::Credential => write!(f, "systemd credential {}", names::MASTER_KEY_CREDENTIAL),
            Self::File { path, line, key } => write!(f, "key `{key}`, line {line} of {}", path.display()),
        }
    }
}

struct Given {
    /// `None` if it was refused already.
    text: Option<String>,
    origin: Origin,
}

/// All that was given, by the file's key.
#[derive(Default)]
pub(super) struct Sources {
    environment: BTreeMap<String, Given>,
    file: BTreeMap<String, Given>,
    /// Set when the file could not be understood: what it would have set is then unknown, not the default.
    file_is_broken: bool,
    /// What `CREDENTIALS_DIRECTORY` says.
    credentials: Option<PathBuf>,
    /// What `SIGNET_CONFIG` says.
    pub config: Option<PathBuf>,
    pub origins: BTreeMap<&'static str, Origin>,
    pub faults: Vec<Fault>,
}

impl Sources {
    /// Takes one variable of the environment, of whatever program; `Err` is a value that is not Unicode.
    pub fn add_variable(&mut self, name: &str, value: Result<String, OsString>) {
        if name == names::CREDENTIALS {
            self.credentials = Some(value.map_or_else(PathBuf::from, PathBuf::from));
            return;
        }
        if !name.starts_with(names::PREFIX) {
            return;
        }
        if name == names::CONFIG {
            return self.add_config(value.map_or_else(PathBuf::from, PathBuf::from));
        }
        let known = names::key(name).and_then(|key| Some((names::find(&key)?, key)));
        let Some((expected, key)) = known else {
            if !value.is_ok_and(|value| names::is_service_link(name, &value)) {
                let suggestion = names::nearest(name).map(|key| names::variable(&key));
                self.faults.push(Fault::Unknown { place: name.escape_debug().to_string(), suggestion });
            }
            return;
        };
        let origin = Origin::Environment(name.to_owned());
        let text = value.map_err(|_| Fault::NotUnicode { place: origin.place(), expected: expected.clone() });
        let given = self.given(text, origin, expected);
        self.environment.insert(key, given);
    }

    /// Takes the master key that systemd hands over, unless one is given by a setting.
    pub fn add_credential(&mut self) {
        let is_given = |name: &str| self.environment.contains_key(name) || self.file.contains_key(name);
        let credential = self.credentials.as_ref().map(|folder| folder.join(names::MASTER_KEY_CREDENTIAL));
        if let Some(path) = credential.filter(|path| path.exists())
            && !is_given("master_key")
            && !is_given("master_key_file")
        {
            let given = Given { text: path.to_str().map(str::to_owned), origin: Origin::Credential };
            self.environment.insert("master_key_file".to_owned(), given);
        }
    }

    fn add_config(&mut self, path: PathBuf) {
        if path.as_os_str().is_empty() {
            self.faults
                .push(Fault::Empty { place: names::CONFIG.to_owned(), expected: "the path of a TOML file".to_owned() });
        } else {
            self.config = Some(path);
        }
    }

    /// Takes the configuration file at `path`, named by `place`.
    pub fn read_file(&mut self, path: &Path, place: &str) {
        match read_text(path) {
            Ok(text) => self.add_file(path, &text),
            Err(error) => {
                self.file_is_broken = true;
                self.faults.push(Fault::Unreadable { place: place.to_owned(), path: path.to_owned(), error });
            }
        }
    }

    /// Takes the text of the configuration file.
    pub fn add_file(&mut self, path: &Path, text: &str) {
        let line_of = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                // The error's own display quotes the line, which may hold a secret.
                let line = error.span().map_or(1, |span| line_of(span.start));
                let message = error.message().to_owned();
                self.file_is_broken = true;
                return self.faults.push(Fault::Syntax { file: path.display().to_string(), line, message });
            }
        };
        for (key, value) in table {
            let line = line_of(key.span().start);
            let key = key.into_inner().into_owned();
            let Some(expected) = names::find(&key) else {
                let place = format!("{} (line {line} of {})", key.escape_debug(), path.display());
                self.faults.push(Fault::Unknown { place, suggestion: names::nearest(&key) });
                continue;
            };
            let origin = Origin::File { path: path.to_owned(), line, key: key.clone() };
            let text = match value.into_inner() {
                DeValue::String(text) => Ok(text.into_owned()),
                DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
                other => Err(Fault::WrongType {
                    place: origin.place(),
                    found: type_name(&other),
                    expected: expected.clone(),
                }),
            };
            let given = self.given(text, origin, expected);
            self.file.insert(key, given);
        }
    }

    /// Refuses an empty value: a slip in a compose file must not silently become the default.
    fn given(&mut self, text: Result<String, Fault>, origin: Origin, expected: String) -> Given {
        let text = match text {
            Ok(text) if text.trim().is_empty() => Err(Fault::Empty { place: origin.place(), expected }),
            text => text,
        };
        Given { text: text.map_err(|fault| self.faults.push(fault)).ok(), origin }
    }

    /// The value of the setting `name`, or its default; `None` after a fault.
    pub fn take<T: Setting>(&mut self, name: &'static str, default: impl FnOnce() -> Option<T>) -> Option<T> {
        let (text, origin) = match self.find(name, T::FROM_FILE) {
            Ok(Some(Given { text, origin })) => (text?, origin),
            Ok(None) if self.file_is_broken => return None,
            Ok(None) => {
                self.origins.insert(name, Origin::Default);
                return default();
            }
            Err(fault) => {
                self.faults.push(fault);
                return None;
            }
        };
        match T::parse(&text) {
            Ok(value) => {
                self.origins.insert(name, origin);
                Some(value)
            }
            Err(reason) => {
                let value = if T::SECRET { "the value (a secret, not shown)".to_owned() } else { quoted(&text) };
                self.faults.push(Fault::Invalid { place: origin.place(), value, reason, expected: T::expected() });
                None
            }
        }
    }

    /// What was given for `name`, from the first source that gives it. With `from_file`, a file that holds it is known
    /// as `name` + `_file`.
    fn find(&mut self, name: &str, from_file: bool) -> Result<Option<Given>, Fault> {
        let file_key = format!("{name}_file");
        for source in [&mut self.environment, &mut self.file] {
            let file = if from_file { source.remove(&file_key) } else { None };
            match (source.remove(name), file) {
                (None, None) => {}
                (Some(given), None) => return Ok(Some(given)),
                (None, Some(Given { text: None, origin })) => return Ok(Some(Given { text: None, origin })),
                (None, Some(Given { text: Some(path), origin })) => return read_secret(path, origin).map(Some),
                (Some(one), Some(other)) => {
                    return Err(Fault::Twice { place: one.origin.place(), other: other.origin.place() });
                }
            }
        }
        Ok(None)
    }
}

/// The content of the file at `path` without the one newline that editors and `echo` put at its end.
fn read_secret(path: String, origin: Origin) -> Result<Given, Fault> {
    let path = PathBuf::from(path);
    let text = read_text(&path).map_err(|error| Fault::Unreadable { place: origin.place(), path, error })?;
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let text = line.unwrap_or(&text);
    if text.trim().is_empty() {
        return Err(Fault::Empty { place: origin.place(), expected: "a file that is not empty".to_owned() });
    }
    Ok(Given { text: Some(text.to_owned()), origin })
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)? as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}

/// The value as a message may show it: not what looks like a URL with a password or a pasted key.
fn quoted(text: &str) -> String {
    if text.contains('@') || text.chars().any(char::is_control) || text.len() > 200 {
        return "the value (not shown: it may hold a secret)".to_owned();
    }
    format!("`{text}`")
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer that is not decimal",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
