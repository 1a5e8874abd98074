//! Logs hold no secrets: session-ids are seen in two characters at the most, digests and bodies not at all.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::{Violation, naive};
use crate::trace::Trace;

/// Keeps all that is logged, at every level.
#[derive(Clone, Debug, Default)]
pub struct Capture(Arc<Mutex<String>>);

impl Capture {
    /// What was logged.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds what should not have been logged: the secrets that passed over the wire.
    pub fn check(&self, trace: &Trace) -> Vec<Violation> {
        let text = self.text();
        let mut violations = Vec::new();
        for stream in trace.streams() {
            for frame in naive::decode(&stream.octets).unwrap_or_default() {
                for secret in secrets(&frame) {
                    if text.contains(&secret) {
                        violations.push(Violation::new(
                            "log",
                            format!("a log holds {secret:?} of a {:?}", frame.start),
                        ));
                    }
                }
            }
        }
        violations
    }
}

fn secrets(frame: &naive::Frame) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, value) in &frame.headers {
        match name.as_str() {
            "To-Path" | "From-Path" | "Use-Path" => secrets.extend(value.split(' ').filter_map(session_id)),
            "Authorization" | "WWW-Authenticate" | "Authentication-Info" => secrets.extend(
                ["response", "nonce", "cnonce", "nextnonce", "rspauth"]
                    .into_iter()
                    .filter_map(|name| parameter(value, name)),
            ),
            _ => {}
        }
    }
    if let Some(body) = &frame.body
        && let Some(start) = body.get(..24).and_then(|start| std::str::from_utf8(start).ok())
    {
        secrets.push(start.to_owned());
    }
    secrets.retain(|secret| secret.len() >= 6);
    secrets
}

/// The value of a quoted parameter.
fn parameter(value: &str, name: &str) -> Option<String> {
    let from = value.find(&format!("{name}=\""))? + name.len() + 2;
    value[from..].split('"').next().map(str::to_owned)
}

fn session_id(uri: &str) -> Option<String> {
    let (_, rest) = uri.split_once("://")?;
    let (_, rest) = rest.split_once('/')?;
    Some(rest.split(';').next()?.to_owned())
}

/// Runs `world` and gives all that it logged on this thread.
pub fn captured<T>(world: impl FnOnce() -> T) -> (T, Capture) {
    let capture = Capture::default();
    let result = tracing::subscriber::with_default(capture.clone(), world);
    (result, capture)
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _done = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl Capture {
    fn add(&self, name: &str, record: impl FnOnce(&mut Text<'_>)) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(name);
        text.push(' ');
        record(&mut Text(&mut text));
        text.push('\n');
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.add(span.metadata().name(), |text| span.record(text));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.add("record", |text| values.record(text));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.add(event.metadata().target(), |text| event.record(text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use msrp_core::codec::Framing;

    use super::*;
    use crate::trace::{Stamp, Stream, Wire};

    const SEND: &str = "MSRP d93kswow SEND\r\nTo-Path: msrp://b.example:8888/9di4ea;tcp\r\nFrom-Path: msrp://a.example:7777/iau39x;tcp\r\nMessage-ID: 12339sdqwer\r\nByte-Range: 1-32/32\r\nContent-Type: text/plain\r\n\r\nHi, I'm Alice, and this is mine.\r\n-------d93kswow$\r\n";
    const AUTH: &str = "MSRP d93kswox AUTH\r\nTo-Path: msrps://r.example;tcp\r\nFrom-Path: msrps://a.example:7777/iau39x;tcp\r\nAuthorization: Digest username=\"a\", realm=\"r\", nonce=\"0123456789\", qop=auth, nc=00000001, cnonce=\"abcdefgh\", response=\"0011223344\"\r\n-------d93kswox$\r\n";

    fn trace() -> Trace {
        // The checker looks at octets only; any time will do.
        let stamp = Stamp {
            sequence: 0,
            at: Instant::now(),
        };
        let stream = |octets: &str| Stream {
            connection: 0,
            from: 0,
            to: 1,
            octets: octets.as_bytes().to_vec(),
            writes: Vec::new(),
            reads: Vec::new(),
        };
        Trace {
            wires: vec![Wire {
                nodes: [0, 1],
                framing: Framing::Stream,
                tls: false,
                streams: [stream(SEND), stream(AUTH)],
                opened: stamp,
                ended: None,
                reset: None,
            }],
        }
    }

    #[test]
    fn secrets_are_found_wherever_they_are_logged() {
        let trace = trace();
        for secret in [
            "9di4ea",
            "iau39x",
            "Hi, I'm Alice, and this is mine.",
            "0123456789",
            "abcdefgh",
            "0011223344",
        ] {
            let ((), log) = captured(|| tracing::trace!(what = secret, "seen"));
            assert!(!log.check(&trace).is_empty(), "{secret}");
            let ((), log) = captured(|| tracing::debug!("seen {secret:?} there"));
            assert!(!log.check(&trace).is_empty(), "{secret}");
        }
        let ((), log) = captured(|| tracing::info!(host = "a.example", session = "9d…", "fine"));
        assert!(log.check(&trace).is_empty() && log.text().contains("a.example"));
    }
}
