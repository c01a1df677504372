//! Server-sent events, from bytes (WHATWG HTML §9.2.6), with a bound on what an event may hold.

/// The most bytes of one event. A change of some ten thousand ranges fits.
const LONGEST_EVENT: usize = 1 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: String,
}

/// An event that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Puts events together out of the chunks in which they come.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// A line feed that follows belongs to the carriage return before it.
    skip_line_feed: bool,
    event: Event,
}

impl Parser {
    /// The events that the chunk completes.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in chunk {
            let follows_carriage_return = std::mem::replace(&mut self.skip_line_feed, byte == b'\r');
            match byte {
                b'\n' if follows_carriage_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() + self.event.data.len() >= LONGEST_EVENT => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let mut event = std::mem::take(&mut self.event);
            // An event without data is none.
            event.data.pop()?;
            return Some(event);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "data" => {
                self.event.data.push_str(value);
                self.event.data.push('\n');
            }
            // A comment, or a field that is not used.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, name: &str, data: &str) -> Event {
        Event { id: id.map(str::to_owned), name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream = ": hello\n\nid: 7\nevent: revoked\ndata: {\"idx\":\ndata: [1]}\n\r\nevent:reset\rdata:\r\r: beat\n\ndata: x\n\n";
        let expected = [event(Some("7"), "revoked", "{\"idx\":\n[1]}"), event(None, "reset", ""), event(None, "", "x")];
        for size in 1..stream.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = stream.as_bytes().chunks(size).flat_map(|chunk| parser.feed(chunk).unwrap()).collect();
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn an_endless_event_is_given_up() {
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &[b'x'; 65_000], b"\n"].concat();
        let outcome = (0..20).find_map(|_| parser.feed(&line).err());
        assert_eq!(outcome, Some(TooLong));
    }
}
