//! Connections that a node asks for: names, addresses in their order, and an end to every try.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
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
    peer::{KINDS, Peer, Setup},
};

type Asked = Arc<Mutex<Vec<HostQuery>>>;

/// Answers every name with these addresses, and remembers what it was asked.
struct Fixed {
    addresses: Vec<SocketAddr>,
    asked: Asked,
}

impl Resolve for Fixed {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(query.clone());
        match query.host.as_str() {
            "slow.example.com" => {
                std::thread::sleep(Duration::from_millis(600));
                Ok(self.addresses.clone())
            }
            "nowhere.example.com" => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(self.addresses.clone()),
        }
    }
}

fn resolving(addresses: Vec<SocketAddr>) -> (Setup, Asked) {
    let asked = Asked::default();
    let resolver = Fixed {
        addresses,
        asked: asked.clone(),
    };
    let setup = Setup {
        resolver: Box::new(resolver),
        config: DriverConfig::new().connect_timeout(Duration::from_millis(300)),
        ..Setup::default()
    };
    (setup, asked)
}

/// An address at which nobody listens.
fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
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
        let (setup, asked) = resolving(vec![dead(), one_at, two_at]);
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
        let (setup, _) = resolving(vec![hole.address, live_at]);
        let begun = Instant::now();
        assert_eq!(connect_by_name(setup, kind, "host.example.com"), Ok(live_at));
        let took = begun.elapsed();
        assert!((300..3_000).contains(&took.as_millis()), "{kind:?}: {took:?}");
        let (setup, _) = resolving(vec![hole.address]);
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
        setup.config = setup.config.connect_total(Duration::from_millis(700));
        let begun = Instant::now();
        let failure = connect_by_name(setup, kind, "host.example.com").unwrap_err();
        let took = begun.elapsed();
        // Two have their 300 ms, the third what is left, the others are not tried.
        let ConnectFailure::Addresses(tried) = failure else {
            panic!("{kind:?}: {failure}");
        };
        assert_eq!(
            tried,
            vec![(hole.address, ConnectFailure::TimedOut); 3],
            "{kind:?}"
        );
        assert!((700..3_000).contains(&took.as_millis()), "{kind:?}: {took:?}");
        live.set_nonblocking(true).unwrap();
        assert!(live.accept().is_err(), "{kind:?}");
    }
}

#[test]
fn only_so_many_addresses_are_tried() {
    for kind in KINDS {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut setup, _) = resolving(vec![dead(), dead(), live.local_addr().unwrap()]);
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
        let (setup, _) = resolving(vec![listener.local_addr().unwrap()]);
        let mut peer = Peer::start(kind, setup);
        peer.say(Say::Connect(
            1,
            Target::new(Scheme::Msrp, "slow.example.com", Some(1)),
        ));
        assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut), "{kind:?}");
        assert!(peer.next_within(Duration::from_millis(600)).is_none());
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "{kind:?}");
    }
}

/// Whoever makes us look up a name whose server takes its time holds up nobody else.
#[test]
fn slow_names_do_not_hold_up_others() {
    for kind in KINDS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (setup, _) = resolving(vec![listener.local_addr().unwrap()]);
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
        for _ in 0..10 {
            assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut), "{kind:?}");
        }
    }
}

#[test]
fn when_all_fail_the_reason_is_told() {
    for kind in KINDS {
        let (one, two) = (dead(), dead());
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
        let (setup, asked) = resolving(vec![dead()]);
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
            .connect_timeout(Duration::from_millis(300));
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
        peer.say(Say::Connect(4, target));
        assert_eq!(peer.connected().err(), Some(ConnectFailure::TimedOut));
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
        let begun = Instant::now();
        let outcome = peer.connect(Scheme::Msrps, silent.local_addr().unwrap());
        assert_eq!(outcome.err(), Some(ConnectFailure::TimedOut), "{kind:?}");
        assert!((200..3_000).contains(&begun.elapsed().as_millis()));
    }
}
