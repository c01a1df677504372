//! How values are written on the command line.

use chrono::{DateTime, Utc};

use crate::admin::Choice;
use crate::admin::lifetime;
use crate::protocol::client::AuthMethod;
use crate::protocol::network::{Network, NetworkError};
use crate::protocol::scope::Scope;

/// What a change takes for "as the settings have it".
const DEFAULT: &str = "default";

/// Whole seconds, written as `90s`, `10m`, `1h 30m` or `14d`.
pub fn seconds(text: &str) -> Result<i64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 90s, 10m or 14d"))?;
    if duration.subsec_nanos() != 0 {
        return Err("is not a whole number of seconds".to_owned());
    }
    i64::try_from(duration.as_secs()).map_err(|_| "is too long".to_owned())
}

pub fn seconds_or_default(text: &str) -> Result<Choice<i64>, String> {
    if text == DEFAULT { Ok(Choice::Default) } else { seconds(text).map(Choice::Own) }
}

pub fn number_or_default(text: &str) -> Result<Choice<i64>, String> {
    if text == DEFAULT {
        Ok(Choice::Default)
    } else {
        text.parse().map(Choice::Own).map_err(|_| "is not a number".to_owned())
    }
}

pub fn method_or_default(text: &str) -> Result<Choice<AuthMethod>, String> {
    if text == DEFAULT {
        return Ok(Choice::Default);
    }
    text.parse().map(Choice::Own).map_err(|error| format!("{error}, {DEFAULT}"))
}

/// What a change takes for "there is none".
pub fn text_or_none(text: &str) -> Result<Choice<String>, std::convert::Infallible> {
    Ok(if text == "none" { Choice::Default } else { Choice::Own(text.to_owned()) })
}

/// A time, or how long ago that was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    At(DateTime<Utc>),
    /// In seconds.
    Ago(i64),
}

pub fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::At(time.to_utc()));
    }
    match seconds(text) {
        Ok(seconds) if seconds <= lifetime::LONGEST => Ok(Moment::Ago(seconds)),
        _ => Err("is neither a time such as 2026-01-05T12:00:00Z nor a duration such as 2h".to_owned()),
    }
}

/// Whether something is to be.
pub fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("is neither on nor off".to_owned()),
    }
}

/// What a change takes for "everywhere".
pub fn network_or_any(text: &str) -> Result<Option<Network>, NetworkError> {
    if text == "any" { Ok(None) } else { text.parse().map(Some) }
}

/// One scope of several flags, each of which may hold several tokens.
pub fn scope(flags: &[String]) -> Result<Scope, super::Failure> {
    let tokens: Vec<&str> = flags.iter().flat_map(|flag| flag.split_whitespace()).collect();
    tokens.join(" ").parse().map_err(|error| super::Failure::Usage(format!("--scope: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_seconds() {
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("1h 30m"), Ok(5400));
        assert_eq!(seconds_or_default("default"), Ok(Choice::Default));
        assert_eq!(seconds_or_default("14d"), Ok(Choice::Own(1_209_600)));
        for bad in ["", "10", "500ms", "-1s", "soon", "9999999999999y"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_duration_before_now() {
        assert_eq!(moment("2h"), Ok(Moment::Ago(7200)));
        let noon = "2026-01-05T12:00:00Z".parse().unwrap();
        assert_eq!(moment("2026-01-05T13:00:00+01:00"), Ok(Moment::At(noon)));
        for bad in ["", "yesterday", "2026-01-05", "900y"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scope_tokens_come_together_from_all_flags() {
        let flags = ["read  write".to_owned(), "admin".to_owned(), "read".to_owned()];
        assert_eq!(scope(&flags).unwrap().to_string(), "read write admin");
        assert!(scope(&["a\"b".to_owned()]).is_err());
    }
}
