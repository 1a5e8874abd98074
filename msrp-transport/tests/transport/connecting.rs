//! Connections that a node asks for: names, addresses in their order, and an end to every try.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, ListenerId, Target},
};
use msrp_transport::{
    DriverConfig,
    resolve::{HostQuery, Resolve},
};

use crate::{
    identities::Authority,
    node::Say,
    peer::{KINDS, PATIENCE, Peer, Setup},
};

type Asked = Arc<Mutex<Vec<HostQuery>>>;

/// Whether `slow.example.com` is answered.
type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Answers every name with these addresses, and remembers what it was asked.
struct Fixed {
    addresses: Vec<SocketAddr>,
    asked: Asked,
    gate: Gate,
}

fn open(gate: &Gate) {
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
}

impl Resolve for Fixed {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(query.clone());
        match query.host.as_str() {
            "slow.example.com" => {
                let closed = self.gate.0.lock().unwrap();
                drop(self.gate.1.wait_while(closed, |open| !*open).unwrap());
                Ok(self.addresses.clone())
            }
            "nowhere.example.com" => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(self.addresses.clone()),
        }
    }
}

/// With as much time as anybody may need.
fn resolving(addresses: Vec<SocketAddr>) -> (Setup, Asked) {
    let (setup, asked, _) = resolving_slowly(addresses);
    (setup, asked)
}

fn resolving_slowly(addresses: Vec<SocketAddr>) -> (Setup, Asked, Gate) {
    let (asked, gate) = (Asked::default(), Gate::default());
    let resolver = Fixed {
        addresses,
        asked: asked.clone(),
        gate: gate.clone(),
    };
    let setup = Setup {
        resolver: Box::new(resolver),
        config: DriverConfig::new()
            .connect_timeout(PATIENCE)
            .connect_total(PATIENCE),
        ..Setup::default()
    };
    (setup, asked, gate)
}

/// An address at which nobody listens, and which nobody else gets meanwhile.
pub(crate) struct Dead {
    pub(crate) address: SocketAddr,
    _socket: socket2::Socket,
}

impl Dead {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        Self {
            address: socket.local_addr().unwrap().as_socket().unwrap(),
            _socket: socket,
        }
    }
}

/// An address that does not answer at all: its queue is full, so that the kernel drops what would open a connection.
struct BlackHole {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
}

fn black_hole() -> BlackHole {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue does not fill");
    }
    BlackHole {
        address,
        _listener: listener,
        _queued: queued,
    }
}

fn connect_by_name(setup: Setup, kind: crate::peer::Kind, host: &str) -> Result<SocketAddr, ConnectFailure> {
    let mut peer = Peer::start(kind, setup);
    peer.say(Say::Connect(1, Target::new(Scheme::Msrp, host, Some(7777))));
    peer.connected().map(|(_, peer)| peer.remote.unwrap())
}

// shows: 4975-6.2-02, 4975-6.2-03
#[test]
fn the_addresses_of_a_name_are_tried_in_their_order() {
    for kind in KINDS {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let two = TcpListener::bind("127.0.0.1:0").unwrap();
        let (one_at, two_at) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let dead = Dead::new();
        let (setup, asked) = resolving(vec![dead.address, one_at, two_at]);
        assert_eq!(connect_by_name(setup, kind, "host.example.com"), Ok(one_at));
        // The port goes along, so that nobody has a reason to look for SRV records.
        assert_eq!(
            asked.lock().unwrap()[..],
            [HostQuery::new(Scheme::Msrp, "host.example.com", Some(7777))]
        );
        two.set_nonblocking(true).unwrap();
        assert!(two.accept().is_err(), "{kind:?}: the second was not needed");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_does_not_answer_costs_its_time_and_no_more() {
    let hole = black_hole();
    for kind in KINDS {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let live_at = live.local_addr().unwrap();
        let (mut setup, _) = resolving(vec![hole.address, live_at]);
        // A time in which the living one can be reached.
        setup.config = setup.config.connect_timeout(Duration::from_secs(2));
        assert_eq!(connect_by_name(setup, kind, "host.example.com"), Ok(live_at));
        let (mut setup, _) = resolving(vec![hole.address]);
        setup.config = setup.config.connect_timeout(Duration::from_millis(100));
        assert_eq!(
            connect_by_name(setup, kind, "host.example.com"),
            Err(ConnectFailure::TimedOut)
        );
    }
}

/// Many addresses that do not answer do not add up: the connect as a whole has its time, too.
#[cfg(target_os = "linux")]
#[test]
fn a_connect_has_its_time_however_many_addresses_there_are() {
    let hole = black_hole();
    for kind in KINDS {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut addresses = vec![hole.address; 5];
        addresses.push(live.local_addr().unwrap());
        let (mut setup, _) = resolving(addresses);
        setup.config = setup
            .config
            .connect_timeout(Duration::from_millis(300))
            .connect_total(Duration::from_millis(700));
        let failure = connect_by_name(setup, kind, "host.example.com").unwrap_err();
        // Two have their 300 ms, the third what is left, the others are not tried; fewer, where each of them took longer.
        let tried = match failure {
            ConnectFailure::TimedOut => 1,
            ConnectFailure::Addresses(tried) => {
                let all = vec![(hole.address, ConnectFailure::TimedOut); tried.len()];
                assert_eq!(tried, all, "{kind:?}");
                tried.len()
            }
            failure => panic!("{kind:?}: {failure}"),
        };
        assert!((1..=3).contains(&tried), "{kind:?}: {tried}");
        live.set_nonblocking(true).unwrap();
        assert!(live.accept().is_err(), "{kind:?}");
    }
}

#[test]
fn only_so_many_addresses_are_tried() {
    for kind in KINDS {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = Dead::new();
        let (mut setup, _) = resolving(vec![dead.address, dead.address, live.local_addr().unwrap()]);
        setup.config = setup.config.max_addresses(2);
        let failure = connect_by_name(setup, kind, "host.example.com").unwrap_err();
        assert!(
            matches!(&failure, ConnectFailure::Addresses(tried) if tried.len() == 2),
            "{kind:?}: {failure}"
        );
    }
}

/// A connect that is to leave by a listener's network has that listener's address.
#[cfg(target_os = "linux")]
#[test]
fn a_connect_leaves_by_the_interface_that_was_asked_for() {
    for kind in KINDS {
        let four = TcpListener::bind("127.0.0.1:0").unwrap();
        let six = TcpListener::bind("[::1]:0").unwrap();
        let (four_at, six_at) = (four.local_addr().unwrap(), six.local_addr().unwrap());
        let (mut setup, _) = resolving(vec![six_at, four_at]);
        setup.interfaces = vec!["127.0.0.7", "[::1]", "0.0.0.0"];
        let mut peer = Peer::start(kind, setup);
        for (interface, local, remote) in [
            (None, "::1", six_at),
            (Some(0), "127.0.0.7", four_at),
            (Some(1), "::1", six_at),
            (Some(2), "127.0.0.1", four_at),
        ] {
            let mut target = Target::new(Scheme::Msrp, "host.example.com", Some(1));
            target.interface = interface.map(ListenerId);
            peer.say(Say::Connect(1, target));
            let (_, info) = peer.connected().unwrap();
            assert_eq!(info.remote, Some(remote), "{kind:?}, {interface:?}");
            let from = info.local.unwrap();
            assert_eq!(from.ip().to_string(), local, "{kind:?}, {interface:?}");
            let listener = if remote == four_at { &four } else { &six };
            assert_eq!(listener.accept().unwrap().1, from, "{kind:?}, {interface:?}");
        }
    }
}

#[test]
fn an_interface_that_cannot_be_used_is_told() {
    for kind in KINDS {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut setup, _) = resolving(vec![live.local_addr().unwrap()]);
        setup.interfaces = vec!["[::1]"];
        let mut peer = Peer::start(kind, setup);
        for (host, interface, failure) in [
            ("host.example.com", 0, ConnectFailure::WrongFamily),
            ("127.0.0.1", 0, ConnectFailure::WrongFamily),
            ("host.example.com", 1, ConnectFailure::NoInterface),
        ] {
            let target = Target::new(Scheme::Msrp, host, Some(1)).with_interface(ListenerId(interface));
            peer.say(Say::Connect(1, target));
            assert_eq!(peer.connected().err(), Some(failure), "{kind:?}, {host}");
        }
    }
}

#[test]
fn a_name_that_is_not_found_in_time_fails_and_its_late_addresses_are_not_used() {
    for kind in KINDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut setup, _, gate) = resolving_slowly(vec![listener.local_addr().unwrap()]);
        setup.config = setup.config.connect_timeout(Duration::from_millis(300));
        let mut peer = Peer::start(kind, setup);
        peer.say(Say::Connect(
            1,
            Target::new(Scheme::Msrp, "slow.example.com", Some(1)),
        ));
        assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut), "{kind:?}");
        open(&gate);
        assert!(peer.next_within(Duration::from_millis(300)).is_none());
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "{kind:?}");
    }
}

/// Whoever makes us look up a name whose server takes its time holds up nobody else.
#[test]
fn slow_names_do_not_hold_up_others() {
    for kind in KINDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (setup, _, gate) = resolving_slowly(vec![listener.local_addr().unwrap()]);
        let mut peer = Peer::start(kind, setup);
        for number in 0..10 {
            peer.say(Say::Connect(
                number,
                Target::new(Scheme::Msrp, "slow.example.com", Some(1)),
            ));
        }
        peer.say(Say::Connect(
            10,
            Target::new(Scheme::Msrp, "host.example.com", Some(1)),
        ));
        assert!(peer.connected().is_ok(), "{kind:?}");
        open(&gate);
        for _ in 0..10 {
            assert!(peer.connected().is_ok(), "{kind:?}");
        }
    }
}

#[test]
fn when_all_fail_the_reason_is_told() {
    for kind in KINDS {
        let (first, second) = (Dead::new(), Dead::new());
        let (one, two) = (first.address, second.address);
        let (setup, _) = resolving(vec![one]);
        assert_eq!(
            connect_by_name(setup, kind, "host.example.com"),
            Err(ConnectFailure::Refused)
        );
        let (setup, _) = resolving(vec![one, two]);
        let failure = connect_by_name(setup, kind, "host.example.com").unwrap_err();
        assert_eq!(
            failure,
            ConnectFailure::Addresses(vec![
                (one, ConnectFailure::Refused),
                (two, ConnectFailure::Refused)
            ])
        );
        assert_eq!(
            failure.to_string(),
            format!("no address could be reached: {one} connection refused, {two} connection refused")
        );
        let (setup, _) = resolving(Vec::new());
        assert_eq!(
            connect_by_name(setup, kind, "host.example.com"),
            Err(ConnectFailure::Unresolved)
        );
        let (setup, _) = resolving(Vec::new());
        assert_eq!(
            connect_by_name(setup, kind, "nowhere.example.com"),
            Err(ConnectFailure::Unresolved)
        );
    }
}

// shows: 4975-6.2-01
#[test]
fn an_address_is_used_as_it_is() {
    for kind in KINDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let dead = Dead::new();
        let (setup, asked) = resolving(vec![dead.address]);
        let mut peer = Peer::start(kind, setup);
        let (_, info) = peer.connect(Scheme::Msrp, address).unwrap();
        assert_eq!(info.remote, Some(address));
        assert!(asked.lock().unwrap().is_empty(), "{kind:?}");
    }
}

#[test]
fn connects_under_way_are_bounded() {
    let hole = black_hole();
    for kind in KINDS {
        let config = DriverConfig::new()
            .max_pending_connects(2)
            .connect_timeout(Duration::from_secs(2));
        let mut peer = Peer::start(
            kind,
            Setup {
                config,
                ..Setup::default()
            },
        );
        let target = Target::new(Scheme::Msrp, "127.0.0.1", Some(hole.address.port()));
        for number in 1..=3 {
            peer.say(Say::Connect(number, target.clone()));
        }
        assert_eq!(peer.connected().err(), Some(ConnectFailure::Limit), "{kind:?}");
        assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut));
        assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut));
        // There is room again.
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(peer.connect(Scheme::Msrp, live.local_addr().unwrap()).is_ok());
    }
}

/// A server that takes the connection and never says a word of TLS.
#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let authority = Authority::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for kind in KINDS {
        let config = DriverConfig::new().handshake_timeout(Duration::from_millis(200));
        let mut peer = Peer::start(
            kind,
            Setup {
                config,
                ..Setup::client(authority.client())
            },
        );
        let outcome = peer.connect(Scheme::Msrps, silent.local_addr().unwrap());
        assert_eq!(outcome.err(), Some(ConnectFailure::TimedOut), "{kind:?}");
    }
}
