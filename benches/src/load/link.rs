//! One connection of the generator: what is kept between two reads, and what waits to be written.

use std::{
    io::{self, Read, Write},
    net::{self, SocketAddr},
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::{LoadError, options::Relay, stream::Stream, wire::Frames};

/// Octets that are read with one call at most.
pub const READ: usize = 256 * 1024;

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// So many octets stand in the buffer, and more may be waiting.
    More(usize),
    /// So many, and the socket is empty.
    Last(usize),
    /// The peer has closed.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    stream: Stream<TcpStream>,
    /// Where it is in its frames.
    pub frames: Frames,
    /// Octets of a frame whose rest has not come.
    kept: Vec<u8>,
    /// What is to be written.
    pub out: Vec<u8>,
    written: usize,
    writable: bool,
    /// The server has closed it.
    pub closed: bool,
}

impl Link {
    /// Takes a connected socket over.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn new(stream: Stream<net::TcpStream>, registry: &Registry, token: Token) -> Result<Self, LoadError> {
        let stream = stream
            .into_mio()
            .map_err(|error| LoadError::Io("socket options", error))?;
        Self::with(stream, registry, token)
    }

    /// Connects; what is in [`out`](Self::out) is written once that has succeeded.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn connect(relay: &Relay, registry: &Registry, token: Token) -> Result<Self, LoadError> {
        let address = relay.address;
        let stream = TcpStream::connect(address).map_err(|error| LoadError::Connect(address, error))?;
        stream
            .set_nodelay(true)
            .map_err(|error| LoadError::Io("socket options", error))?;
        let mut link = Self::with(relay.stream(stream)?, registry, token)?;
        link.writable = false;
        Ok(link)
    }

    fn with(mut stream: Stream<TcpStream>, registry: &Registry, token: Token) -> Result<Self, LoadError> {
        registry
            .register(stream.source(), token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| LoadError::Io("epoll", error))?;
        Ok(Self {
            stream,
            frames: Frames::default(),
            kept: Vec::new(),
            out: Vec::new(),
            written: 0,
            writable: true,
            closed: false,
        })
    }

    /// The local address.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn local_addr(&self) -> Result<SocketAddr, LoadError> {
        self.stream
            .socket()
            .local_addr()
            .map_err(|error| LoadError::Io("local address", error))
    }

    /// Reads once, behind what was kept.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Input, LoadError> {
        let kept = self.kept.len();
        if buffer.len() < kept + READ {
            buffer.resize(kept + READ, 0);
        }
        buffer[..kept].copy_from_slice(&self.kept);
        self.kept.clear();
        let room = &mut buffer[kept..kept + READ];
        match self.stream.read(room) {
            Ok(0) => {
                self.closed = true;
                Ok(Input::Closed)
            }
            // Edge-triggered: a read that does not fill the buffer has emptied the socket.
            Ok(len) if len < READ && self.stream.short_read_empties() => Ok(Input::Last(kept + len)),
            Ok(len) => Ok(Input::More(kept + len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Input::Last(kept)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Input::More(kept)),
            Err(error) if is_closed(&error) => {
                self.closed = true;
                Ok(Input::Closed)
            }
            Err(error) => Err(LoadError::Io("read", error)),
        }
    }

    /// Keeps the beginning of a frame for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        self.kept.extend_from_slice(rest);
    }

    /// The socket takes octets again.
    pub fn set_writable(&mut self) {
        self.writable = true;
    }

    /// Whether writing makes sense now.
    pub fn is_writable(&self) -> bool {
        self.writable && !self.closed
    }

    /// Octets that wait; what TLS holds counts as one.
    pub fn waiting(&self) -> usize {
        self.out.len() - self.written + usize::from(self.stream.holds_output())
    }

    /// Writes what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn flush(&mut self) -> Result<(), LoadError> {
        while self.is_writable() && self.waiting() > 0 {
            // Without octets it lets the socket take what TLS holds.
            match self.stream.write(&self.out[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_closed(&error) => self.closed = true,
                Err(error) => return Err(LoadError::Io("write", error)),
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written > READ {
            self.out.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionReset | BrokenPipe | ConnectionAborted)
}
