//! The yardstick over TLS: octets decrypted, encrypted and moved between two connections, and nothing else.
//!
//! As [`Forwarder`](crate::forwarder::Forwarder) it joins connections in the order in which they come. A socket is read
//! 64 KiB at a time, as rustls by itself would read 4 KiB; plain text goes from one session into the other without a copy
//! between them; what a read led to leaves in one vectored write.

use std::{
    io::{self, BufRead, ErrorKind, Read, Write},
    net::SocketAddr,
    sync::Arc,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use rustls::{ServerConfig, ServerConnection};

/// Octets that are read with one call at most.
const READ: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

/// Accepts TLS connections and moves what comes in.
#[derive(Debug)]
pub struct TlsForwarder {
    poll: Poll,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    pairs: Vec<[Option<End>; 2]>,
    accepted: usize,
    buffer: Vec<u8>,
}

/// One connection; its peer is the one with the last bit of the number turned over.
#[derive(Debug)]
struct End {
    stream: TcpStream,
    session: ServerConnection,
    readable: bool,
}

/// A configuration with a certificate of its own.
///
/// # Errors
/// None that is to be expected.
pub fn self_signed() -> io::Result<Arc<ServerConfig>> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

impl TlsForwarder {
    /// Listens.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn bind(address: SocketAddr, config: Arc<ServerConfig>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            config,
            pairs: Vec::new(),
            accepted: 0,
            buffer: vec![0; READ],
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the socket call.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Moves octets for ever.
    ///
    /// # Errors
    /// Waiting or accepting failed.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let end = event.token().0;
                if let Some(end) = self.end(end)
                    && event.is_readable()
                {
                    end.readable = true;
                }
                if event.is_writable() {
                    self.drain(end);
                    self.forward(end ^ 1);
                }
                self.forward(end);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let token = Token(self.accepted);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, token, interest)?;
                    let mut session = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
                    session.set_buffer_limit(None);
                    let end = Some(End {
                        stream,
                        session,
                        readable: true,
                    });
                    match self.pairs.get_mut(token.0 / 2) {
                        Some(pair) => pair[1] = end,
                        None => self.pairs.push([end, None]),
                    }
                    self.accepted += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what has come from one end to the other.
    fn forward(&mut self, from: usize) {
        while let Some([even, odd]) = self.pairs.get_mut(from / 2) {
            let (end, to) = if from.is_multiple_of(2) {
                (even, odd)
            } else {
                (odd, even)
            };
            let Some(end) = end else { return };
            let shaking = end.session.is_handshaking();
            let blocked = to.as_ref().is_none_or(|to| to.session.wants_write());
            if !end.readable || (blocked && !shaking) {
                return;
            }
            match end.stream.read(&mut self.buffer) {
                Ok(0) => return self.close(from),
                Ok(len) => {
                    end.readable = len == READ;
                    let moved = take(&mut end.session, &self.buffer[..len], to.as_mut());
                    if moved.is_err() {
                        return self.close(from);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => end.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(from),
            }
            self.drain(from);
            self.drain(from ^ 1);
        }
    }

    /// Writes what waits.
    fn drain(&mut self, at: usize) {
        let Some(end) = self.end(at) else { return };
        while end.session.wants_write() {
            match end.session.write_tls(&mut end.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.close(at),
            }
        }
    }

    fn end(&mut self, at: usize) -> Option<&mut End> {
        self.pairs.get_mut(at / 2)?.get_mut(at % 2)?.as_mut()
    }

    fn close(&mut self, end: usize) {
        if let Some(pair) = self.pairs.get_mut(end / 2) {
            *pair = [None, None];
        }
    }
}

/// Decrypts what was read, and encrypts what it holds for the peer.
fn take(session: &mut ServerConnection, mut octets: &[u8], to: Option<&mut End>) -> io::Result<()> {
    let mut to = to;
    while !octets.is_empty() {
        session.read_tls(&mut octets)?;
        let state = session
            .process_new_packets()
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let mut left = state.plaintext_bytes_to_read();
        while let Some(to) = &mut to
            && left > 0
        {
            let mut reader = session.reader();
            let moved = to.session.writer().write(reader.fill_buf()?)?;
            reader.consume(moved);
            left -= moved;
        }
    }
    Ok(())
}
