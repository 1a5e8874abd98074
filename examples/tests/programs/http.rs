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
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
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
