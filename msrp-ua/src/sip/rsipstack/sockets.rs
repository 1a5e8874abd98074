//! The adapter's sockets. They are its own: the stack's listeners read unbounded queues, tell port 0 where the real port
//! is asked for, leave Nagle's algorithm on, and one peer that reads nothing stops all others.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rsipstack::{
    resolver::SipResolver,
    sip::{Host, Scheme, Transport, Uri, uri::ParamsExt},
    transaction::endpoint::EndpointInnerRef,
    transport::{SipAddr, SipConnection, udp::UdpConnection},
};
use tokio::sync::mpsc;

use super::{
    config::{RsipConfig, SipListen, SipTransport},
    credentials::Challenges,
    flow::{Flow, Stream, StreamKey},
    happening::Happening,
    receive, stream,
};

/// A datagram socket and how the stack sends by it.
pub(super) struct Datagrams {
    pub(super) local: SocketAddr,
    pub(super) socket: Arc<tokio::net::UdpSocket>,
    pub(super) connection: UdpConnection,
}

/// All sockets, and what their tasks share.
pub(super) struct Sockets {
    pub(super) config: Arc<RsipConfig>,
    pub(super) endpoint: EndpointInnerRef,
    pub(super) listening: Vec<SipListen>,
    pub(super) datagrams: Vec<Datagrams>,
    streams: Mutex<HashMap<StreamKey, Arc<Stream>>>,
    resolver: SipResolver,
    challenges: Mutex<Challenges>,
    happenings: mpsc::Sender<Happening>,
    /// Messages that were dropped: too many transactions, or nothing that can be understood.
    pub(super) dropped: Arc<AtomicU64>,
}

/// Where a URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) transport: SipTransport,
    pub(super) address: SocketAddr,
    /// The name that a certificate has to bear.
    pub(super) host: String,
}

impl Sockets {
    pub(super) fn new(
        config: Arc<RsipConfig>,
        endpoint: EndpointInnerRef,
        listening: Vec<SipListen>,
        datagrams: Vec<Datagrams>,
        happenings: mpsc::Sender<Happening>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        let challenges = Mutex::new(Challenges::new(config.limits.challenges));
        Self {
            config,
            endpoint,
            listening,
            datagrams,
            streams: Mutex::default(),
            resolver: SipResolver::new(),
            challenges,
            happenings,
            dropped,
        }
    }

    pub(super) async fn tell(&self, happening: Happening) {
        // The core ends last; if it has ended, nobody is left to care.
        drop(self.happenings.send(happening).await);
    }

    /// What proxies, registrars and peers have asked.
    pub(super) fn challenges(&self) -> std::sync::MutexGuard<'_, Challenges> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<StreamKey, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection into the table. `false`: there are too many.
    pub(super) fn insert(&self, stream: Arc<Stream>) -> bool {
        let mut streams = self.streams();
        if streams.len() >= self.config.limits.connections {
            return false;
        }
        streams.insert(stream.key, stream);
        true
    }

    pub(super) async fn remove(&self, stream: &Arc<Stream>) {
        stream.open.store(false, Ordering::Release);
        {
            let mut streams = self.streams();
            if streams
                .get(&stream.key)
                .is_some_and(|known| Arc::ptr_eq(known, stream))
            {
                streams.remove(&stream.key);
            }
        }
        self.tell(Happening::Closed(stream.key)).await;
    }

    /// Waits until what is queued for connections has been written.
    pub(super) async fn flush(&self) {
        let streams: Vec<Arc<Stream>> = self.streams().values().cloned().collect();
        futures::future::join_all(streams.iter().map(|stream| stream.flush())).await;
    }

    pub(super) fn is_full(&self) -> bool {
        self.streams().len() >= self.config.limits.connections
    }

    fn open_stream(&self, key: StreamKey) -> Option<Flow> {
        let stream = self.streams().get(&key).cloned()?;
        Some(Flow::of_stream(stream)).filter(Flow::is_open_stream)
    }

    /// The way by which a request came.
    pub(super) fn flow_of(
        &self,
        connection: &SipConnection,
        via: &rsipstack::sip::headers::Via,
    ) -> Option<Flow> {
        match connection {
            SipConnection::Udp(udp) => {
                let (_, target) = SipConnection::parse_target_from_via(via).ok()?;
                let remote = target.try_into().ok()?;
                let local = udp.get_addr().get_socketaddr().ok()?;
                Some(Flow {
                    transport: SipTransport::Udp,
                    local,
                    remote,
                    connection: connection.clone(),
                    stream: None,
                })
            }
            _ => {
                let address = connection.get_remote_addr()?;
                let transport = from_stack(address.r#type?)?;
                let stream = self
                    .streams()
                    .get(&(transport, address.get_socketaddr().ok()?))
                    .cloned()?;
                Some(Flow::of_stream(stream))
            }
        }
    }

    /// A way to a peer: an open connection, a new one, or a datagram socket.
    pub(super) async fn flow_to(self: &Arc<Self>, target: &Target) -> Result<Flow, String> {
        if target.transport == SipTransport::Udp {
            return self
                .datagrams_for(target.address.ip())
                .map(|datagrams| Flow {
                    transport: SipTransport::Udp,
                    local: datagrams.local,
                    remote: target.address,
                    connection: datagrams.connection.clone().into(),
                    stream: None,
                })
                .ok_or_else(|| format!("no UDP listener to reach {} from", target.address));
        }
        let key = (target.transport, target.address);
        if let Some(flow) = self.open_stream(key) {
            return Ok(flow);
        }
        stream::connect(self, target).await.map(Flow::of_stream)
    }

    fn datagrams_for(&self, to: IpAddr) -> Option<&Datagrams> {
        let suits = |datagrams: &&Datagrams| {
            let ours = datagrams.local.ip();
            ours.is_ipv4() == to.is_ipv4()
                && (ours.is_unspecified() || ours.is_loopback() == to.is_loopback())
        };
        self.datagrams.iter().find(suits).or_else(|| {
            self.datagrams
                .iter()
                .find(|datagrams| datagrams.local.is_ipv4() == to.is_ipv4())
        })
    }

    /// By what a request goes where its URI does not say.
    fn default_transport(&self) -> SipTransport {
        let has = |transport| self.listening.iter().any(|listen| listen.transport == transport);
        [SipTransport::Udp, SipTransport::Tcp, SipTransport::Tls]
            .into_iter()
            .find(|transport| has(*transport))
            .unwrap_or(SipTransport::Tcp)
    }

    /// Where a URI leads (RFC 3263, by the stack's resolver).
    pub(super) async fn target(&self, uri: &Uri) -> Result<Target, String> {
        let secure = match &uri.scheme {
            Some(Scheme::Sips) => true,
            Some(Scheme::Sip) => false,
            _ => return Err(format!("not a SIP URI: {uri}")),
        };
        let asked = match uri.transport() {
            None => secure.then_some(SipTransport::Tls),
            Some(Transport::Tcp) if secure => Some(SipTransport::Tls),
            Some(transport) => {
                Some(from_stack(*transport).ok_or_else(|| format!("transport {transport} is not there"))?)
            }
        };
        let host = uri.host_with_port.host.to_string();
        match &uri.host_with_port.host {
            Host::IpAddr(ip) => {
                let transport = asked.unwrap_or_else(|| self.default_transport());
                let port = uri
                    .host_with_port
                    .port
                    .map_or(transport.default_port(), |port| port.value());
                Ok(Target {
                    transport,
                    address: SocketAddr::new(*ip, port),
                    host: ip.to_string(),
                })
            }
            Host::Domain(domain) => {
                let transport = asked.or_else(|| {
                    // Without a preference of the URI the resolver would ask for UDP, which we may not have.
                    Some(self.default_transport()).filter(|transport| *transport != SipTransport::Udp)
                });
                let found = self
                    .resolver
                    .lookup(domain, uri.host_with_port.port, transport.map(to_stack), secure)
                    .await
                    .map_err(|fault| format!("{host} is not found: {fault}"))?;
                let usable = |address: &SocketAddr| {
                    transport.is_some_and(|transport| transport != SipTransport::Udp)
                        || self
                            .datagrams
                            .iter()
                            .any(|datagrams| datagrams.local.is_ipv4() == address.is_ipv4())
                };
                found
                    .iter()
                    .find_map(|target| {
                        let transport = from_stack(target.transport)?;
                        usable(&target.addr).then(|| Target {
                            transport,
                            address: target.addr,
                            host: host.clone(),
                        })
                    })
                    .ok_or_else(|| format!("{host} has no address that can be reached"))
            }
        }
    }

    /// Host and port under which we can be reached by those at the other end of this way, for `Via` and `Contact`.
    pub(super) fn advertised(&self, flow: &Flow) -> String {
        let listener = self
            .listening
            .iter()
            .filter(|listen| listen.transport == flow.transport)
            .min_by_key(|listen| {
                let ip = listen.address.ip();
                // The very socket, then one that hears at the same address.
                (
                    listen.address != flow.local,
                    ip != flow.local.ip() && !ip.is_unspecified(),
                )
            })
            .map(|listen| listen.address);
        let port = listener.map_or(flow.local.port(), |listener| listener.port());
        if let Some(host) = &self.config.public_host {
            return format!("{host}:{port}");
        }
        let ip = listener
            .map(|listener| listener.ip())
            .filter(|ip| !ip.is_unspecified())
            .or(Some(flow.local.ip()).filter(|ip| !ip.is_unspecified()))
            .or_else(|| towards(flow.remote))
            .unwrap_or(flow.local.ip());
        SocketAddr::new(ip, port).to_string()
    }
}

/// The address of ours from which datagrams to this one would go.
fn towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Reads a datagram socket until the adapter ends.
pub(super) async fn read_datagrams(sockets: Arc<Sockets>, index: usize) {
    let mut buffer = vec![0; 65_536];
    let Some(datagrams) = sockets.datagrams.get(index) else {
        return;
    };
    loop {
        // An error is about a datagram that was sent before: an ICMP message.
        let Ok((length, from)) = datagrams.socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let octets = buffer.get(..length).unwrap_or_default();
        if octets == b"\r\n\r\n" {
            drop(datagrams.socket.send_to(b"\r\n", from).await);
        }
        if octets.iter().all(u8::is_ascii_whitespace) || length > sockets.config.limits.message {
            continue;
        }
        let connection = datagrams.connection.clone().into();
        receive::message(&sockets, octets, connection, from, Transport::Udp).await;
    }
}

pub(super) fn sip_addr(transport: Transport, address: SocketAddr) -> SipAddr {
    SipAddr::new(transport, address.into())
}

pub(super) const fn to_stack(transport: SipTransport) -> Transport {
    match transport {
        SipTransport::Udp => Transport::Udp,
        SipTransport::Tcp => Transport::Tcp,
        SipTransport::Tls => Transport::Tls,
    }
}

pub(super) const fn from_stack(transport: Transport) -> Option<SipTransport> {
    match transport {
        Transport::Udp => Some(SipTransport::Udp),
        Transport::Tcp => Some(SipTransport::Tcp),
        Transport::Tls => Some(SipTransport::Tls),
        _ => None,
    }
}
