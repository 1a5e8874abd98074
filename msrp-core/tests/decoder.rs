//! The decoder against a naive one, under every way to split the input.

#[path = "connection/naive.rs"]
#[allow(dead_code, reason = "the tests of connections use more of it")]
mod naive;

use bytes::BytesMut;
use msrp_core::{
    codec::{DecodeErrorKind, DecodeEvent, Decoder, DecoderLimits, Framing, HeaderName, StartLine},
    grammar::{ContinuationFlag, Method, StatusCode},
};
use naive::{Frame, frames};
use proptest::prelude::*;

/// Feeds `pieces` one after the other and joins what the decoder tells of each chunk.
fn decode(pieces: &[&[u8]], limits: DecoderLimits) -> Result<Vec<Frame>, DecodeErrorKind> {
    let mut decoder = Decoder::new(limits, Framing::Stream);
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    let mut open: Option<Frame> = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(event) = decoder.decode(&mut input).map_err(|error| error.kind)? {
            match event {
                DecodeEvent::Head(head) => {
                    assert!(open.is_none());
                    let headers = head
                        .headers()
                        .map(|(name, value)| (name.to_owned(), value.to_vec()))
                        .collect();
                    open = Some(Frame {
                        id: head.transact_id().as_str().to_owned(),
                        third: match head.start() {
                            StartLine::Request { method } => method.as_str().to_owned(),
                            StartLine::Response { code, comment } => {
                                format!("{code} {}", comment.unwrap_or_default())
                                    .trim_end()
                                    .to_owned()
                            }
                        },
                        headers,
                        body: head.has_body().then(Vec::new),
                        flag: ContinuationFlag::More,
                    });
                }
                DecodeEvent::Body(data) => {
                    assert!(!data.is_empty());
                    open.as_mut()
                        .unwrap()
                        .body
                        .as_mut()
                        .unwrap()
                        .extend_from_slice(&data);
                }
                DecodeEvent::EndLine(flag) => {
                    let mut frame = open.take().unwrap();
                    frame.flag = flag;
                    frames.push(frame);
                }
                _ => unreachable!("all events are known here"),
            }
        }
    }
    Ok(frames)
}

const EXCHANGE: &str = "MSRP a786hjs2 SEND\r\n\
    To-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
    From-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n\
    Message-ID: 87652491\r\n\
    Byte-Range: 1-25/25\r\n\
    X-Extra: \u{fc}nic\u{f6}de\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    Hey Bob, are you there?\r\n-------a786hjs2$\r\n\
    MSRP a786hjs2 200 OK\r\n\
    To-Path: msrp://atlanta.example.com:7654/jshA7weztas;tcp\r\n\
    From-Path: msrp://biloxi.example.com:12763/kjhd37s2s20w2a;tcp\r\n\
    -------a786hjs2$\r\n\
    MSRP emptybody SEND\r\n\
    To-Path: msrp://b:1/x;tcp\r\n\
    From-Path: msrp://a:1/y;tcp\r\n\
    Content-Type: text/plain\r\n\
    \r\n\
    \r\n-------emptybody+\r\n\
    MSRP hostile+ SEND\r\n\
    To-Path: msrp://b:1/x;tcp\r\n\
    From-Path: msrp://a:1/y;tcp\r\n\
    Content-Type: a/b\r\n\
    \r\n\
    \r\n-------hostile$\r\n-------hostile+\r\n--\r\r\n-------host\r\n-------hostile+x\r\n\r\n-------hostile+#\r\n";

// shows: 4975-5.1-01, 4975-4-02, 4975-9-02
#[test]
fn every_two_point_split_gives_the_same_chunks() {
    let octets = EXCHANGE.as_bytes();
    let whole = frames(octets);
    assert_eq!(whole.len(), 4);
    assert_eq!(whole[0].body.as_deref(), Some(&b"Hey Bob, are you there?"[..]));
    assert_eq!(whole[1].body, None);
    assert_eq!(whole[2].body.as_deref(), Some(&b""[..]));
    assert_eq!(whole[3].flag, ContinuationFlag::Abort);
    assert_eq!(decode(&[octets], DecoderLimits::default()).unwrap(), whole);
    for first in 0..=octets.len() {
        let (a, rest) = octets.split_at(first);
        assert_eq!(
            decode(&[a, rest], DecoderLimits::default()).unwrap(),
            whole,
            "split at {first}"
        );
        for second in (0..=rest.len()).step_by(7) {
            let (b, c) = rest.split_at(second);
            let split = decode(&[a, b, c], DecoderLimits::default()).unwrap();
            assert_eq!(split, whole, "split at {first} and {second} after it");
        }
    }
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(decode(&single, DecoderLimits::default()).unwrap(), whole);
}

/// Bodies made of what could confuse a search for the end-line.
fn hostile_body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"-".to_vec()),
        Just(b"-------".to_vec()),
        Just(b"\r\n-------".to_vec()),
        Just(b"\r\n-------tidd".to_vec()),
        Just(b"\r\n-------tidd$".to_vec()),
        Just(b"\r\n-------tidd$\r".to_vec()),
        Just(b"tidd".to_vec()),
        Just(b"$\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn contains_end_line(body: &[u8], id: &str) -> bool {
    // The CRLF that closes the body can complete what looks like an end-line at its end.
    let body = &[body, b"\r\n"].concat();
    [b'$', b'+', b'#'].iter().any(|&flag| {
        let mut line = format!("\r\n-------{id}").into_bytes();
        line.extend([flag, b'\r', b'\n']);
        body.windows(line.len()).any(|window| window == line)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    // shows: 4975-7.3.1-12, 4975-7.1.1-37, 4975-7.1-14
    #[test]
    fn hostile_bodies_come_out_as_they_went_in(
        bodies in proptest::collection::vec(hostile_body(), 1..5),
        cuts in proptest::collection::vec(1_usize..80, 0..200),
    ) {
        let mut octets = Vec::new();
        let mut expected = Vec::new();
        for (n, body) in bodies.iter().enumerate() {
            let id = if contains_end_line(body, "tidd") { format!("other{n}") } else { "tidd".to_owned() };
            prop_assume!(!contains_end_line(body, &id));
            octets.extend_from_slice(
                format!("MSRP {id} SEND\r\nTo-Path: msrp://b:1/x;tcp\r\nFrom-Path: msrp://a:1/y;tcp\r\nContent-Type: a/b\r\n\r\n").as_bytes());
            octets.extend_from_slice(body);
            octets.extend_from_slice(format!("\r\n-------{id}$\r\n").as_bytes());
            expected.push(body.clone());
        }
        let mut pieces = Vec::new();
        let mut rest = &octets[..];
        for cut in cuts {
            let (a, b) = rest.split_at(cut.min(rest.len()));
            pieces.push(a);
            rest = b;
        }
        pieces.push(rest);
        let got = decode(&pieces, DecoderLimits::default()).unwrap();
        let bodies: Vec<_> = got.into_iter().map(|frame| frame.body.unwrap()).collect();
        prop_assert_eq!(bodies, expected);
    }

    // shows: 4975-9-01
    #[test]
    fn arbitrary_octets_never_panic(
        prefix in prop_oneof![Just(&b""[..]), Just(&b"MSRP abcd SEND\r\n"[..]), Just(&EXCHANGE.as_bytes()[..200])],
        noise in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut octets = prefix.to_vec();
        octets.extend(noise);
        let whole = decode(&[&octets], DecoderLimits::default());
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        prop_assert_eq!(whole, decode(&single, DecoderLimits::default()));
    }
}

#[test]
fn malformed_sweep_ends_cleanly_at_every_position() {
    let octets = EXCHANGE.as_bytes();
    for at in 0..octets.len() {
        for change in [
            0x00,
            b'\r',
            b'\n',
            b' ',
            b'-',
            b':',
            0xff,
            octets[at] ^ 0x01,
            octets[at] ^ 0x20,
        ] {
            let mut changed = octets.to_vec();
            changed[at] = change;
            let whole = decode(&[&changed], DecoderLimits::default());
            let halves = decode(&[&changed[..at], &changed[at..]], DecoderLimits::default());
            assert_eq!(whole, halves, "octet {at} changed to {change}");
        }
        let mut doubled = octets.to_vec();
        doubled.insert(at, octets[at]);
        let mut missing = octets.to_vec();
        missing.remove(at);
        for changed in [doubled, missing, octets[..at].to_vec()] {
            let single: Vec<&[u8]> = changed.chunks(3).collect();
            assert_eq!(
                decode(&[&changed], DecoderLimits::default()),
                decode(&single, DecoderLimits::default()),
                "octet {at} doubled, missing or last"
            );
        }
    }
}

fn error_of(octets: &str) -> Option<DecodeErrorKind> {
    decode(&[octets.as_bytes()], DecoderLimits::default()).err()
}

const PATHS: &str = "To-Path: msrp://b:1/x;tcp\r\nFrom-Path: msrp://a:1/y;tcp\r\n";

// shows: 4975-9-03, 4975-9-06, 4975-9-07, 4975-9-09, 4975-9-29
#[test]
fn malformed_start_lines_lose_framing() {
    for start in [
        "msrp abcd SEND",
        "MSRP  abcd SEND",
        "MSRP\tabcd SEND",
        "MSRP abc SEND",
        "MSRP abcdefghijklmnopqrstuvwxyz0123456 SEND",
        "MSRP .abcd SEND",
        "MSRP ab_cd SEND",
        "MSRP ab/cd SEND",
        "MSRP abcd Send",
        "MSRP abcd send",
        "MSRP abcd  SEND",
        "MSRP abcd SEND ",
        "MSRP abcd 20",
        "MSRP abcd 2000 OK",
        "MSRP abcd",
        "MSRP abcd ",
        "GET / HTTP/1.1",
    ] {
        let octets = format!("{start}\r\n{PATHS}-------abcd$\r\n");
        assert!(error_of(&octets).is_some(), "{start}");
    }
    assert_eq!(
        error_of(&format!("MSRP abcd SEND\n{PATHS}")),
        Some(DecodeErrorKind::BareLineFeed)
    );
    for (start, id) in [("MSRP abcd SEND", "abcd"), ("MSRP a.-+%= FOO", "a.-+%=")] {
        assert_eq!(
            error_of(&format!("{start}\r\n{PATHS}-------{id}$\r\n")),
            None,
            "{start}"
        );
    }
    let long = "a".repeat(32);
    assert_eq!(
        error_of(&format!("MSRP {long} SEND\r\n{PATHS}-------{long}$\r\n")),
        None
    );
}

fn only_head(octets: &str) -> msrp_core::codec::Head {
    let mut input = BytesMut::from(octets.as_bytes());
    let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
    match decoder.decode(&mut input).unwrap() {
        Some(DecodeEvent::Head(head)) => head,
        other => panic!("{other:?}"),
    }
}

// shows: 4975-9-04, 4975-9-05, 4975-9-10
#[test]
fn responses_parse_with_and_without_comment() {
    for (line, code, comment) in [
        ("200", 200, None),
        ("200 ", 200, None),
        ("200 OK", 200, Some("OK")),
        ("299 whatever it is", 299, Some("whatever it is")),
        ("599", 599, None),
        ("481 \u{fc}ber", 481, Some("\u{fc}ber")),
    ] {
        let head = only_head(&format!("MSRP abcd {line}\r\n{PATHS}-------abcd$\r\n"));
        let expected = StartLine::Response {
            code: StatusCode::new(code).unwrap(),
            comment,
        };
        assert_eq!(head.start(), expected, "{line}");
    }
    let head = only_head(&format!("MSRP abcd FOO\r\n{PATHS}-------abcd$\r\n"));
    assert_eq!(
        head.start(),
        StartLine::Request {
            method: Method::Other("FOO")
        }
    );
}

// shows: 4975-9-27, 4975-9-28, 4976-3-06, 4975-E-03, 4975-E-04
#[test]
fn header_lines_have_one_form() {
    for line in [
        " folded: x",
        "1X: y",
        "No-Space:x",
        "No colon",
        ": x",
        "Bad Name: x",
        "X-Nul: a\0b",
        "X-Cr: a\rb",
        "X-Del: a\x7fb",
    ] {
        let octets = format!("MSRP abcd SEND\r\n{PATHS}{line}\r\n-------abcd$\r\n");
        let error = error_of(&octets);
        let expected = [DecodeErrorKind::HeaderLine, DecodeErrorKind::HeaderText];
        assert!(
            error.is_some_and(|kind| expected.contains(&kind)),
            "{line:?} {error:?}"
        );
    }
    let head = only_head(&format!(
        "MSRP abcd SEND\r\n{PATHS}X-Empty: \r\nX-Foo: bar\tbaz\r\nx-foo: second\r\nKeep-Alive: yes\r\n-------abcd$\r\n"
    ));
    assert_eq!(head.header_named("x-empty"), Some(&b""[..]));
    assert_eq!(head.header_named("X-FOO"), Some(&b"bar\tbaz"[..]));
    assert_eq!(head.headers().len(), 6);
    assert!(
        only_head(&format!("MSRP abcd SEND\r\n{PATHS}-------abcd$\r\n"))
            .headers()
            .len()
            == 2
    );
}

// shows: 4975-9-31, 4975-9-01
#[test]
fn headers_that_are_no_utf8_lose_framing() {
    for value in [
        &b"\xff"[..],
        b"\xc3",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xed\xa0\x80",
    ] {
        let mut octets = format!("MSRP abcd SEND\r\n{PATHS}X: ").into_bytes();
        octets.extend_from_slice(value);
        octets.extend_from_slice(b"\r\n-------abcd$\r\n");
        let error = decode(&[&octets], DecoderLimits::default()).unwrap_err();
        assert_eq!(error, DecodeErrorKind::HeaderText);
    }
}

// shows: 4975-7.2-07
#[test]
fn a_response_with_a_body_loses_framing() {
    let octets = format!("MSRP abcd 200 OK\r\n{PATHS}Content-Type: a/b\r\n\r\nx\r\n-------abcd$\r\n");
    assert_eq!(error_of(&octets), Some(DecodeErrorKind::ResponseWithBody));
}

// shows: 4975-G-07
#[test]
fn heads_are_bounded_in_octets_and_lines() {
    let limits = DecoderLimits::default().with_max_head(1024).with_max_lines(8);
    let many = format!("MSRP abcd SEND\r\n{PATHS}{}", "X: y\r\n".repeat(7));
    let error = decode(&[many.as_bytes()], limits).unwrap_err();
    assert_eq!(error, DecodeErrorKind::TooManyLines { limit: 8 });
    let long = format!("MSRP abcd SEND\r\n{PATHS}X: {}", "y".repeat(2000));
    for size in [1, 100, 4000] {
        let pieces: Vec<&[u8]> = long.as_bytes().chunks(size).collect();
        assert_eq!(
            decode(&pieces, limits).unwrap_err(),
            DecodeErrorKind::HeadTooLong { limit: 1024 }
        );
    }
    // A start line without end is no way around the bound.
    let endless = format!("MSRP {}", "a".repeat(3000));
    assert!(decode(&[endless.as_bytes()], limits).is_err());
}

#[test]
fn an_end_line_of_another_chunk_loses_framing() {
    assert_eq!(
        error_of(&format!("MSRP abcd SEND\r\n{PATHS}-------abce$\r\n")),
        Some(DecodeErrorKind::ForeignEndLine)
    );
    assert_eq!(
        error_of(&format!("MSRP abcd SEND\r\n{PATHS}-------abcd!\r\n")),
        Some(DecodeErrorKind::ForeignEndLine)
    );
}

#[test]
fn an_empty_body_without_its_line_break_is_a_leniency() {
    let octets = format!("MSRP abcd SEND\r\n{PATHS}Content-Type: a/b\r\n\r\n-------abcd$\r\n");
    let strict = decode(&[octets.as_bytes()], DecoderLimits::default()).unwrap();
    assert!(strict.is_empty(), "the chunk is not over");
    let lenient = DecoderLimits::default().with_empty_body_without_crlf(true);
    for size in [1, 5, 1000] {
        let pieces: Vec<&[u8]> = octets.as_bytes().chunks(size).collect();
        let frames = decode(&pieces, lenient).unwrap();
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].body.as_deref(), Some(&b""[..]));
    }
}

// shows: 4975-7.1-12, 4975-7.1-10
#[test]
fn a_bodiless_request_differs_from_an_empty_body() {
    let bodiless = only_head(&format!("MSRP abcd SEND\r\n{PATHS}-------abcd$\r\n"));
    assert!(!bodiless.has_body());
    let empty = only_head(&format!(
        "MSRP abcd SEND\r\n{PATHS}Content-Type: a/b\r\n\r\n\r\n-------abcd$\r\n"
    ));
    assert!(empty.has_body());
    assert_eq!(empty.header(HeaderName::ContentType), Some(&b"a/b"[..]));
}

#[test]
fn message_framing_takes_one_chunk_a_message() {
    let chunk = format!("MSRP abcd SEND\r\n{PATHS}-------abcd$\r\n");
    let run = |message: &str| {
        let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Message);
        let mut input = BytesMut::from(message.as_bytes());
        let mut events = 0;
        while let Some(_event) = decoder.decode(&mut input).map_err(|error| error.kind)? {
            events += 1;
        }
        decoder.message_end(&input).map_err(|error| error.kind)?;
        // The next message begins afresh.
        let mut next = BytesMut::from(chunk.as_bytes());
        assert!(decoder.decode(&mut next).is_ok());
        Ok::<_, DecodeErrorKind>(events)
    };
    assert_eq!(run(&chunk), Ok(2));
    assert_eq!(
        run(&format!("{chunk}{chunk}")),
        Err(DecodeErrorKind::TrailingOctets)
    );
    assert_eq!(run(&format!("{chunk} ")), Err(DecodeErrorKind::TrailingOctets));
    assert_eq!(
        run(&chunk[..chunk.len() - 1]),
        Err(DecodeErrorKind::TruncatedMessage)
    );
    assert_eq!(run(""), Err(DecodeErrorKind::TruncatedMessage));
}

#[test]
fn a_failed_decoder_stays_failed() {
    let mut decoder = Decoder::new(DecoderLimits::default(), Framing::Stream);
    let mut input = BytesMut::from(&b"GET /"[..]);
    assert_eq!(
        decoder.decode(&mut input).unwrap_err().kind,
        DecodeErrorKind::NotMsrp
    );
    let mut input = BytesMut::from(EXCHANGE.as_bytes());
    assert_eq!(
        decoder.decode(&mut input).unwrap_err().kind,
        DecodeErrorKind::Failed
    );
}
