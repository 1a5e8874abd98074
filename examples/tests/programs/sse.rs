//! A reader of server-sent events made of a socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use serde_json::Value;

use crate::running::PATIENCE;

/// An event that was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// A connection on which events come.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// Asks for events; `lines` are headers, each with its end of line.
    pub(crate) fn open(address: SocketAddr, path: &str, lines: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{lines}\r\n").unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        Self {
            stream,
            text: String::new(),
        }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Told {
        let quiet = Instant::now();
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start().to_owned())
                };
                let told = field("data:").map(|data| Told {
                    id: field("id:").unwrap(),
                    name: field("event:").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.text = rest.to_owned();
                if let Some(told) = told {
                    return told;
                }
                // A comment that keeps the connection alive.
                assert!(quiet.elapsed() < PATIENCE, "nothing has come");
                continue;
            }
            self.read_chunk();
        }
    }

    /// The next event of this name.
    pub(crate) fn event(&mut self, name: &str) -> Told {
        let begun = Instant::now();
        loop {
            let told = self.next();
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {name}");
            if told.name == name {
                return told;
            }
        }
    }

    fn read_chunk(&mut self) {
        let mut size = String::new();
        self.stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        assert_ne!(size, 0, "there are no more events");
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
    }
}
