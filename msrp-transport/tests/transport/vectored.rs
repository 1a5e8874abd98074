//! Head, body and end-line leave in one call, however many slices they are.

use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use futures::task::noop_waker;
use msrp_core::{
    codec::{Framing, HeadTemplate, SendHeaders},
    connection::Connection,
    grammar::{ContinuationFlag, FailureReport, Path, SuccessReport},
    node::PeerInfo,
    rng::IdSource,
};
use msrp_transport::{
    DriverConfig,
    driver::Driver,
    io::TokioIo,
    layer::{Incoming, Layer, WriteOutcome},
};

use crate::{
    manual::{Manual, pipe},
    node::{Say, Talker, Told},
    peer::octets,
};

/// Large enough not to be copied together.
fn sixteen_slices() -> Vec<Bytes> {
    (0..16).map(|_| Bytes::from(octets(5_000))).collect()
}

/// The slices of each write of a driver that sends one message of 16 slices over `io`.
fn send_over(io: impl msrp_transport::io::Io + 'static) {
    let mut driver = Driver::new(Talker::new(), DriverConfig::new(), Manual::default());
    assert!(driver.accept(io, PeerInfo::new(), Incoming::default()));
    let waker = noop_waker();
    let mut context = Context::from_waker(&waker);
    let Poll::Ready(Some(Told::Accepted(handle, _))) = driver.poll_event(&mut context) else {
        panic!("no connection")
    };
    driver.command(Say::Send(handle, sixteen_slices())).unwrap();
    assert!(driver.poll_event(&mut context).is_pending());
}

#[test]
fn sixteen_slices_are_one_write() {
    let (one, _other) = pipe(1 << 20);
    let calls = one.calls.clone();
    send_over(one);
    // The head before them, and the end-line behind.
    assert_eq!(calls.writes.lock().unwrap()[..], [18]);
}

/// A stream with tokio's traits that counts.
struct Counted(Arc<Mutex<Vec<usize>>>);

impl tokio::io::AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl tokio::io::AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().push(1);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().push(slices.len());
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn streams_of_tokio_are_given_all_slices_too() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    send_over(TokioIo::new(Counted(calls.clone())));
    assert_eq!(calls.lock().unwrap()[..], [18]);
}

/// A sink of the kind that the lean driver writes to; it takes so much at a time.
struct Sink {
    calls: Vec<usize>,
    octets: Vec<u8>,
    most: usize,
}

impl Write for Sink {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls.push(slices.len());
        let before = self.octets.len();
        for slice in slices {
            let room = self.most - (self.octets.len() - before);
            self.octets.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        Ok(self.octets.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connection_with_a_message(now: Instant) -> Connection {
    let mut connection = Connection::new(now, Arc::default(), PeerInfo::new(), Framing::Stream, [1; 32]);
    let path = Path::parse(Bytes::from_static(b"msrp://test.invalid:1/s;tcp"), 1).unwrap();
    let template = HeadTemplate::send(&SendHeaders {
        to_path: &path,
        from_path: &path,
        message_id: IdSource::from_seed([2; 32]).message_id(),
        success_report: SuccessReport::No,
        failure_report: FailureReport::Yes,
        content_type: Some("text/plain"),
        extra: &[],
    })
    .unwrap();
    let lane = connection
        .open_send(template, 1, None, FailureReport::Yes, 1)
        .unwrap();
    for slice in sixteen_slices() {
        connection.write(now, lane, slice).unwrap();
    }
    connection.finish(now, lane, ContinuationFlag::Complete).unwrap();
    connection
}

#[test]
fn the_plain_layer_writes_all_slices_at_once_and_goes_on_after_a_part() {
    let now = Instant::now();
    let mut whole = None;
    for most in [usize::MAX, 10_000, 1_999, 1] {
        let mut connection = connection_with_a_message(now);
        let mut sink = Sink {
            calls: Vec::new(),
            octets: Vec::new(),
            most,
        };
        let mut transmit = connection.poll_transmit(now, 1 << 20).unwrap();
        let outcome = Layer::Plain.write(&mut sink, &mut transmit).unwrap();
        assert_eq!(outcome, WriteOutcome::Done);
        assert!(connection.poll_transmit(now, 1 << 20).is_none());
        if most == usize::MAX {
            assert_eq!(sink.calls, [18]);
        }
        assert_eq!(
            sink.octets,
            *whole.get_or_insert_with(|| sink.octets.clone()),
            "{most}"
        );
    }
}
