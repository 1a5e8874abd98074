//! A peer that connects before its answer is here: 200 takes its way through proxies, MSRP does not.

use bytes::{Buf, Bytes, BytesMut};
use msrp_core::node::{ConnectionHandle, Node, PeerInfo, Security, TlsPeer};
use msrp_ua::{SessionLoss, UserAgentConfig, UserAgentEvent, call::CallAnswer, sip::SipInput};

use crate::{
    peer::{Alone, sdp},
    world::bob,
};

/// The hash of `certificate`.
const HASH: &str =
    "03:D6:6D:D0:88:35:C1:CA:3F:12:8C:CE:AC:D1:F3:1A:C9:41:63:09:6B:20:F4:45:AE:84:28:5B:C0:83:2D:72";

fn own_path(agent: &Alone) -> String {
    agent
        .said()
        .lines()
        .find_map(|line| line.strip_prefix("a=path:"))
        .unwrap()
        .to_owned()
}

fn connect(agent: &mut Alone, certificate: Option<&'static [u8]>) -> ConnectionHandle {
    let mut peer = PeerInfo::new();
    if let Some(octets) = certificate {
        let mut tls = TlsPeer::default();
        tls.certificate = Some(Bytes::from_static(octets));
        peer = peer.with_security(Security::Tls(tls.into()));
    }
    agent.agent.handle_accepted(agent.now, peer).unwrap()
}

/// A message of the peer, as octets on the wire, and the first line of what is said to it.
fn send(agent: &mut Alone, wire: ConnectionHandle, path: &str, scheme: &str) -> Option<String> {
    let text = format!(
        "MSRP hello000 SEND\r\nTo-Path: {path}\r\nFrom-Path: {scheme}://p.example.com:7000/peer0001;tcp\r\n\
         Message-ID: once\r\nByte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nHi\r\n-------hello000$\r\n"
    );
    let now = agent.now;
    agent.agent.handle_read(now, wire, BytesMut::from(text.as_str()));
    agent.run();
    read(agent, wire)
}

fn read(agent: &mut Alone, wire: ConnectionHandle) -> Option<String> {
    let mut octets = Vec::new();
    while let Some(mut transmit) = agent.agent.poll_transmit(agent.now, wire, 65536) {
        if !transmit.has_remaining() {
            break;
        }
        let len = transmit.remaining();
        octets.extend_from_slice(&transmit.copy_to_bytes(len));
    }
    agent.run();
    let text = String::from_utf8(octets).unwrap();
    text.lines().next().map(str::to_owned)
}

fn heard(agent: &Alone) -> usize {
    let is_message = |event: &&UserAgentEvent| matches!(event, UserAgentEvent::Message { .. });
    agent.events.iter().filter(is_message).count()
}

// shows: 3264-5.1-03, 8122-6.2-03
#[test]
fn what_comes_before_the_answer_waits_for_it() {
    let mut agent = Alone::new();
    let call = agent.agent.call(bob()).unwrap();
    agent.run();
    let path = own_path(&agent);
    let wire = connect(&mut agent, None);
    // Neither refused nor heard.
    assert_eq!(send(&mut agent, wire, &path, "msrp"), None);
    assert_eq!(heard(&agent), 0);
    let answer = sdp(1, &["peer0001"], "a=setup:active\r\n");
    agent.say(SipInput::Accepted {
        call,
        answer: Some(answer.into()),
    });
    assert_eq!(read(&mut agent, wire).as_deref(), Some("MSRP hello000 200 OK"));
    assert_eq!(heard(&agent), 1);
}

// shows: 3264-6.1-06
#[test]
fn who_answers_can_be_connected_to_at_once() {
    let mut agent = Alone::new();
    let call = agent.invite(Some(sdp(1, &["peer0001"], "")));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    // The ACK is still on its way.
    let path = own_path(&agent);
    let wire = connect(&mut agent, None);
    assert_eq!(
        send(&mut agent, wire, &path, "msrp").as_deref(),
        Some("MSRP hello000 200 OK")
    );
    assert_eq!(heard(&agent), 1);
}

// shows: 8122-6.2-04
#[test]
fn a_certificate_is_compared_as_soon_as_its_fingerprint_is_known() {
    for (certificate, good) in [(&b"certificate"[..], true), (b"other", false)] {
        let mut agent = Alone::with(UserAgentConfig::new("a.example.com", 2855, true));
        let call = agent.agent.call(bob()).unwrap();
        agent.run();
        let path = own_path(&agent);
        let wire = connect(&mut agent, Some(certificate));
        assert_eq!(send(&mut agent, wire, &path, "msrps"), None);
        let answer = sdp(
            1,
            &["peer0001"],
            &format!("a=setup:active\r\na=fingerprint:sha-256 {HASH}\r\n"),
        );
        let answer = String::from_utf8(answer).unwrap();
        let answer = answer
            .replace("TCP/MSRP", "TCP/TLS/MSRP")
            .replace("msrp://", "msrps://");
        agent.say(SipInput::Accepted {
            call,
            answer: Some(answer.into()),
        });
        let said = read(&mut agent, wire);
        assert_eq!(said.is_some_and(|said| said.ends_with("200 OK")), good);
        assert_eq!(heard(&agent), usize::from(good));
        let lost = agent.events.iter().any(|event| {
            matches!(
                event,
                UserAgentEvent::SessionLost {
                    reason: SessionLoss::Certificate,
                    ..
                }
            )
        });
        assert_eq!(lost, !good, "{:?}", agent.events);
    }
}
