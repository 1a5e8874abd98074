//! One connection, and a peer that sends whatever a test writes.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use msrp_core::connection::{CloseReason, Connection, ConnectionConfig, Event};

use crate::{
    naive::{Frame, frames},
    pair::{self, Pair},
};

pub(crate) const PATHS: &str = "To-Path: msrp://b.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
                                From-Path: msrp://a.example.com:7654/jshA7weztas;tcp\r\n";

pub(crate) struct Lone {
    pub(crate) connection: Connection,
    pub(crate) now: std::time::Instant,
}

impl Lone {
    pub(crate) fn new() -> Self {
        Self::with_config(ConnectionConfig::new())
    }

    pub(crate) fn with_config(config: ConnectionConfig) -> Self {
        let now = Pair::new().now;
        Self {
            connection: pair::connection(now, config, 3),
            now,
        }
    }

    /// The peer sends this, and all is pulled.
    pub(crate) fn feed(&mut self, octets: impl AsRef<[u8]>) -> Vec<Event> {
        self.connection
            .handle_read(self.now, BytesMut::from(octets.as_ref()));
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event(self.now)).collect()
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
    }

    /// All that is sent.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        while let Some(mut transmit) = self.connection.poll_transmit(self.now, 64 * 1024) {
            let all = transmit.remaining();
            octets.extend_from_slice(&transmit.copy_to_bytes(all));
        }
        octets
    }

    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        let octets = self.output();
        frames(&octets)
    }

    /// Why it has ended, if it has; pulls what there is.
    pub(crate) fn end(&mut self) -> Option<CloseReason> {
        self.events().into_iter().find_map(|event| match event {
            Event::Closed { reason } => Some(reason.kind),
            _ => None,
        })
    }
}

/// A request of the peer; with a body `headers` end in a Content-Type.
pub(crate) fn request(id: &str, method: &str, headers: &str, body: Option<&str>, flag: char) -> String {
    let body = body.map_or_else(String::new, |body| format!("\r\n{body}\r\n"));
    format!("MSRP {id} {method}\r\n{PATHS}{headers}{body}-------{id}{flag}\r\n")
}

/// A SEND of the peer with a text.
pub(crate) fn send(id: &str, headers: &str, body: &str, flag: char) -> String {
    let headers = format!("Message-ID: 87652491\r\n{headers}Content-Type: text/plain\r\n");
    request(id, "SEND", &headers, Some(body), flag)
}
