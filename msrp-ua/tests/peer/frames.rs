//! What stands on the wire, read in the simplest way.

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tid: String,
    /// The start line after the transaction identifier: `SEND`, or `200 OK`.
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) flag: char,
}

impl Frame {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| &value[..])
    }

    /// Byte-Range as start, end and total.
    pub(crate) fn range(&self) -> (u64, Option<u64>, Option<u64>) {
        let value = self.header("Byte-Range").unwrap();
        let (start, rest) = value.split_once('-').unwrap();
        let (end, total) = rest.split_once('/').unwrap();
        (start.parse().unwrap(), end.parse().ok(), total.parse().ok())
    }
}

/// Splits octets into frames; all of them have to be whole.
pub(crate) fn frames(mut octets: &[u8]) -> Vec<Frame> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (frame, rest) = first(octets);
        found.push(frame);
        octets = rest;
    }
    found
}

fn first(octets: &[u8]) -> (Frame, &[u8]) {
    let (line, mut rest) = line(octets);
    let mut words = line.splitn(3, ' ');
    assert_eq!(words.next(), Some("MSRP"), "{line}");
    let tid = words.next().unwrap().to_owned();
    let start = words.next().unwrap().to_owned();
    let end = format!("-------{tid}");
    let mut headers = Vec::new();
    loop {
        let (line, after) = self::line(rest);
        rest = after;
        if let Some(flag) = line.strip_prefix(&end) {
            let flag = flag.parse().unwrap();
            return (
                Frame {
                    tid,
                    start,
                    headers,
                    body: None,
                    flag,
                },
                rest,
            );
        }
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        headers.push((name.to_owned(), value.to_owned()));
    }
    let end = format!("\r\n{end}");
    let at = rest
        .windows(end.len())
        .position(|window| window == end.as_bytes())
        .unwrap_or_else(|| panic!("{tid} has no end"));
    let body = Some(rest[..at].to_vec());
    let (line, rest) = self::line(&rest[at + end.len()..]);
    let flag = line.parse().unwrap();
    (
        Frame {
            tid,
            start,
            headers,
            body,
            flag,
        },
        rest,
    )
}

fn line(octets: &[u8]) -> (&str, &[u8]) {
    let at = octets
        .windows(2)
        .position(|window| window == b"\r\n")
        .expect("a line ends");
    (std::str::from_utf8(&octets[..at]).unwrap(), &octets[at + 2..])
}
