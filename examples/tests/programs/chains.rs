//! A chain of two relays, each a process of its own, which show each other certificates (RFC 4976 §5.1, §9.2).

use std::{
    io::{Read, sink},
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};

use msrp_core::{grammar::Uri, node::Trust};
use msrp_examples::{hosts::HostTable, identity::Authority};
use msrp_transport::{
    resolve::SystemResolver,
    tls_config::{ClientTls, Identity, parse_fingerprint, roots_from_pem},
};
use msrp_ua::RelayAccount;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    foreign::Client,
    foreign_clients::dial_tls,
    party::{Call, Endpoint, FILE_SIZE, call, say, send_file},
    running::{Folder, Running, run},
};

pub(crate) const INNER: &str = "inner.relay.test";
pub(crate) const OUTER: &str = "outer.relay.test";

/// What all have in common: a folder for files, and an authority.
pub(crate) struct Place {
    folder: Folder,
    pub(crate) authority: Authority,
    /// The authority's certificate, as a file.
    pub(crate) roots: String,
}

/// Certificate and key of a relay, as files.
pub(crate) struct Papers(String, String);

impl Place {
    pub(crate) fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new().unwrap());
        let roots = folder.file("roots.pem", authority.pem());
        Self {
            folder,
            authority,
            roots,
        }
    }

    /// The authority's certificate (DER).
    pub(crate) fn root(&self) -> Vec<u8> {
        let root = CertificateDer::from_pem_slice(self.authority.pem().as_bytes());
        root.unwrap().to_vec()
    }

    pub(crate) fn papers(&self, authority: &Authority, name: &str) -> Papers {
        let made = authority.issue(&[name.to_owned()]).unwrap();
        Papers(
            self.folder.file(&format!("{name}.pem"), &made.certificate),
            self.folder.file(&format!("{name}.key"), &made.key),
        )
    }

    pub(crate) fn relay(&self, host: &str, papers: Option<&Papers>, more: &[&str]) -> Running {
        let mut options = vec![
            "--listen",
            "msrps://127.0.0.1:0",
            "--host",
            host,
            "--ca",
            &self.roots,
        ];
        options.extend([
            "--hosts",
            "inner.relay.test=127.0.0.1",
            "--hosts",
            "outer.relay.test=127.0.0.1",
        ]);
        if let Some(Papers(cert, key)) = papers {
            options.extend(["--cert", cert, "--key", key]);
        }
        options.extend(more);
        let listeners = options.iter().filter(|option| **option == "--listen").count();
        Running::start(listeners, &options)
    }

    pub(crate) fn outer(&self, more: &[&str]) -> Running {
        let papers = self.papers(&self.authority, OUTER);
        let users = ["--user", "alice:at-outer", "--user", "bob:hidden"];
        let peers = ["--client-ca", &self.roots, "--peer-relay", INNER];
        self.relay(OUTER, Some(&papers), &[&users[..], &peers[..], more].concat())
    }

    fn endpoint(&self, name: &'static str) -> Endpoint {
        let here = Ipv4Addr::LOCALHOST.into();
        let hosts = HostTable::new(SystemResolver).with(INNER, here).with(OUTER, here);
        let roots = roots_from_pem(self.authority.pem().as_bytes()).unwrap();
        Endpoint::start(name, ClientTls::new(roots, None).unwrap(), hosts).unwrap()
    }
}

fn account(host: &str, relay: &Running, user: &str, password: &str) -> RelayAccount {
    let uri = format!("msrps://{host}:{};tcp", relay.address().port());
    RelayAccount::new(Uri::parse(uri.into()).unwrap(), user, password)
}

// shows: 4976-5.1-01, 4976-9.2-05, 4976-1-04
#[test]
fn a_chat_and_a_file_go_through_two_relays() {
    chats_and_a_file(&["--workers", "1"], 0);
}

/// The relays know each other by one connection, and sessions of all workers go by it.
#[test]
fn chats_and_a_file_go_through_two_relays_of_several_workers() {
    chats_and_a_file(&["--workers", "3"], 7);
}

/// As many chats of others beside that of the two who send files.
fn chats_and_a_file(workers: &[&str], others: usize) {
    let place = Place::new();
    let outer = place.outer(workers);
    let inner = place.relay(
        INNER,
        Some(&place.papers(&place.authority, INNER)),
        &[&["--user", "alice:at-inner"], workers].concat(),
    );
    for _ in 0..others {
        let (mut alice, mut bob, session) = pair(&place, &inner, &outer);
        let out = &mut sink();
        say(out, &alice, session.caller, &bob, "one of many").unwrap();
        say(out, &bob, session.called, &alice, "another").unwrap();
        alice.vanish().unwrap();
        bob.vanish().unwrap();
    }
    let (mut alice, mut bob, session) = pair(&place, &inner, &outer);
    let out = &mut sink();
    say(out, &alice, session.caller, &bob, "through both").unwrap();
    say(out, &bob, session.called, &alice, "and back").unwrap();
    send_file(out, &alice, session.caller, &bob).unwrap();
    assert_eq!(bob.incoming_file.octets(), FILE_SIZE);
    send_file(out, &bob, session.called, &alice).unwrap();
    assert_eq!(alice.incoming_file.octets(), FILE_SIZE);
    assert_eq!(alice.incoming_file.sha256(), bob.incoming_file.sha256());
    alice.vanish().unwrap();
    bob.vanish().unwrap();
}

/// Alice calls bob: she is a client of the inner relay, and by it of the outer one, as whose client she knows him.
fn pair(place: &Place, inner: &Running, outer: &Running) -> (Endpoint, Endpoint, Call) {
    let (alice, bob) = (place.endpoint("alice"), place.endpoint("bob"));
    let chain = vec![
        account(INNER, inner, "alice", "at-inner"),
        account(OUTER, outer, "alice", "at-outer"),
    ];
    let direct = vec![account(OUTER, outer, "bob", "hidden")];
    let session = call(&mut sink(), (&alice, chain), (&bob, direct)).unwrap();
    (alice, bob, session)
}

/// The outer relay lets in whom it knows by name, and its own certificate alone is no name of the inner one.
// shows: 4976-6.3-02, 4976-6.3-04, 4976-9.2-05
#[test]
fn a_relay_that_cannot_show_who_it_is_speaks_for_nobody() {
    let place = Place::new();
    let outer = place.outer(&[]);
    for papers in [None, Some(place.papers(&place.authority, "other.relay.test"))] {
        let inner = place.relay(INNER, papers.as_ref(), &["--user", "alice:at-inner"]);
        // Who asks by way of it trusts it all the same.
        let fingerprint = match &papers {
            None => parse_fingerprint(&inner.fingerprint()).unwrap(),
            Some(Papers(cert, key)) => {
                let read = |path: &str| std::fs::read(path).unwrap();
                Identity::from_pem(&read(cert), &read(key)).unwrap().fingerprint()
            }
        };
        let mut alice = place.endpoint("alice");
        let chain = vec![
            account(INNER, &inner, "alice", "at-inner").with_trust(Trust::Fingerprints(vec![fingerprint])),
            account(OUTER, &outer, "alice", "at-outer"),
        ];
        let error = alice.register(chain).unwrap_err().to_string();
        assert!(
            error.contains("outer.relay.test refused alice: Refused"),
            "{error}"
        );
        alice.vanish().unwrap();
    }
    outer.wait_for_stderr("UnknownRelay");
}

#[test]
fn peer_relays_need_somebody_who_vouches_for_them() {
    let folder = Folder::new();
    let listen = ["--listen", "msrps://127.0.0.1:0", "--host", OUTER];
    for (options, told) in [
        (
            vec!["--peer-relay", INNER],
            "--peer-relay: other relays prove their names by certificates",
        ),
        (
            vec!["--hosts", "inner.relay.test"],
            "--hosts inner.relay.test: NAME=IP is wanted",
        ),
        (
            vec!["--hosts", "=127.0.0.1"],
            "--hosts =127.0.0.1: NAME=IP is wanted",
        ),
    ] {
        let output = run(&[&listen[..], &options[..]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
    let roots = folder.file("roots.pem", Authority::new().unwrap().pem());
    let peers = ["--client-ca", &roots, "--peer-relay", "192.0.2.7"];
    let output = run(&[&listen[..], &peers[..]].concat());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("--peer-relay: peer relay \"192.0.2.7\" is neither a DNS name"),
        "{error}"
    );
}

/// A host that takes a connection and ends it: at once, or when it has been asked something by TLS.
fn hang_up(place: &Place, after_tls: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let made = place.authority.issue(&[OUTER.to_owned()]).unwrap();
    let chain = CertificateDer::pem_slice_iter(made.certificate.as_bytes()).map(Result::unwrap);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            chain.collect(),
            PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if after_tls {
                let session = ServerConnection::new(config.clone()).unwrap();
                let mut tls = StreamOwned::new(session, stream);
                let read = tls.read(&mut [0; 4096]).unwrap();
                assert!(read > 0, "an AUTH");
            }
        }
    });
    port
}

/// Far sooner than the 30 s after which its client would give up.
#[test]
fn an_auth_for_a_relay_that_is_not_there_is_answered_at_once() {
    let place = Place::new();
    let papers = place.papers(&place.authority, INNER);
    let inner = place.relay(
        INNER,
        Some(&papers),
        &["--user", "alice:at-inner", "--workers", "2"],
    );
    // A port that stays ours, and at which nobody listens.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let closed = silent.local_addr().unwrap().port();
    for port in [closed, hang_up(&place, false), hang_up(&place, true)] {
        let mut alice = Client::new("alice", dial_tls(inner.address(), &place.root(), INNER));
        alice.uri = alice.uri.replace("msrp:", "msrps:");
        alice.authenticate(
            &format!("msrps://{INNER}:{};tcp", inner.address().port()),
            "at-inner",
        );
        let answer = alice.ask_beyond(&format!("msrps://{OUTER}:{port};tcp"));
        assert!(answer.start().starts_with("MSRP 49fh 408"), "{answer:?}");
        assert_eq!(answer.header("From-Path"), Some(&alice.use_path[..]));
    }
}
