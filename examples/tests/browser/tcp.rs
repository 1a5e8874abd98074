//! An MSRP client on TCP that shares nothing with our stack: string literals, a socket and MD5.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use md5::{Digest, Md5};

/// A browser takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    pub(crate) uri: String,
    pub(crate) use_path: String,
    /// Chunks of messages that are not complete: octets by position.
    open: BTreeMap<String, (BTreeMap<usize, Vec<u8>>, usize)>,
    /// Success reports that have come.
    reports: usize,
    next: u32,
    on_silence: Box<dyn Fn() -> String>,
}

/// A message that has come whole.
pub(crate) struct Message {
    pub(crate) from: String,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) total: usize,
    pub(crate) chunks: usize,
}

struct Frame {
    id: String,
    start: String,
    head: String,
    body: Vec<u8>,
    flag: u8,
}

impl Frame {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

fn find(octets: &[u8], pattern: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, pattern)
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            unread: Vec::new(),
            uri: "msrp://alice.example.com:9892/98cjs;tcp".to_owned(),
            use_path: String::new(),
            open: BTreeMap::new(),
            reports: 0,
            next: 0,
            on_silence: Box::new(String::new),
        }
    }

    /// What to tell when nothing comes.
    pub(crate) fn on_silence(&mut self, tell: impl Fn() -> String + 'static) {
        self.on_silence = Box::new(tell);
    }

    fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.cut() {
                return frame;
            }
            let mut room = vec![0; 1 << 16];
            match self.stream.read(&mut room) {
                Ok(0) => panic!("the relay has closed"),
                Ok(read) => self.unread.extend_from_slice(&room[..read]),
                Err(error) => panic!("nothing comes: {error}\n{}", (self.on_silence)()),
            }
        }
    }

    fn cut(&mut self) -> Option<Frame> {
        let octets = &self.unread;
        let line = find(octets, b"\r\n")?;
        let first = std::str::from_utf8(&octets[..line]).unwrap();
        let mut words = first.strip_prefix("MSRP ").unwrap().splitn(2, ' ');
        let (id, start) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let end_line = format!("\r\n-------{id}");
        let at = find(octets, end_line.as_bytes())?;
        let rest = at + end_line.len();
        if octets.len() < rest + 3 {
            return None;
        }
        let flag = octets[rest];
        let content = &octets[line..at];
        let (head, body) = match find(content, b"\r\n\r\n") {
            Some(blank) => (&content[..blank], content[blank + 4..].to_vec()),
            None => (content, Vec::new()),
        };
        let head = std::str::from_utf8(head).unwrap().to_owned();
        self.unread.drain(..rest + 3);
        Some(Frame {
            id,
            start,
            head,
            body,
            flag,
        })
    }

    fn write(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
    }

    /// AUTH with MD5, which comes first in the challenges.
    pub(crate) fn authenticate(&mut self, relay: &str, user: &str, password: &str) {
        self.write(format!(
            "MSRP 49fh AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {}\r\n-------49fh$\r\n",
            self.uri
        ));
        let challenge = self.frame();
        let value = challenge.header("WWW-Authenticate").unwrap().to_owned();
        let parameter = |name: &str| {
            let (_, rest) = value.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let (realm, nonce) = (parameter("realm"), parameter("nonce"));
        let ha1 = md5(&format!("{user}:{realm}:{password}"));
        let ha2 = md5(&format!("AUTH:{relay}"));
        let response = md5(&format!("{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}"));
        self.write(format!(
            "MSRP 49fi AUTH\r\nTo-Path: {relay}\r\nFrom-Path: {}\r\nAuthorization: Digest username=\"{user}\", \
             realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{relay}\", response=\"{response}\", qop=auth, \
             cnonce=\"0a4f113b\", nc=00000001\r\n-------49fi$\r\n",
            self.uri
        ));
        let granted = self.frame();
        assert!(granted.start.starts_with("200"), "{}", granted.start);
        self.use_path = granted.header("Use-Path").unwrap().to_owned();
    }

    /// Sends a message in chunks of so many octets.
    pub(crate) fn send(&mut self, path: &str, content_type: &str, body: &[u8], chunk: usize) {
        self.next += 1;
        let (message, total) = (format!("m{:05}", self.next), body.len());
        let mut start = 0;
        for (number, octets) in body.chunks(chunk).enumerate() {
            let id = format!("{message}c{number}");
            let last = start + octets.len() == total;
            let mut frame = format!(
                "MSRP {id} SEND\r\nTo-Path: {path}\r\nFrom-Path: {}\r\nMessage-ID: {message}\r\nSuccess-Report: yes\r\n\
                 Byte-Range: {}-*/{total}\r\nContent-Type: {content_type}\r\n\r\n",
                self.uri,
                start + 1
            )
            .into_bytes();
            frame.extend_from_slice(octets);
            frame
                .extend_from_slice(format!("\r\n-------{id}{}\r\n", if last { '$' } else { '+' }).as_bytes());
            self.write(frame);
            start += octets.len();
        }
    }

    /// The next message that is complete. Chunks are answered, and a whole message is reported; responses have to be 200.
    pub(crate) fn next_message(&mut self) -> Message {
        loop {
            let frame = self.frame();
            match &frame.start[..] {
                "SEND" => {}
                "REPORT" => {
                    assert_eq!(frame.header("Status"), Some("000 200 OK"));
                    self.reports += 1;
                    continue;
                }
                response => {
                    assert!(response.starts_with("200"), "{} {response}", frame.id);
                    continue;
                }
            }
            let from = frame.header("From-Path").unwrap().to_owned();
            let previous = from.split(' ').next().unwrap();
            self.write(format!(
                "MSRP {0} 200 OK\r\nTo-Path: {previous}\r\nFrom-Path: {1}\r\n-------{0}$\r\n",
                frame.id, self.uri
            ));
            let message = frame.header("Message-ID").unwrap().to_owned();
            let range = frame.header("Byte-Range").unwrap();
            let (start, rest) = range.split_once('-').unwrap();
            let (_, total) = rest.split_once('/').unwrap();
            let (start, total): (usize, usize) = (start.parse().unwrap(), total.parse().unwrap());
            let (parts, octets) = self.open.entry(message.clone()).or_default();
            *octets += frame.body.len();
            parts.insert(start, frame.body.clone());
            if frame.flag == b'$' {
                assert_eq!(*octets, total, "all chunks have come before the last");
            } else {
                continue;
            }
            let (parts, _) = self.open.remove(&message).unwrap();
            if frame.header("Success-Report") == Some("yes") {
                self.next += 1;
                let id = format!("rep{:05}", self.next);
                self.write(format!(
                    "MSRP {id} REPORT\r\nTo-Path: {from}\r\nFrom-Path: {}\r\nMessage-ID: {message}\r\n\
                     Byte-Range: 1-{total}/{total}\r\nStatus: 000 200 OK\r\n-------{id}$\r\n",
                    self.uri
                ));
            }
            return Message {
                content_type: frame.header("Content-Type").unwrap_or_default().to_owned(),
                from,
                total,
                chunks: parts.len(),
                body: parts.into_values().flatten().collect(),
            };
        }
    }

    /// Whether a success report has come, which precedes the echo.
    pub(crate) fn is_reported(&mut self) -> bool {
        self.reports > 0 && {
            self.reports -= 1;
            true
        }
    }
}
