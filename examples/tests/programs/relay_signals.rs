//! A relay from its first line to its last: listeners, SIGHUP, SIGTERM.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
};
use sha2::{Digest, Sha256};

use crate::{
    foreign::{Client, dial, md5},
    running::{Folder, PATIENCE, Running},
};

#[test]
fn listeners_are_told_with_their_real_ports() {
    let running = Running::start(
        2,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--listen",
            "msrps://127.0.0.1:0",
        ],
    );
    let [(first, plain), (second, tls)] = &running.listeners[..] else {
        panic!("two listeners");
    };
    assert_eq!((&first[..], &second[..]), ("msrp", "msrps"));
    assert_ne!(plain.port(), tls.port());
    for address in [plain, tls] {
        assert!(TcpStream::connect(address).is_ok());
    }
}

/// Takes any certificate; the test looks at it afterwards.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What a client is configured with that takes any certificate.
pub(crate) fn trusting() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    Arc::new(config)
}

/// What a TLS listener presents.
pub(crate) fn presented_certificate(address: SocketAddr) -> Vec<u8> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(trusting(), name).unwrap(), dial(address));
    tls.conn.complete_io(&mut tls.sock).unwrap();
    tls.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn the_fingerprint_of_a_self_signed_certificate_is_told_and_is_its_own() {
    let running = Running::start(1, &["--listen", "msrps://127.0.0.1:0"]);
    let pairs: Vec<_> = Sha256::digest(presented_certificate(running.address()))
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    assert_eq!(running.fingerprint(), format!("SHA-256 {}", pairs.join(":")));
}

/// Tries a password on a connection of its own.
fn admitted(running: &Running, name: &'static str, password: &str) -> bool {
    let relay = format!("msrp://{};tcp", running.address());
    let mut client = Client::new(name, dial(running.address()));
    let challenge = client.auth_bare(&relay);
    let answer = client.auth_with(&relay, &challenge, password);
    answer.start().starts_with("MSRP 49fi 200")
}

fn users(list: &[(&str, &str)]) -> String {
    list.iter()
        .map(|(name, password)| {
            let ha1 = md5(&format!("{name}:r:{password}"));
            format!("{name}:r:{ha1}\n")
        })
        .collect()
}

#[test]
fn sighup_reads_the_users_again_and_keeps_them_when_the_file_is_broken() {
    let folder = Folder::new();
    let file = folder.file("users", &users(&[("alice", "one")]));
    let mut command = crate::running::relay(&[
        "--listen",
        "msrp://127.0.0.1:0",
        "--allow-plain-auth",
        "--realm",
        "r",
        "--users",
        &file,
        "--user",
        "carol:given",
    ]);
    command.env("RUST_LOG", "info");
    let running = Running::spawn(1, command);
    assert!(admitted(&running, "alice", "one"));
    assert!(!admitted(&running, "bob", "two"));

    fs::write(&file, users(&[("bob", "two")])).unwrap();
    assert!(
        admitted(&running, "alice", "one"),
        "nothing is read without SIGHUP"
    );
    running.signal("HUP");
    running.wait_for_stderr("users read again");
    assert!(admitted(&running, "bob", "two"));
    assert!(!admitted(&running, "alice", "one"));
    assert!(admitted(&running, "carol", "given"));

    fs::write(&file, "bob\n").unwrap();
    running.signal("HUP");
    let told = running.wait_for_stderr("the old ones stay");
    assert!(told.contains("line 1"), "{told}");
    assert!(admitted(&running, "bob", "two"));
}

#[test]
fn sigterm_without_connections_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(1, &["--listen", "msrp://127.0.0.1:0", "--drain", "600"]);
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(0), "{signal}");
    }
}

/// A relay that drains as long as this, with half a message under way from alice to bob.
fn half_a_message(drain: &str) -> (Running, Client, Client) {
    let mut command = crate::running::relay(&[
        "--listen",
        "msrp://127.0.0.1:0",
        "--allow-plain-auth",
        "--user",
        "alice:secret",
        "--user",
        "bob:tiger",
        "--drain",
        drain,
    ]);
    command.env("RUST_LOG", "info");
    let running = Running::spawn(1, command);
    let address = running.address();
    let relay = format!("msrp://{address};tcp");
    let mut alice = Client::new("alice", dial(address));
    let mut bob = Client::new("bob", dial(address));
    alice.authenticate(&relay, "secret");
    bob.authenticate(&relay, "tiger");
    begin(&mut alice, &mut bob);
    (running, alice, bob)
}

/// Half a message, from one to the other. It is under way once its receiver has seen the beginning.
pub(crate) fn begin(alice: &mut Client, bob: &mut Client) {
    let paths = alice.paths_to(bob);
    let head = format!(
        "MSRP half1 SEND\r\n{paths}Message-ID: msg1\r\nByte-Range: 1-*/5000\r\nContent-Type: text/plain\r\n\r\n"
    );
    alice.write(head + &"x".repeat(2500));
    bob.wait_for("\r\n\r\nx");
}

/// The other half, while the relay drains; then there is nothing left for it to do.
pub(crate) fn finish(mut running: Running, alice: &mut Client, bob: &mut Client) {
    alice.write("y".repeat(2500) + "\r\n-------half1$\r\n");
    let answer = alice.read();
    assert!(answer.start().starts_with("MSRP half1 200"), "{answer:?}");
    let mut got = String::new();
    loop {
        let chunk = bob.read();
        bob.answer_200(&chunk);
        let (octets, flag) = chunk.body();
        got.push_str(octets);
        if flag == '$' {
            break;
        }
    }
    assert_eq!(got, "x".repeat(2500) + &"y".repeat(2500));
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn sigterm_lets_a_message_under_way_finish() {
    let (running, mut alice, mut bob) = half_a_message("600");
    running.signal("TERM");
    running.wait_for_stderr("draining");
    // Nobody new is let in, once all of the relay has heard of it.
    let begun = Instant::now();
    while TcpStream::connect(running.address()).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it still listens");
    }
    finish(running, &mut alice, &mut bob);
}

#[test]
fn the_time_to_drain_is_bounded() {
    // Nobody says anything more, and it ends all the same.
    let (mut running, _alice, _bob) = half_a_message("1");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_draining() {
    let (mut running, _alice, _bob) = half_a_message("600");
    running.signal("TERM");
    running.wait_for_stderr("draining");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}
