//! The lines of a text file, numbered, in bounded memory, whatever the file is: a line that is too long or not UTF-8 is
//! said to be so, and the next one follows.

use std::io::{self, BufRead, Read as _};

use zeroize::Zeroizing;

/// Without its end. Far more than a user's fields may hold together.
pub const MAX_BYTES: usize = 16 * 1024;

pub struct Lines<R> {
    reader: R,
    /// Lines may hold what is secret.
    buffer: Zeroizing<Vec<u8>>,
    number: u64,
    read: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        // Room from the start: a vector that grows leaves unwiped copies behind.
        Self { reader, buffer: Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2)), number: 0, read: 0 }
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The next line without its end (LF or CR LF), or what is wrong with it; `None` behind the last.
    pub fn next(&mut self) -> io::Result<Option<(u64, Result<&str, &'static str>)>> {
        self.buffer.clear();
        let limit = MAX_BYTES as u64 + 2;
        let mut taken = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)?;
        if taken == 0 {
            return Ok(None);
        }
        self.number += 1;
        let has_end = self.buffer.pop_if(|last| *last == b'\n').is_some();
        if has_end {
            self.buffer.pop_if(|last| *last == b'\r');
        } else if taken as u64 == limit {
            taken += self.skip()?;
        }
        self.read += taken as u64;
        let line = if self.buffer.len() > MAX_BYTES {
            Err("is longer than 16 KiB")
        } else {
            std::str::from_utf8(&self.buffer).map_err(|_| "is not UTF-8")
        };
        Ok(Some((self.number, line)))
    }

    /// Goes to the end of a line without keeping it.
    fn skip(&mut self) -> io::Result<usize> {
        let mut skipped = 0;
        loop {
            let available = self.reader.fill_buf()?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |at| at + 1);
            self.reader.consume(used);
            skipped += used;
            if end.is_some() || used == 0 {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, Result<String, &'static str>)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(7, bytes));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push((number, line.map(str::to_owned)));
        }
        assert_eq!(lines.bytes_read(), bytes.len() as u64);
        all
    }

    fn line(number: u64, text: &str) -> (u64, Result<String, &'static str>) {
        (number, Ok(text.to_owned()))
    }

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_the_last_one_need_not() {
        assert_eq!(all(b"one\r\ntwo\n\nfour"), [line(1, "one"), line(2, "two"), line(3, ""), line(4, "four")]);
        assert_eq!(all(b""), []);
        assert_eq!(all(b"a\rb\r\r\n"), [line(1, "a\rb\r")]);
    }

    #[test]
    fn a_line_too_long_or_not_utf_8_is_told_by_its_number_and_the_next_one_follows() {
        let longest = "x".repeat(MAX_BYTES);
        for end in ["\n", "\r\n"] {
            assert_eq!(all(format!("{longest}{end}b").as_bytes()), [line(1, &longest), line(2, "b")]);
            for more in [1, 2, 3, 100_000] {
                let text = format!("{longest}{}{end}b\n", "x".repeat(more));
                assert_eq!(all(text.as_bytes()), [(1, Err("is longer than 16 KiB")), line(2, "b")]);
            }
        }
        assert_eq!(all(b"a\n\xff\xfe\nb"), [line(1, "a"), (2, Err("is not UTF-8")), line(3, "b")]);
        assert_eq!(all(longest.repeat(3).as_bytes()), [(1, Err("is longer than 16 KiB"))]);
    }
}
