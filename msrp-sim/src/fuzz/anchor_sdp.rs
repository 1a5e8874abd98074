//! SDP of anybody's making: what is anchored is changed where it has to be and nowhere else, and nothing stays of it.

use std::time::Instant;

use msrp_core::{
    grammar::{Path, Scheme},
    node::{ListenerId, Node},
};
use msrp_relay::{AnchorConfig, AnchorOptions, LegOptions, Relay, RelayConfig, Side};

/// Between the bodies of an input.
const SEPARATOR: u8 = 0x1e;
const HOST: &str = "relay.example.com";

/// Input: options in the bits of the first octet, then an offer, an answer to it, and a new offer and its answer, with the
/// octet 0x1e between them.
///
/// # Panics
/// When lines are changed that are none of the relay's affair, when a path does not lead through the relay, or when
/// something stays behind.
pub fn anchor_sdp(data: &[u8]) {
    let Some((&bits, bodies)) = data.split_first() else {
        return;
    };
    let now = Instant::now();
    let config = RelayConfig::new(HOST)
        .listener(ListenerId(0), Scheme::Msrp, 2855)
        .listener(ListenerId(1), Scheme::Msrps, 2856)
        .anchors(AnchorConfig::new().max_sdp(8 * 1024).max_streams(3));
    let mut relay = Relay::new(now, config, [7; 32]).expect("a good configuration");
    let hide = bits & 1 != 0;
    let answerer = LegOptions::new()
        .listener(ListenerId(u16::from(bits >> 1 & 1)))
        .await_peer(bits & 4 != 0);
    let options = AnchorOptions::new().hide_paths(hide).answerer(answerer);
    let mut bodies = bodies.split(|&octet| octet == SEPARATOR);
    let mut next = || bodies.next().unwrap_or_default();
    let offer = next();
    let Ok((id, changed)) = relay.anchor_offer(now, offer, &options) else {
        assert_eq!((relay.anchor_count(), relay.bindings()), (0, 0));
        return;
    };
    check(offer, &changed, hide);
    let answer = next();
    if let Ok(changed) = relay.anchor_answer(now, id, answer) {
        check(answer, &changed, hide);
    }
    let side = if bits & 8 == 0 {
        Side::Offerer
    } else {
        Side::Answerer
    };
    let offer = next();
    if let Ok(changed) = relay.anchor_reoffer(now, id, side, offer) {
        check(offer, &changed, hide);
        let answer = next();
        match relay.anchor_answer(now, id, answer) {
            Ok(changed) => check(answer, &changed, hide),
            Err(_) => drop(relay.anchor_offer_refused(now, id)),
        }
    }
    while relay.poll_action().is_some() {}
    let known = relay.anchor(id).is_some();
    assert_eq!(relay.anchor_end(now, id).is_ok(), known);
    assert_eq!(
        (relay.anchor_count(), relay.bindings(), relay.memory()),
        (0, 0, 0)
    );
    assert_eq!(relay.poll_timeout(), None);
}

/// Whether a line may be changed, put in or taken out.
fn is_ours(line: &[u8]) -> bool {
    [
        &b"m=message "[..],
        b"c=",
        b"a=path:",
        b"a=setup:",
        b"a=connection:",
        b"a=fingerprint:",
        b"a=msrp-cema",
    ]
    .iter()
    .any(|kind| line.starts_with(kind))
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|&octet| octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn check(before: &[u8], after: &[u8], hide: bool) {
    let others = |body| lines(body).filter(|line| !is_ours(line) && !line.is_empty());
    assert!(others(before).eq(others(after)), "other lines have changed");
    let sections = |body| lines(body).filter(|line| line.starts_with(b"m=")).count();
    assert_eq!(sections(before), sections(after));
    // From here on: what a naive reader finds in sections that are in use.
    let mut used = false;
    for line in lines(after) {
        if line.starts_with(b"m=") {
            let mut words = line.split(|&octet| octet == b' ');
            let (kind, port, protocol) = (words.next(), words.next(), words.next());
            let msrp = protocol == Some(b"TCP/MSRP") || protocol == Some(b"TCP/TLS/MSRP");
            used = kind == Some(b"m=message") && msrp && port.is_some_and(|port| port != b"0");
        } else if let Some(path) = line.strip_prefix(b"a=path:").filter(|_| used) {
            let path: Path = std::str::from_utf8(path).unwrap().parse().expect("a path");
            assert_eq!(path.first().host_str(), HOST);
            assert!(path.len() > 1 || hide);
            assert!(path.len() == 1 || !hide);
        }
    }
}
