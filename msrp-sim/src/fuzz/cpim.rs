//! message/cpim: what is read is kept octet for octet, reads alike in pieces, and what it says can be said again without
//! becoming something else.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use msrp_ua::{
    cpim::{Address, Content, CpimBuilder, CpimMessage, CpimRules, Unwrapped},
    message::{MessageSink, SinkError},
};

use super::input::split;

/// Input: a message/cpim.
///
/// # Panics
/// When octets get lost or change, or when reading in pieces finds another message than reading at once.
pub fn cpim(data: &[u8]) {
    let octets = Bytes::copy_from_slice(data);
    for rules in [
        CpimRules::default(),
        CpimRules::tolerant(),
        CpimRules::tolerant().max_head(200).max_headers(5),
    ] {
        let read = CpimMessage::parse(octets.clone(), &rules);
        if let Ok(message) = &read {
            assert_eq!(message.octets(), &octets);
            let (head, body) = message.clone().into_parts();
            assert_eq!(&head.with_body(&body), message);
            let _shown = (format!("{message:?}"), message.head().sent_at());
            say_again(message);
        }
        let body = read.ok().map(|message| message.body().clone());
        assert_eq!(unwrapped(&octets, &rules), body);
        let _opened = Content::open("message/cpim", None, octets.clone(), &rules);
    }
}

/// Builds a message of the same words, which has to have as many headers and the same text in each.
fn say_again(message: &CpimMessage) {
    let head = message.head();
    let nobody = || Address::new("sip:nobody@example.com");
    let from = head.from().cloned().map_or_else(nobody, Ok);
    let to = head.to().first().cloned().map_or_else(nobody, Ok);
    let (Ok(from), Ok(to)) = (from, to) else {
        panic!("sip:nobody@example.com is a URI")
    };
    let mut builder = CpimBuilder::new(from.clone(), to.clone()).content_type(head.content_type());
    for header in head.headers() {
        builder = builder.header("urn:fuzz", "f", "Text", &header.text());
    }
    let Ok(built) = builder.body(message.body()) else {
        panic!("the words of a message make a message")
    };
    assert_eq!((built.head().from(), built.head().to()), (Some(&from), &[to][..]));
    let texts: Vec<_> = built.head().all("urn:fuzz", "Text").collect();
    assert_eq!(texts.len(), head.headers().len());
    for (text, header) in texts.iter().zip(head.headers()) {
        assert_eq!(text.text(), header.text().trim_matches(' '));
    }
    assert_eq!(built.body(), message.body());
}

/// The body as it comes out of an unwrapping sink that gets the octets in pieces.
fn unwrapped(octets: &Bytes, rules: &CpimRules) -> Option<Bytes> {
    let kept = Kept::default();
    let inner = kept.clone();
    let mut sink = Unwrapped::new(rules.clone(), move |_| Ok(inner));
    let mut offset = 1;
    for piece in split(octets, octets.len() as u16, 300) {
        sink.write(offset, &Bytes::copy_from_slice(piece)).ok()?;
        offset += piece.len() as u64;
    }
    sink.complete(octets.len() as u64).ok()?;
    kept.0.lock().ok().map(|octets| Bytes::copy_from_slice(&octets))
}

/// A sink in memory, for octets in order.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl MessageSink for Kept {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        let mut octets = self.0.lock().map_err(|_| SinkError)?;
        assert_eq!(offset, octets.len() as u64 + 1);
        octets.extend_from_slice(data);
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        let octets = self.0.lock().map_err(|_| SinkError)?;
        assert_eq!(size, octets.len() as u64);
        Ok(())
    }

    fn abort(&mut self) {}
}
