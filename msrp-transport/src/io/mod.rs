//! Streams that the asynchronous driver reads and writes.

#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;

use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::io::{AsyncRead, AsyncWrite};

#[cfg(feature = "smol")]
pub use self::smol::SmolIo;
#[cfg(feature = "tokio")]
pub use self::tokio::TokioIo;

/// A stream of octets in both directions; everything that fits is one.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + ?Sized> Io for T {}

/// A stream of whatever kind.
pub type BoxedIo = Box<dyn Io>;

/// Lets layers, which know nothing of tasks, read and write a stream: what is not there yet is
/// [`WouldBlock`](ErrorKind::WouldBlock), and the waker of that direction will be called.
pub(crate) struct Polled<'a> {
    pub(crate) io: &'a mut dyn Io,
    pub(crate) read_waker: &'a Waker,
    pub(crate) write_waker: &'a Waker,
}

fn blocking<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Read for Polled<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(self.read_waker);
        blocking(Pin::new(&mut *self.io).poll_read(&mut context, room))
    }
}

impl Write for Polled<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(self.write_waker);
        blocking(Pin::new(&mut *self.io).poll_write(&mut context, octets))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut context = Context::from_waker(self.write_waker);
        blocking(Pin::new(&mut *self.io).poll_write_vectored(&mut context, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(self.write_waker);
        blocking(Pin::new(&mut *self.io).poll_flush(&mut context))
    }
}

impl Polled<'_> {
    /// Ends our stream; the peer's goes on.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(self.write_waker);
        blocking(Pin::new(&mut *self.io).poll_close(&mut context))
    }
}
