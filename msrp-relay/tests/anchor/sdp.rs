//! What is changed in SDP, and what is not.

use msrp_core::node::{Fingerprint, ListenerId};
use msrp_relay::{AnchorConfig, AnchorError, AnchorOptions, LegOptions};

use super::*;

fn own_fingerprint() -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: vec![0xcd; 32],
    }
}

fn own_line() -> String {
    format!("a=fingerprint:sha-256 {}", vec!["CD"; 32].join(":"))
}

const THEIRS: &str = "a=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

/// An offer with all that may stand in one, and things that nobody knows.
fn rich() -> String {
    format!(
        "v=0\no=alice 2890844526 2890844527 IN IP4 10.0.0.5\ns=a subject with = and :\ni=about\nu=http://example.com\n\
         e=alice@example.com\np=+1\nc=IN IP4 10.0.0.5\nb=CT:64\nt=0 0\nr=7d 1h 0 25h\na=unknown\na=group:BUNDLE 1 2\n\
         m=audio 49170 RTP/AVP 0 8\nc=IN IP4 10.0.0.6\na=rtpmap:0 PCMU/8000\na=setup:active\n{THEIRS}\n\
         m=message 7394 TCP/TLS/MSRP *\ni=chat\nc=IN IP4 10.0.0.5\nb=AS:100\na=sendrecv\na=accept-types:message/cpim text/plain\n\
         a=connection:new\n{THEIRS}\na=path:msrps://10.0.0.5:7394/2s93i9;tcp\na=x-unknown:  two  spaces \na=setup:actpass\n\
         a=max-size:5000\na=msrp-cema\n"
    )
}

// Rows: 4975-8.1-02, 6135-4.4-02, 6135-4.2.2-01, 6714-4.2-04, 6714-4.2-05, 6135-4.2.2-03
#[test]
fn only_what_names_the_side_is_changed() {
    let config = config().anchors(AnchorConfig::new().fingerprint(own_fingerprint()));
    let mut world = World::with(config);
    let (_, for_b) = offer(&mut world, &rich(), &AnchorOptions::new()).unwrap();
    let path = value(&for_b, "a=path:").unwrap();
    let (relay, rest) = path.split_once(' ').unwrap();
    assert_eq!(rest, "msrps://10.0.0.5:7394/2s93i9;tcp");
    assert!(relay.starts_with("msrps://relay.example.com:2855/") && relay.ends_with(";tcp"));
    let offered = rich();
    let (other, own) = offered.split_at(offered.find("m=message").unwrap());
    let expected = own
        .replace("m=message 7394", "m=message 2855")
        .replace("c=IN IP4 10.0.0.5", "c=IN IP4 relay.example.com")
        .replace("a=connection:new\n", "")
        .replace(THEIRS, &own_line())
        .replace("a=path:", &format!("a=path:{relay} "));
    assert_eq!(for_b, format!("{other}{expected}"));
}

#[test]
fn towards_a_side_without_tls_the_protocol_changes() {
    let mut world = World::new();
    let options = AnchorOptions::new().answerer(LegOptions::new().listener(ListenerId(1)));
    let (_, for_b) = offer(&mut world, &rich(), &options).unwrap();
    assert!(for_b.contains("m=message 2856 TCP/MSRP *\n"));
    assert_eq!(
        for_b.matches("a=fingerprint").count(),
        1,
        "only that of the audio"
    );
    // And the other way round: what A gets has the protocol of its offer.
    let mut world = World::new();
    let options = AnchorOptions::new().answerer(LegOptions::new().listener(ListenerId(0)));
    let (id, for_b) = offer(&mut world, &sdp(A, ""), &options).unwrap();
    assert!(for_b.contains("m=message 2855 TCP/TLS/MSRP *\r\n"));
    let b = "msrps://bob.example.com:8493/si438ds;tcp";
    let for_a = answer(&mut world, id, &sdp(b, "a=setup:active\r\n")).unwrap();
    assert!(for_a.contains("m=message 2856 TCP/MSRP *\r\n"));
}

#[test]
fn what_is_missing_is_put_in() {
    let config = config().anchors(
        AnchorConfig::new()
            .fingerprint(own_fingerprint())
            .address(ListenerId(0), "192.0.2.1".parse().unwrap()),
    );
    let mut world = World::with(config);
    // No c= of its own, no a=setup, and no end of the last line.
    let body = "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=message 7394 TCP/TLS/MSRP *\r\n\
                a=accept-types:*\r\na=path:msrps://[::1]:7394/2s93i9;tcp";
    let (_, for_b) = offer(&mut world, body, &AnchorOptions::new()).unwrap();
    let relay = value(&for_b, "a=path:")
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let expected = body
        .replace("7394 TCP/TLS/MSRP *", "2855 TCP/TLS/MSRP *\r\nc=IN IP4 192.0.2.1")
        .replace("a=path:", &format!("a=path:{relay} "));
    let full = format!("{expected}\r\na=setup:actpass\r\n{}\r\n", own_line());
    assert_eq!(for_b, full);
    // Half an end of line is made whole.
    let (_, for_b) = offer(&mut world, &format!("{body}\r"), &AnchorOptions::new()).unwrap();
    let again = value(&for_b, "a=path:").unwrap().split(' ').next().unwrap();
    assert_eq!(for_b, full.replace(&relay, again));
}

/// What stands above all media is for all of them.
#[test]
fn a_fingerprint_above_all_media_is_not_taken_for_the_relays() {
    let above = |media: &str| {
        let a = "msrps://alice.example.com:7394/2s93i9;tcp";
        sdp(a, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{THEIRS}\r\n{media}"))
    };
    let audio = "m=audio 49170 RTP/SAVP 0\r\n";
    let mut world = World::new();
    // Nobody else's: it is dropped.
    let (_, for_b) = offer(&mut world, &above(""), &AnchorOptions::new()).unwrap();
    assert!(!for_b.contains("fingerprint"));
    // The audio's too: it stays, and the relay has none of its own to put over it.
    let error = offer(&mut world, &above(audio), &AnchorOptions::new()).unwrap_err();
    assert_eq!(error, AnchorError::SessionFingerprint);
    let config = config().anchors(AnchorConfig::new().fingerprint(own_fingerprint()));
    let mut world = World::with(config);
    let (_, for_b) = offer(&mut world, &above(audio), &AnchorOptions::new()).unwrap();
    let (theirs, ours) = for_b.split_once("m=message").unwrap();
    assert!(theirs.contains(THEIRS) && ours.contains(&own_line()), "{for_b}");
}

// Rows: 6714-4.3-09, 6714-4.3-11, 6714-4.3-12, 6714-5-01
#[test]
fn cema_is_kept_where_its_rules_let_it() {
    let cema = "a=msrp-cema\r\n";
    let relayed = format!("msrp://r2.example.com:2855/k9fj;tcp {A}");
    for (a, extra, kept) in [
        (A, "a=msrp-cema\r\na=setup:active\r\n", true),
        (A, "a=msrp-cema\r\n", true),
        (A, "", false),
        // A value makes it another attribute, which nobody knows.
        (A, "a=msrp-cema:x\r\n", false),
        // Both sides use relays.
        (&relayed, "a=msrp-cema\r\na=setup:actpass\r\n", false),
        (A, "a=msrp-cema\r\na=setup:passive\r\n", false),
    ] {
        let mut world = World::new();
        let session = anchored_with(
            &mut world,
            &AnchorOptions::new(),
            (a, extra),
            (B, "a=setup:active\r\n"),
        );
        assert_eq!(session.for_b.contains(cema), extra.contains(cema), "{a} {extra}");
        assert_eq!(session.for_a.contains(cema), kept, "{a} {extra}");
        if kept {
            assert!(session.for_a.contains("a=setup:passive\r\n"));
            assert!(session.for_a.contains("c=IN IP4 relay.example.com\r\n"));
            assert!(session.for_a.contains("m=message 2856 "));
        }
    }
}

/// As an SBC it has to take what it gets: c=/m= that somebody has changed on the way are no reason to refuse.
#[test]
fn an_address_that_is_not_the_paths_is_no_error() {
    let mut world = World::new();
    let body = sdp(A, "").replace("c=IN IP4 10.0.0.5", "c=IN IP4 203.0.113.7");
    offer(&mut world, &body, &AnchorOptions::new()).unwrap();
}

#[test]
fn extra_spaces_in_a_path_do_not_matter() {
    let mut world = World::new();
    let (_, for_b) = offer(
        &mut world,
        &sdp(A, "").replace("a=path:", "a=path: "),
        &AnchorOptions::new(),
    )
    .unwrap();
    assert!(value(&for_b, "a=path:").unwrap().ends_with(&format!(";tcp {A}")));
}

#[test]
fn bad_sdp_is_refused_with_what_is_wrong_and_where() {
    let good = sdp(A, "");
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "no SDP: the first line is not v=0"),
        ("hello".to_owned(), "no SDP: the first line is not v=0"),
        ("{\"sdp\":1}".to_owned(), "no SDP: the first line is not v=0"),
        (good.replace("s= -", "subject"), "line 3: not of the form x=value"),
        (
            good.replace("s= -", "\r\ns= -"),
            "line 3: not of the form x=value",
        ),
        (good.replace("s= -", "s=\0"), "line 3: not of the form x=value"),
        (
            good.replace("m=message", "m=audio"),
            "no MSRP stream (m=message with TCP/MSRP or TCP/TLS/MSRP and a port other than 0)",
        ),
        (
            good.replace("7394 TCP", "0 TCP"),
            "no MSRP stream (m=message with TCP/MSRP or TCP/TLS/MSRP and a port other than 0)",
        ),
        (
            good.replace("7394 TCP", "seven TCP"),
            "line 6: not of the form m=message PORT TCP/MSRP *",
        ),
        (
            good.replace("7394 TCP", "73940 TCP"),
            "line 6: not of the form m=message PORT TCP/MSRP *",
        ),
        (
            good.replace("TCP/MSRP *", "TCP/MSRP"),
            "line 6: not of the form m=message PORT TCP/MSRP *",
        ),
        (
            good.replace("a=path", "a=puth"),
            "line 6: the stream needs one a=path, and has 0",
        ),
        (
            format!("{good}a=path:{A}\r\n"),
            "line 6: the stream needs one a=path, and has 2",
        ),
        (
            good.replace(A, "sip:alice@example.com"),
            "line 8: a=path: MSRP URI does not start with msrp:// or msrps://",
        ),
        (good.replace(A, ""), "line 8: a=path: path holds no MSRP URI"),
        (
            good.replace(":7394/", "/"),
            "line 8: a=path: MSRP URI lacks the port",
        ),
        (
            good.replace("/2s93i9", ""),
            "line 8: the last URI of a=path has no session-id",
        ),
        (
            good.replace(A, &format!("msrp://{REALM}:2856/abc;tcp {A}")),
            "line 6: a=path leads through this relay already",
        ),
        (
            good.replace("2s93i9", &"x".repeat(5_000)),
            "line 8: a=path of 5025 octets; the limit is 4096",
        ),
        (
            good.replace(A, &vec![A; 16].join(" ")),
            "line 8: a=path: path holds more than 15 URIs",
        ),
        (
            sdp(A, "a=setup:both\r\n"),
            "line 8: a=setup:both is not possible here",
        ),
        (
            sdp(A, "a=fingerprint:sha-256 XY\r\n"),
            "line 8: malformed a=fingerprint",
        ),
        (
            format!("{good}{}", "a=x\r\n".repeat(20_000)),
            "SDP of 100174 octets; the limit is 65536",
        ),
        (
            format!(
                "{good}{}",
                format!("m=message 1 TCP/MSRP *\r\na=path:{A}\r\n").repeat(8)
            ),
            "more than 8 MSRP streams",
        ),
    ];
    let mut world = World::new();
    for (body, text) in cases {
        let error = offer(&mut world, &body, &AnchorOptions::new()).expect_err(text);
        assert_eq!(error.to_string(), text);
    }
    assert_eq!((world.relay.anchor_count(), world.relay.bindings()), (0, 0));
}

#[test]
fn bad_answers_are_refused_and_another_may_come() {
    let mut world = World::new();
    let (id, _) = offer(&mut world, &sdp(A, "a=msrp-cema\r\n"), &AnchorOptions::new()).unwrap();
    let wrong = |world: &mut World, body: &str| answer(world, id, body).unwrap_err().to_string();
    assert_eq!(
        wrong(&mut world, &sdp(B, "a=setup:actpass\r\n")),
        "line 6: a=setup:actpass is not possible here"
    );
    assert_eq!(
        wrong(
            &mut world,
            &sdp(B, "a=msrp-cema\r\n").replace("c=IN IP4 10.0.0.5\r\n", "")
        ),
        "line 5: a=msrp-cema needs a c= line"
    );
    assert_eq!(wrong(&mut world, "nonsense"), "no SDP: the first line is not v=0");
    answer(&mut world, id, &sdp(B, "a=setup:active\r\n")).unwrap();
    // An offerer that waits to be connected to, by a name that leads nowhere.
    let nowhere = "msrp://df7jal23ls0d.invalid:2855/98cjs;ws";
    let (id, _) = offer(
        &mut world,
        &sdp(nowhere, "a=setup:passive\r\n"),
        &AnchorOptions::new(),
    )
    .unwrap();
    let error = answer(&mut world, id, &sdp(B, "a=setup:active\r\n")).unwrap_err();
    assert!(matches!(error, AnchorError::NotReachable { line: 6 }), "{error}");
}

#[test]
fn listeners_have_to_fit() {
    let mut world = World::new();
    let options = |id| AnchorOptions::new().offerer(LegOptions::new().listener(ListenerId(id)));
    let error = offer(&mut world, &sdp(A, ""), &options(7)).unwrap_err();
    assert_eq!(error, AnchorError::UnknownListener { id: 7 });
    let error = offer(&mut world, &sdp(A, ""), &options(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6: TCP/MSRP needs a listener of the same security"
    );
    offer(&mut world, &sdp(A, ""), &options(1)).unwrap();
    let other = AnchorOptions::new().answerer(LegOptions::new().listener(ListenerId(9)));
    let error = offer(&mut world, &sdp(A, ""), &other).unwrap_err();
    assert_eq!(error, AnchorError::UnknownListener { id: 9 });
}
