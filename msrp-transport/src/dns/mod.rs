//! Relays found by DNS (RFC 4976 §8), by hickory.
//!
//! ```text
//!   msrps, no port ──▶ SRV _msrps._tcp.host ──▶ targets in the order of RFC 2782 ──▶ addresses of each, in order
//!                           │ none
//!                           ▼
//!   any with a port ──▶ A and AAAA of host, with the port, or 2855
//! ```
//!
//! A certificate has to name the host of the URI, not the SRV record's target (RFC 4976 §9.2): the records are not
//! authenticated, and who can forge them must not be able to say which certificate is right.

mod srv;

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use async_trait::async_trait;
use futures::{channel::oneshot, future::join_all};
use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, RecordType},
    system_conf::read_system_conf,
};
use msrp_core::rng::IdSource;
use tokio::{runtime::Handle, time::Instant};

use self::srv::{Srv, order};
use crate::resolve::{AsyncResolve, HostQuery, Resolve};

/// Whom a [`DnsResolver`] asks, and how much.
#[derive(Clone, Debug)]
pub struct DnsConfig {
    servers: ResolverConfig,
    options: ResolverOpts,
    time: Duration,
    max_targets: usize,
    max_addresses: usize,
    seed: [u8; 32],
}

impl DnsConfig {
    /// Asks the servers that the operating system is configured with; its table of hosts counts, too. What is configured
    /// later is not noticed.
    ///
    /// # Errors
    /// When that configuration cannot be read.
    pub fn system() -> io::Result<Self> {
        let (servers, options) = read_system_conf().map_err(io::Error::other)?;
        Ok(Self::with(servers, options))
    }

    /// Asks these servers and no others. With two or more, two are asked at the same time.
    pub fn servers(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let servers = ResolverConfig::from_name_servers(servers.collect());
        Self::with(servers, ResolverOpts::default())
    }

    fn with(servers: ResolverConfig, options: ResolverOpts) -> Self {
        let random = RandomState::new();
        let mut seed = [0; 32];
        for (index, octets) in seed.chunks_mut(8).enumerate() {
            octets.copy_from_slice(&random.hash_one(index).to_le_bytes());
        }
        Self {
            servers,
            options,
            time: Duration::from_secs(4),
            max_targets: 8,
            max_addresses: 16,
            seed,
        }
    }

    /// How long the lookup of one host may take in all; what has been found by then is used. It should be less than
    /// [`connect_timeout`](crate::DriverConfig::connect_timeout), after which a driver waits no more. Default 4 s.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time.max(Duration::from_millis(1));
        self
    }

    /// How long one server has for one answer, and how often it is asked again. Default: what the operating system is
    /// configured with, else 5 s and 2.
    pub fn query(mut self, time: Duration, again: usize) -> Self {
        (self.options.timeout, self.options.attempts) = (time, again);
        self
    }

    /// Targets of SRV records that are looked up, the first ones in their order. Default 8.
    pub fn max_targets(mut self, targets: usize) -> Self {
        self.max_targets = targets.max(1);
        self
    }

    /// Addresses that are given, the first ones. Default 16.
    pub fn max_addresses(mut self, addresses: usize) -> Self {
        self.max_addresses = addresses.max(1);
        self
    }

    /// Answers that are remembered for the time that they say. Default 8,192.
    pub fn cache(mut self, answers: u64) -> Self {
        self.options.cache_size = answers;
        self
    }

    /// Seeds the draw among SRV records of equal priority, so that it can be repeated. Default: random.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = seed;
        self
    }
}

/// Looks hosts up in the DNS, for either driver. It works on a thread of its own, which begins with the first lookup.
pub struct DnsResolver {
    config: DnsConfig,
    running: Mutex<Option<Running>>,
}

/// The thread that looks up.
struct Running {
    lookup: Arc<Lookup>,
    runtime: Handle,
    /// The thread ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl DnsResolver {
    /// A resolver. Nothing is opened or asked yet.
    pub fn new(config: DnsConfig) -> Self {
        Self {
            config,
            running: Mutex::new(None),
        }
    }

    /// Has the thread look up a host; the end of it is told to `tell`.
    fn begin(
        &self,
        query: &HostQuery,
        tell: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
    ) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            *running = Some(Running::start(&self.config)?);
        }
        if let Some(running) = &*running {
            let (lookup, query) = (running.lookup.clone(), query.clone());
            // Nothing awaits the task itself.
            drop(
                running
                    .runtime
                    .spawn(async move { tell(lookup.addresses(&query).await) }),
            );
        }
        Ok(())
    }
}

impl Running {
    fn start(config: &DnsConfig) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let resolver = {
            let _inside = handle.enter();
            TokioResolver::builder_with_config(config.servers.clone(), TokioRuntimeProvider::default())
                .with_options(config.options.clone())
                .build()
                .map_err(io::Error::other)?
        };
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("msrp-dns".to_owned())
            .spawn(move || {
                let _sender_gone = runtime.block_on(ended);
            })?;
        Ok(Self {
            lookup: Arc::new(Lookup {
                resolver,
                random: Mutex::new(IdSource::from_seed(config.seed)),
                time: config.time,
                max_targets: config.max_targets,
                max_addresses: config.max_addresses,
            }),
            runtime: handle,
            _end: end,
        })
    }
}

impl Resolve for DnsResolver {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.begin(query, move |outcome| {
            let _nobody_waits = answer.send(outcome);
        })?;
        answered.recv().unwrap_or_else(|_| Err(ended()))
    }
}

#[async_trait]
impl AsyncResolve for DnsResolver {
    async fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        let (answer, answered) = oneshot::channel();
        self.begin(query, move |outcome| {
            let _nobody_waits = answer.send(outcome);
        })?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> io::Error {
    io::Error::other("the resolver has ended")
}

impl std::fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsResolver")
            .field("servers", &self.config.servers.name_servers().len())
            .finish_non_exhaustive()
    }
}

/// What SRV records say.
enum Targets {
    /// Hosts and ports, in the order in which they are to be tried.
    Some(Vec<(Name, u16)>),
    /// There are no records: the host itself is meant.
    None,
    /// There is no such service at this host (RFC 2782: the target is the root).
    NoService,
}

struct Lookup {
    resolver: TokioResolver,
    random: Mutex<IdSource>,
    time: Duration,
    max_targets: usize,
    max_addresses: usize,
}

impl Lookup {
    /// The addresses of a host, by RFC 4976 §8.
    async fn addresses(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        let until = Instant::now() + self.time;
        let host = name(&query.host)?;
        let mut addresses = Vec::new();
        match self.targets(query, until).await? {
            Targets::None => {
                let port = query.port_or_default();
                addresses = in_time(until, self.addresses_of(host, port)).await?;
            }
            Targets::NoService => {
                let text = "its SRV record says that there is no relay";
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            }
            Targets::Some(targets) => {
                let lookups = targets
                    .into_iter()
                    .map(|(target, port)| in_time(until, self.addresses_of(target, port)));
                let mut failure = None;
                for outcome in join_all(lookups).await {
                    match outcome {
                        Ok(more) => addresses.extend(more),
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
                if let Some(error) = failure.filter(|_| addresses.is_empty()) {
                    return Err(error);
                }
            }
        }
        addresses.truncate(self.max_addresses);
        Ok(addresses)
    }

    /// The targets of the host's SRV records, if it has any and they matter.
    async fn targets(&self, query: &HostQuery, until: Instant) -> io::Result<Targets> {
        if !query.wants_srv() {
            return Ok(Targets::None);
        }
        let service = name(&format!("_msrps._tcp.{}", query.host))?;
        let answer = match in_time(until, self.look_up_srv(service)).await {
            Ok(records) => records,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
            // Some resolvers answer with an error what they do not know.
            Err(error) => {
                tracing::debug!(%error, "no SRV records");
                return Ok(Targets::None);
            }
        };
        if answer.is_empty() {
            return Ok(Targets::None);
        }
        let records: Vec<_> = answer
            .into_iter()
            .filter(|record| !record.target.is_root() && record.port != 0)
            .collect();
        if records.is_empty() {
            return Ok(Targets::NoService);
        }
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let ordered = order(records, &mut random).into_iter();
        Ok(Targets::Some(
            ordered
                .take(self.max_targets)
                .map(|record| (record.target, record.port))
                .collect(),
        ))
    }

    async fn look_up_srv(&self, service: Name) -> io::Result<Vec<Srv<Name>>> {
        let found = self
            .resolver
            .lookup(service, RecordType::SRV)
            .await
            .map_err(failure)?;
        let records = found.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.clone(),
            }),
            _ => None,
        });
        Ok(records.collect())
    }

    async fn addresses_of(&self, host: Name, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = self.resolver.lookup_ip(host).await.map_err(failure)?;
        Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

/// A host as a name of the DNS. One with a dot is complete: nothing is put behind it.
fn name(host: &str) -> io::Result<Name> {
    let mut name =
        Name::from_utf8(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    if name.num_labels() > 1 {
        name.set_fqdn(true);
    }
    Ok(name)
}

async fn in_time<T>(until: Instant, lookup: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout_at(until, lookup).await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn failure(error: NetError) -> io::Error {
    let kind = match &error {
        NetError::Timeout => io::ErrorKind::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(_)) => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}
