//! An MSRP client that shares nothing with our stack: it is made of string literals, a socket and MD5.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use md5::{Digest, Md5};

use crate::running::PATIENCE;

/// Octets in both directions.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A client on its connection to the relay.
pub(crate) struct Client {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
    name: &'static str,
    /// The URI that the client has made for itself.
    pub(crate) uri: String,
    /// What the relay has given it.
    pub(crate) use_path: String,
    /// What stands before the relay that is asked.
    way: String,
}

/// A request or response, cut at its own end-line.
#[derive(Clone, Debug)]
pub(crate) struct Frame(pub(crate) String);

impl Frame {
    pub(crate) fn start(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    pub(crate) fn transaction(&self) -> &str {
        self.start().split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .skip(1)
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// A parameter of a header, without its quotes.
    pub(crate) fn parameter(&self, header: &str, name: &str) -> Option<&str> {
        let value = self.header(header)?;
        let value = value.strip_prefix("Digest ").unwrap_or(value);
        value.split(',').find_map(|parameter| {
            let (found, value) = parameter.trim().split_once('=')?;
            (found == name).then(|| value.trim_matches('"'))
        })
    }

    /// The body, and the continuation flag behind it.
    pub(crate) fn body(&self) -> (&str, char) {
        let end = format!("\r\n-------{}", self.transaction());
        let (whole, flag) = self.0.rsplit_once(&end).unwrap();
        let body = whole.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (body, flag.chars().next().unwrap())
    }
}

pub(crate) fn md5(text: &str) -> String {
    Md5::digest(text)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

/// A TCP connection that does not wait for ever.
pub(crate) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Client {
    pub(crate) fn new(name: &'static str, wire: impl Wire + 'static) -> Self {
        Self {
            wire: Box::new(wire),
            unread: Vec::new(),
            name,
            uri: format!("msrp://{name}.example.com:9892/98cjs{name};tcp"),
            use_path: String::new(),
            way: String::new(),
        }
    }

    pub(crate) fn write(&mut self, octets: impl AsRef<[u8]>) {
        self.wire.write_all(octets.as_ref()).unwrap();
    }

    /// As [`write`](Self::write), of what the relay may not take; whether it did.
    pub(crate) fn try_write(&mut self, octets: impl AsRef<[u8]>) -> bool {
        self.wire.write_all(octets.as_ref()).is_ok()
    }

    /// The next request or response.
    pub(crate) fn read(&mut self) -> Frame {
        self.try_read().unwrap_or_else(|| {
            let rest = String::from_utf8_lossy(&self.unread);
            panic!("{}: connection ended, unread: {rest:?}", self.name)
        })
    }

    /// As [`read`](Self::read); none at the end of the stream. A reset is an end, too: the kernel makes one of it when
    /// something of ours lies there that the relay did not read any more.
    pub(crate) fn try_read(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.cut() {
                return Some(frame);
            }
            if !self.read_on() {
                return None;
            }
        }
    }

    /// Reads more; whether there was any.
    fn read_on(&mut self) -> bool {
        let mut room = [0; 4096];
        match self.wire.read(&mut room) {
            Ok(0) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&room[..read]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// Waits until this has come; it stays to be read.
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.unread).contains(text) {
            assert!(self.read_on(), "{}: connection ended before {text:?}", self.name);
        }
    }

    /// Reads on in a long body made of one octet that no head has: how many of them came.
    pub(crate) fn skim(&mut self, filler: u8) -> usize {
        let mut room = vec![0; 1 << 16];
        let read = self.wire.read(&mut room).unwrap();
        assert!(read > 0, "{}: connection ended", self.name);
        room[..read].iter().filter(|&&octet| octet == filler).count()
    }

    fn cut(&mut self) -> Option<Frame> {
        let text = String::from_utf8_lossy(&self.unread);
        let transaction = text.split_once("\r\n")?.0.split(' ').nth(1)?;
        let end = format!("\r\n-------{transaction}");
        let at = text.find(&end)? + end.len() + 3;
        let frame = text.get(..at)?.to_owned();
        assert!(frame.ends_with("\r\n"), "{frame}");
        self.unread.drain(..at);
        Some(Frame(frame))
    }

    /// As [`authenticate`](Self::authenticate), to a relay further out by way of those that the client has URIs of
    /// (RFC 4976 §5.1).
    pub(crate) fn go_on_to(&mut self, relay: &str, password: &str) {
        self.way = format!("{} ", self.use_path);
        self.authenticate(relay, password);
    }

    /// AUTH without credentials by way of the relays that the client has URIs of, and the answer to it.
    pub(crate) fn ask_beyond(&mut self, relay: &str) -> Frame {
        self.way = format!("{} ", self.use_path);
        self.auth_bare(relay)
    }

    /// AUTH without credentials, and the answer to it.
    pub(crate) fn auth_bare(&mut self, relay: &str) -> Frame {
        let to = format!("{}{relay}", self.way);
        self.write(format!(
            "MSRP 49fh AUTH\r\nTo-Path: {to}\r\nFrom-Path: {}\r\n-------49fh$\r\n",
            self.uri
        ));
        self.read()
    }

    /// AUTH with the answer to a challenge, and the relay's word on it.
    pub(crate) fn auth_with(&mut self, relay: &str, challenge: &Frame, password: &str) -> Frame {
        let realm = challenge.parameter("WWW-Authenticate", "realm").unwrap();
        let nonce = challenge.parameter("WWW-Authenticate", "nonce").unwrap();
        let ha1 = md5(&format!("{}:{realm}:{password}", self.name));
        let ha2 = md5(&format!("AUTH:{relay}"));
        let response = md5(&format!("{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}"));
        let to = format!("{}{relay}", self.way);
        self.write(format!(
            "MSRP 49fi AUTH\r\nTo-Path: {to}\r\nFrom-Path: {}\r\nAuthorization: Digest username=\"{}\", \
             realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{relay}\", response=\"{response}\", qop=auth, \
             cnonce=\"0a4f113b\", nc=00000001\r\n-------49fi$\r\n",
            self.uri, self.name
        ));
        self.read()
    }

    /// The whole of AUTH; afterwards there is a Use-Path, and the relay has proved that it knows the password too.
    pub(crate) fn authenticate(&mut self, relay: &str, password: &str) {
        let challenge = self.auth_bare(relay);
        assert!(challenge.start().starts_with("MSRP 49fh 401"), "{challenge:?}");
        let granted = self.auth_with(relay, &challenge, password);
        assert!(granted.start().starts_with("MSRP 49fi 200"), "{granted:?}");
        let realm = challenge.parameter("WWW-Authenticate", "realm").unwrap();
        let nonce = challenge.parameter("WWW-Authenticate", "nonce").unwrap();
        let ha1 = md5(&format!("{}:{realm}:{password}", self.name));
        let proof = md5(&format!(
            "{ha1}:{nonce}:00000001:0a4f113b:auth:{}",
            md5(&format!(":{relay}"))
        ));
        assert_eq!(
            granted.parameter("Authentication-Info", "rspauth"),
            Some(&proof[..])
        );
        self.use_path = granted.header("Use-Path").unwrap().to_owned();
    }

    /// The path to the client, as SDP has it: the relay that is furthest out first.
    pub(crate) fn path(&self) -> String {
        let mut path: Vec<_> = self.use_path.split(' ').rev().collect();
        path.push(&self.uri);
        path.join(" ")
    }

    /// The To-Path of a request to another client of a relay, and our From-Path.
    pub(crate) fn paths_to(&self, other: &Client) -> String {
        format!(
            "To-Path: {} {}\r\nFrom-Path: {}\r\n",
            self.use_path,
            other.path(),
            self.uri
        )
    }

    /// Answers a request with 200, as RFC 4975 wants it: to the previous hop only.
    pub(crate) fn answer_200(&mut self, request: &Frame) {
        assert!(self.try_answer_200(request), "{}: connection ended", self.name);
    }

    /// As [`answer_200`](Self::answer_200), to a relay that may be gone; whether it took the answer.
    pub(crate) fn try_answer_200(&mut self, request: &Frame) -> bool {
        let from = request.header("From-Path").unwrap();
        let previous = from.split(' ').next().unwrap();
        let tid = request.transaction();
        self.try_write(format!(
            "MSRP {tid} 200 OK\r\nTo-Path: {previous}\r\nFrom-Path: {}\r\n-------{tid}$\r\n",
            self.uri
        ))
    }
}

/// Waits until the relay lets somebody in again, which it does when it has noticed that others are gone.
pub(crate) fn wait_for_room(address: SocketAddr) {
    let begun = Instant::now();
    loop {
        let mut client = Client::new("nobody", dial(address));
        let asked = client.try_write(format!(
            "MSRP 49fh AUTH\r\nTo-Path: msrp://{address};tcp\r\nFrom-Path: {}\r\n-------49fh$\r\n",
            client.uri
        ));
        if asked && client.try_read().is_some() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody is let in");
        std::thread::sleep(Duration::from_millis(5));
    }
}
