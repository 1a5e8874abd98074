//! REPORTs: who gets one, about what (RFC 4975 §7.1.2, §7.1.3; RFC 4976 §6.4.1).

use std::collections::BTreeMap;

use super::{Rules, Seen, Violation};

/// What went out of a message.
#[derive(Default)]
struct Message<'a> {
    success: bool,
    failure: &'a str,
    last: u64,
    paths: Vec<Vec<&'a str>>,
}

pub(super) fn check(seen: &[Seen<'_>], relays: &[bool], rules: &Rules, violations: &mut Vec<Violation>) {
    let mut messages: BTreeMap<&str, Message<'_>> = BTreeMap::new();
    for one in seen {
        let frame = &one.frame;
        if !frame.is_send() {
            continue;
        }
        let (Some(id), Some((start, ..))) = (frame.header("Message-ID"), frame.range()) else {
            continue;
        };
        let message = messages.entry(id).or_default();
        if !relays[one.stream.from] {
            message.success = frame.header("Success-Report") == Some("yes");
            message.failure = frame.failure_report();
            message.last = message.last.max((start + frame.body_len()).saturating_sub(1));
        } else if frame.header("Success-Report").unwrap_or("no") != if message.success { "yes" } else { "no" }
            || frame.failure_report() != message.failure
        {
            violations.push(Violation::new(
                "report",
                format!("{}: asks for other reports than at its origin", one.name()),
            ));
        }
        message.paths.push(frame.path("From-Path"));
    }
    for one in seen {
        let frame = &one.frame;
        if !frame.is_report() || frame.flag.is_none() {
            continue;
        }
        let mut wrong =
            |what: String| violations.push(Violation::new("report", format!("{}: {what}", one.name())));
        if frame.header("Success-Report").is_some() || frame.header("Failure-Report").is_some() {
            wrong("asks for a REPORT about itself".to_owned());
        }
        let status = frame
            .header("Status")
            .and_then(|status| status.strip_prefix("000 "));
        let Some(code) = status.and_then(|status| status.get(..3)?.parse::<u16>().ok()) else {
            wrong("has no status".to_owned());
            continue;
        };
        let (Some(id), Some((start, end, total))) = (frame.header("Message-ID"), frame.range()) else {
            wrong("has no Message-ID or no Byte-Range".to_owned());
            continue;
        };
        let Some(message) = messages.get(id) else {
            wrong(format!("is about {id}, which nobody sent"));
            continue;
        };
        let to_self = message.last.max(1);
        if start == 0 || start > to_self || end.is_some_and(|end| end > message.last || end + 1 < start) {
            wrong(format!(
                "tells of {start}-{end:?}/{total:?} where {} octets were sent",
                message.last
            ));
        }
        match code {
            200 if !message.success => wrong("tells a success that nobody asked for".to_owned()),
            200 => {}
            408 if message.failure == "partial" && !rules.losses => {
                wrong(format!("tells a timeout with Failure-Report {}", message.failure))
            }
            _ if message.failure == "no" => wrong("tells a failure that nobody wants to hear".to_owned()),
            _ => {}
        }
        // It travels back the way the message came.
        let way = frame.path("To-Path");
        let back = frame.path("From-Path");
        if !message.paths.iter().any(|path| path.ends_with(&way)) || back.is_empty() {
            wrong("goes a way that the message did not come".to_owned());
        }
    }
}
