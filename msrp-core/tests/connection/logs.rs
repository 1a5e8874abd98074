//! Logs and `Debug` output hold no session-ids, no digests and no bodies (RFC 4975 §14.1; rows 4975-3-03, 4975-14.1-02).

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use bytes::BytesMut;
use msrp_core::{
    codec::{DecodeEvent, Decoder, DecoderLimits, Framing, HeadTemplate},
    connection::{CloseReason, Event, OutgoingRequest},
    grammar::{FailureReport, Method},
};
use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    lone::{Lone, request, send},
    pair::{A_URI, B_URI, Pair, template},
};

/// Keeps what is logged at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0.lock().unwrap(), " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        writeln!(self.0.lock().unwrap(), "{}:", event.metadata().target()).unwrap();
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const DIGEST: &str = "6629fae49393a05397450978507c4ef1";
const BODY: &str = "very private words";
const SECRETS: [&str; 4] = ["kjhd37s2s20w2a", "jshA7weztas", DIGEST, BODY];

/// Everything that a connection goes through, with what it logs.
fn exercise() {
    let auth = format!("Authorization: Digest username=\"alice\", response=\"{DIGEST}\"\r\n");
    let broken = send("abcd", "Byte-Range: x\r\n", BODY, '$');
    for octets in [
        send("abcd", "", BODY, '$') + &request("efgh", "AUTH", &auth, None, '$'),
        broken.repeat(20),
        broken.replace("To-Path", "X-Path"),
        broken.replace(";tcp", ""),
        broken.replace("\r\n\r\n", "\r\n"),
        broken.replace("Message-ID", "Message ID"),
        request("abcd", "SEND", "", None, '$').replace("\r\n-", "\n-"),
        request(
            "abcd",
            "FOO",
            "Content-Type: a/b\r\n",
            Some(&BODY.repeat(1000)),
            '$',
        ),
        format!("MSRP {A_URI} SEND\r\n"),
        format!("MSRP abcd 200 {BODY}\r\n\r\n{BODY}"),
        send("abcd", "", BODY, '+').repeat(20_000),
        send("abcd", "", BODY, '$')[..190].to_owned(),
    ] {
        let mut lone = Lone::new();
        lone.feed(octets);
        lone.advance(std::time::Duration::from_secs(15));
        lone.advance(std::time::Duration::from_secs(60));
        lone.events();
        lone.output();
    }
    let mut pair = Pair::new();
    pair.send_text(BODY, FailureReport::Yes);
    pair.a.take(pair.now, usize::MAX);
    pair.advance(std::time::Duration::from_secs(30));
    pair.send_text(BODY, FailureReport::Yes);
    pair.drive();
    pair.send_text(BODY, FailureReport::Yes);
    pair.a.connection.close(pair.now, CloseReason::Done);
    pair.b.connection.handle_reset(pair.now);
    pair.drive();
}

fn check(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in:\n{text}");
        // Octets are printed as numbers, too.
        let numbers: Vec<_> = secret.bytes().map(|octet| octet.to_string()).collect();
        assert!(!text.contains(&numbers.join(", ")), "{secret} in numbers");
    }
}

// shows: 4975-3-03
#[test]
fn logs_hold_no_secrets() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), exercise);
    let text = log.0.lock().unwrap().clone();
    assert!(text.lines().count() > 10, "something was logged:\n{text}");
    check(&text);
}

// shows: 4975-3-03
#[test]
fn debug_output_holds_no_secrets() {
    let mut printed = String::new();
    // A connection with everything in it: rests of heads and bodies, deferred answers, lanes, staged octets.
    let mut pair = Pair::new();
    pair.send_text(BODY, FailureReport::Yes);
    let head: HeadTemplate = template(FailureReport::Yes, Some("text/plain"));
    write!(printed, "{head:?}").unwrap();
    let a = &mut pair.a.connection;
    let lane = a.open_send(head, 1, None, FailureReport::Yes, 1).unwrap();
    a.write(pair.now, lane, BODY.into()).unwrap();
    let whole = send("abcd", "", BODY, '$');
    a.handle_read(pair.now, BytesMut::from(whole.as_bytes()));
    while let Some(event) = a.poll_event(pair.now) {
        if let Event::Request { id, head } = &event {
            a.defer(*id).unwrap();
            let headers: Vec<_> = head.headers().map(|(name, _)| name).collect();
            write!(printed, "{headers:?} {head:?} {:?}", head.to_path(4)).unwrap();
        }
        write!(printed, "{event:?}").unwrap();
    }
    a.handle_read(pair.now, BytesMut::from(&whole.as_bytes()[..190]));
    write!(printed, "{a:?}").unwrap();
    write!(printed, "{:?}", a.poll_transmit(pair.now, 1000).unwrap()).unwrap();
    let request = OutgoingRequest {
        method: Method::Auth,
        to_path: B_URI.as_bytes(),
        from_path: A_URI.as_bytes(),
        headers: &[("Authorization", DIGEST.as_bytes())],
        body: Some(("text/plain", BODY.into())),
        failure_report: FailureReport::Yes,
        tag: None,
    };
    write!(printed, "{request:?}").unwrap();
    let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
    let mut input = BytesMut::from(whole.as_bytes());
    while let Some(event) = decoder.decode(&mut input).unwrap() {
        write!(printed, "{event:?} {decoder:?}").unwrap();
        assert!(!matches!(event, DecodeEvent::Body(body) if body.is_empty()));
    }
    check(&printed);
}
