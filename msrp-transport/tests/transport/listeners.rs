//! Listening sockets, with each driver and without.

use std::{io::Write, net::TcpListener, time::Instant};

use msrp_core::node::{ListenerId, Node};
use msrp_transport::{
    DriverConfig,
    driver::{Driver, ListenError},
    layer::Incoming,
    listen::{ListenAddress, ListenOptions, bind},
    mio_driver::{HandleError, Server, ServerError},
    runtime::SmolRuntime,
};

use crate::{
    identities::Authority,
    node::{Say, Talker},
    peer::{KINDS, Peer, Setup},
    raw::{answer, dial, dial_tls, expect, send},
};

#[test]
fn each_connection_names_its_listener() {
    for kind in KINDS {
        let setup = Setup {
            listeners: vec![None, None, None],
            ..Setup::default()
        };
        let mut peer = Peer::start(kind, setup);
        for (index, address) in peer.addresses.clone().into_iter().enumerate().rev() {
            let _raw = dial(address);
            let (_, info) = peer.accepted();
            assert_eq!(info.listener, Some(ListenerId(index as u16)), "{kind:?}");
            assert_eq!(info.local, Some(address), "{kind:?}");
        }
    }
}

fn server() -> Server<Talker> {
    Server::new(Talker::new(), DriverConfig::new()).unwrap()
}

fn driver() -> Driver<Talker> {
    Driver::new(Talker::new(), DriverConfig::new(), SmolRuntime::default())
}

#[test]
fn a_port_that_is_taken_is_named() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: ListenAddress = format!("msrp://{}", busy.local_addr().unwrap()).parse().unwrap();
    let error = server().listen(address, Incoming::default()).unwrap_err();
    assert!(matches!(error, ServerError::Listen { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let error = driver().listen(address, Incoming::default()).unwrap_err();
    assert!(matches!(error, ListenError::Listen { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn tls_needs_a_certificate() {
    let address: ListenAddress = "msrps://127.0.0.1:0".parse().unwrap();
    assert!(matches!(
        server().listen(address, Incoming::default()),
        Err(ServerError::NoIdentity { .. })
    ));
    assert!(matches!(
        driver().listen(address, Incoming::default()),
        Err(ListenError::NoIdentity { .. })
    ));
}

#[test]
fn a_port_may_be_shared_where_that_is_asked_for() {
    let shared = ListenOptions::new().reuse_port(true).backlog(16);
    let first = bind("127.0.0.1:0".parse().unwrap(), shared).unwrap();
    let address = first.local_addr().unwrap();
    assert!(bind(address, shared).is_ok());
    assert!(bind(address, ListenOptions::new()).is_err());
}

/// `localhost` may mean either; one must not stand in the way of the other.
#[test]
fn the_two_families_of_addresses_may_have_the_same_port() {
    // Somebody else may have the port in the other family, but not all of them.
    let shared = (0..100).any(|_| {
        let Ok(six) = bind("[::1]:0".parse().unwrap(), ListenOptions::new()) else {
            // There is no IPv6 here.
            return true;
        };
        let port = six.local_addr().unwrap().port();
        let any: std::net::SocketAddr = format!("0.0.0.0:{port}").parse().unwrap();
        bind(any, ListenOptions::new()).is_ok()
    });
    assert!(shared);
}

#[test]
fn a_certificate_may_be_replaced_while_others_use_the_old_one() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut server = server();
    let tls = old.server(&["localhost"]);
    let (id, address) = server
        .listen("msrps://127.0.0.1:0".parse().unwrap(), tls)
        .unwrap();
    server.set_listener_tls(id, new.server(&["localhost"]));
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(&mut ()).unwrap());
    let mut raw = dial_tls(address, new.roots(), &[&rustls::version::TLS13]);
    raw.write_all(send("aaaa", "hello").as_bytes()).unwrap();
    expect(&mut raw, &answer("aaaa"));
    handle.shutdown(std::time::Duration::ZERO).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_lean_driver_takes_a_bounded_number_of_commands() {
    let config = DriverConfig::new().max_commands(3).max_pending_connects(2);
    let mut server = Server::new(Talker::new(), config).unwrap();
    let handle = server.handle();
    for _ in 0..5 {
        handle.command(Say::Measure).unwrap();
    }
    assert_eq!(handle.command(Say::Measure), Err(HandleError::Full));
    assert!(server.node().poll_timeout().is_none());
    server.node_mut().handle_timeout(Instant::now());
    drop(server);
    assert_eq!(handle.command(Say::Measure), Err(HandleError::Stopped));
}
