//! A runtime without sockets, threads or a clock: streams are pipes in memory, time moves when a test says so, and a task
//! runs only if its waker was called. What waits for a call that never comes stands still for ever.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    io::{self, ErrorKind, IoSlice},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use futures::{
    future::BoxFuture,
    io::{AsyncRead, AsyncWrite},
};
use msrp_core::node::PeerInfo;
use msrp_transport::{
    io::BoxedIo,
    runtime::{Listener, Runtime, Timer},
};

/// One direction of a pipe.
#[derive(Debug, Default)]
struct Half {
    octets: VecDeque<u8>,
    capacity: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What was asked of one end of a pipe.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) reads: AtomicUsize,
    /// Slices of each write, refused ones included.
    pub(crate) writes: Mutex<Vec<usize>>,
}

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct End {
    incoming: Arc<Mutex<Half>>,
    outgoing: Arc<Mutex<Half>>,
    pub(crate) calls: Arc<Calls>,
}

/// Two ends of a pipe that holds this many octets in each direction.
pub(crate) fn pipe(capacity: usize) -> (End, End) {
    let half = || {
        Arc::new(Mutex::new(Half {
            capacity,
            ..Half::default()
        }))
    };
    let (one, other) = (half(), half());
    let end = |incoming: &Arc<Mutex<Half>>, outgoing: &Arc<Mutex<Half>>| End {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        calls: Arc::default(),
    };
    (end(&one, &other), end(&other, &one))
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.calls.reads.fetch_add(1, Ordering::Relaxed);
        let mut half = self.incoming.lock().unwrap();
        if half.octets.is_empty() && !half.closed {
            half.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let read = half.octets.len().min(room.len());
        for (slot, octet) in room.iter_mut().zip(half.octets.drain(..read)) {
            *slot = octet;
        }
        if let Some(writer) = half.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls.writes.lock().unwrap().push(slices.len());
        let mut half = self.outgoing.lock().unwrap();
        if half.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = half.capacity - half.octets.len();
        if room == 0 {
            half.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let mut written = 0;
        for slice in slices {
            let taken = slice.len().min(room - written);
            half.octets.extend(&slice[..taken]);
            written += taken;
        }
        if let Some(reader) = half.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.lock().unwrap().close();
        Poll::Ready(Ok(()))
    }
}

impl Half {
    fn close(&mut self) {
        self.closed = true;
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outgoing.lock().unwrap().close();
        self.incoming.lock().unwrap().close();
    }
}

/// Counts how often it is called.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    pub(crate) fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether it was called since this was asked last.
    pub(crate) fn was_called(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Task = (BoxFuture<'static, ()>, Arc<Counting>);

#[derive(Default)]
struct World {
    now: Option<Instant>,
    timers: Vec<(Instant, Waker)>,
    /// How often a timer was made or set.
    armed: usize,
    streams: HashMap<SocketAddr, End>,
    spawned: Vec<BoxFuture<'static, ()>>,
}

/// The runtime.
#[derive(Clone, Default)]
pub(crate) struct Manual(Arc<Mutex<World>>);

impl std::fmt::Debug for Manual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Manual")
    }
}

impl Manual {
    pub(crate) fn time(&self) -> Instant {
        *self.0.lock().unwrap().now.get_or_insert_with(Instant::now)
    }

    pub(crate) fn advance(&self, time: Duration) {
        let now = self.time() + time;
        let due: Vec<_> = {
            let mut world = self.0.lock().unwrap();
            world.now = Some(now);
            world.timers.extract_if(.., |(at, _)| *at <= now).collect()
        };
        for (_, waker) in due {
            waker.wake();
        }
    }

    pub(crate) fn armed(&self) -> usize {
        self.0.lock().unwrap().armed
    }

    /// What a connect to this address will come to.
    pub(crate) fn provide(&self, address: SocketAddr, end: End) {
        self.0.lock().unwrap().streams.insert(address, end);
    }
}

struct ManualTimer {
    at: Instant,
    world: Manual,
}

impl Timer for ManualTimer {
    fn reset(mut self: Pin<&mut Self>, at: Instant) {
        self.world.0.lock().unwrap().armed += 1;
        self.at = at;
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.world.time() >= self.at {
            return Poll::Ready(());
        }
        let mut world = self.world.0.lock().unwrap();
        world.timers.push((self.at, context.waker().clone()));
        Poll::Pending
    }
}

impl Runtime for Manual {
    fn now(&self) -> Instant {
        self.time()
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Timer>> {
        self.0.lock().unwrap().armed += 1;
        Box::pin(ManualTimer {
            at,
            world: self.clone(),
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().spawned.push(task);
    }

    fn connect(
        &self,
        address: SocketAddr,
        _from: Option<SocketAddr>,
    ) -> BoxFuture<'static, io::Result<(BoxedIo, PeerInfo)>> {
        let end = self.0.lock().unwrap().streams.remove(&address);
        Box::pin(async move {
            let end = end.ok_or(ErrorKind::ConnectionRefused)?;
            Ok((Box::new(end) as BoxedIo, PeerInfo::new().with_remote(address)))
        })
    }

    fn listen(&self, _: TcpListener) -> io::Result<Box<dyn Listener>> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// Runs tasks, each only if its waker was called.
#[derive(Default)]
pub(crate) struct Executor {
    runtime: Manual,
    tasks: Vec<Option<Task>>,
    /// How often a task was run.
    pub(crate) polls: usize,
}

impl Executor {
    pub(crate) fn new(runtime: &Manual) -> Self {
        Self {
            runtime: runtime.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Some((Box::pin(task), Arc::default())));
        if let Some(Some((_, waker))) = self.tasks.last() {
            waker.clone().wake();
        }
    }

    /// Runs until nobody is called any more.
    pub(crate) fn run(&mut self) {
        loop {
            let spawned = std::mem::take(&mut self.runtime.0.lock().unwrap().spawned);
            for task in spawned {
                self.add(task);
            }
            let mut ran = false;
            for slot in &mut self.tasks {
                let Some((task, flag)) = slot else { continue };
                if !flag.was_called() {
                    continue;
                }
                ran = true;
                self.polls += 1;
                assert!(self.polls < 10_000_000, "tasks call themselves for ever");
                let waker = flag.clone().into();
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    *slot = None;
                }
            }
            if !ran {
                return;
            }
        }
    }

    /// How many tasks have not ended.
    pub(crate) fn running(&self) -> usize {
        self.tasks.iter().flatten().count()
    }
}
