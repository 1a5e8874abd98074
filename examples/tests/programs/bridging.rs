//! One relay between transports, address families and networks.

use std::net::{SocketAddr, TcpListener};

use tungstenite::{Message, http::StatusCode};

use crate::{
    foreign::{Client, dial},
    foreign_clients::{conversation, dial_tls, large_message},
    running::{Folder, Running, run},
    websocket_wire::{WebSocketWire, upgrade},
};

const NAME: &str = "relay.example.com";

/// How a client comes in, by the place of its listener.
const KINDS: [&str; 6] = ["tcp4", "tls4", "ws4", "tcp6", "tls6", "wss6"];

/// Listeners of all kinds, for one user by each.
fn relay(folder: &Folder, more: &[&str]) -> (Running, Vec<u8>) {
    let (cert, key, made) = folder.identity(NAME);
    let mut options = vec!["--cert", &cert, "--key", &key, "--allow-plain-auth"];
    for url in [
        "msrp://127.0.0.1:0",
        "msrps://127.0.0.1:0",
        "ws://127.0.0.1:0",
        "msrp://[::1]:0",
        "msrps://[::1]:0",
        "wss://[::1]:0",
    ] {
        options.extend(["--listen", url]);
    }
    let users = KINDS.map(|kind| format!("{kind}:secret"));
    for user in &users {
        options.extend(["--user", user]);
    }
    options.extend(more);
    (Running::start(KINDS.len(), &options), made.cert.der().to_vec())
}

/// A client that comes in by the listener at this place, and has authenticated to the relay by its name `relay`.
fn client(running: &Running, certificate: &[u8], place: usize, relay: &str) -> Client {
    let (kind, address) = (KINDS[place], running.listeners[place].1);
    let tls = || dial_tls(address, certificate, NAME);
    let page = "https://chat.example.com";
    let mut client = match kind {
        "tcp4" | "tcp6" => Client::new(kind, dial(address)),
        "tls4" | "tls6" => Client::new(kind, tls()),
        "ws4" => Client::new(kind, upgrade(dial(address), "/", page).unwrap()),
        _ => Client::new(kind, upgrade(tls(), "/", page).unwrap()),
    };
    if kind.starts_with("ws") {
        // RFC 7977 §5.3: browsers have no address.
        client.uri = format!("msrps://df7jal23ls0d.invalid:2855/98cjs{kind};ws");
    } else if kind.starts_with("tls") {
        client.uri = client.uri.replace("msrp:", "msrps:");
    }
    client.authenticate(relay, "secret");
    client
}

/// All talk with all, in both directions, with reports and with a message of several chunks.
fn all_talk(clients: &mut [Client]) {
    for one in 1..clients.len() {
        let (before, from) = clients.split_at_mut(one);
        for other in before {
            conversation(other, &mut from[0]);
            conversation(&mut from[0], other);
            large_message(other, &mut from[0]);
            large_message(&mut from[0], other);
        }
    }
}

/// The listener's address stands in the URIs of whoever comes in by it, where the relay has no name; a browser's name the
/// listener for others of the same security, on the same address.
#[test]
fn clients_of_all_kinds_talk_through_one_relay() {
    let folder = Folder::new();
    let (running, certificate) = relay(&folder, &["--workers", "1"]);
    let at = |place: usize| running.listeners[place].1;
    let mut clients = Vec::new();
    for (place, (scheme, named)) in [
        ("msrp", 0),
        ("msrps", 1),
        ("msrp", 0),
        ("msrp", 3),
        ("msrps", 4),
        ("msrps", 4),
    ]
    .into_iter()
    .enumerate()
    {
        let client = client(
            &running,
            &certificate,
            place,
            &format!("{scheme}://{};tcp", at(named)),
        );
        let expected = format!("{scheme}://{}/", at(named));
        assert!(client.use_path.starts_with(&expected), "{}", client.use_path);
        assert!(client.use_path.ends_with(";tcp"), "{}", client.use_path);
        clients.push(client);
    }
    all_talk(&mut clients);
}

/// With a name for the relay all URIs have it; two workers are one relay to each of them.
#[test]
fn clients_of_all_kinds_talk_through_two_workers() {
    let folder = Folder::new();
    let (running, certificate) = relay(&folder, &["--workers", "2", "--host", NAME]);
    let mut clients: Vec<_> = (0..KINDS.len())
        .map(|place| {
            let (scheme, named) = [
                ("msrp", 0),
                ("msrps", 1),
                ("msrp", 0),
                ("msrp", 3),
                ("msrps", 4),
                ("msrps", 4),
            ][place];
            let port = running.listeners[named].1.port();
            let client = client(
                &running,
                &certificate,
                place,
                &format!("{scheme}://{NAME}:{port};tcp"),
            );
            let expected = format!("{scheme}://{NAME}:{port}/");
            assert!(client.use_path.starts_with(&expected), "{}", client.use_path);
            client
        })
        .collect();
    all_talk(&mut clients);
}

const ORIGIN: &str = "https://chat.example.com";

/// A relay of two networks, with a browser's listener that asks for a sign of life so often.
fn networks(folder: &Folder, ping: u32) -> Running {
    let config = folder.file(
        "relay.toml",
        &format!(
            "allow-plain-auth = true\nworkers = 1\nuser = [\"alice:secret\", \"bob:tiger\"]\nhost = \"outside.test\"\n\
             hide-topology = true\ninterface = [\"127.0.0.1=msrp://127.0.0.2:0\"]\n\
             [[listen]]\nurl = \"msrp://127.0.0.1:0\"\nhost = \"inside.test\"\n\
             [[listen]]\nurl = \"msrp://127.0.0.2:0\"\n\
             [[listen]]\nurl = \"ws://127.0.0.1:0\"\nas = \"msrp://127.0.0.2:0\"\nwebsocket-path = \"/msrp\"\n\
             websocket-origin = \"{ORIGIN}\"\nwebsocket-max-message = 2000\nwebsocket-ping = {ping}\n"
        ),
    );
    Running::start(3, &["--config", &config])
}

fn port(running: &Running, place: usize) -> u16 {
    running.listeners[place].1.port()
}

fn alice(running: &Running) -> Client {
    let mut alice = Client::new("alice", dial(running.listeners[0].1));
    alice.authenticate(&format!("msrp://inside.test:{};tcp", port(running, 0)), "secret");
    alice
}

fn page(running: &Running) -> WebSocketWire<std::net::TcpStream> {
    upgrade(dial(running.listeners[2].1), "/msrp", ORIGIN).unwrap()
}

/// The token in a URI of the relay's.
fn token(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap()
}

#[test]
fn each_network_sees_the_name_that_it_knows() {
    let folder = Folder::new();
    let running = networks(&folder, 600);
    let mut alice = alice(&running);
    let inside = format!("msrp://inside.test:{}/", port(&running, 0));
    assert!(alice.use_path.starts_with(&inside), "{}", alice.use_path);
    let mut bob = Client::new("bob", page(&running));
    bob.authenticate(&format!("msrp://outside.test:{};tcp", port(&running, 1)), "tiger");
    let outside = format!("msrp://outside.test:{}/", port(&running, 1));
    assert!(bob.use_path.starts_with(&outside), "{}", bob.use_path);

    alice.write(message("in01", &alice.paths_to(&bob), "hello"));
    let got = bob.read();
    let own = format!("{outside}{}", token(&alice.use_path));
    let way_back = format!("{} {own} {}", bob.use_path, alice.uri);
    assert_eq!(
        got.header("From-Path"),
        Some(&way_back[..]),
        "nothing of the inside"
    );
    bob.answer_200(&got);
    assert!(alice.read().start().starts_with("MSRP in01 200"));

    // Back by the name that bob was shown.
    bob.write(message(
        "out1",
        &format!("To-Path: {way_back}\r\nFrom-Path: {}\r\n", bob.uri),
        "well",
    ));
    let got = alice.read();
    assert_eq!(got.body(), ("well", '$'));
    let seen = got.header("From-Path").unwrap();
    assert!(seen.starts_with(&alice.use_path), "{seen}");
    assert!(!seen.contains("outside.test"), "{seen}");
    alice.answer_200(&got);
    assert!(bob.read().start().starts_with("MSRP out1 200"));
}

fn message(id: &str, paths: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "MSRP {id} SEND\r\n{paths}Message-ID: {id}\r\nByte-Range: 1-{len}/{len}\r\nContent-Type: text/plain\r\n\r\n\
         {body}\r\n-------{id}$\r\n"
    )
}

#[test]
fn next_hops_are_called_from_the_interface_that_was_chosen() {
    let folder = Folder::new();
    let running = networks(&folder, 600);
    let mut alice = alice(&running);
    let carol = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("msrp://{}/c4r0l;tcp", carol.local_addr().unwrap());
    let paths = format!("To-Path: {} {to}\r\nFrom-Path: {}\r\n", alice.use_path, alice.uri);
    alice.write(message("al01", &paths, "hello"));
    let (stream, caller) = carol.accept().unwrap();
    let caller: SocketAddr = caller;
    assert_eq!(caller.ip().to_string(), "127.0.0.2");
    let mut carol = Client::new("carol", stream);
    carol.uri = to;
    let got = carol.read();
    let seen = format!(
        "msrp://outside.test:{}/{} {}",
        port(&running, 1),
        token(&alice.use_path),
        alice.uri
    );
    assert_eq!(got.header("From-Path"), Some(&seen[..]));
    carol.answer_200(&got);
    assert!(alice.read().start().starts_with("MSRP al01 200"));
}

#[test]
fn a_listener_for_browsers_has_rules_of_its_own() {
    let folder = Folder::new();
    let running = networks(&folder, 600);
    let ask = |path, origin| upgrade(dial(running.listeners[2].1), path, origin).map(drop);
    assert_eq!(ask("/", ORIGIN), Err(StatusCode::NOT_FOUND));
    assert_eq!(
        ask("/msrp", "https://evil.example.com"),
        Err(StatusCode::FORBIDDEN)
    );
    assert_eq!(ask("/msrp?room=1", ORIGIN), Ok(()));
    let mut bob = Client::new("bob", page(&running));
    bob.authenticate(&format!("msrp://outside.test:{};tcp", port(&running, 1)), "tiger");
    let paths = bob.paths_to(&bob);
    bob.write(message("bob1", &paths, &"x".repeat(1200)));
    let answer = bob.read();
    assert!(answer.start().starts_with("MSRP bob1 "), "{answer:?}");
    assert_eq!(
        answer.header("To-Path"),
        Some(&bob.uri[..]),
        "what is short enough is taken"
    );
    let mut long = page(&running);
    std::io::Write::write_all(&mut long, &[b'x'; 2001]).unwrap();
    let Message::Close(Some(close)) = long.next_control() else {
        panic!("it is not closed");
    };
    assert_eq!(u16::from(close.code), 1009);
    // Each is asked for a sign of life.
    let restless = networks(&folder, 1);
    assert!(matches!(page(&restless).next_control(), Message::Ping(_)));
}

#[test]
fn what_listeners_cannot_be_is_named() {
    let listen = ["--listen", "msrp://127.0.0.1:0"];
    let folder = Folder::new();
    for (options, told) in [
        (
            vec!["--interface", "a.example"],
            "--interface a.example: NAME=URL",
        ),
        (
            vec!["--interface", "a.example=msrp://127.0.0.9:1"],
            "--interface a.example=msrp://127.0.0.9:1: ",
        ),
        (vec!["--websocket-path", "msrp"], "--websocket-path msrp: a path"),
        (
            vec!["--websocket-origin", "chat.example.com"],
            "--websocket-origin chat.example.com: the origin",
        ),
        (
            vec!["--websocket-max-message", "10"],
            "--websocket-max-message 10: 1024 octets",
        ),
    ] {
        let output = run(&[&listen[..], &options[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
    for (text, told) in [
        (
            "[[listen]]\nurl = \"ws://[::1]:0\"\nas = \"msrp://[::1]:1\"\n",
            "--listen: as msrp://[::1]:1: ",
        ),
        (
            "[[listen]]\nurl = \"msrp://[::1]:0\"\nwebsocket-ping = 1\n",
            "--listen msrp://[::1]:0: a ws://",
        ),
        (
            "[[listen]]\nurl = \"msrp://[::1]:0\"\nhost = \"not a host\"\n",
            "--host: \"not a host\"",
        ),
        (
            "[[listen]]\nhost = \"a.example\"\n",
            "--listen : a listener begins with",
        ),
        (
            "[[listen]]\nurl = \"msrp://[::1]:0\"\nport = 3\n",
            "line 3: unknown field `port`",
        ),
    ] {
        let file = folder.file("relay.toml", text);
        let output = run(&["--config", &file]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
}
