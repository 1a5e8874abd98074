//! A peer that says exactly what a test wants, by UDP.

use std::{net::SocketAddr, time::Duration};

use tokio::net::UdpSocket;

const PATIENCE: Duration = Duration::from_secs(120);

/// A message as text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Text {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        Self {
            start: lines.next().unwrap().to_owned(),
            headers: lines
                .map(|line| line.split_once(':').unwrap())
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name)
            .first()
            .copied()
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn tag(&self, name: &str) -> &str {
        self.get(name).rsplit_once(";tag=").unwrap().1
    }

    /// The URI of Contact.
    pub(crate) fn contact(&self) -> &str {
        let value = self.get("Contact");
        value.split_once('<').unwrap().1.split_once('>').unwrap().0
    }

    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap()
    }

    pub(crate) fn code(&self) -> u16 {
        self.start
            .strip_prefix("SIP/2.0 ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// A response to it, with a tag of ours in To.
    pub(crate) fn response(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &self.headers {
            match name.as_str() {
                "Via" | "From" | "Call-ID" | "CSeq" => text += &format!("{name}: {value}\r\n"),
                "To" if value.contains(";tag=") || tag.is_empty() => text += &format!("To: {value}\r\n"),
                "To" => text += &format!("To: {value};tag={tag}\r\n"),
                _ => {}
            }
        }
        if !body.is_empty() {
            text += "Content-Type: application/sdp\r\n";
        }
        text + &format!("{more}Content-Length: {}\r\n\r\n{body}", body.len())
    }
}

/// What a request of a peer says.
pub(crate) struct Said<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) branch: &'a str,
    pub(crate) seq: u32,
    pub(crate) call_id: &'a str,
    pub(crate) to: &'a str,
    pub(crate) more: &'a str,
    pub(crate) body: &'a str,
}

pub(crate) struct Peer {
    socket: UdpSocket,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:peer@{}", self.address())
    }

    pub(crate) fn contact(&self) -> String {
        format!("Contact: <{}>\r\n", self.uri())
    }

    pub(crate) fn request(&self, said: &Said<'_>) -> String {
        let Said {
            method,
            uri,
            branch,
            seq,
            call_id,
            to,
            more,
            body,
        } = said;
        let address = self.address();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: \"The Peer\" <{}>;tag=peer\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {seq} {method}\r\n{}{more}\
             Content-Length: {}\r\n\r\n{body}",
            self.uri(),
            self.contact(),
            body.len()
        )
    }

    pub(crate) async fn send(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    pub(crate) async fn send_octets(&self, to: SocketAddr, octets: &[u8]) {
        self.socket.send_to(octets, to).await.unwrap();
    }

    pub(crate) async fn next(&self) -> (Text, SocketAddr) {
        let mut buffer = vec![0; 65536];
        let (length, from) = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer))
            .await
            .expect("the peer hears nothing")
            .unwrap();
        (Text::parse(str::from_utf8(&buffer[..length]).unwrap()), from)
    }

    /// The next request of this method; others, which are sent again, are skipped.
    pub(crate) async fn request_of(&self, method: &str) -> (Text, SocketAddr) {
        loop {
            let (text, from) = self.next().await;
            if text.method() == method {
                return (text, from);
            }
        }
    }

    /// The next final or provisional response with this code; others are skipped.
    pub(crate) async fn response_of(&self, code: u16) -> Text {
        loop {
            let (text, _) = self.next().await;
            if text.start.starts_with("SIP/2.0") && text.code() == code {
                return text;
            }
        }
    }
}
