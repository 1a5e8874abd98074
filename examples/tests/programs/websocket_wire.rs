//! WebSocket as a browser has it, under a client that is made of string literals: each request or response is one message
//! (RFC 7977 §5.1). The frames are those of a crate that is not ours.

use std::io::{self, Read, Write};

use tungstenite::{ClientRequestBuilder, Error, HandshakeError, Message, WebSocket, http::StatusCode};

use crate::foreign::Wire;

/// What passes over a WebSocket, as octets.
pub(crate) struct WebSocketWire<W> {
    socket: WebSocket<W>,
    /// Of a message that has come, what was not read yet.
    rest: Vec<u8>,
}

/// Asks for the upgrade at this path, as a page of this origin.
pub(crate) fn upgrade<W: Wire + std::fmt::Debug>(
    stream: W,
    path: &str,
    origin: &str,
) -> Result<WebSocketWire<W>, StatusCode> {
    let uri = format!("ws://relay.example.com{path}").parse().unwrap();
    let request = ClientRequestBuilder::new(uri)
        .with_sub_protocol("msrp")
        .with_header("Origin", origin);
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(WebSocketWire {
            socket,
            rest: Vec::new(),
        }),
        Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status()),
        Err(error) => panic!("{error:?}"),
    }
}

impl<W: Wire> WebSocketWire<W> {
    /// The next frame that is no MSRP, with what came before it thrown away.
    pub(crate) fn next_control(&mut self) -> Message {
        loop {
            match self.socket.read().unwrap() {
                Message::Binary(_) | Message::Text(_) => {}
                control => return control,
            }
        }
    }
}

impl<W: Wire> Read for WebSocketWire<W> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(octets)) => self.rest = octets.to_vec(),
                Ok(Message::Text(text)) => self.rest = text.as_bytes().to_vec(),
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => return Ok(0),
                // A Ping is answered by the crate.
                Ok(_) => {}
                Err(Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let len = room.len().min(self.rest.len());
        room[..len].copy_from_slice(&self.rest[..len]);
        self.rest.drain(..len);
        Ok(len)
    }
}

impl<W: Wire> Write for WebSocketWire<W> {
    /// One message for all of it.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let message = match std::str::from_utf8(octets) {
            // Either kind may be used for text (RFC 7977 §5.1).
            Ok(text) if octets.len().is_multiple_of(2) => Message::text(text),
            _ => Message::binary(octets.to_vec()),
        };
        self.socket.send(message).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
