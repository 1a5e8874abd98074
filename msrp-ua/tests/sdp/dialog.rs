//! Offers and answers to try: streams of two hosts, and descriptions as text.
#![allow(dead_code, reason = "each test file uses its part of it")]

use msrp_core::grammar::{AcceptTypes, Path};
use msrp_ua::{
    negotiate::{
        Agreement, Decision, LocalStream, Negotiation, NegotiationError, OfferedStream, Refusal,
        RefusalReason, StreamChange,
    },
    sdp::{Direction, MessageSection, Origin, SdpLimits, SessionDescription},
};

pub(crate) const ALICE: &str = "msrp://alice.example.com:7394/2s93i93idj;tcp";
pub(crate) const BOB: &str = "msrp://bob.example.com:8493/si438dsaodes;tcp";
pub(crate) const ALICE2: &str = "msrp://alice.example.com:7394/an0ther;tcp";
pub(crate) const BOB2: &str = "msrp://bob.example.com:8493/s3cond;tcp";
pub(crate) const RELAY: &str = "msrps://relay.example.net:2855/r3lay;tcp";

pub(crate) fn types(list: &str) -> AcceptTypes {
    list.parse().unwrap()
}

/// A stream with this path that takes text.
pub(crate) fn stream(path: &str) -> LocalStream {
    LocalStream::new(path.parse::<Path>().unwrap(), types("text/plain"))
}

pub(crate) fn alice() -> Negotiation {
    Negotiation::new(Origin::new(2_890_844_526, "alice.example.com"))
}

pub(crate) fn bob() -> Negotiation {
    Negotiation::new(Origin::new(2_890_844_530, "bob.example.com"))
}

pub(crate) fn accept(local: LocalStream) -> impl FnMut(&OfferedStream) -> Decision {
    move |_| Decision::Accept(Box::new(local.clone()))
}

/// Offers from one to the other; each takes what the other says.
pub(crate) fn exchange(
    offerer: &mut Negotiation,
    offered: &[Option<LocalStream>],
    answerer: &mut Negotiation,
    decide: impl FnMut(&OfferedStream) -> Decision,
) -> (Agreement, Agreement) {
    let offer = offerer.offer(offered).unwrap();
    answerer.on_offer(&offer).unwrap();
    let (answer, theirs) = answerer.answer(decide).unwrap();
    (offerer.on_answer(&answer).unwrap(), theirs)
}

/// Alice and Bob with one stream each, agreed on.
pub(crate) fn talking() -> (Negotiation, Negotiation) {
    let (mut a, mut b) = (alice(), bob());
    exchange(&mut a, &[Some(stream(ALICE))], &mut b, accept(stream(BOB)));
    (a, b)
}

/// A description of a stranger: what stands above all sections, and these lines.
pub(crate) fn body(lines: &[&str]) -> Vec<u8> {
    let mut text =
        "v=0\r\no=- 77 1 IN IP4 peer.example.org\r\ns=-\r\nc=IN IP4 peer.example.org\r\nt=0 0\r\n".to_owned();
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// A stranger's section: port, path, and more lines.
pub(crate) fn section<'a>(media: &'a str, path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut lines = vec![media, "a=accept-types:text/plain", path];
    lines.extend_from_slice(more);
    lines
}

pub(crate) const PEER_MEDIA: &str = "m=message 9999 TCP/MSRP *";
pub(crate) const PEER_PATH: &str = "a=path:msrp://peer.example.org:9999/p33r;tcp";

/// A stranger's chat.
pub(crate) fn peer_body(more: &[&str]) -> Vec<u8> {
    body(&section(PEER_MEDIA, PEER_PATH, more))
}

pub(crate) fn parse(body: &[u8]) -> SessionDescription {
    SessionDescription::parse(body, &SdpLimits::default()).unwrap()
}

pub(crate) fn message(body: &[u8], index: usize) -> MessageSection {
    parse(body).sections()[index].message().unwrap().clone()
}

/// The lines of a body that begin so, without that.
pub(crate) fn lines<'a>(body: &'a [u8], start: &str) -> Vec<&'a str> {
    std::str::from_utf8(body)
        .unwrap()
        .split_terminator("\r\n")
        .filter_map(|line| line.strip_prefix(start))
        .collect()
}

/// What Bob answers to this.
pub(crate) fn answer_to(offer: &[u8], local: LocalStream) -> Result<(Vec<u8>, Agreement), Refusal> {
    let mut bob = bob();
    bob.on_offer(offer)?;
    bob.answer(accept(local)).map_err(|error| match error {
        NegotiationError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    })
}

/// Why Bob refuses this.
pub(crate) fn refusal_of(offer: &[u8], local: LocalStream) -> (u16, Option<u16>, RefusalReason) {
    let refusal = answer_to(offer, local).unwrap_err();
    (
        refusal.code,
        refusal.warning.map(|warning| warning.code),
        refusal.reason,
    )
}

/// The version of a description.
pub(crate) fn version(body: &[u8]) -> u64 {
    parse(body).origin().version()
}

/// The ports of its sections.
pub(crate) fn ports(body: &[u8]) -> Vec<u16> {
    let port = |line: &str| line.split(' ').nth(1).unwrap().parse().unwrap();
    lines(body, "m=").into_iter().map(port).collect()
}

/// What an exchange did to each stream.
pub(crate) fn changes(agreement: &Agreement) -> Vec<(usize, StreamChange)> {
    agreement
        .streams
        .iter()
        .map(|stream| (stream.index, stream.change))
        .collect()
}

/// A stream that goes this way.
pub(crate) fn with(path: &str, direction: Direction) -> Option<LocalStream> {
    Some(stream(path).with_direction(direction))
}
