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
            "Authorization" => secrets.extend(
                value
                    .split("response=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                    .map(str::to_owned),
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
