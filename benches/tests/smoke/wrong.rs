//! What the generator finds wrong, by servers that join a sender and a receiver and do it.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use msrp_benches::load::{LoadError, body::Mismatch};

use crate::relay::run;

/// Joins one sender with one receiver; what the sender writes goes through `change`.
fn serve(mut change: impl FnMut(Vec<u8>) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("msrp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut sender, _) = listener.accept().unwrap();
        let (mut receiver, _) = listener.accept().unwrap();
        let (mut answers, mut to_sender) = (receiver.try_clone().unwrap(), sender.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut answers, &mut to_sender));
        while let Some(octets) = read_some(&mut sender) {
            if receiver.write_all(&change(octets)).is_err() {
                return;
            }
        }
    });
    uri
}

fn read_some(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut octets = vec![0; 4096];
    let len = stream.read(&mut octets).ok().filter(|&len| len > 0)?;
    octets.truncate(len);
    Some(octets)
}

fn load(uri: &str) -> LoadError {
    load_with(uri, "60")
}

/// What is sent at the end has so many seconds to arrive.
fn load_with(uri: &str, grace: &str) -> LoadError {
    let flags = [
        "--mode", "bare", "--pairs", "1", "--window", "1", "--grace", grace,
    ];
    run(uri, &flags).unwrap_err()
}

/// With one message of 200 octets in flight, each write is one whole SEND.
fn body_of(send: &mut [u8]) -> &mut [u8] {
    let at = send.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    &mut send[at..at + 200]
}

#[test]
fn a_changed_octet() {
    let uri = serve(|mut send| {
        body_of(&mut send)[57] ^= 1;
        send
    });
    match load(&uri) {
        LoadError::Mismatch {
            pair: 0,
            mismatch: Mismatch::Content { message: 0, at: 58 },
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_comes_twice() {
    let uri = serve(|send| [&*send, &send].concat());
    match load(&uri) {
        LoadError::Mismatch {
            pair: 0,
            mismatch: Mismatch::Order {
                expected: 1, at: 1, ..
            },
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_is_cut_short() {
    let uri = serve(|send| {
        let text = String::from_utf8(send).unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        format!("{head}\r\n\r\n{}{}", &rest[..100], &rest[200..]).into_bytes()
    });
    match load(&uri) {
        LoadError::Mismatch {
            pair: 0,
            mismatch:
                Mismatch::Length {
                    got: 100,
                    size: 200,
                    flag: '$',
                    ..
                },
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_does_not_come() {
    let uri = serve(|_| Vec::new());
    match load_with(&uri, "0.1") {
        LoadError::Lost {
            missing: 1, sent: 1, ..
        } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_msrp() {
    let uri = serve(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    assert!(matches!(load(&uri), LoadError::Wire(_)));
}

#[test]
fn a_refused_message() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("msrp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut sender, _) = listener.accept().unwrap();
        let receiver = listener.accept().unwrap();
        let send = String::from_utf8(read_some(&mut sender).unwrap()).unwrap();
        let tid = send.split(' ').nth(1).unwrap();
        let answer = format!("MSRP {tid} 481 No Session\r\nTo-Path: a\r\nFrom-Path: b\r\n-------{tid}$\r\n");
        sender.write_all(answer.as_bytes()).unwrap();
        let _ = read_some(&mut sender);
        drop(receiver);
    });
    match load(&uri) {
        LoadError::Refused {
            what: "SEND",
            code: 481,
            phrase,
        } => assert_eq!(phrase, "No Session"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_closed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("msrp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let _both = (listener.accept(), listener.accept());
    });
    assert!(matches!(load(&uri), LoadError::Closed(_)));
}
