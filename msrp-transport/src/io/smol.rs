//! Streams of smol.

use std::{
    io::{self, IoSlice},
    net::{Shutdown, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_io::Async;
use futures::io::{AsyncRead, AsyncWrite};

/// A TCP stream of smol that does not ask the kernel for octets right after a read that emptied it.
#[derive(Debug)]
pub struct SmolIo {
    stream: Async<TcpStream>,
    /// The last read came back with less than it had room for.
    dry: bool,
}

impl SmolIo {
    /// Wraps a stream.
    pub fn new(stream: Async<TcpStream>) -> Self {
        Self { stream, dry: false }
    }

    /// The stream.
    pub fn get_ref(&self) -> &Async<TcpStream> {
        &self.stream
    }
}

impl AsyncRead for SmolIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.dry {
            // The end of the stream counts as readable, so it is not missed.
            ready!(self.stream.poll_readable(context))?;
            self.dry = false;
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, room))?;
        self.dry = 0 < read && read < room.len();
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for SmolIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends our direction of the stream, which closing an [`Async`] does not.
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        Poll::Ready(match self.stream.get_ref().shutdown(Shutdown::Write) {
            // The peer has been faster; what there was to end has ended.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            ended => ended,
        })
    }
}
