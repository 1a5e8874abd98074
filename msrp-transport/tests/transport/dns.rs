//! Relays found by DNS (RFC 4976 §8), with a DNS server of the test's own.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use futures::executor::block_on;
use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, Target},
};
use msrp_transport::{
    dns::{DnsConfig, DnsResolver},
    resolve::{AsyncResolve, HostQuery, Resolve},
};

use crate::{
    connecting::Dead,
    identities::Authority,
    name_server::NameServer,
    node::Say,
    peer::{KINDS, PATIENCE, Peer, Setup},
};

fn config(server: &NameServer) -> DnsConfig {
    DnsConfig::servers(&[server.address])
        .query(PATIENCE, 0)
        .time(PATIENCE)
}

fn look_up(
    server: &NameServer,
    scheme: Scheme,
    host: &str,
    port: Option<u16>,
) -> io::Result<Vec<SocketAddr>> {
    Resolve::resolve(
        &DnsResolver::new(config(server)),
        &HostQuery::new(scheme, host, port),
    )
}

/// The addresses of a relay that is named without a port, as text.
fn relay(server: &NameServer, host: &str) -> Result<Vec<String>, ErrorKind> {
    look_up(server, Scheme::Msrps, host, None)
        .map(|addresses| addresses.iter().map(SocketAddr::to_string).collect())
        .map_err(|error| error.kind())
}

fn names_asked(server: &NameServer) -> Vec<String> {
    let mut names = server.asked();
    names.sort();
    names.dedup();
    names
}

// shows: 4976-8-06
#[test]
fn a_relay_without_port_is_looked_for_by_srv_and_each_target_by_its_addresses() {
    let server = NameServer::new()
        .srv("example.com", 20, 0, 9002, "third.example.net.")
        .srv("example.com", 0, 5, 9000, "first.example.net.")
        .srv("example.com", 10, 0, 9001, "second.example.net.")
        .address("first.example.net", "192.0.2.1")
        .address("first.example.net", "192.0.2.2")
        .address("first.example.net", "2001:db8::1")
        .alias("second.example.net", "real.example.net.")
        .address("real.example.net", "192.0.2.3")
        .address("third.example.net", "192.0.2.4")
        .address("example.com", "192.0.2.99")
        .start();
    assert_eq!(
        relay(&server, "example.com").unwrap(),
        [
            "[2001:db8::1]:9000",
            "192.0.2.1:9000",
            "192.0.2.2:9000",
            "192.0.2.3:9001",
            "192.0.2.4:9002"
        ]
    );
    let asked = names_asked(&server);
    assert!(
        asked.contains(&"_msrps._tcp.example.com. SRV udp".to_owned()),
        "{asked:?}"
    );
    assert!(
        !asked.iter().any(|name| name.starts_with("example.com.")),
        "{asked:?}"
    );
    // The other form of the same.
    let resolver = DnsResolver::new(config(&server));
    let query = HostQuery::new(Scheme::Msrps, "example.com", None);
    let addresses = block_on(AsyncResolve::resolve(&resolver, &query)).unwrap();
    assert_eq!(addresses.len(), 5);
    // Records are remembered as long as they say; only what is not there is asked for again.
    server.asked();
    block_on(AsyncResolve::resolve(&resolver, &query)).unwrap();
    let again = server.asked();
    assert!(
        again.iter().all(|question| question.contains(" AAAA ")),
        "{again:?}"
    );
}

// shows: 4976-8-06
#[test]
fn targets_of_one_priority_are_drawn_by_their_weight() {
    let server = NameServer::new()
        .srv("example.com", 0, 1, 9000, "server1.example.com.")
        .srv("example.com", 0, 2, 9000, "server2.example.com.")
        .srv("example.com", 1, 60_000, 9000, "spare.example.com.")
        .address("server1.example.com", "192.0.2.1")
        .address("server2.example.com", "192.0.2.2")
        .address("spare.example.com", "192.0.2.3")
        .start();
    let resolver = DnsResolver::new(config(&server).seed([5; 32]));
    let query = HostQuery::new(Scheme::Msrps, "example.com", None);
    let mut second_first = 0;
    const RUNS: usize = 3_000;
    for _ in 0..RUNS {
        let addresses = Resolve::resolve(&resolver, &query).unwrap();
        let last: Vec<_> = addresses.iter().map(|at| at.to_string()).collect();
        assert_eq!(last[2], "192.0.2.3:9000");
        second_first += usize::from(last[0] == "192.0.2.2:9000");
    }
    // Drawn from 0 to 3: 0 and 1 are the first one's, as RFC 2782 says.
    let share = second_first as f64 / RUNS as f64;
    assert!((0.46..0.54).contains(&share), "{share}");
}

// shows: 4975-6.2-02, 4976-8-01, 4976-8-05
#[test]
fn a_name_with_a_port_is_looked_up_by_address_only() {
    let server = NameServer::new()
        .srv("example.com", 0, 0, 9000, "server.example.com.")
        .address("example.com", "192.0.2.1")
        .address("example.com", "2001:db8::1")
        .start();
    let addresses = look_up(&server, Scheme::Msrps, "example.com", Some(7777)).unwrap();
    let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    assert_eq!(addresses, ["[2001:db8::1]:7777", "192.0.2.1:7777"]);
    assert_eq!(
        names_asked(&server),
        ["example.com. A udp", "example.com. AAAA udp"]
    );
}

// shows: 4976-8-07
#[test]
fn no_srv_record_of_another_service_is_asked_for() {
    let server = NameServer::new().address("example.com", "192.0.2.1").start();
    let addresses = look_up(&server, Scheme::Msrp, "example.com", None).unwrap();
    assert_eq!(addresses, ["192.0.2.1:2855".parse().unwrap()]);
    relay(&server, "example.com").unwrap();
    let asked = names_asked(&server);
    assert!(!asked.iter().any(|name| name.contains("_msrp.")), "{asked:?}");
}

// shows: 4976-8-08
#[test]
fn without_srv_records_the_host_itself_is_meant_with_the_default_port() {
    let server = NameServer::new()
        .address("absent.example.com", "192.0.2.1")
        .address("empty.example.com", "192.0.2.2")
        .address("_msrps._tcp.empty.example.com", "192.0.2.3")
        .address("broken.example.com", "192.0.2.4")
        .failing("_msrps._tcp.broken.example.com")
        .start();
    for (host, address) in [
        // No such name, a name without such records, and a server that does not like the question.
        ("absent.example.com", "192.0.2.1:2855"),
        ("empty.example.com", "192.0.2.2:2855"),
        ("broken.example.com", "192.0.2.4:2855"),
    ] {
        assert_eq!(relay(&server, host).unwrap(), [address], "{host}");
    }
    assert_eq!(relay(&server, "nowhere.example.com"), Err(ErrorKind::NotFound));
    let absurd = "x".repeat(64) + ".example.com";
    assert_eq!(relay(&server, &absurd), Err(ErrorKind::InvalidInput));
}

#[test]
fn a_root_as_target_says_that_there_is_no_relay() {
    let server = NameServer::new()
        .srv("none.example.com", 0, 0, 0, ".")
        .address("none.example.com", "192.0.2.1")
        .srv("some.example.com", 0, 0, 0, ".")
        .srv("some.example.com", 1, 0, 9000, "server.example.com.")
        .address("server.example.com", "192.0.2.2")
        .start();
    assert_eq!(relay(&server, "none.example.com"), Err(ErrorKind::NotFound));
    assert_eq!(relay(&server, "some.example.com").unwrap(), ["192.0.2.2:9000"]);
}

#[test]
fn targets_that_are_not_found_leave_the_others() {
    let server = NameServer::new()
        .srv("example.com", 0, 0, 9000, "nowhere.example.com.")
        .srv("example.com", 1, 0, 9000, "silent.example.com.")
        .srv("example.com", 2, 0, 9000, "loop.example.com.")
        .srv("example.com", 3, 0, 9000, "server.example.com.")
        .silent("silent.example.com")
        .alias("loop.example.com", "loop.example.com.")
        .address("server.example.com", "192.0.2.1")
        .srv("lost.example.com", 0, 0, 9000, "nowhere.example.com.")
        .address("lost.example.com", "192.0.2.2")
        .start();
    let resolver = DnsResolver::new(config(&server).query(Duration::from_secs(2), 0));
    let find = |host| Resolve::resolve(&resolver, &HostQuery::new(Scheme::Msrps, host, None));
    assert_eq!(find("example.com").unwrap(), ["192.0.2.1:9000".parse().unwrap()]);
    // Records that lead nowhere are no reason to take the host itself.
    assert_eq!(
        find("lost.example.com").map_err(|error| error.kind()),
        Err(ErrorKind::NotFound)
    );
}

#[test]
fn a_server_that_does_not_answer_costs_its_time_and_no_more() {
    let server = NameServer::new()
        .silent("_msrps._tcp.example.com")
        .silent("example.com")
        .start();
    // The shorter of the two times counts: nobody waits for a day.
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(86_400));
    for (time, query) in [(short, long), (long, short)] {
        let resolver = DnsResolver::new(config(&server).time(time).query(query, 0));
        let query = HostQuery::new(Scheme::Msrps, "example.com", None);
        let failure = Resolve::resolve(&resolver, &query).unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::TimedOut, "{failure}");
    }
}

#[test]
fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let mut server = NameServer::new();
    for number in 0..40 {
        let target = format!("server{number}.example.com");
        server = server
            .srv("example.com", number, 0, 9000, &format!("{target}."))
            .address(&target, &format!("192.0.2.{number}"));
    }
    let server = server.start();
    let resolver = DnsResolver::new(config(&server).max_targets(3).max_addresses(2));
    let query = HostQuery::new(Scheme::Msrps, "example.com", None);
    let addresses = Resolve::resolve(&resolver, &query).unwrap();
    let first = [
        "192.0.2.0:9000".parse().unwrap(),
        "192.0.2.1:9000".parse().unwrap(),
    ];
    assert_eq!(addresses, first);
    let asked = names_asked(&server);
    assert!(
        asked.contains(&"_msrps._tcp.example.com. SRV tcp".to_owned()),
        "{asked:?}"
    );
    assert!(
        asked.contains(&"server2.example.com. A udp".to_owned()),
        "{asked:?}"
    );
    assert!(
        !asked.contains(&"server3.example.com. A udp".to_owned()),
        "{asked:?}"
    );
}

fn setup(server: &NameServer, authority: &Authority) -> Setup {
    Setup {
        resolver: Box::new(DnsResolver::new(config(server))),
        ..Setup::client(authority.client())
    }
}

// shows: 4976-8-05, 4976-8-06, 4976-9.2-07
#[test]
fn when_one_target_cannot_be_reached_the_next_is_and_the_host_asked_for_is_what_its_certificate_names() {
    let authority = Authority::new();
    for kind in KINDS {
        let relay = Peer::start(kind, Setup::tls(authority.server(&["example.com"])));
        let dead = Dead::new();
        let server = NameServer::new()
            .srv("example.com", 0, 0, dead.address.port(), "server1.example.net.")
            .srv(
                "example.com",
                1,
                0,
                relay.addresses[0].port(),
                "server2.example.net.",
            )
            .srv("example.net", 0, 0, relay.addresses[0].port(), "example.com.")
            .address("server1.example.net", "127.0.0.1")
            .address("server2.example.net", "127.0.0.1")
            .address("example.com", "127.0.0.1")
            .start();
        let mut client = Peer::start(kind, setup(&server, &authority));
        client.say(Say::Connect(1, Target::new(Scheme::Msrps, "example.com", None)));
        let (_, info) = client.connected().unwrap();
        assert_eq!(info.remote, Some(relay.addresses[0]), "{kind:?}");
        assert!(info.is_tls());
        // A certificate for the target is none for the host, whatever the records say.
        client.say(Say::Connect(2, Target::new(Scheme::Msrps, "example.net", None)));
        let failure = client.connected().unwrap_err();
        assert!(matches!(failure, ConnectFailure::Tls(_)), "{kind:?}: {failure}");
    }
}
