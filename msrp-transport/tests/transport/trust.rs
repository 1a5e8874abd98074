//! Whom a connection by TLS trusts, with each driver: names, issuers, dates, fingerprints.

use std::time::{Duration, Instant};

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, Fingerprint, PeerInfo, Security, Target, Trust},
};
use msrp_transport::tls_config::{
    ClientCertificates, ClientTls, parse_fingerprint, server_config, sha256_fingerprint,
};

use crate::{
    identities::{Authority, Made, no_roots, self_signed},
    node::{Say, Told},
    peer::{KINDS, Kind, Peer, Setup},
};

/// What comes of a connect to `localhost` with this trust, and what the server has heard of it.
fn connect(
    kind: Kind,
    server: Setup,
    client: ClientTls,
    trust: Trust,
    with_identity: bool,
) -> (Result<PeerInfo, ConnectFailure>, Option<PeerInfo>) {
    let mut b = Peer::start(kind, server);
    let mut a = Peer::start(kind, Setup::client(client));
    let mut target = Target::new(Scheme::Msrps, "localhost", Some(b.addresses[0].port())).with_trust(trust);
    if with_identity {
        target = target.with_client_identity();
    }
    a.say(Say::Connect(1, target));
    let outcome = a.connected().map(|(_, peer)| peer);
    if outcome.is_err() {
        let heard = b.next_within(Duration::from_millis(50));
        assert!(
            heard.is_none(),
            "{kind:?}: the server would wait for a request that never comes"
        );
        return (outcome, None);
    }
    // In TLS 1.3 a client is through before the server has seen its certificate: either the server hears of the
    // connection, or the client of its end.
    let begun = Instant::now();
    let heard = loop {
        let tick = Duration::from_millis(10);
        if let Some(Told::Accepted(_, peer)) = b.next_within(tick) {
            break Some(peer);
        }
        if let Some(Told::Down(..)) = a.next_within(tick) {
            break None;
        }
        assert!(begun.elapsed() < crate::peer::PATIENCE, "{kind:?}: neither");
    };
    (outcome, heard)
}

fn tls(made: &Made) -> Setup {
    Setup::tls(server_config(&made.identity(), ClientCertificates::Ignored).unwrap())
}

#[track_caller]
fn fails_with(outcome: Result<PeerInfo, ConnectFailure>, text: &str) {
    match outcome {
        Err(ConnectFailure::Tls(why)) => assert!(why.contains(text), "{text}: {why}"),
        other => panic!("{other:?}"),
    }
}

// shows: 4975-5.4-09, 4976-9.2-04, 4976-9.2-07
#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    // The last has the name in its subject only, which does not count.
    let named = authority.issue_with(&[], |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "localhost");
    });
    for made in [
        authority.issue(&["other.example.com"]),
        authority.issue(&["ocalhost"]),
        named,
    ] {
        for kind in KINDS {
            let (outcome, heard) = connect(kind, tls(&made), authority.client(), Trust::Pki, false);
            fails_with(outcome, "not valid for name");
            assert!(heard.is_none());
        }
    }
}

// shows: 4975-5.4-10, 4975-5.4-13, 4976-9.2-08
#[test]
fn a_certificate_of_an_unknown_issuer_is_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for made in [theirs.issue(&["localhost"]), self_signed(&["localhost"])] {
        for kind in KINDS {
            let (outcome, heard) = connect(kind, tls(&made), ours.client(), Trust::Pki, false);
            fails_with(outcome, "UnknownIssuer");
            assert!(heard.is_none());
        }
    }
}

// shows: 4975-5.4-10, 4976-9.2-08
#[test]
fn a_certificate_of_another_time_is_refused() {
    let authority = Authority::new();
    let expired = authority.issue_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let not_yet = authority.issue_with(&["localhost"], |params| {
        params.not_before = rcgen::date_time_ymd(2200, 1, 1);
        params.not_after = rcgen::date_time_ymd(2201, 1, 1);
    });
    for kind in KINDS {
        let (outcome, _) = connect(kind, tls(&expired), authority.client(), Trust::Pki, false);
        fails_with(outcome, "expired");
        let (outcome, _) = connect(kind, tls(&not_yet), authority.client(), Trust::Pki, false);
        fails_with(outcome, "not valid yet");
    }
}

#[test]
fn without_roots_nobody_is_trusted_and_without_tls_nothing_is_tried() {
    let authority = Authority::new();
    for kind in KINDS {
        let server = Setup::tls(authority.server(&["localhost"]));
        let (outcome, _) = connect(kind, server, no_roots(), Trust::Pki, false);
        fails_with(outcome, "UnknownIssuer");
        let mut a = Peer::start(kind, Setup::default());
        let outcome = a.connect(Scheme::Msrps, "127.0.0.1:9".parse().unwrap());
        fails_with(outcome.map(|(_, peer)| peer), "no roots are configured");
    }
}

#[test]
fn who_trusts_anyone_is_told_that_nobody_is_verified() {
    let made = self_signed(&["whoever.example.com"]);
    for kind in KINDS {
        let anyone = ClientTls::danger_trust_anyone(None).unwrap();
        let (outcome, heard) = connect(kind, tls(&made), anyone.clone(), Trust::Pki, false);
        let Security::Tls(peer) = outcome.unwrap().security else {
            panic!("not TLS")
        };
        assert!(peer.verified_names.is_empty());
        assert!(heard.is_some());
        // A fingerprint that is expected still has to be the one.
        let other = Trust::Fingerprints(vec![sha256_fingerprint(b"other")]);
        let (outcome, _) = connect(kind, tls(&made), anyone, other, false);
        assert!(matches!(outcome, Err(ConnectFailure::Tls(_))));
    }
}

// shows: 4975-5.4-12, 4975-14.4-01, 4975-14.4-05
#[test]
fn a_fingerprint_makes_a_self_signed_certificate_trustworthy_whatever_its_name() {
    let made = self_signed(&["whoever.example.com"]);
    for kind in KINDS {
        let trust = Trust::Fingerprints(vec![sha256_fingerprint(&made.der)]);
        let (outcome, heard) = connect(kind, tls(&made), no_roots(), trust, false);
        let Security::Tls(peer) = outcome.unwrap().security else {
            panic!("not TLS")
        };
        // Nobody has vouched for the names in it.
        assert_eq!(peer.verified_names, [""; 0]);
        assert_eq!(peer.certificate.as_deref(), Some(&made.der[..]));
        assert!(heard.unwrap().is_tls());
    }
}

// shows: 4975-14.4-07
#[test]
fn a_certificate_with_another_fingerprint_is_refused_whoever_issued_it() {
    let authority = Authority::new();
    let made = authority.issue(&["localhost"]);
    let mut wrong = sha256_fingerprint(&made.der);
    wrong.value[31] ^= 1;
    for kind in KINDS {
        let trust = Trust::Fingerprints(vec![wrong.clone()]);
        let (outcome, heard) = connect(kind, tls(&made), authority.client(), trust, false);
        fails_with(outcome, "ApplicationVerificationFailure");
        assert!(heard.is_none());
    }
}

/// RFC 8122 §5: several fingerprints may be given, and the strongest hash among them counts.
#[test]
fn of_several_fingerprints_those_of_the_strongest_hash_count() {
    use sha2::{Digest, Sha384, Sha512};
    let made = self_signed(&["localhost"]);
    let other = sha256_fingerprint(b"another certificate");
    let right = sha256_fingerprint(&made.der);
    let fingerprint = |hash: &str, value: Vec<u8>| Fingerprint {
        hash: hash.to_owned(),
        value,
    };
    let sha384 = fingerprint("SHA-384", Sha384::digest(&made.der).to_vec());
    let sha512 = fingerprint("sha-512", Sha512::digest(&made.der).to_vec());
    let wrong512 = fingerprint("sha-512", vec![0; 64]);
    let sha1 = fingerprint("sha-1", vec![0; 20]);
    for (given, good) in [
        (vec![other.clone(), right.clone()], true),
        (vec![sha384], true),
        (vec![sha512, other], true),
        (vec![wrong512, right.clone()], false),
        (vec![sha1.clone(), right], true),
        (vec![sha1], false),
        (vec![], false),
    ] {
        let trust = Trust::Fingerprints(given.clone());
        let (outcome, _) = connect(Kind::Mio, tls(&made), no_roots(), trust, false);
        assert_eq!(outcome.is_ok(), good, "{given:?}: {outcome:?}");
    }
}

/// RFC 4976 §6.1: a certificate is asked for; none is needed; one that is presented has to be good.
// shows: 4976-6.1-01, 4976-6.1-02, 4976-6.3-03
#[test]
fn a_client_certificate_is_optional_and_verified_where_it_is_presented() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = || {
        let identity = authority.issue(&["localhost"]).identity();
        Setup::tls(server_config(&identity, ClientCertificates::Verified(authority.roots())).unwrap())
    };
    for kind in KINDS {
        let (outcome, heard) = connect(kind, server(), authority.client(), Trust::Pki, false);
        assert!(outcome.is_ok());
        let Security::Tls(peer) = heard.unwrap().security else {
            panic!("not TLS")
        };
        assert!(peer.certificate.is_none() && peer.verified_names.is_empty());

        let identity = authority.issue(&["relay.example.com"]).identity();
        let client = || ClientTls::new(authority.roots(), Some(identity.clone())).unwrap();
        let (outcome, heard) = connect(kind, server(), client(), Trust::Pki, true);
        assert!(outcome.is_ok());
        let Security::Tls(peer) = heard.unwrap().security else {
            panic!("not TLS")
        };
        assert_eq!(peer.verified_names, ["relay.example.com"]);
        // It is presented only where the target asks for it.
        let (_, heard) = connect(kind, server(), client(), Trust::Pki, false);
        assert!(matches!(heard.unwrap().security, Security::Tls(peer) if peer.certificate.is_none()));

        let bad = stranger.issue(&["relay.example.com"]).identity();
        let client = ClientTls::new(authority.roots(), Some(bad)).unwrap();
        let (_, heard) = connect(kind, server(), client, Trust::Pki, true);
        assert!(heard.is_none(), "{kind:?}: a bad certificate is worse than none");
    }
}

/// RFC 8122 §6: where certificates are compared with signalling, both sides present one.
#[test]
fn a_client_certificate_may_be_required_and_compared_afterwards() {
    let (authority, client) = (Authority::new(), self_signed(&["caller"]));
    let server = || {
        let identity = authority.issue(&["localhost"]).identity();
        Setup::tls(server_config(&identity, ClientCertificates::AnyWithKey).unwrap())
    };
    for kind in KINDS {
        let tls = ClientTls::new(authority.roots(), Some(client.identity())).unwrap();
        let (_, heard) = connect(kind, server(), tls, Trust::Pki, true);
        let Security::Tls(peer) = heard.unwrap().security else {
            panic!("not TLS")
        };
        assert_eq!(peer.certificate.as_deref(), Some(&client.der[..]));
        let expected = [sha256_fingerprint(&client.der)];
        let matches = msrp_transport::tls_config::matches_fingerprint;
        assert_eq!(matches(peer.certificate.as_deref().unwrap(), &expected), Ok(true));
        assert_eq!(matches(b"another", &expected), Ok(false));
        // Nobody has vouched for its names.
        assert_eq!(peer.verified_names, [""; 0]);

        let (_, heard) = connect(kind, server(), authority.client(), Trust::Pki, false);
        assert!(heard.is_none(), "{kind:?}: none was presented");
    }
}

// shows: 4975-14.4-09
#[test]
fn fingerprints_are_read_and_written_as_sdp_has_them() {
    let text = "SHA-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";
    let read = parse_fingerprint(text).unwrap();
    assert_eq!(
        (&read.hash[..], read.value.len(), read.value[1]),
        ("sha-256", 32, 0xDF)
    );
    assert_eq!(msrp_transport::tls_config::format_fingerprint(&read), text);
    assert_eq!(parse_fingerprint(&text.to_lowercase()).unwrap(), read);
    use msrp_transport::tls_config::TlsConfigError::{FingerprintHash, FingerprintSyntax};
    for (text, error) in [
        (
            "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
            FingerprintHash("sha-1".to_owned()),
        ),
        ("MD5 4A", FingerprintHash("md5".to_owned())),
        ("SHA-256", FingerprintSyntax),
        ("SHA-256 4A:AD", FingerprintSyntax),
        (&text.replace(':', ""), FingerprintSyntax),
        (&text.replace("DF", "+F"), FingerprintSyntax),
        (&text.replace("12:", "1:2"), FingerprintSyntax),
    ] {
        assert_eq!(parse_fingerprint(text), Err(error), "{text}");
    }
}

#[test]
fn a_certificate_is_known_to_be_out_of_date_by_whoever_presents_it() {
    use msrp_transport::tls_config::TlsConfigError::{Expired, NotYetValid};
    let made = Authority::new().issue_with(&["relay.example.com", "*.example.net", "192.0.2.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let identity = made.identity();
    for (at, outcome) in [
        (946_684_799, Err(NotYetValid(946_684_800))),
        (946_684_800, Ok(())),
        (978_307_200, Ok(())),
        (978_307_201, Err(Expired(978_307_200))),
    ] {
        assert_eq!(identity.check_time(Duration::from_secs(at)), outcome, "{at}");
    }
    for host in ["relay.example.com", "a.example.net", "192.0.2.1"] {
        assert!(identity.names(host), "{host}");
    }
    for host in ["example.com", "a.b.example.net", "192.0.2.2", "a b", ""] {
        assert!(!identity.names(host), "{host}");
    }
}

#[test]
fn material_that_cannot_be_used_says_why() {
    use msrp_transport::tls_config::{Identity, TlsConfigError, roots_from_pem};
    let (one, other) = (self_signed(&["a"]), self_signed(&["b"]));
    let (cert, key) = (one.certificate.as_bytes(), one.key.as_bytes());
    assert!(matches!(
        Identity::from_pem(b"", key),
        Err(TlsConfigError::Certificate(_))
    ));
    assert!(matches!(
        Identity::from_pem(key, key),
        Err(TlsConfigError::Certificate(_))
    ));
    assert!(matches!(
        Identity::from_pem(cert, b""),
        Err(TlsConfigError::Key(_))
    ));
    assert!(matches!(
        roots_from_pem(b"no roots"),
        Err(TlsConfigError::Certificate(_))
    ));
    let mixed = Identity::from_pem(cert, other.key.as_bytes()).unwrap();
    assert!(matches!(
        server_config(&mixed, ClientCertificates::Ignored),
        Err(TlsConfigError::Refused(_))
    ));
    // A key never stands in what is printed for debugging.
    let debug = format!("{:?}", one.identity());
    assert!(!debug.contains("key") && debug.len() < 60, "{debug}");
}
