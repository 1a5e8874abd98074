//! Clients on WebSockets, as browsers are, over a chain of relays and in an anchored session.

use std::net::SocketAddr;

use msrp_transport::tls_config::parse_fingerprint;
use serde_json::json;

use crate::{
    chains::{INNER, OUTER, Place},
    foreign::{Client, dial},
    foreign_clients::{conversation, dial_tls, large_message},
    http::{get, post},
    relay_anchor::{bind, changed, chat, sdp, value},
    running::{Folder, Running},
    websocket_wire::upgrade,
};

/// A page's client on a `wss` listener, whose certificate names the host.
fn page(name: &'static str, address: SocketAddr, root: &[u8], host: &str) -> Client {
    let tls = dial_tls(address, root, host);
    let mut client = Client::new(name, upgrade(tls, "/", "https://chat.example.com").unwrap());
    // RFC 7977 §5.3 and appendix A.
    client.uri = format!("msrps://df7jal23ls0d.invalid:2855/98cjs{name};ws");
    client
}

fn over_tls(name: &'static str, relay: &Running, root: &[u8], host: &str) -> Client {
    let mut client = Client::new(name, dial_tls(relay.address(), root, host));
    client.uri = client.uri.replace("msrp:", "msrps:");
    client
}

fn named(host: &str, relay: &Running) -> String {
    format!("msrps://{host}:{};tcp", relay.address().port())
}

/// Each has a relay of its own, and the two relays call each other.
// shows: 7977-X-08
#[test]
fn a_page_and_the_client_of_another_relay_talk() {
    let place = Place::new();
    let relay = |host, user| {
        let papers = place.papers(&place.authority, host);
        let more = ["--listen", "wss://127.0.0.1:0", "--user", user, "--workers", "2"];
        place.relay(host, Some(&papers), &more)
    };
    let (a, b) = (relay(INNER, "alice:secret"), relay(OUTER, "bob:tiger"));
    let root = place.root();
    let mut alice = page("alice", a.listeners[1].1, &root, INNER);
    alice.authenticate(&named(INNER, &a), "secret");
    let mut bob = over_tls("bob", &b, &root, OUTER);
    bob.authenticate(&named(OUTER, &b), "tiger");
    for (client, host, relay) in [(&alice, INNER, &a), (&bob, OUTER, &b)] {
        let uri = format!("msrps://{host}:{}/", relay.address().port());
        assert!(client.use_path.starts_with(&uri), "{}", client.use_path);
    }
    // Paths, answers hop by hop, and a report back.
    conversation(&mut alice, &mut bob);
    conversation(&mut bob, &mut alice);
    large_message(&mut alice, &mut bob);
    large_message(&mut bob, &mut alice);
    // A page at the other relay, too.
    let mut carol = page("bob", b.listeners[1].1, &root, OUTER);
    carol.authenticate(&named(OUTER, &b), "tiger");
    conversation(&mut alice, &mut carol);
    conversation(&mut carol, &mut alice);
}

/// A page is a client of an inner relay, and by it of an outer one.
#[test]
fn a_page_goes_on_to_an_outer_relay() {
    let place = Place::new();
    let outer = place.outer(&["--workers", "2"]);
    let papers = place.papers(&place.authority, INNER);
    let more = [
        "--listen",
        "wss://127.0.0.1:0",
        "--user",
        "alice:at-inner",
        "--workers",
        "2",
    ];
    let inner = place.relay(INNER, Some(&papers), &more);
    let root = place.root();
    let mut alice = page("alice", inner.listeners[1].1, &root, INNER);
    alice.authenticate(&named(INNER, &inner), "at-inner");
    alice.go_on_to(&named(OUTER, &outer), "at-outer");
    let hosts: Vec<_> = alice
        .use_path
        .split(' ')
        .map(|uri| uri.split([':', '/']).nth(3))
        .collect();
    assert_eq!(hosts, [Some(INNER), Some(OUTER)], "{}", alice.use_path);
    let mut bob = over_tls("bob", &outer, &root, OUTER);
    bob.authenticate(&named(OUTER, &outer), "hidden");
    conversation(&mut alice, &mut bob);
    conversation(&mut bob, &mut alice);
    large_message(&mut alice, &mut bob);
    large_message(&mut bob, &mut alice);
}

/// Neither knows relays: the page is told the URI of the `wss` listener, the other one that of the `msrp` one.
#[test]
fn a_page_and_a_tcp_client_are_anchored() {
    let folder = Folder::new();
    let host = "relay.example.com";
    let (cert, key, made) = folder.identity(host);
    let mut options = vec!["--host", host, "--cert", &cert, "--key", &key, "--workers", "2"];
    for url in ["msrp://127.0.0.1:0", "msrps://127.0.0.1:0", "wss://127.0.0.1:0"] {
        options.extend(["--listen", url]);
    }
    options.extend(["--admin", "http://127.0.0.1:0"]);
    let running = Running::start(4, &options);
    let [(_, tcp), _, (_, wss), (_, admin)] = running.listeners[..] else {
        panic!("four listeners")
    };
    for page_offers in [true, false] {
        let mut page = page("alice", wss, made.cert.der(), host);
        let mut phone = Client::new("bob", dial(tcp));
        let (offerer, answerer) = if page_offers { (2, 0) } else { (0, 2) };
        let (offer, answer) = if page_offers {
            (sdp(&page, ""), sdp(&phone, "a=setup:active\r\n"))
        } else {
            (sdp(&phone, ""), sdp(&page, "a=setup:active\r\n"))
        };
        let posted = json!({
            "sdp": offer,
            "offerer": { "listener": offerer },
            "answerer": { "listener": answerer },
        });
        let posted = post(admin, "/anchors", "application/json", &posted.to_string());
        let (id, for_answerer) = changed(&posted, 201);
        let path = format!("/anchors/{id}/answer");
        let (_, for_offerer) = changed(&post(admin, &path, "application/sdp", &answer), 200);
        let (for_page, for_phone) = if page_offers {
            (for_offerer, for_answerer)
        } else {
            (for_answerer, for_offerer)
        };
        // The page reaches what SDP tells it by the WebSocket that it has.
        assert!(value(&for_page, "m=").contains(" TCP/TLS/MSRP "), "{for_page}");
        let fingerprint = parse_fingerprint(value(&for_page, "a=fingerprint:")).unwrap();
        let own = msrp_transport::tls_config::sha256_fingerprint(made.cert.der());
        assert_eq!(fingerprint, own);
        assert_eq!(
            value(&for_phone, "m="),
            format!("message {} TCP/MSRP *", tcp.port())
        );
        let to_phone = value(&for_page, "a=path:").to_owned();
        let to_page = value(&for_phone, "a=path:").to_owned();
        if page_offers {
            bind(&mut phone, &to_page);
            bind(&mut page, &to_phone);
        } else {
            bind(&mut page, &to_phone);
            bind(&mut phone, &to_page);
        }
        chat(&mut page, &to_phone, &mut phone, &to_page, "p4ge");
        chat(&mut phone, &to_page, &mut page, &to_phone, "ph0ne");
        let stream = get(admin, &format!("/anchors/{id}")).json()["streams"][0].clone();
        for side in ["offerer", "answerer"] {
            assert_eq!(stream[side]["state"], "connected", "{stream}");
        }
    }
}
