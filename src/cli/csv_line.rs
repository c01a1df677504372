//! One line of CSV (RFC 4180), taken apart. A record that goes on over several lines is not known here: a quote that is not
//! closed would otherwise swallow the rest of a file.

use csv_core::{ReadRecordResult, Reader};

/// More than any file of ours has.
const MAX_FIELDS: usize = 64;

/// Kept from line to line: to make one costs far more than a line does.
pub struct Splitter(Reader);

impl Splitter {
    pub fn new() -> Self {
        Self(Reader::new())
    }

    /// The fields of a line without its end; an error is the end of a sentence about the line.
    pub fn split(&mut self, line: &str) -> Result<Vec<String>, String> {
        if line.matches('"').count() % 2 == 1 {
            return Err("has a quote that is not closed".to_owned());
        }
        self.0.reset();
        let (mut text, mut ends) = (vec![0; line.len() + 1], [0; MAX_FIELDS]);
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            // Nothing more to read ends the record.
            let (result, taken, put, ended) =
                self.0.read_record(&line.as_bytes()[read..], &mut text[written..], &mut ends[fields..]);
            (read, written, fields) = (read + taken, written + put, fields + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record if read == line.len() => break,
                ReadRecordResult::OutputEndsFull => return Err(format!("has more than {MAX_FIELDS} fields")),
                _ => return Err("is not one record of CSV".to_owned()),
            }
        }
        let starts = std::iter::once(&0).chain(&ends);
        let field = |(start, end): (&usize, &usize)| String::from_utf8(text[*start..*end].to_vec());
        let fields: Result<_, _> = starts.zip(&ends[..fields]).map(field).collect();
        fields.map_err(|_| "is not one record of CSV".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_or_not_and_may_be_empty() {
        let mut splitter = Splitter::new();
        for (line, fields) in [
            ("a,b,c", &["a", "b", "c"][..]),
            ("a,,", &["a", "", ""]),
            ("a", &["a"]),
            (r#""a,b","c ""d""",é"#, &["a,b", "c \"d\"", "é"]),
            (r#""""#, &[""]),
        ] {
            assert_eq!(splitter.split(line).unwrap(), fields, "{line}");
        }
    }

    #[test]
    fn what_is_no_single_record_is_refused_and_the_next_line_is_not_affected() {
        let mut splitter = Splitter::new();
        for bad in ["\"a,b", "a,b\"", "a\rb,c", &"x,".repeat(MAX_FIELDS + 1)] {
            assert!(splitter.split(bad).is_err(), "{bad}");
            assert_eq!(splitter.split("a,b").unwrap(), ["a", "b"]);
        }
    }
}
