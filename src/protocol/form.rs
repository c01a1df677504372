//! `application/x-www-form-urlencoded` requests (RFC 6749 appendix B), read strictly: what a lenient reader would repair
//! is refused, so that no two readers of one request can disagree.

use zeroize::Zeroizing;

/// Most parameters in one request.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a request, in order. Values are wiped when dropped: a password is among them.
#[derive(Default)]
pub struct Form(Vec<(String, Zeroizing<String>)>);

/// Why a form is refused. The text is fixed and safe to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FormError {
    #[error("broken percent-encoding")]
    Escape,
    #[error("not UTF-8")]
    Encoding,
    #[error("a control character")]
    Control,
    #[error("too many parameters")]
    TooMany,
    #[error("a repeated parameter")]
    Repeated,
    #[error("a required parameter is missing")]
    Missing,
    #[error("a parameter is malformed")]
    Malformed,
}

impl Form {
    /// Takes a body apart. A repeated name is an error whatever its values (RFC 6749 §3.2), except `resource`, which RFC
    /// 8707 §2 lets a client repeat.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if name.as_str() != "resource" && form.0.iter().any(|(known, _)| *known == *name) {
                return Err(FormError::Repeated);
            }
            form.0.push((name.to_string(), value));
            if form.0.len() > MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
        }
        Ok(form)
    }

    /// A parameter's value. An empty one counts as absent (RFC 6749 §3.2).
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str, FormError> {
        self.optional(name).ok_or(FormError::Missing)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(known, value)| known == name && !value.is_empty());
        values.map(|(_, value)| value.as_str())
    }
}

/// Decodes one name or value.
pub fn decode(encoded: &[u8]) -> Result<Zeroizing<String>, FormError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(*byte).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or(FormError::Escape)?;
                u8::try_from(high * 16 + low).map_err(|_| FormError::Escape)?
            }
            other => *other,
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| FormError::Encoding)?;
    // RFC 6749 appendix A allows no control character but the tab anywhere.
    if text.chars().any(|character| character.is_control() && character != '\t') {
        return Err(FormError::Control);
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> FormError {
        Form::parse(body.as_bytes()).err().expect("refused")
    }

    #[test]
    fn decodes_plus_and_percent() {
        let form = Form::parse(b"a=1+2%2B3&b=%C3%A9&c=&d").unwrap();
        assert_eq!(form.optional("a"), Some("1 2+3"));
        assert_eq!(form.optional("b"), Some("é"));
        assert_eq!((form.optional("c"), form.optional("d")), (None, None));
    }

    #[test]
    fn refuses_what_readers_could_disagree_about() {
        assert_eq!(error("a=1&a=1"), FormError::Repeated);
        assert_eq!(error("a=&a="), FormError::Repeated);
        assert_eq!(error("a=1&%61=2"), FormError::Repeated);
        for broken in ["a=%", "a=%4", "a=%zz", "%=1", "a=%+1"] {
            assert_eq!(error(broken), FormError::Escape, "{broken}");
        }
        assert_eq!(error("a=%ff"), FormError::Encoding);
        assert_eq!(error("a=%c0%80"), FormError::Encoding);
        for control in ["a=%00", "a=%0a", "a=%7f", "a=%C2%80", "%00=a"] {
            assert_eq!(error(control), FormError::Control, "{control}");
        }
        assert_eq!(error(&"a&".repeat(100)), FormError::Repeated);
        let many = (0..65).map(|n| format!("p{n}=1&")).collect::<String>();
        assert_eq!(error(&many), FormError::TooMany);
    }

    #[test]
    fn resource_alone_may_be_repeated() {
        let form = Form::parse(b"resource=a&resource=b").unwrap();
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }
}
