//! A decoder that shares nothing with the one under test: it has all octets of a stream before it and looks for what
//! comes next, the plain way.

/// A start line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The method.
    Request(String),
    /// Code and comment.
    Response(u16, String),
}

/// One request, chunk or response as it stands in a stream.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The transaction identifier.
    pub tid: String,
    /// Method or status.
    pub start: Start,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// `$`, `+` or `#`; none where the stream ends before the end-line.
    pub flag: Option<char>,
    /// Offset of its first octet.
    pub begin: u64,
    /// Offset behind its headers.
    pub head_end: u64,
    /// Offset behind its body.
    pub body_end: u64,
    /// Offset behind all of it.
    pub end: u64,
}

impl Frame {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// How often a header stands there.
    pub fn count(&self, name: &str) -> usize {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .count()
    }

    /// The URIs of a path header.
    pub fn path(&self, name: &str) -> Vec<&str> {
        self.header(name)
            .map(|value| value.split(' ').collect())
            .unwrap_or_default()
    }

    /// The method; none of a response.
    pub fn method(&self) -> Option<&str> {
        match &self.start {
            Start::Request(method) => Some(method),
            Start::Response(..) => None,
        }
    }

    /// Whether it is a SEND.
    pub fn is_send(&self) -> bool {
        self.method() == Some("SEND")
    }

    /// Whether it is a REPORT.
    pub fn is_report(&self) -> bool {
        self.method() == Some("REPORT")
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        match self.start {
            Start::Response(code, _) => Some(code),
            Start::Request(_) => None,
        }
    }

    /// `Failure-Report`, `yes` when absent.
    pub fn failure_report(&self) -> &str {
        self.header("Failure-Report").unwrap_or("yes")
    }

    /// Start, end and total of the Byte-Range; `None` inside for `*`.
    pub fn range(&self) -> Option<(u64, Option<u64>, Option<u64>)> {
        let (range, total) = self.header("Byte-Range")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let number = |text: &str| {
            if text == "*" {
                Some(None)
            } else {
                text.parse().ok().map(Some)
            }
        };
        Some((start.parse().ok()?, number(end)?, number(total)?))
    }

    /// Octets of body.
    pub fn body_len(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.len() as u64)
    }
}

/// Takes a stream apart. The last frame may be incomplete.
///
/// # Errors
/// What is wrong, and where.
pub fn decode(octets: &[u8]) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let begin = at;
        let mut lines = Vec::new();
        let end_line;
        let mut body = None;
        let mut head_end;
        // Lines up to a blank one or the end-line.
        let (tid, start) = loop {
            let Some(len) = find(&octets[at..], b"\r\n") else {
                if let Some(frame) = partial_head(&lines, begin, at) {
                    frames.push(frame);
                }
                return Ok(frames);
            };
            let line =
                std::str::from_utf8(&octets[at..at + len]).map_err(|_| format!("line at {at} is no text"))?;
            head_end = at;
            at += len + 2;
            let Some(first) = lines.first() else {
                lines.push(line);
                continue;
            };
            let (tid, start) =
                start_line(first).ok_or_else(|| format!("start line at {begin}: {first:?}"))?;
            if line.is_empty() {
                head_end = at;
                let pattern = format!("\r\n-------{tid}");
                let Some((len, flag)) = find_end(&octets[at..], pattern.as_bytes()) else {
                    let mut frame = frame(tid, start, &lines, begin, head_end)?;
                    frame.body = Some(octets[at..].to_vec());
                    frame.body_end = octets.len() as u64;
                    frame.end = octets.len() as u64;
                    frames.push(frame);
                    return Ok(frames);
                };
                body = Some(octets[at..at + len].to_vec());
                at += len + pattern.len() + 3;
                end_line = flag;
                break (tid, start);
            }
            if let Some(rest) = line.strip_prefix("-------") {
                let flag = rest
                    .strip_prefix(tid.as_str())
                    .filter(|flag| matches!(*flag, "$" | "+" | "#"));
                end_line = flag
                    .and_then(|flag| flag.chars().next())
                    .ok_or_else(|| format!("end-line at {at}: {line:?}"))?;
                break (tid, start);
            }
            lines.push(line);
        };
        let mut whole = frame(tid, start, &lines, begin, head_end)?;
        whole.body_end = whole.head_end + body.as_ref().map_or(0, |body| body.len() as u64);
        whole.body = body;
        whole.flag = Some(end_line);
        whole.end = at as u64;
        frames.push(whole);
    }
    Ok(frames)
}

fn partial_head(lines: &[&str], begin: usize, end: usize) -> Option<Frame> {
    let (tid, start) = start_line(lines.first()?)?;
    let mut partial = frame(tid, start, lines, begin, end).ok()?;
    partial.end = end as u64;
    Some(partial)
}

fn frame(tid: String, start: Start, lines: &[&str], begin: usize, head_end: usize) -> Result<Frame, String> {
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| format!("header line behind {begin}: {line:?}"))?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(Frame {
        tid,
        start,
        headers,
        body: None,
        flag: None,
        begin: begin as u64,
        head_end: head_end as u64,
        body_end: head_end as u64,
        end: head_end as u64,
    })
}

fn start_line(line: &str) -> Option<(String, Start)> {
    let (tid, rest) = line.strip_prefix("MSRP ")?.split_once(' ')?;
    let good = |c: char| c.is_ascii_alphanumeric() || ".-+%=".contains(c);
    if !(4..=32).contains(&tid.len())
        || !tid.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !tid.chars().all(good)
    {
        return None;
    }
    let (word, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    let start = if word.len() == 3 && word.bytes().all(|octet| octet.is_ascii_digit()) {
        Start::Response(word.parse().ok()?, comment.to_owned())
    } else if !rest.is_empty()
        && rest
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet == b'_')
    {
        Start::Request(rest.to_owned())
    } else {
        return None;
    };
    Some((tid.to_owned(), start))
}

/// Where `pattern` begins.
fn find(octets: &[u8], pattern: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + octets[from..].iter().position(|&octet| octet == pattern[0])?;
        if octets[at..].starts_with(pattern) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Where the first whole end-line begins, and its flag.
fn find_end(octets: &[u8], pattern: &[u8]) -> Option<(usize, char)> {
    let mut from = 0;
    loop {
        let at = from + find(&octets[from..], pattern)?;
        let rest = &octets[at + pattern.len()..];
        if rest.len() >= 3 && matches!(rest[0], b'$' | b'+' | b'#') && &rest[1..3] == b"\r\n" {
            return Some((at, char::from(rest[0])));
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: &[u8] = b"MSRP d93kswow SEND\r\nTo-Path: msrp://b.example:8888/9di4ea;tcp\r\nFrom-Path: msrp://a.example:7777/iau39;tcp\r\nMessage-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\nContent-Type: text/plain\r\n\r\nHi, I'm Alice!\r\n\r\n-------d93kswow$\r\n";
    const OK: &[u8] = b"MSRP d93kswow 200 OK\r\nTo-Path: msrp://a.example:7777/iau39;tcp\r\nFrom-Path: msrp://b.example:8888/9di4ea;tcp\r\n-------d93kswow$\r\n";

    #[test]
    fn a_request_and_a_response_are_taken_apart() {
        let stream = [SEND, OK].concat();
        let frames = decode(&stream).expect("both are sound");
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].body.as_deref(), Some(&b"Hi, I'm Alice!\r\n"[..]));
        assert_eq!(
            (frames[0].flag, frames[0].range()),
            (Some('$'), Some((1, Some(16), Some(16))))
        );
        assert_eq!((frames[1].code(), frames[1].body.is_none()), (Some(200), true));
        assert_eq!(frames[1].end, stream.len() as u64);
    }

    #[test]
    fn a_stream_that_stops_anywhere_keeps_what_was_whole() {
        for cut in 0..SEND.len() {
            let frames = decode(&SEND[..cut]).expect("nothing is wrong, only missing");
            assert!(frames.iter().all(|frame| frame.flag.is_none()), "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_is_told() {
        assert!(decode(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(decode(&[OK, b"\r\nMSRP x SEND\r\n"].concat()).is_err());
        assert!(decode(b"MSRP abcd SEND\r\nTo-Path: x\r\n-------abce$\r\n").is_err());
    }
}
