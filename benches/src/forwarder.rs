//! The yardstick: octets moved between two connections with the socket calls that a relay makes, and nothing else.
//!
//! Connections are joined in the order in which they come, the first with the second and so on. What a receiver answers
//! goes back as it is, so that for each message the same sockets are read and written as by a relay that answers itself.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

/// Octets that are read with one call at most.
const READ: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

/// Accepts connections and moves what comes in.
#[derive(Debug)]
pub struct Forwarder {
    poll: Poll,
    listener: TcpListener,
    ends: Vec<End>,
    buffer: Vec<u8>,
}

/// One connection; its peer is the one with the last bit of the number turned over.
#[derive(Debug)]
struct End {
    /// None once either side has closed.
    stream: Option<TcpStream>,
    /// Octets that this socket has not taken; while there are some, its peer is not read.
    waiting: Vec<u8>,
    readable: bool,
}

impl Forwarder {
    /// Listens.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            ends: Vec::new(),
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

    /// Moves octets until `until` says no; it is asked at least every tenth of a second.
    ///
    /// # Errors
    /// Waiting or accepting failed.
    pub fn run_while(&mut self, mut until: impl FnMut() -> bool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while until() {
            match self.poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let end = event.token().0;
                if event.is_readable() {
                    if let Some(end) = self.ends.get_mut(end) {
                        end.readable = true;
                    }
                    self.forward(end);
                }
                if event.is_writable() && self.drain(end) {
                    self.forward(end ^ 1);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let token = Token(self.ends.len());
                    self.poll.registry().register(
                        &mut stream,
                        token,
                        Interest::READABLE | Interest::WRITABLE,
                    )?;
                    self.ends.push(End {
                        stream: Some(stream),
                        waiting: Vec::new(),
                        readable: true,
                    });
                    // What its elder came with has waited for it.
                    self.forward(token.0 ^ 1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Moves what has come from one end to the other.
    fn forward(&mut self, from: usize) {
        loop {
            let to = from ^ 1;
            if self.ends.get(to).is_none_or(|to| !to.waiting.is_empty()) {
                return;
            }
            let Some(End {
                stream: Some(stream),
                readable,
                ..
            }) = self.ends.get_mut(from)
            else {
                return;
            };
            if !*readable {
                return;
            }
            let len = match stream.read(&mut self.buffer) {
                Ok(0) => return self.close(from),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    *readable = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.close(from),
            };
            *readable = len == READ;
            let Some(End {
                stream: Some(stream),
                waiting,
                ..
            }) = self.ends.get_mut(to)
            else {
                return;
            };
            let written = match stream.write(&self.buffer[..len]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => return self.close(to),
            };
            waiting.extend_from_slice(&self.buffer[written..len]);
        }
    }

    /// Writes what waits; whether nothing waits any more.
    fn drain(&mut self, end: usize) -> bool {
        let Some(End {
            stream: Some(stream),
            waiting,
            ..
        }) = self.ends.get_mut(end)
        else {
            return false;
        };
        while !waiting.is_empty() {
            match stream.write(waiting) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.close(end);
                    return false;
                }
            }
        }
        true
    }

    fn close(&mut self, end: usize) {
        for end in [end, end ^ 1] {
            if let Some(end) = self.ends.get_mut(end) {
                end.stream = None;
                end.waiting = Vec::new();
            }
        }
    }
}
