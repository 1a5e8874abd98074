//! An HTTP client made of a socket, for the admin server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::running::PATIENCE;

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request on a connection of its own; `lines` are headers, each with its end of line.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, lines: &str) -> Answer {
    exchange(address, method, path, lines, "")
}

/// A request with a body of this media type.
pub(crate) fn post(address: SocketAddr, path: &str, kind: &str, body: &str) -> Answer {
    let lines = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
    exchange(address, "POST", path, &lines, body)
}

fn exchange(address: SocketAddr, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    send(address, method, path, lines, body.as_bytes())
}

/// A request with these octets as its body, of which the server need not read all before it answers.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let written = stream.write_all(body);
    let mut octets = Vec::new();
    let read = stream.read_to_end(&mut octets);
    let text = String::from_utf8(octets).unwrap();
    assert!(!text.is_empty(), "{written:?} {read:?}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(!head.contains("chunked"), "{head}");
    Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}
