//! The page, on a web server that knows nothing else.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// A server for the page; its thread ends with the process.
pub(crate) struct PageServer {
    pub(crate) address: SocketAddr,
}

const PAGE: &str = include_str!("../../browser/index.html");

impl PageServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Browsers open connections that they may not use.
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { address }
    }
}

fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    let mut room = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut room) {
            Ok(read) if read > 0 => head.extend_from_slice(&room[..read]),
            _ => return,
        }
    }
    let (status, body) = if head.starts_with(b"GET / ") {
        ("200 OK", PAGE)
    } else {
        ("404 Not Found", "")
    };
    let _gone = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
