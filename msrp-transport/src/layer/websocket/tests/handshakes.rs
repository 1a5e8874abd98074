//! Opening handshakes of both sides.

use std::sync::Arc;

use super::*;
use crate::layer::{Refusal, websocket::handshake};

/// What a server answers to a request.
fn answered(config: WebSocketConfig, request: &str) -> String {
    let mut side = Side::asked(config);
    let outcome = side.feed(request.as_bytes());
    let text = String::from_utf8(side.written()).unwrap();
    assert_eq!(outcome.is_ok(), text.starts_with("HTTP/1.1 101 "), "{text}");
    assert_eq!(
        side.layer.is_handshaking(),
        !text.starts_with("HTTP/1.1 101 "),
        "{text}"
    );
    text
}

// shows: 7977-4.1-02, 7977-4.1-05, 7977-7-05, 7977-10-01, 7977-X-01
#[test]
fn the_handshake_of_the_rfc() {
    assert_eq!(
        answered(WebSocketConfig::new(), REQUEST),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: msrp\r\n\
         Access-Control-Allow-Origin: http://www.example.com\r\n\r\n"
    );
    let without = REQUEST.replace("Origin: http://www.example.com\r\n", "");
    assert!(!answered(WebSocketConfig::new(), &without).contains("Access-Control"));
}

#[test]
fn what_browsers_and_others_write_is_understood() {
    for (from, to) in [
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Protocol: msrp", "Protocol: sip, msrp"),
        (
            "Protocol: msrp\r\n",
            "Protocol: sip\r\nsec-websocket-protocol:msrp\r\n",
        ),
        (
            "Version: 13",
            "Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate",
        ),
        ("GET / ", "GET /?token=1 "),
    ] {
        assert!(REQUEST.contains(from), "{from}");
        let text = answered(WebSocketConfig::new(), &REQUEST.replace(from, to));
        assert!(
            text.starts_with("HTTP/1.1 101 ") && !text.contains("deflate"),
            "{to}: {text}"
        );
    }
}

// shows: 7977-4.1-03
#[test]
fn a_request_that_is_no_handshake_is_told_what_is_wanted() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (from, to, status) in [
        ("Sec-WebSocket-Protocol: msrp\r\n", "", 400),
        ("Protocol: msrp", "Protocol: sip", 400),
        ("Protocol: msrp", "Protocol: msrps, amsrp", 400),
        ("Upgrade: websocket\r\n", "", 426),
        ("Upgrade: websocket", "Upgrade: h2c", 426),
        ("Connection: Upgrade", "Connection: keep-alive", 426),
        ("Version: 13", "Version: 8", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        (key, "", 400),
        (key, &key.repeat(2), 400),
        (key, "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n", 400),
        (key, "Sec-WebSocket-Key: !\r\n", 400),
        ("Host: a.example.com\r\n", "", 400),
        ("GET / HTTP/1.1", "GET / HTTP/1.0", 400),
        ("GET / HTTP/1.1", "POST / HTTP/1.1", 405),
        ("GET / HTTP/1.1", "GET /admin HTTP/1.1", 404),
        ("GET / HTTP/1.1", "nonsense", 400),
        ("Host: a", "Content-Length: 5\r\nHost: a", 400),
        ("Host: a", "Transfer-Encoding: chunked\r\nHost: a", 400),
        ("Host: a", "No Header\r\nHost: a", 400),
        ("Host: a", &format!("{}Host: a", "X: y\r\n".repeat(70)), 431),
    ] {
        assert!(REQUEST.contains(from), "{from}");
        let text = answered(WebSocketConfig::new(), &REQUEST.replace(from, to));
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {text}");
        assert!(text.contains("close\r\n\r\n"), "{text}");
        if status == 426 {
            assert!(
                text.contains("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
                "{text}"
            );
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{text}"
        );
    }
}

#[test]
fn paths_are_as_configured() {
    let config = || WebSocketConfig::new().paths(["/msrp", "/chat"]);
    for (target, status) in [("/msrp", 101), ("/chat?room=1", 101), ("/", 404), ("/msrp/", 404)] {
        let request = REQUEST.replace("GET / ", &format!("GET {target} "));
        let text = answered(config(), &request);
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{target}: {text}"
        );
    }
}

/// Whatever the cuts, and with frames right behind the request.
#[test]
fn a_request_comes_in_pieces() {
    let mut all = REQUEST.as_bytes().to_vec();
    all.extend(frame(true, 2, Some([1, 2, 3, 4]), b"early"));
    for cut in 1..all.len() {
        let mut side = Side::asked(WebSocketConfig::new());
        side.feed(&all[..cut]).unwrap();
        side.feed(&all[cut..]).unwrap();
        assert_eq!(side.messages, [b"early"], "cut at {cut}");
        assert!(side.written().starts_with(b"HTTP/1.1 101 "));
    }
    let mut side = Side::asked(WebSocketConfig::new());
    for octet in all {
        side.feed(&[octet]).unwrap();
    }
    assert_eq!(side.messages, [b"early"]);
}

#[test]
fn a_head_without_end_is_cut_off() {
    for filler in ["X: y\r\n", "x", "x\r\n "] {
        let mut side = Side::asked(WebSocketConfig::new().max_handshake(1_000));
        let mut fed = 0;
        side.feed(b"GET / HTTP/1.1\r\n").unwrap();
        while side.feed(filler.as_bytes()).is_ok() {
            fed += filler.len();
            assert!(fed <= 1_000 + filler.len());
        }
        assert!(side.written().starts_with(b"HTTP/1.1 431 "));
    }
    // Nor does one that ends too late pass.
    let long = REQUEST.replace("Host: a", &format!("X: {}\r\nHost: a", "y".repeat(9_000)));
    assert!(answered(WebSocketConfig::new(), &long).starts_with("HTTP/1.1 431 "));
}

// shows: 7977-7-02, 7977-7-03
#[test]
fn a_policy_refuses_in_terms_of_http() {
    let config = WebSocketConfig::new().policy(|request: &msrp_core::node::OpeningHandshake| {
        match (request.header("Authorization"), request.cookie("session")) {
            (Some("Basic YTpi"), _) | (_, Some("s3cret")) => Ok(()),
            (None, _) => {
                Err(Refusal::unauthorized("Basic realm=\"chat\"").with_header("X-Why", "no\r\nInjected: 1"))
            }
            _ => Err(Refusal::forbidden()),
        }
    });
    let with = |header: &str| REQUEST.replace("Host: a", &format!("{header}Host: a"));
    let text = answered(config.clone(), REQUEST);
    assert!(
        text.starts_with("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"chat\"\r\n"),
        "{text}"
    );
    assert!(!text.contains("Injected"), "{text}");
    // The client tries again.
    assert!(answered(config.clone(), &with("Authorization: Basic YTpi\r\n")).starts_with("HTTP/1.1 101 "));
    assert!(answered(config.clone(), &with("Authorization: Basic ZTpi\r\n")).starts_with("HTTP/1.1 403 "));
    let mut side = Side::asked(config);
    side.feed(with("Cookie: session=s3cret\r\n").as_bytes()).unwrap();
    let told = side.layer.handshake().unwrap();
    assert_eq!(told.cookie("session"), Some("s3cret"));
    assert_eq!(
        (told.host(), told.origin()),
        (Some("a.example.com"), Some("http://www.example.com"))
    );
    assert_eq!(told.header("Sec-WebSocket-Key"), None, "mechanics are not told");
}

fn asking(config: WebSocketConfig) -> Side {
    let layer = WebSocket::client(
        Below::Plain,
        "a.example.com",
        Some(8080),
        "/chat",
        Arc::new(config),
    )
    .unwrap();
    Side::new(layer)
}

// shows: 7977-4.1-01
#[test]
fn a_client_asks_for_msrp_and_checks_the_answer() {
    let mut side = asking(
        WebSocketConfig::new()
            .header("Cookie", "session=1")
            .header("Bad\r\n", "x"),
    );
    side.settle().unwrap();
    let request = String::from_utf8(side.written()).unwrap();
    let key = request
        .split_once("Sec-WebSocket-Key: ")
        .unwrap()
        .1
        .split_once("\r\n")
        .unwrap()
        .0;
    assert_eq!(
        request,
        format!(
            "GET /chat HTTP/1.1\r\nHost: a.example.com:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: msrp\r\nSec-WebSocket-Version: 13\r\n\
             Cookie: session=1\r\n\r\n"
        )
    );
    // A server of ours consents.
    let mut server = Side::asked(WebSocketConfig::new().paths(["/chat"]));
    server.feed(request.as_bytes()).unwrap();
    let consent = server.written();
    side.feed(&consent).unwrap();
    assert!(!side.layer.is_handshaking());
}

// shows: 7977-4.1-02, 7977-7-04
#[test]
fn a_client_takes_no_other_answer_for_consent() {
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let good = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: msrp\r\n\r\n"
    );
    let check = |text: &str| handshake::check(text.as_bytes(), accept, &WebSocketConfig::new());
    assert_eq!(check(&good), Ok(()));
    use handshake::AnswerError::*;
    for (from, to, error) in [
        ("Sec-WebSocket-Protocol: msrp\r\n", "", Subprotocol),
        ("Protocol: msrp", "Protocol: sip", Subprotocol),
        ("s3p", "S3p", Accept),
        ("Upgrade: websocket\r\n", "", NoUpgrade),
        ("Connection: Upgrade\r\n", "", NoUpgrade),
        ("101 Switching Protocols", "401 Unauthorized", Status(401)),
        ("101 Switching Protocols", "200 OK", Status(200)),
        ("101 Switching Protocols", "302 Found", Status(302)),
        (
            "Protocol: msrp",
            "Protocol: msrp\r\nSec-WebSocket-Extensions: x",
            Extension,
        ),
        ("HTTP/1.1", "MSRP", NotHttp),
    ] {
        assert_eq!(check(&good.replace(from, to)), Err(error), "{to}");
    }
    // Told as an error of the connection.
    let mut side = asking(WebSocketConfig::new());
    side.settle().unwrap();
    let error = side.feed(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap_err();
    assert_eq!(error.to_string(), "the server answered 403");
    let mut side = asking(WebSocketConfig::new().max_handshake(300));
    side.settle().unwrap();
    let error = side.feed(&[b'x'; 400]).unwrap_err();
    assert!(error.to_string().contains("too many octets"), "{error}");
}

#[test]
fn paths_that_cannot_be_asked_for_are_refused_at_once() {
    for path in ["", "chat", "/a b", "/a\r\nX: y", "/ä", "/#x"] {
        let config = Arc::new(WebSocketConfig::new());
        assert!(
            WebSocket::client(Below::Plain, "a.example.com", None, path, config).is_err(),
            "{path:?}"
        );
    }
}
