//! Where SIP messages end on a stream (RFC 3261 §18.3).

use bytes::{Buf, Bytes, BytesMut};

/// What a stream has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A whole message.
    Message(Bytes),
    /// CRLF CRLF: the peer asks whether we are there (RFC 5626 §3.5.1).
    Ping,
    /// A message longer than the limit: its head, so that it can be answered. Nothing can be read after it.
    TooLong(Bytes),
}

/// A stream that cannot be cut into messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unframed;

/// Takes the next frame out of what has been read.
pub(super) fn next(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, Unframed> {
    if buffer.starts_with(b"\r\n\r\n") {
        buffer.advance(4);
        return Ok(Some(Frame::Ping));
    }
    while buffer.starts_with(b"\r\n") && buffer.get(2).is_some_and(|octet| *octet != b'\r') {
        buffer.advance(2);
    }
    let Some(head) = find(buffer, b"\r\n\r\n").map(|at| at + 4) else {
        return if buffer.len() > limit {
            Err(Unframed)
        } else {
            Ok(None)
        };
    };
    let body = content_length(buffer.get(..head).unwrap_or_default())?;
    if head.saturating_add(body) > limit {
        return Ok(Some(Frame::TooLong(buffer.split_to(head).freeze())));
    }
    if buffer.len() < head + body {
        return Ok(None);
    }
    Ok(Some(Frame::Message(buffer.split_to(head + body).freeze())))
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

/// Content-Length, which may be absent for no body; `usize::MAX` stands for any that is larger.
pub(super) fn content_length(head: &[u8]) -> Result<usize, Unframed> {
    let mut length = None;
    for line in head.split(|octet| *octet == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let digits = value.get(1..).unwrap_or_default().trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Unframed);
        }
        let value = digits.iter().fold(0usize, |value, digit| {
            value.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
        });
        if length.is_some_and(|length| length != value) {
            return Err(Unframed);
        }
        length = Some(value);
    }
    Ok(length.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: &str, body: &str) -> String {
        format!("OPTIONS sip:a@x SIP/2.0\r\n{length}\r\n\r\n{body}")
    }

    #[test]
    fn messages_are_cut_wherever_the_reads_end() {
        let stream = message("Content-Length: 3", "abc")
            + "\r\n\r\n"
            + &message("l:0", "")
            + "\r\n"
            + &message("X: y", "");
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for octet in stream.bytes() {
            buffer.extend_from_slice(&[octet]);
            while let Some(frame) = next(&mut buffer, 1000).unwrap() {
                frames.push(frame);
            }
        }
        let whole = |text: String| Frame::Message(text.into_bytes().into());
        assert_eq!(
            frames,
            [
                whole(message("Content-Length: 3", "abc")),
                Frame::Ping,
                whole(message("l:0", "")),
                whole(message("X: y", "")),
            ]
        );
        assert!(buffer.is_empty());
    }

    #[test]
    fn lengths_that_lie_end_the_stream() {
        for length in ["-1", "", "0x10", "1\r\nl: 2"] {
            let mut buffer = BytesMut::from(message(&format!("Content-Length: {length}"), "").as_bytes());
            assert_eq!(next(&mut buffer, 1000), Err(Unframed), "{length:?}");
        }
        for length in ["2000", "18446744073709551615", "99999999999999999999999999"] {
            let head = message(&format!("Content-Length: {length}"), "");
            let mut buffer = BytesMut::from((head.clone() + "body").as_bytes());
            assert_eq!(
                next(&mut buffer, 1000),
                Ok(Some(Frame::TooLong(head.into_bytes().into())))
            );
        }
        let mut endless = BytesMut::from(vec![b'x'; 1001].as_slice());
        assert_eq!(next(&mut endless, 1000), Err(Unframed));
    }
}
