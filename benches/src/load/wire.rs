//! MSRP framing, as the generator needs it: heads as slices, bodies as they come.

use memchr::{memchr, memmem};

/// Longest head that is taken, in octets.
const MAX_HEAD: usize = 16 * 1024;
/// What stands before the transaction id in an end-line, with the line end that belongs to it.
const END_LINE: &[u8] = b"\r\n-------";

/// What comes out of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A head, up to where the body begins or the end-line stands.
    Head(Head<'a>),
    /// A piece of the body.
    Body(&'a [u8]),
    /// The end-line, with its continuation flag.
    End(u8),
}

/// First line and headers of a request or response.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// Transaction id.
    pub tid: &'a [u8],
    /// Method, or the status code's digits.
    pub verb: &'a [u8],
    /// The status code; none in a request.
    pub code: Option<u16>,
    /// Behind the status code.
    pub phrase: &'a [u8],
    /// Value of To-Path.
    pub to_path: &'a [u8],
    /// Value of From-Path.
    pub from_path: &'a [u8],
    /// Value of Message-ID.
    pub message_id: &'a [u8],
    /// Start of the Byte-Range, from 1.
    pub range_start: Option<u64>,
    /// Value of Use-Path.
    pub use_path: &'a [u8],
    /// Value of WWW-Authenticate.
    pub challenge: &'a [u8],
    /// Value of Status.
    pub status: &'a [u8],
}

/// Octets that are no MSRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A first line without `MSRP`, transaction id and method or code.
    #[error("a first line that is none")]
    FirstLine,
    /// No end of the head in sight.
    #[error("a head of more than {MAX_HEAD} octets")]
    LongHead,
    /// A line without colon.
    #[error("a header line without colon")]
    HeaderLine,
    /// An end-line with an unknown flag, or without line end.
    #[error("an end-line that does not end")]
    EndLine,
}

#[derive(Debug)]
enum Place {
    Head,
    Body,
    /// At the end-line, of which so many octets are behind us.
    End(usize),
}

/// Where a connection is in its stream of frames.
#[derive(Debug)]
pub struct Frames {
    place: Place,
    /// CRLF, hyphens, transaction id.
    end_line: Vec<u8>,
    /// Finds the part that all end-lines have; making it anew for each frame costs more than the search.
    finder: memmem::Finder<'static>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            place: Place::Head,
            end_line: Vec::new(),
            finder: memmem::Finder::new(END_LINE),
        }
    }
}

impl Frames {
    /// The transaction id of the frame at hand.
    pub fn tid(&self) -> &[u8] {
        self.end_line.get(END_LINE.len()..).unwrap_or_default()
    }

    /// The next piece, and how many octets of the input it took; none where more input is needed.
    ///
    /// # Errors
    /// [`WireError`]; the stream cannot be read on.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Option<(usize, Frame<'a>)>, WireError> {
        match self.place {
            Place::Head => self.head(input),
            Place::Body => self.body(input),
            Place::End(missing) => self.end(input, missing),
        }
    }

    fn head<'a>(&mut self, input: &'a [u8]) -> Result<Option<(usize, Frame<'a>)>, WireError> {
        let mut head = Head::default();
        let mut at = 0;
        loop {
            let Some(len) = memchr(b'\n', &input[at..]) else {
                return if input.len() > MAX_HEAD {
                    Err(WireError::LongHead)
                } else {
                    Ok(None)
                };
            };
            let line = input[at..at + len]
                .strip_suffix(b"\r")
                .ok_or(WireError::HeaderLine)?;
            if at == 0 {
                head.first_line(line)?;
            } else if line.is_empty() {
                at += len + 1;
                self.place = Place::Body;
                break;
            } else if line
                .strip_prefix(&END_LINE[2..])
                .is_some_and(|rest| rest.starts_with(head.tid))
            {
                self.place = Place::End(2);
                break;
            } else {
                head.header(line)?;
            }
            at += len + 1;
        }
        self.end_line.clear();
        self.end_line.extend_from_slice(END_LINE);
        self.end_line.extend_from_slice(head.tid);
        Ok(Some((at, Frame::Head(head))))
    }

    fn body<'a>(&mut self, input: &'a [u8]) -> Result<Option<(usize, Frame<'a>)>, WireError> {
        let mut from = 0;
        // Octets that are content for sure.
        let sure = loop {
            let Some(at) = self.finder.find(&input[from..]).map(|at| from + at) else {
                break input.len().saturating_sub(END_LINE.len() - 1).max(from);
            };
            let line = &input[at..];
            match line.get(self.end_line.len()) {
                None if self.end_line.starts_with(line) || line.starts_with(&self.end_line) => break at,
                Some(b'$' | b'+' | b'#') if line.starts_with(&self.end_line) => {
                    self.place = Place::End(0);
                    if at == 0 {
                        return self.end(input, 0);
                    }
                    break at;
                }
                // Looks like it, as far as the transaction id.
                _ => from = at + 1,
            }
        };
        Ok((sure > 0).then(|| (sure, Frame::Body(&input[..sure]))))
    }

    /// The end-line stands at the beginning of the input; the first `skip` octets of it are behind us.
    fn end<'a>(&mut self, input: &'a [u8], skip: usize) -> Result<Option<(usize, Frame<'a>)>, WireError> {
        let len = self.end_line.len() - skip;
        match input.get(len..len + 3) {
            None => Ok(None),
            Some(&[flag @ (b'$' | b'+' | b'#'), b'\r', b'\n']) => {
                self.place = Place::Head;
                Ok(Some((len + 3, Frame::End(flag))))
            }
            Some(_) => Err(WireError::EndLine),
        }
    }
}

impl<'a> Head<'a> {
    fn first_line(&mut self, line: &'a [u8]) -> Result<(), WireError> {
        let rest = line.strip_prefix(b"MSRP ").ok_or(WireError::FirstLine)?;
        let (tid, rest) = split(rest, b' ').ok_or(WireError::FirstLine)?;
        let (verb, phrase) = split(rest, b' ').unwrap_or((rest, b""));
        if tid.is_empty() || verb.is_empty() {
            return Err(WireError::FirstLine);
        }
        self.code = match *verb {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
            }
            _ => None,
        };
        (self.tid, self.verb, self.phrase) = (tid, verb, phrase);
        Ok(())
    }

    fn header(&mut self, line: &'a [u8]) -> Result<(), WireError> {
        let (name, value) = split(line, b':').ok_or(WireError::HeaderLine)?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"To-Path" => self.to_path = value,
            b"From-Path" => self.from_path = value,
            b"Message-ID" => self.message_id = value,
            b"Byte-Range" => {
                self.range_start = split(value, b'-').and_then(|(start, _)| decimal(start));
            }
            b"Use-Path" => self.use_path = value,
            b"WWW-Authenticate" => self.challenge = value,
            b"Status" => self.status = value,
            _ => {}
        }
        Ok(())
    }
}

/// What stands before and behind the first `by`.
pub fn split(text: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(by, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The first URI of a path.
pub fn first_uri(path: &[u8]) -> &[u8] {
    split(path, b' ').map_or(path, |(first, _)| first)
}

/// A decimal number.
pub fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: &[u8] = b"MSRP a1 SEND\r\nTo-Path: msrp://r/x;tcp msrp://b/y;tcp\r\nFrom-Path: msrp://a/z;tcp\r\n\
        Message-ID: m\r\nByte-Range: 5-8/8\r\nContent-Type: text/plain\r\n\r\nab\r\n-------a12$\r\n-------b1$\r\ncd\r\n-------a1$\r\n";
    const ANSWER: &[u8] =
        b"MSRP a1 200 OK\r\nTo-Path: msrp://a/z;tcp\r\nFrom-Path: msrp://r/x;tcp\r\n-------a1$\r\n";

    /// Everything that comes out when the input comes in these pieces: heads as text, bodies joined.
    fn read(input: &[u8], piece: usize) -> Result<Vec<String>, WireError> {
        let mut frames = Frames::default();
        let (mut kept, mut out, mut body) = (Vec::new(), Vec::new(), Vec::new());
        for part in input.chunks(piece) {
            kept.extend_from_slice(part);
            let mut at = 0;
            while let Some((taken, frame)) = frames.next(&kept[at..])? {
                at += taken;
                match frame {
                    Frame::Head(head) => {
                        out.push(format!("{:?} {:?} {:?}", head.tid, head.code, head.range_start))
                    }
                    Frame::Body(octets) => body.extend_from_slice(octets),
                    Frame::End(flag) => {
                        out.push(format!("{} {}", String::from_utf8_lossy(&body), char::from(flag)));
                        body.clear();
                    }
                }
            }
            kept.drain(..at);
        }
        assert!(kept.is_empty(), "{} octets are left", kept.len());
        Ok(out)
    }

    #[test]
    fn every_split_gives_the_same_frames() {
        let input = [SEND, ANSWER, SEND].concat();
        let whole = read(&input, input.len()).unwrap();
        assert_eq!(whole[1], "ab\r\n-------a12$\r\n-------b1$\r\ncd $");
        assert_eq!(whole[2], format!("{:?} Some(200) None", b"a1"));
        assert_eq!(whole.len(), 6);
        for piece in 1..input.len() {
            assert_eq!(read(&input, piece).unwrap(), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn heads_are_taken_apart() {
        let mut frames = Frames::default();
        let Ok(Some((_, Frame::Head(head)))) = frames.next(SEND) else {
            panic!("no head");
        };
        assert_eq!(head.verb, b"SEND");
        assert_eq!(head.code, None);
        assert_eq!(first_uri(head.to_path), b"msrp://r/x;tcp");
        assert_eq!(head.from_path, b"msrp://a/z;tcp");
        assert_eq!((head.message_id, head.range_start), (&b"m"[..], Some(5)));
        assert_eq!(frames.tid(), b"a1");
    }

    #[test]
    fn what_is_no_msrp_is_refused() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\n", 100), Err(WireError::FirstLine));
        assert_eq!(
            read(b"MSRP a1 SEND\r\nTo-Path\r\n\r\n", 100),
            Err(WireError::HeaderLine)
        );
        assert_eq!(
            read(b"MSRP a1 200 OK\r\n-------a1!\r\n", 100),
            Err(WireError::EndLine)
        );
        let long = [b"MSRP a1 SEND\r\nTo-Path: ".to_vec(), vec![b'x'; MAX_HEAD]].concat();
        assert_eq!(read(&long, long.len()), Err(WireError::LongHead));
    }
}
