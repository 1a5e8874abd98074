//! The relay serves clients that were written by someone else: nothing of our stack is on their side of the wire.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};

use crate::{
    foreign::{Client, Frame, dial},
    running::{Folder, Running},
};

const USERS: [&str; 4] = ["--user", "alice:secret", "--user", "bob:tiger"];

/// A message with a success report from one client to the other, and back to quiet.
pub(crate) fn conversation(alice: &mut Client, bob: &mut Client) {
    let paths = alice.paths_to(bob);
    alice.write(format!(
        "MSRP d93kswow SEND\r\n{paths}Message-ID: 12339sdqwer\r\nSuccess-Report: yes\r\nByte-Range: 1-16/16\r\n\
         X-Flavour:  vanilla \r\nContent-Type: text/plain\r\n\r\nHi, I'm Alice!\r\n\r\n-------d93kswow$\r\n"
    ));
    let answer = alice.read();
    assert!(answer.start().starts_with("MSRP d93kswow 200"), "{answer:?}");
    assert_eq!(answer.header("To-Path"), Some(&alice.uri[..]));

    let message = bob.read();
    assert!(message.start().ends_with(" SEND"), "{message:?}");
    assert_eq!(message.header("To-Path"), Some(&bob.uri[..]));
    let way_back = format!("{} {}", bob.use_path, alice.path());
    assert_eq!(message.header("From-Path"), Some(&way_back[..]));
    assert_eq!(message.header("Message-ID"), Some("12339sdqwer"));
    assert_eq!(message.header("Byte-Range"), Some("1-16/16"));
    // A header that nobody knows passes octet for octet.
    assert!(message.0.contains("\r\nX-Flavour:  vanilla \r\n"), "{message:?}");
    assert_eq!(message.body(), ("Hi, I'm Alice!\r\n", '$'));
    bob.answer_200(&message);

    bob.write(format!(
        "MSRP dkei38sd REPORT\r\nTo-Path: {way_back}\r\nFrom-Path: {}\r\nMessage-ID: 12339sdqwer\r\n\
         Byte-Range: 1-16/16\r\nStatus: 000 200 OK\r\n-------dkei38sd$\r\n",
        bob.uri
    ));
    let report = alice.read();
    assert!(report.start().ends_with(" REPORT"), "{report:?}");
    assert_eq!(report.header("Status"), Some("000 200 OK"));
    assert_eq!(report.header("Message-ID"), Some("12339sdqwer"));
    assert_eq!(report.header("To-Path"), Some(&alice.uri[..]));
}

/// A message in two chunks, the second of which is long, arrives whole in whatever chunks.
pub(crate) fn large_message(alice: &mut Client, bob: &mut Client) {
    let paths = alice.paths_to(bob);
    let body: String = (0..30_000_u32)
        .map(|n| char::from(b'a' + (n * n % 26) as u8))
        .collect();
    let (first, second) = body.split_at(5);
    alice.write(format!(
        "MSRP aaaa1 SEND\r\n{paths}Message-ID: big1\r\nByte-Range: 1-5/30000\r\nContent-Type: text/plain\r\n\r\n\
         {first}\r\n-------aaaa1+\r\n"
    ));
    // By WebSocket a chunk is a message of its own.
    alice.write(format!(
        "MSRP aaaa2 SEND\r\n{paths}Message-ID: big1\r\nByte-Range: 6-*/30000\r\nContent-Type: text/plain\r\n\r\n\
         {second}\r\n-------aaaa2$\r\n"
    ));
    for transaction in ["aaaa1", "aaaa2"] {
        assert!(
            alice
                .read()
                .start()
                .starts_with(&format!("MSRP {transaction} 200"))
        );
    }
    let mut got = String::new();
    loop {
        let chunk = bob.read();
        let range = chunk.header("Byte-Range").unwrap().to_owned();
        assert!(range.starts_with(&format!("{}-", got.len() + 1)), "{range}");
        assert!(range.ends_with("/30000"), "{range}");
        bob.answer_200(&chunk);
        let (octets, flag) = chunk.body();
        got.push_str(octets);
        if flag == '$' {
            break;
        }
        assert_eq!(flag, '+');
    }
    assert!(got == body);
}

fn authenticated(relay: &str, dial: impl Fn() -> Box<dyn crate::foreign::Wire>) -> (Client, Client) {
    let (mut alice, mut bob) = (Client::new("alice", dial()), Client::new("bob", dial()));
    alice.authenticate(relay, "secret");
    bob.authenticate(relay, "tiger");
    assert_ne!(alice.use_path, bob.use_path);
    (alice, bob)
}

#[test]
fn over_tcp() {
    let mut options = vec!["--listen", "msrp://127.0.0.1:0", "--allow-plain-auth"];
    options.extend(USERS);
    let running = Running::start(1, &options);
    let address = running.address();
    let relay = format!("msrp://{address};tcp");
    let (mut alice, mut bob) = authenticated(&relay, || Box::new(dial(address)));
    assert!(alice.use_path.starts_with(&format!("msrp://{address}/")));
    conversation(&mut alice, &mut bob);
    large_message(&mut alice, &mut bob);
}

/// A TLS connection that trusts one root and expects one name.
pub(crate) fn dial_tls(
    address: SocketAddr,
    root: &[u8],
    name: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        dial(address),
    )
}

// shows: 4976-3.1-02
#[test]
fn over_tls_with_a_certificate_from_files() {
    let folder = Folder::new();
    let (cert, key, made) = folder.identity("relay.example.com");
    let mut options = vec!["--listen", "msrps://127.0.0.1:0", "--host", "relay.example.com"];
    options.extend(["--cert", &cert, "--key", &key]);
    options.extend(USERS);
    let running = Running::start(1, &options);
    let address = running.address();
    assert_eq!(running.listeners[0].0, "msrps");
    let relay = format!("msrps://relay.example.com:{};tcp", address.port());
    let (mut alice, mut bob) = authenticated(&relay, || {
        Box::new(dial_tls(address, made.cert.der(), "relay.example.com"))
    });
    let expected = format!("msrps://relay.example.com:{}/", address.port());
    assert!(alice.use_path.starts_with(&expected), "{}", alice.use_path);
    conversation(&mut alice, &mut bob);
    large_message(&mut alice, &mut bob);
    assert_eq!(running.stderr(), "");
}

#[test]
fn one_over_tls_and_one_over_tcp() {
    let folder = Folder::new();
    let (cert, key, made) = folder.identity("relay.example.com");
    let mut options = vec![
        "--listen",
        "msrps://127.0.0.1:0",
        "--listen",
        "msrp://127.0.0.1:0",
    ];
    options.extend([
        "--host",
        "relay.example.com",
        "--cert",
        &cert,
        "--key",
        &key,
        "--allow-plain-auth",
    ]);
    options.extend(USERS);
    let running = Running::start(2, &options);
    let (tls, tcp) = (running.listeners[0].1, running.listeners[1].1);
    let wire = dial_tls(tls, made.cert.der(), "relay.example.com");
    let mut alice = Client::new("alice", wire);
    alice.authenticate(&format!("msrps://relay.example.com:{};tcp", tls.port()), "secret");
    let mut bob = Client::new("bob", dial(tcp));
    bob.authenticate(&format!("msrp://relay.example.com:{};tcp", tcp.port()), "tiger");
    conversation(&mut alice, &mut bob);
}

#[test]
fn without_allow_plain_auth_a_plain_client_gets_403() {
    let mut options = vec!["--listen", "msrp://127.0.0.1:0"];
    options.extend(USERS);
    let running = Running::start(1, &options);
    let relay = format!("msrp://{};tcp", running.address());
    let mut alice = Client::new("alice", dial(running.address()));
    let answer: Frame = alice.auth_bare(&relay);
    assert!(answer.start().starts_with("MSRP 49fh 403"), "{answer:?}");
}

#[test]
fn a_wrong_password_gets_no_use_path() {
    let mut options = vec!["--listen", "msrp://127.0.0.1:0", "--allow-plain-auth"];
    options.extend(USERS);
    let running = Running::start(1, &options);
    let relay = format!("msrp://{};tcp", running.address());
    let mut alice = Client::new("alice", dial(running.address()));
    let challenge = alice.auth_bare(&relay);
    let answer = alice.auth_with(&relay, &challenge, "not secret");
    assert!(answer.start().starts_with("MSRP 49fi 401"), "{answer:?}");
    assert_eq!(answer.header("Use-Path"), None);
}

#[test]
fn a_log_of_everything_holds_no_secret() {
    let mut options = vec!["--listen", "msrp://127.0.0.1:0", "--allow-plain-auth"];
    options.extend(USERS);
    let mut command = crate::running::relay(&options);
    command.env("RUST_LOG", "trace");
    let mut running = Running::spawn(1, command);
    let address = running.address();
    let relay = format!("msrp://{address};tcp");
    let (mut alice, mut bob) = authenticated(&relay, || Box::new(dial(address)));
    conversation(&mut alice, &mut bob);
    running.signal("INT");
    assert!(running.wait().success());
    let log = running.stderr();
    assert!(log.contains("authenticated") && log.contains("alice"), "{log}");
    let session = |uri: &str| {
        uri.rsplit_once('/')
            .unwrap()
            .1
            .trim_end_matches(";tcp")
            .to_owned()
    };
    let ha1 = crate::foreign::md5("alice:127.0.0.1:secret");
    for secret in [
        "secret",
        "tiger",
        "Hi, I'm Alice",
        &ha1,
        &session(&alice.use_path),
        &session(&bob.uri),
    ] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}
