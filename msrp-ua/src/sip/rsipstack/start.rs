//! Sockets are bound, and the thread begins.

use std::{
    io,
    net::{TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
        mpsc as std_mpsc,
    },
    time::Duration,
};

use rsipstack::{
    EndpointBuilder,
    sip::Transport,
    transaction::endpoint::{Endpoint, EndpointOption},
    transport::udp::{UdpConnection, UdpInner},
};
use tokio::sync::{mpsc, watch};

use super::{
    RsipAdapter,
    config::{RsipConfig, SipListen, SipTransport},
    core::Core,
    exchange, fields,
    happening::Happening,
    registration::RegistrationState,
    sockets::{self, Datagrams, Sockets, sip_addr},
    stream,
};

/// An adapter cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened at.
    #[error("cannot listen at {0}: {1}")]
    Listen(SipListen, #[source] io::Error),
    /// A listener of TLS has no certificate.
    #[error("{0} needs a certificate")]
    NoCertificate(SipListen),
    /// The configuration has something that cannot be sent.
    #[error(transparent)]
    Invalid(#[from] crate::sip::SipError),
    /// The thread or its runtime cannot begin.
    #[error("no thread for SIP: {0}")]
    Thread(#[source] io::Error),
}

enum Bound {
    Datagrams(UdpSocket),
    Listener(SipTransport, TcpListener),
}

/// What the thread starts with.
struct Parts {
    config: Arc<RsipConfig>,
    listening: Vec<SipListen>,
    bound: Vec<Bound>,
    actions: mpsc::Receiver<super::core::Asked>,
    inputs: mpsc::UnboundedSender<crate::sip::SipInput>,
    waiting: Arc<AtomicUsize>,
    registration: watch::Sender<RegistrationState>,
    dropped: Arc<AtomicU64>,
}

pub(super) fn start(config: RsipConfig) -> Result<RsipAdapter, StartError> {
    fields::name_addr(&config.aor)?;
    for uri in config.outbound_proxy.iter().chain(
        config
            .register
            .as_ref()
            .and_then(|register| register.registrar.as_ref()),
    ) {
        fields::uri(uri)?;
    }
    let (mut bound, mut listening) = (Vec::new(), Vec::new());
    for listen in &config.listen {
        if listen.transport == SipTransport::Tls && config.tls.server().is_none() {
            return Err(StartError::NoCertificate(*listen));
        }
        let (socket, address) = bind(listen).map_err(|fault| StartError::Listen(*listen, fault))?;
        bound.push(socket);
        listening.push(SipListen::new(listen.transport, address));
    }
    let (actions, asked) = mpsc::channel(64);
    let (told, inputs) = mpsc::unbounded_channel();
    let begins = if config.register.is_some() {
        RegistrationState::Trying
    } else {
        RegistrationState::None
    };
    let (state, registration) = watch::channel(begins);
    let waiting = Arc::new(AtomicUsize::new(0));
    let dropped = Arc::new(AtomicU64::new(0));
    let (runs, running) = watch::channel(());
    let parts = Parts {
        config: Arc::new(config),
        listening: listening.clone(),
        bound,
        actions: asked,
        inputs: told,
        waiting: Arc::clone(&waiting),
        registration: state,
        dropped: Arc::clone(&dropped),
    };
    let (ready, begun) = std_mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("msrp-sip".to_owned())
        .spawn(move || thread(parts, runs, &ready))
        .map_err(StartError::Thread)?;
    match begun.recv() {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => return Err(StartError::Thread(fault)),
        Err(_) => return Err(StartError::Thread(io::Error::other("it has ended"))),
    }
    Ok(RsipAdapter {
        listening,
        actions: Some(actions),
        inputs,
        waiting,
        registration,
        dropped,
        running,
    })
}

fn bind(listen: &SipListen) -> io::Result<(Bound, std::net::SocketAddr)> {
    if listen.transport == SipTransport::Udp {
        let socket = UdpSocket::bind(listen.address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        return Ok((Bound::Datagrams(socket), address));
    }
    let listener = TcpListener::bind(listen.address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((Bound::Listener(listen.transport, listener), address))
}

fn thread(parts: Parts, running: watch::Sender<()>, ready: &std_mpsc::SyncSender<io::Result<()>>) {
    // The stack logs whole messages, and SDP holds session URIs, which are secrets.
    let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::new());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => return drop(ready.send(Err(fault))),
    };
    runtime.block_on(async move {
        match begin(parts).await {
            Ok((core, actions, happenings, endpoint)) => {
                drop(ready.send(Ok(())));
                core.run(actions, happenings).await;
                endpoint.shutdown();
            }
            Err(fault) => drop(ready.send(Err(fault))),
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    drop(running);
}

type Begun = (
    Core,
    mpsc::Receiver<super::core::Asked>,
    mpsc::Receiver<Happening>,
    Endpoint,
);

async fn begin(parts: Parts) -> io::Result<Begun> {
    let t1 = parts.config.timers.t1;
    let option = EndpointOption {
        t1,
        t2: 8 * t1,
        t4: 10 * t1,
        t1x64: 64 * t1,
        // For proxies; how long a call may ring is the core's to say.
        timerc: Duration::from_secs(86_400),
        // The ACK for a 2xx goes by the dialog's route, which only the core knows.
        auto_ack_2xx: false,
        ..EndpointOption::default()
    };
    let endpoint = EndpointBuilder::new()
        .with_user_agent(&parts.config.user_agent)
        .with_option(option)
        .build();
    let incoming = endpoint
        .incoming_transactions()
        .map_err(|fault| io::Error::other(fault.to_string()))?;
    let (mut datagrams, mut listeners) = (Vec::new(), Vec::new());
    for bound in parts.bound {
        match bound {
            Bound::Datagrams(socket) => {
                let socket = Arc::new(tokio::net::UdpSocket::from_std(socket)?);
                let local = socket.local_addr()?;
                let inner = UdpInner {
                    conn: Arc::clone(&socket) as _,
                    addr: sip_addr(Transport::Udp, local),
                };
                let connection = UdpConnection::attach(inner, None, None).await;
                datagrams.push(Datagrams {
                    local,
                    socket,
                    connection,
                });
            }
            Bound::Listener(transport, listener) => {
                listeners.push((transport, tokio::net::TcpListener::from_std(listener)?));
            }
        }
    }
    let (happenings, told) = mpsc::channel(1024);
    let sockets = Arc::new(Sockets::new(
        parts.config,
        Arc::clone(&endpoint.inner),
        parts.listening,
        datagrams,
        happenings,
        parts.dropped,
    ));
    for index in 0..sockets.datagrams.len() {
        tokio::spawn(sockets::read_datagrams(Arc::clone(&sockets), index));
    }
    for (transport, listener) in listeners {
        tokio::spawn(stream::listen(Arc::clone(&sockets), listener, transport));
    }
    tokio::spawn(exchange::serve(Arc::clone(&sockets), incoming));
    let timers = Arc::clone(&endpoint.inner);
    tokio::spawn(async move { timers.process_timer().await });
    let core = Core::new(sockets, parts.inputs, parts.waiting, parts.registration);
    Ok((core, parts.actions, told, endpoint))
}
