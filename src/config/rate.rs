//! How often something may happen: so many times a second, and so many at once.

use std::num::NonZeroU32;

use super::value::Setting;

/// `None` for no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(Option<(NonZeroU32, NonZeroU32)>);

impl Rate {
    pub const OFF: Self = Self(None);

    pub fn per_second_and_burst(self) -> Option<(NonZeroU32, NonZeroU32)> {
        self.0
    }
}

impl Setting for Rate {
    fn expected() -> String {
        "`off`, or so many a second and, after a slash, so many at once, such as `100/200`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" || text == "0" {
            return Ok(Self::OFF);
        }
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain).ok_or_else(|| "is not such a rate".to_owned())
        };
        let (per_second, burst) = text.split_once('/').unwrap_or((text, text));
        Ok(Self(Some((number(per_second)?, number(burst)?))))
    }

    fn show(&self) -> String {
        self.0.map_or_else(|| "off".to_owned(), |(per_second, burst)| format!("{per_second}/{burst}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for (text, shown) in [("off", "off"), ("0", "off"), ("100/200", "100/200"), ("5", "5/5"), ("2/1", "2/1")] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.show(), shown);
            assert_eq!(Rate::parse(&rate.show()), Ok(rate));
        }
        for text in ["", "0/5", "5/0", "5/", "/5", "-1", "+1", "1/2/3", "1.5", "4294967296", "on"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
