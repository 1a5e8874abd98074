//! WebSocket (RFC 7977) with each driver: conversations, handshakes that are refused, frames that break a rule.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use msrp_core::{
    connection::CloseReason,
    grammar::Scheme,
    node::{ConnectFailure, Target},
};
use msrp_transport::layer::{Refusal, WebSocketConfig};

use crate::{
    conversation::converse_over,
    identities::Authority,
    node::Say,
    peer::{KINDS, Kind, Peer, Setup, octets},
    raw::{answer, dial, expect, send},
};

fn target(scheme: Scheme, server: &Peer) -> Target {
    Target::new(scheme, "127.0.0.1", Some(server.addresses[0].port())).with_websocket("/")
}

fn with_websocket(setup: Setup) -> Setup {
    Setup {
        websocket: Some(WebSocketConfig::new()),
        ..setup
    }
}

// shows: 7977-4.1-01, 7977-5.1-07
#[test]
fn over_ws() {
    for kind in KINDS {
        let a = Peer::start(kind, Setup::default());
        let b = Peer::start(kind, with_websocket(Setup::plain()));
        let target = target(Scheme::Msrp, &b);
        converse_over(a, b, target);
    }
}

#[test]
fn over_wss() {
    let authority = Authority::new();
    for (one, other) in [
        (Kind::Mio, Kind::Mio),
        (Kind::Tokio, Kind::Tokio),
        (Kind::Mio, Kind::Smol),
        (Kind::Smol, Kind::Mio),
    ] {
        let a = Peer::start(one, Setup::client(authority.client()));
        let b = Peer::start(
            other,
            with_websocket(Setup::tls(authority.server(&["127.0.0.1"]))),
        );
        let target = target(Scheme::Msrps, &b);
        converse_over(a, b, target);
    }
}

/// The opening handshake of a peer that is nothing but a socket.
fn upgraded(server: &Peer) -> TcpStream {
    let mut stream = dial(server.addresses[0]);
    stream
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: msrp\r\n\
              Sec-WebSocket-Version: 13\r\nCookie: session=1\r\n\r\n",
        )
        .unwrap();
    expect(
        &mut stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: msrp\r\n\r\n",
    );
    stream
}

/// A short frame of a client, with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Everything up to the end of the stream, which is an end in order.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

// shows: 7977-4.2-01
#[test]
fn what_a_handshake_told_is_told_to_the_node() {
    for kind in KINDS {
        let mut server = Peer::start(kind, with_websocket(Setup::plain()));
        let mut raw = upgraded(&server);
        let (handle, peer) = server.accepted();
        let handshake = peer.handshake.expect("what the handshake told");
        assert_eq!((handshake.path(), handshake.cookie("session")), ("/", Some("1")));
        assert_eq!(peer.remote, Some(raw.local_addr().unwrap()));
        // Text or binary, whole or in fragments, it is the same to the node; it is answered in kind.
        let message = send("aaaa", "hello");
        for first in [0x81, 0x82] {
            let (one, other) = message.split_at(50);
            raw.write_all(&frame(first & 0x7f, one.as_bytes())).unwrap();
            raw.write_all(&frame(0x89, b"between")).unwrap();
            raw.write_all(&frame(0x80, other.as_bytes())).unwrap();
            assert_eq!(server.received(), (handle, b"hello".to_vec()));
            expect_frame(&mut raw, 0x8a, "between");
            expect_frame(&mut raw, first, &answer("aaaa"));
        }
    }
}

fn expect_frame(stream: &mut TcpStream, first: u8, payload: &str) {
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[0], first);
    if header[1] == 126 {
        stream.read_exact(&mut header).unwrap();
    }
    expect(stream, payload);
}

#[test]
fn frames_that_break_a_rule_end_the_connection_with_a_reason() {
    for kind in KINDS {
        let mut server = Peer::start(kind, with_websocket(Setup::plain()));
        for (octets, code) in [
            (&[0x82, 0x04, b'M', b'S', b'R', b'P'][..], 1002_u16),
            (&[0xf2, 0x80, 0, 0, 0, 0], 1002),
            (
                &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                1009,
            ),
        ] {
            let mut raw = upgraded(&server);
            server.accepted();
            raw.write_all(octets).unwrap();
            raw.write_all(&[0; 4]).unwrap();
            let [a, b] = code.to_be_bytes();
            assert_eq!(rest(&mut raw), [0x88, 2, a, b], "{kind:?}");
            assert_eq!(server.down(), CloseReason::Reset);
        }
        // An end in order is answered, and heard as one.
        let mut raw = upgraded(&server);
        server.accepted();
        raw.write_all(&frame(0x88, &1001_u16.to_be_bytes())).unwrap();
        assert_eq!(rest(&mut raw), [0x88, 2, 0x03, 0xe9]);
        assert_eq!(server.down(), CloseReason::Eof);
    }
}

#[test]
fn what_is_no_handshake_gets_an_answer_and_an_end() {
    for kind in KINDS {
        let config = WebSocketConfig::new()
            .policy(|_: &msrp_core::node::OpeningHandshake| Err(Refusal::unauthorized("Basic realm=\"x\"")));
        let setup = Setup {
            websocket: Some(config),
            ..Setup::plain()
        };
        let server = Peer::start(kind, setup);
        for (request, start) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 "),
            ("GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "),
            ("MSRP abcd SEND\r\nTo-Path: x\r\n\r\n", "HTTP/1.1 400 "),
        ] {
            let mut raw = dial(server.addresses[0]);
            raw.write_all(request.as_bytes()).unwrap();
            let answer = String::from_utf8(rest(&mut raw)).unwrap();
            assert!(answer.starts_with(start), "{kind:?}: {answer}");
        }
        let mut client = Peer::start(kind, with_websocket(Setup::default()));
        client.say(Say::Connect(1, target(Scheme::Msrp, &server)));
        let failure = client.connected().unwrap_err();
        assert_eq!(
            failure,
            ConnectFailure::WebSocket("the server answered 401".to_owned())
        );
    }
}

// shows: 7977-9-02
#[test]
fn a_server_has_to_be_who_it_says() {
    let (authority, other) = (Authority::new(), Authority::new());
    for kind in KINDS {
        for certificate in [
            authority.server(&["other.example.com"]),
            other.server(&["127.0.0.1"]),
        ] {
            let mut server = Peer::start(kind, with_websocket(Setup::tls(certificate)));
            let mut client = Peer::start(kind, Setup::client(authority.client()));
            client.say(Say::Connect(1, target(Scheme::Msrps, &server)));
            assert!(
                matches!(client.connected(), Err(ConnectFailure::Tls(_))),
                "{kind:?}"
            );
            assert!(server.next_within(Duration::from_millis(20)).is_none());
        }
    }
}

// shows: 7977-6-01
#[test]
fn a_peer_that_answers_no_ping_is_given_up() {
    // A driver looks once a second, so all drivers at the same time.
    std::thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(move || a_peer_that_answers_no_ping_is_given_up_by(kind));
        }
    });
}

fn a_peer_that_answers_no_ping_is_given_up_by(kind: Kind) {
    let pinging = |missed| {
        let config = WebSocketConfig::new()
            .ping_interval(Some(Duration::from_millis(50)))
            .max_missed_pings(missed);
        let setup = Setup {
            websocket: Some(config),
            ..Setup::plain()
        };
        Peer::start(kind, setup)
    };
    let mut server = pinging(2);
    let mut silent = upgraded(&server);
    server.accepted();
    assert_eq!(server.down(), CloseReason::Reset, "{kind:?}");
    assert!(rest(&mut silent).starts_with(&[0x89, 0]));
    // Whoever answers is asked more often than may be missed, and stays. It has some seconds for each answer.
    let mut server = pinging(6);
    let mut alive = foreign(&server);
    let (handle, _) = server.accepted();
    for _ in 0..9 {
        // Reading answers Pings.
        let ping = alive.read().unwrap();
        assert!(matches!(ping, tungstenite::Message::Ping(_)), "{kind:?}: {ping}");
    }
    server.send(handle, &b"still here"[..]);
    while !alive.read().unwrap().into_data().ends_with(b"$\r\n") {}
}

/// A client with nothing of ours in it.
fn foreign(server: &Peer) -> tungstenite::WebSocket<TcpStream> {
    let uri = format!("ws://{}/", server.addresses[0]).parse().unwrap();
    let request = tungstenite::ClientRequestBuilder::new(uri).with_sub_protocol("msrp");
    let (socket, response) = tungstenite::client(request, dial(server.addresses[0])).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "msrp");
    socket
}

#[test]
#[allow(
    clippy::result_large_err,
    reason = "the type of the callback is not ours to choose"
)]
fn a_foreign_client_and_a_foreign_server() {
    use tungstenite::{Message, handshake::server};
    for kind in KINDS {
        let mut server = Peer::start(kind, with_websocket(Setup::plain()));
        let mut client = foreign(&server);
        let (handle, _) = server.accepted();
        client.send(Message::text(send("aaaa", "Grüße"))).unwrap();
        assert_eq!(server.received(), (handle, "Grüße".into()));
        assert_eq!(client.read().unwrap(), Message::text(answer("aaaa")));
        client
            .send(Message::binary(send("bbbb", "hello").into_bytes()))
            .unwrap();
        assert_eq!(
            client.read().unwrap(),
            Message::binary(answer("bbbb").into_bytes())
        );
        // A long message, in chunks that are a message each.
        let body = octets(200_000);
        server.send(handle, body.clone());
        let mut got = Vec::new();
        while got.len() < body.len() {
            let message = client.read().unwrap().into_data();
            let start = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let end = message.len() - b"\r\n-------?\r\n".len() - 18;
            got.extend_from_slice(&message[start..end]);
        }
        assert!(got == body, "{kind:?}");
        client.close(None).unwrap();
        assert_eq!(server.received().1, b"hello");
        assert_eq!(server.down(), CloseReason::Eof);
        assert!(matches!(client.read(), Ok(Message::Close(_))));

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let consent = |request: &server::Request, mut response: server::Response| {
                assert_eq!(request.uri().path(), "/chat");
                response
                    .headers_mut()
                    .insert("Sec-WebSocket-Protocol", "msrp".parse().unwrap());
                Ok(response)
            };
            let mut socket = tungstenite::accept_hdr(stream, consent).unwrap();
            socket.send(Message::text(send("cccc", "hello"))).unwrap();
            let answered = socket.read().unwrap();
            let sent = socket.read().unwrap().into_data();
            (answered, sent)
        });
        let mut client = Peer::start(kind, with_websocket(Setup::default()));
        let target = Target::new(Scheme::Msrp, "127.0.0.1", Some(address.port())).with_websocket("/chat");
        client.say(Say::Connect(1, target));
        let (handle, _) = client.connected().unwrap();
        assert_eq!(client.received(), (handle, b"hello".to_vec()));
        client.send(handle, &b"back"[..]);
        let (answered, sent) = serving.join().unwrap();
        assert_eq!(answered, Message::text(answer("cccc")));
        assert!(sent.windows(4).any(|four| four == b"back"));
    }
}
