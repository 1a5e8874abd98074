//! WebSocket (RFC 6455) as RFC 7977 uses it, above a plain stream or TLS, without a socket.
//!
//! ```text
//!   socket ─▶ plain or TLS ─▶ opening handshake ─▶ Reader: frames, masks ─▶ payload, ends of messages ─▶ node
//!   socket ◀─ plain or TLS ◀────── control frames, Writer: one chunk in each message ◀────── chunks ◀── node
//! ```
//!
//! Payload is handed on as it comes, whatever the size of its frame, and a chunk that the node has only begun leaves in
//! fragments, so that a long chunk is in nobody's memory; unless the peer speaks in text frames, for which all of a chunk
//! has to be known. Frames of our own instead of a WebSocket crate's, as those gather whole messages and keep buffers for
//! each connection; the HTTP heads are parsed by `httparse`.

mod below;
mod config;
mod frame;
mod handshake;
mod keep_alive;
mod random;
mod reader;
mod refusal;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
    time::Instant,
};

use bytes::{Buf, BytesMut};
use msrp_core::{
    connection::Transmit,
    node::{OpeningHandshake, Security},
};

pub(crate) use self::below::Below;
pub use self::{
    config::{HandshakePolicy, WebSocketConfig},
    frame::FrameError,
    refusal::Refusal,
};
use self::{
    frame::CloseCode,
    handshake::{Gathered, Gathering, Side},
    keep_alive::KeepAlive,
    random::Masks,
    reader::{Incoming, Reader},
    writer::Writer,
};
use super::{ReadOutcome, WriteOutcome};
use crate::block::Blocks;

/// A WebSocket connection, as client or server.
#[derive(Debug)]
pub struct WebSocket {
    below: Below,
    /// The opening handshake, while it goes on.
    gathering: Option<Box<Gathering>>,
    /// What the client's request told a server.
    handshake: Option<Arc<OpeningHandshake>>,
    reader: Reader,
    writer: Writer,
    /// Octets that were read and not yet looked at.
    pending: BytesMut,
    /// The source may hold more at once.
    more: bool,
    /// The peer has ended its stream.
    ended: bool,
    /// The layer below says goodbye when our Close frame has left.
    closing: bool,
    keep_alive: KeepAlive,
}

impl WebSocket {
    pub(crate) fn server(below: Below, config: Arc<WebSocketConfig>) -> Self {
        let gathering = Gathering::new(config, Side::Server);
        Self::new(below, gathering, true, Writer::new(None))
    }

    /// A client that asks `host` for this path.
    ///
    /// # Errors
    /// When the path cannot stand in a request, or there is no randomness.
    pub(crate) fn client(
        below: Below,
        host: &str,
        port: Option<u16>,
        path: &str,
        config: Arc<WebSocketConfig>,
    ) -> io::Result<Self> {
        if !handshake::is_path(path) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "not a path of a WebSocket URI",
            ));
        }
        let (request, accept) = handshake::request(host, port, below.is_tls(), path, &config)?;
        let mut writer = Writer::new(Some(Box::new(Masks::new()?)));
        writer.push(request.as_bytes());
        let gathering = Gathering::new(config, Side::Client { accept });
        Ok(Self::new(below, gathering, false, writer))
    }

    fn new(below: Below, gathering: Gathering, server: bool, writer: Writer) -> Self {
        let config = &gathering.config;
        Self {
            below,
            handshake: None,
            reader: Reader::new(server, config.max_message),
            keep_alive: KeepAlive::new(config),
            gathering: Some(Box::new(gathering)),
            writer,
            pending: BytesMut::new(),
            more: true,
            ended: false,
            closing: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.gathering.is_some()
    }

    /// Whether the handshake that goes on, or failed, is that of the layer below.
    pub(crate) fn is_below_handshaking(&self) -> bool {
        self.below.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        self.writer.wants_write() || self.below.wants_write() || self.owes_goodbye()
    }

    /// Our Close frame has left, and the layer below has not said goodbye.
    fn owes_goodbye(&self) -> bool {
        self.closing && self.writer.is_done()
    }

    pub(super) fn security(&self) -> Security {
        self.below.security()
    }

    /// What the request told that opened the connection, seen by a server.
    pub fn handshake(&self) -> Option<&Arc<OpeningHandshake>> {
        self.handshake.as_ref()
    }

    pub(super) fn holds_received(&self) -> bool {
        !self.pending.is_empty() || self.below.holds_received()
    }

    pub(super) fn read(&mut self, source: &mut impl Read, blocks: &mut Blocks) -> io::Result<ReadOutcome> {
        if self.ended {
            return Ok(ReadOutcome::Eof);
        }
        if self.pending.is_empty() {
            match self.below.read(source, blocks)? {
                ReadOutcome::Octets { octets, more, .. } => {
                    if !octets.is_empty() {
                        self.keep_alive.heard();
                    }
                    self.pending = octets;
                    self.more = more;
                }
                ReadOutcome::Eof => {
                    self.ended = true;
                    return Ok(ReadOutcome::Eof);
                }
                ReadOutcome::WouldBlock => return Ok(ReadOutcome::WouldBlock),
            }
        } else {
            // What was left may have lain for a while: nobody knows what has come behind it meanwhile.
            self.more = true;
        }
        if self.gathering.is_some() {
            self.gather()?;
            return Ok(self.nothing());
        }
        self.decode()
    }

    /// Nothing for the node, so far.
    fn nothing(&self) -> ReadOutcome {
        ReadOutcome::Octets {
            octets: BytesMut::new(),
            message_end: false,
            more: self.more || !self.pending.is_empty(),
        }
    }

    /// Takes out of what was read what is next for the node.
    fn decode(&mut self) -> io::Result<ReadOutcome> {
        loop {
            match self.reader.decode(&mut self.pending) {
                Ok(Some(Incoming::Data { octets, end })) => {
                    if self.pending.is_empty() {
                        self.pending = BytesMut::new();
                    }
                    return Ok(ReadOutcome::Octets {
                        octets,
                        message_end: end,
                        more: self.more || !self.pending.is_empty(),
                    });
                }
                Ok(Some(Incoming::Ping(carried))) => self.writer.pong(carried),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close(code))) => {
                    self.writer.close(code.unwrap_or(CloseCode::NORMAL));
                    self.pending = BytesMut::new();
                    self.ended = true;
                    return Ok(ReadOutcome::Eof);
                }
                Ok(None) => {
                    self.pending = BytesMut::new();
                    return Ok(self.nothing());
                }
                Err(error) => {
                    self.writer.close(error.close_code());
                    self.pending = BytesMut::new();
                    self.ended = true;
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// The opening handshake goes on.
    fn gather(&mut self) -> io::Result<()> {
        let Some(gathering) = &mut self.gathering else {
            return Ok(());
        };
        let Some(gathered) = gathering.take(&mut self.pending) else {
            self.pending = BytesMut::new();
            return Ok(());
        };
        let config = &gathering.config;
        let invalid = |error: String| io::Error::new(ErrorKind::InvalidData, error);
        match (&gathering.side, gathered) {
            (Side::Server, gathered) => {
                let answer = match gathered {
                    Gathered::Head(head) => handshake::answer(&head, config),
                    Gathered::TooLong => Err(Refusal::too_large()),
                };
                match answer {
                    Ok((response, handshake)) => {
                        self.writer.push(response.as_bytes());
                        self.handshake = Some(handshake);
                    }
                    Err(refusal) => {
                        self.writer.push(refusal.response().as_bytes());
                        self.writer.nothing_follows();
                        return Err(invalid(format!("handshake refused: {refusal}")));
                    }
                }
            }
            (Side::Client { accept }, Gathered::Head(head)) => {
                handshake::check(&head, accept, config).map_err(|error| invalid(error.to_string()))?;
            }
            (Side::Client { .. }, Gathered::TooLong) => {
                return Err(invalid(handshake::AnswerError::TooLong.to_string()));
            }
        }
        self.gathering = None;
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        sink: &mut impl Write,
        transmit: &mut Transmit<'_>,
    ) -> io::Result<WriteOutcome> {
        loop {
            let text = self.reader.hears_text();
            let outcome = self.writer.write(&mut self.below, sink, transmit, text)?;
            if outcome == WriteOutcome::WouldBlock || self.below.flush(sink)? == WriteOutcome::WouldBlock {
                return Ok(WriteOutcome::WouldBlock);
            }
            if !transmit.has_remaining() || outcome == WriteOutcome::Incomplete {
                return Ok(outcome);
            }
        }
    }

    pub(super) fn flush(&mut self, sink: &mut impl Write) -> io::Result<WriteOutcome> {
        if self.writer.flush(&mut self.below, sink)? == WriteOutcome::WouldBlock {
            return Ok(WriteOutcome::WouldBlock);
        }
        if self.owes_goodbye() {
            self.closing = false;
            self.below.close();
        }
        self.below.flush(sink)
    }

    pub(super) fn close(&mut self) {
        self.writer.give_up_frame();
        if self.gathering.is_some() {
            self.writer.nothing_follows();
        }
        self.writer.close(CloseCode::NORMAL);
        self.closing = true;
    }

    /// The node hears of the connection.
    pub(super) fn opened(&mut self, now: Instant) {
        self.keep_alive.begin(now);
    }

    pub(super) fn keep_alive_deadline(&self) -> Option<Instant> {
        self.keep_alive.deadline()
    }

    /// Sends a Ping if it is time; `false` when the peer has been silent for too long. `unread` says that the peer may have
    /// said something that nobody has read yet.
    pub(super) fn keep_alive(&mut self, now: Instant, unread: bool) -> bool {
        if unread || !self.pending.is_empty() {
            self.keep_alive.heard();
        }
        match self.keep_alive.tick(now) {
            keep_alive::Tick::Early => true,
            keep_alive::Tick::Ping => {
                self.writer.ping();
                true
            }
            keep_alive::Tick::Silent => false,
        }
    }
}
