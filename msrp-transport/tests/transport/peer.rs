//! One side of a test: a node, and a driver of one of the three kinds, on threads of their own.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::executor::block_on;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectionHandle, PeerInfo, Target, Ticket},
};
use msrp_transport::{
    DriverConfig,
    driver::{self, Driver},
    layer::{Incoming, WebSocketConfig},
    listen::ListenAddress,
    mio_driver::{self, Host, Server},
    resolve::{HostQuery, OnThreads, Resolve, SystemResolver},
    runtime::{Runtime, SmolRuntime, TokioRuntime},
    tls_config::{ClientTls, ServerTls},
};

use crate::node::{Say, Talker, Told};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mio,
    Tokio,
    Smol,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Mio, Kind::Tokio, Kind::Smol];

/// What a side is made of.
pub(crate) struct Setup {
    pub(crate) node: Talker,
    pub(crate) config: DriverConfig,
    pub(crate) listeners: Vec<Option<ServerTls>>,
    /// Further listeners for TCP, on these addresses.
    pub(crate) interfaces: Vec<&'static str>,
    pub(crate) client: Option<ClientTls>,
    /// All listeners are for WebSocket, and connections to WebSocket targets are made, with these rules.
    pub(crate) websocket: Option<WebSocketConfig>,
    pub(crate) resolver: Box<dyn ResolveBox>,
}

/// A resolver of any kind.
pub(crate) trait ResolveBox: Send + Sync {
    fn look_up(&self, query: &HostQuery) -> std::io::Result<Vec<SocketAddr>>;
}

impl<T: Resolve> ResolveBox for T {
    fn look_up(&self, query: &HostQuery) -> std::io::Result<Vec<SocketAddr>> {
        self.resolve(query)
    }
}

struct Boxed(Box<dyn ResolveBox>);

impl Resolve for Boxed {
    fn resolve(&self, query: &HostQuery) -> std::io::Result<Vec<SocketAddr>> {
        self.0.look_up(query)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            node: Talker::new(),
            config: DriverConfig::new(),
            listeners: Vec::new(),
            interfaces: Vec::new(),
            client: None,
            websocket: None,
            resolver: Box::new(SystemResolver),
        }
    }
}

impl Setup {
    /// With a listener for TCP.
    pub(crate) fn plain() -> Self {
        Self {
            listeners: vec![None],
            ..Self::default()
        }
    }

    /// With a listener for TLS.
    pub(crate) fn tls(config: ServerTls) -> Self {
        Self {
            listeners: vec![Some(config)],
            ..Self::default()
        }
    }

    /// Without a listener, but able to connect by TLS.
    pub(crate) fn client(tls: ClientTls) -> Self {
        Self {
            client: Some(tls),
            ..Self::default()
        }
    }
}

enum Handle {
    Mio(mio_driver::Handle<Talker>),
    Async(driver::Handle<Talker>),
}

/// A side that runs.
pub(crate) struct Peer {
    handle: Handle,
    told: Receiver<Told>,
    /// Told, and not what was waited for then.
    kept: VecDeque<Told>,
    threads: Vec<JoinHandle<()>>,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Ends what the driver runs on.
    _end: futures::channel::oneshot::Sender<()>,
}

struct Tell(std::sync::mpsc::Sender<Told>);

impl Host<Talker> for Tell {
    fn event(&mut self, _: &mut Talker, event: Told) {
        let _nobody_listens = self.0.send(event);
    }

    fn lookup(&mut self, ticket: Ticket, query: String, handle: &mio_driver::Handle<Talker>) {
        let handle = handle.clone();
        std::thread::spawn(move || handle.answer(ticket, format!("{query}!")));
    }
}

/// Where to listen, and as what.
fn listeners(
    tls: Vec<Option<ServerTls>>,
    interfaces: &[&'static str],
    websocket: Option<&WebSocketConfig>,
) -> impl Iterator<Item = (ListenAddress, Incoming)> {
    let first = tls.into_iter().map(move |tls| {
        let scheme = match (websocket, &tls) {
            (None, None) => "msrp",
            (None, Some(_)) => "msrps",
            (Some(_), None) => "ws",
            (Some(_), Some(_)) => "wss",
        };
        let mut incoming = Incoming::from(tls);
        if let Some(config) = websocket {
            incoming = incoming.with_websocket(config.clone());
        }
        (format!("{scheme}://127.0.0.1:0"), incoming)
    });
    let others = interfaces
        .iter()
        .map(|address| (format!("msrp://{address}:0"), Incoming::default()));
    first
        .chain(others)
        .map(|(text, incoming)| (text.parse().unwrap(), incoming))
}

impl Peer {
    pub(crate) fn start(kind: Kind, setup: Setup) -> Self {
        match kind {
            Kind::Mio => Self::start_mio(setup),
            Kind::Tokio => {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()
                    .unwrap();
                let handle = TokioRuntime::new(runtime.handle().clone());
                Self::start_async(setup, handle, move |end| {
                    let _sender_gone = runtime.block_on(end);
                    runtime.shutdown_background();
                })
            }
            Kind::Smol => {
                let runtime = SmolRuntime::default();
                Self::start_async(setup, runtime.clone(), move |end| {
                    let _sender_gone = runtime.block_on(end);
                })
            }
        }
    }

    fn start_mio(setup: Setup) -> Self {
        let mut server = Server::with_resolver(setup.node, setup.config, Boxed(setup.resolver)).unwrap();
        if let Some(tls) = setup.client {
            server.set_client_tls(tls);
        }
        if let Some(config) = &setup.websocket {
            server.set_client_websocket(config.clone());
        }
        let addresses = listeners(setup.listeners, &setup.interfaces, setup.websocket.as_ref())
            .map(|(address, incoming)| server.listen(address, incoming).unwrap().1)
            .collect();
        let handle = server.handle();
        let (sender, told) = channel();
        let thread = std::thread::spawn(move || server.run(&mut Tell(sender)).unwrap());
        Self {
            handle: Handle::Mio(handle),
            told,
            kept: VecDeque::new(),
            threads: vec![thread],
            addresses,
            _end: futures::channel::oneshot::channel().0,
        }
    }

    fn start_async(
        setup: Setup,
        runtime: impl Runtime,
        run: impl FnOnce(futures::channel::oneshot::Receiver<()>) + Send + 'static,
    ) -> Self {
        let mut driver = Driver::new(setup.node, setup.config, runtime);
        if let Some(tls) = setup.client {
            driver.set_client_tls(tls);
        }
        if let Some(config) = &setup.websocket {
            driver.set_client_websocket(config.clone());
        }
        driver.set_resolver(OnThreads::new(Boxed(setup.resolver), 16));
        driver.set_lookup(|query| async move { format!("{query}!") });
        let addresses = listeners(setup.listeners, &setup.interfaces, setup.websocket.as_ref())
            .map(|(address, incoming)| driver.listen(address, incoming).unwrap().1)
            .collect();
        let (handle, mut events) = driver.spawn();
        let (sender, told) = channel();
        let (end, ended) = futures::channel::oneshot::channel();
        let running = std::thread::spawn(move || run(ended));
        let telling = std::thread::spawn(move || {
            while let Some(event) = block_on(events.next_event()) {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        drop(running);
        Self {
            handle: Handle::Async(handle),
            told,
            kept: VecDeque::new(),
            threads: vec![telling],
            addresses,
            _end: end,
        }
    }

    pub(crate) fn say(&self, command: Say) {
        match &self.handle {
            Handle::Mio(handle) => handle.command(command).unwrap(),
            Handle::Async(handle) => block_on(handle.command(command)).unwrap(),
        }
    }

    /// As [`say`](Self::say), telling what is wrong.
    pub(crate) fn try_say(&self, command: Say) -> Result<(), &'static str> {
        match &self.handle {
            Handle::Mio(handle) => handle.command(command).map_err(|error| match error {
                mio_driver::HandleError::Stopped => "ended",
                _ => "full",
            }),
            Handle::Async(handle) => block_on(handle.command(command)).map_err(|error| match error {
                driver::CommandError::Rejected(_) => "rejected",
                _ => "ended",
            }),
        }
    }

    /// Tells the driver to end; [`join`](Self::join) waits for it.
    pub(crate) fn shut_down(&self, deadline: Duration) {
        match &self.handle {
            Handle::Mio(handle) => handle.shutdown(deadline).unwrap(),
            Handle::Async(handle) => block_on(handle.shutdown(deadline)),
        }
    }

    /// Waits for the end of the driver, which `shut_down` has asked for.
    #[track_caller]
    pub(crate) fn join(&mut self) {
        for thread in self.threads.drain(..) {
            wait_until("the driver ends", || thread.is_finished());
            thread.join().unwrap();
        }
    }

    /// The next thing told; none when nothing is for this long.
    pub(crate) fn next_within(&mut self, time: Duration) -> Option<Told> {
        match self.kept.pop_front() {
            Some(told) => Some(told),
            None => self.told.recv_timeout(time).ok(),
        }
    }

    /// Waits for something that `wanted` takes; the rest stays for later.
    #[track_caller]
    pub(crate) fn wait<T>(&mut self, mut wanted: impl FnMut(&mut Option<Told>) -> Option<T>) -> T {
        let mut passed = VecDeque::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(told) = self.next_within(left) else {
                panic!("waited in vain; told instead: {passed:?}")
            };
            let mut told = Some(told);
            if let Some(found) = wanted(&mut told) {
                passed.append(&mut self.kept);
                self.kept = passed;
                return found;
            }
            passed.extend(told);
        }
    }

    #[track_caller]
    pub(crate) fn accepted(&mut self) -> (ConnectionHandle, PeerInfo) {
        self.wait(|told| match told.take() {
            Some(Told::Accepted(handle, peer)) => Some((handle, peer)),
            other => {
                *told = other;
                None
            }
        })
    }

    /// The outcome of a connect.
    #[track_caller]
    pub(crate) fn connected(
        &mut self,
    ) -> Result<(ConnectionHandle, PeerInfo), msrp_core::node::ConnectFailure> {
        self.wait(|told| match told.take() {
            Some(Told::Connected(handle, peer)) => Some(Ok((handle, peer))),
            Some(Told::NotConnected(failure)) => Some(Err(failure)),
            other => {
                *told = other;
                None
            }
        })
    }

    #[track_caller]
    pub(crate) fn received(&mut self) -> (ConnectionHandle, Vec<u8>) {
        self.wait(|told| match told.take() {
            Some(Told::Received(handle, body)) => Some((handle, body)),
            other => {
                *told = other;
                None
            }
        })
    }

    #[track_caller]
    pub(crate) fn down(&mut self) -> msrp_core::connection::CloseReason {
        self.wait(|told| match told.take() {
            Some(Told::Down(reason)) => Some(reason),
            other => {
                *told = other;
                None
            }
        })
    }

    /// Octets that wait to be sent, and to be looked at.
    #[track_caller]
    pub(crate) fn measured(&mut self) -> (usize, usize) {
        self.say(Say::Measure);
        self.wait(|told| match told.take() {
            Some(Told::Measured(to_send, received)) => Some((to_send, received)),
            other => {
                *told = other;
                None
            }
        })
    }

    /// Connects to an address.
    #[track_caller]
    pub(crate) fn connect(
        &mut self,
        scheme: Scheme,
        address: SocketAddr,
    ) -> Result<(ConnectionHandle, PeerInfo), msrp_core::node::ConnectFailure> {
        let target = Target::new(scheme, address.ip().to_string(), Some(address.port()));
        self.say(Say::Connect(1, target));
        self.connected()
    }

    pub(crate) fn send(&self, handle: ConnectionHandle, body: impl Into<Bytes>) {
        self.say(Say::Send(handle, slices(body.into())));
    }
}

/// Looks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A body as a node reads it from a file: in slices of 64 KiB.
fn slices(mut body: Bytes) -> Vec<Bytes> {
    let mut slices = Vec::new();
    while !body.is_empty() {
        slices.push(body.split_to(body.len().min(64 * 1024)));
    }
    slices
}

/// Octets that look like nothing else.
pub(crate) fn octets(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(n) % 251) as u8).collect()
}
