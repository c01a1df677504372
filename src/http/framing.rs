//! Where one HTTP/1 request ends and the next begins, judged strictly before the parser sees a byte (RFC 9112): whatever a
//! proxy in front could read differently is refused, and so is all that follows on the connection.
//!
//! actix-http refuses most of it by itself. It takes a bare LF for the end of a line, a chunk extension of any length, and a
//! target that names another host than `Host` does.
//!
//! One empty line before a request is taken for nothing (RFC 9112 §2.2), and the parser does not see it: to that, it would be
//! the beginning of a head that is late.

/// Longest line of which more than its length matters. The parser bounds the head as a whole.
const LONGEST_LINE: usize = 16 * 1024;

/// Longest line before a chunk, with its extensions, which nothing here needs.
const LONGEST_CHUNK_LINE: usize = 256;

/// Most lines after the last chunk, which nothing here needs either.
const MOST_TRAILERS: usize = 16;

/// What is put where a request stops being one: no parser takes it for anything.
const POISON: u8 = 0;

/// The reader of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// What there is of a line so far.
    line: Vec<u8>,
    head: Head,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    /// So many trailers were there.
    Trailers(usize),
    /// No request follows: a tunnel.
    Rest,
    Refused,
}

/// What is refused.
#[derive(Debug)]
struct Refused;

impl Framing {
    /// Reads on. How many of the bytes may be parsed: all but an empty line before a request, which is taken out, or those up
    /// to one that was made unreadable.
    pub fn follow(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() && !self.has_refused() {
            let is_in_trailers = matches!(self.state, State::Trailers(_));
            let (end, is_passed) = self.piece(bytes, at);
            if is_passed {
                if kept < at {
                    bytes.copy_within(at..end, kept);
                }
                kept += end - at;
            }
            at = end;
            if self.has_refused() {
                poison(&mut bytes[..kept], is_in_trailers);
            }
        }
        kept
    }

    /// Reads what comes at `at`: some of a body, or of a line. Where that ends, and whether it is for the parser.
    fn piece(&mut self, bytes: &[u8], at: usize) -> (usize, bool) {
        match &mut self.state {
            State::Body(left) | State::Chunk(left) => {
                let here = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                if *left == 0 {
                    self.state = if matches!(self.state, State::Body(_)) { State::Head } else { State::ChunkEnd };
                }
                return (at + here, true);
            }
            State::Rest => return (bytes.len(), true),
            _ => {}
        }
        let feed = bytes[at..].iter().position(|byte| *byte == b'\n');
        let upto = feed.map_or(bytes.len(), |feed| at + feed);
        self.gather(&bytes[at..upto]);
        let is_between = matches!(self.state, State::Head) && !self.head.has_begun && self.line == b"\r";
        let is_chunk = matches!(self.state, State::ChunkLine | State::ChunkEnd);
        let is_too_long = is_chunk && self.line.len() > LONGEST_CHUNK_LINE;
        if is_too_long || (feed.is_some() && self.end_of_line().is_err()) {
            self.state = State::Refused;
        }
        // A CR that begins a line is the end of one, or all is refused: the parser has no need to know of it.
        ((upto + 1).min(bytes.len()), !is_between || self.has_refused())
    }

    pub fn has_refused(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    fn gather(&mut self, bytes: &[u8]) {
        let room = (LONGEST_LINE + 2).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // The end is looked at, however long the line.
        if bytes.len() > room
            && let (Some(kept), Some(last)) = (self.line.last_mut(), bytes.last())
        {
            *kept = *last;
        }
    }

    fn end_of_line(&mut self) -> Result<(), Refused> {
        let line = std::mem::take(&mut self.line);
        let [line @ .., b'\r'] = &line[..] else { return Err(Refused) };
        if line.contains(&b'\r') {
            return Err(Refused);
        }
        match self.state {
            // RFC 9112 §2.2: some clients send one after a body. More are nothing that anybody needs.
            State::Head if line.is_empty() && !self.head.has_begun => {
                if std::mem::replace(&mut self.head.is_preceded, true) {
                    return Err(Refused);
                }
            }
            State::Head if line.is_empty() => {
                self.state = std::mem::take(&mut self.head).body()?;
            }
            State::Head => self.head.line(line)?,
            State::ChunkLine => {
                self.state = match chunk_size(line)? {
                    0 => State::Trailers(0),
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkLine,
            State::Trailers(_) if line.is_empty() => self.state = State::Head,
            State::Trailers(count) if count < MOST_TRAILERS => {
                field(line)?;
                self.state = State::Trailers(count + 1);
            }
            _ => return Err(Refused),
        }
        Ok(())
    }
}

/// What of a head decides how the request is read.
#[derive(Debug, Default)]
struct Head {
    /// An empty line came before it.
    is_preceded: bool,
    has_begun: bool,
    is_http_1_0: bool,
    is_tunnel: bool,
    /// The host that the target itself names (RFC 9112 §3.2.2).
    authority: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    length: Option<u64>,
    is_chunked: bool,
}

impl Head {
    fn line(&mut self, line: &[u8]) -> Result<(), Refused> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return self.request_line(line);
        }
        let (name, value) = field(line)?;
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let framing = ["host", "content-length", "transfer-encoding"];
        if line.len() > LONGEST_LINE && framing.iter().any(|name| is(name)) {
            return Err(Refused);
        }
        if is("host") {
            let is_one = !value.iter().any(|byte| matches!(byte, b' ' | b'\t' | b',' | b'@' | b'/' | b'?' | b'#'));
            return if is_one { once(&mut self.host, value.to_vec()) } else { Err(Refused) };
        }
        if is("content-length") {
            return once(&mut self.length, number(value)?);
        }
        if is("transfer-encoding") {
            let is_known = value.eq_ignore_ascii_case(b"chunked");
            if self.is_chunked || self.is_http_1_0 || !is_known {
                return Err(Refused);
            }
            self.is_chunked = true;
        }
        if is("upgrade") && value.eq_ignore_ascii_case(b"websocket") {
            self.is_tunnel = true;
        }
        Ok(())
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Refused> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(Refused) };
        match (words.next(), words.next()) {
            (Some(b"HTTP/1.1"), None) => {}
            (Some(b"HTTP/1.0"), None) => self.is_http_1_0 = true,
            // Too long to be read to its end here; the parser will judge it.
            _ if line.len() > LONGEST_LINE => {}
            _ => return Err(Refused),
        }
        self.is_tunnel = method == b"CONNECT";
        if !target.starts_with(b"/") && target != b"*" && !self.is_tunnel {
            let mut parts = target.splitn(3, |byte| *byte == b'/');
            let scheme = parts.next().unwrap_or_default();
            let is_web = scheme.eq_ignore_ascii_case(b"http:") || scheme.eq_ignore_ascii_case(b"https:");
            let (Some([]), Some(rest), true) = (parts.next(), parts.next(), is_web) else { return Err(Refused) };
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            self.authority = Some(rest[..end].to_vec());
        }
        Ok(())
    }

    /// What comes after the head.
    fn body(self) -> Result<State, Refused> {
        if self.host.is_none() && !self.is_http_1_0 {
            return Err(Refused);
        }
        if let (Some(authority), Some(host)) = (&self.authority, &self.host)
            && !authority.eq_ignore_ascii_case(host)
        {
            return Err(Refused);
        }
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(Refused),
            (true, None) => Ok(State::ChunkLine),
            // As the parser has it: it takes all that follows for the body.
            (false, None) if self.is_tunnel => Ok(State::Rest),
            (false, Some(_)) if self.is_tunnel => Err(Refused),
            (false, None | Some(0)) => Ok(State::Head),
            (false, Some(length)) => Ok(State::Body(length)),
        }
    }
}

/// Makes the end of what was read unreadable.
fn poison(bytes: &mut [u8], is_in_trailers: bool) {
    let [rest @ .., last] = bytes else { return };
    *last = POISON;
    // Of trailers the parser reads the ends of lines alone.
    if is_in_trailers && let Some(last) = rest.last_mut() {
        *last = b'\r';
    }
}

/// The name and the value of a line that is no continuation of another.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Refused)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let is_sound = !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text);
    if is_sound { Ok((name, value.trim_ascii())) } else { Err(Refused) }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Refused> {
    if place.replace(value).is_some() { Err(Refused) } else { Ok(()) }
}

/// Digits alone: `parse` takes a sign, too.
fn number(text: &[u8]) -> Result<u64, Refused> {
    let text = str::from_utf8(text).map_err(|_| Refused)?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().map_err(|_| Refused) } else { Err(Refused) }
}

fn chunk_size(line: &[u8]) -> Result<u64, Refused> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let is_sound = line[end..].trim_ascii_start().first().is_none_or(|byte| *byte == b';');
    let digits = str::from_utf8(&line[..end]).map_err(|_| Refused)?;
    if is_sound { u64::from_str_radix(digits, 16).map_err(|_| Refused) } else { Err(Refused) }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
