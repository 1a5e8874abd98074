//! Requests and their responses (RFC 4975 §7.1.2, §7.2).

use std::collections::BTreeMap;

use super::{Rules, Seen, Violation};

pub(super) fn check(seen: &[Seen<'_>], rules: &Rules, violations: &mut Vec<Violation>) {
    // By connection, the asking node and the identifier: the request, and how many responses it got.
    let mut open: BTreeMap<(usize, usize, &str), (&Seen<'_>, u32)> = BTreeMap::new();
    for one in seen {
        let frame = &one.frame;
        let mut wrong =
            |what: String| violations.push(Violation::new("transaction", format!("{}: {what}", one.name())));
        let Some(code) = frame.code() else {
            let key = (one.stream.connection, one.stream.from, frame.tid.as_str());
            if open.insert(key, (one, 0)).is_some() {
                wrong("uses a transaction identifier for the second time".to_owned());
            }
            continue;
        };
        let key = (one.stream.connection, one.stream.to, frame.tid.as_str());
        let Some((request, answers)) = open.get_mut(&key) else {
            if !rules.rogues.contains(&one.stream.to) {
                wrong("answers nothing".to_owned());
            }
            continue;
        };
        *answers += 1;
        if *answers > 1 {
            wrong("is a second response".to_owned());
        }
        let asked = &request.frame;
        match (asked.method(), asked.failure_report(), code) {
            (Some("REPORT"), _, _) => wrong("answers a REPORT".to_owned()),
            (Some("SEND"), "no", _) => wrong("answers a SEND that wants no answer".to_owned()),
            (Some("SEND"), "partial", 200) => wrong("is a 200 for Failure-Report partial".to_owned()),
            _ => {}
        }
        if frame.flag.is_none() {
            // It broke off with its connection; whatever headers it has may be cut short.
            continue;
        }
        if frame.body.is_some() {
            wrong("has a body".to_owned());
        }
        if frame.flag.is_some_and(|flag| flag != '$') {
            wrong("does not end with $".to_owned());
        }
        let back: Vec<&str> = match asked.is_send() {
            true => asked.path("From-Path").into_iter().take(1).collect(),
            false => asked.path("From-Path"),
        };
        if frame.path("To-Path") != back {
            wrong("goes to another path than the request came from".to_owned());
        }
        let from = frame.path("From-Path");
        let to = asked.path("To-Path");
        // Responses of a target behind relays carry all that they passed.
        if from.first() != to.first() {
            wrong("comes from another URI than the request went to".to_owned());
        }
        if request.head.sequence > one.head.sequence {
            wrong("is older than its request".to_owned());
        }
    }
    // What was read whole on a connection that lives is answered. Relays pass requests other than SEND on, so that
    // their answer may be lost elsewhere.
    for (request, answers) in open.into_values() {
        let frame = &request.frame;
        let due = frame.is_send() && frame.failure_report() == "yes" && frame.flag.is_some();
        let read = request.stream.read_at(frame.end).is_some();
        if due && read && answers == 0 && request.wire.ended.is_none() {
            violations.push(Violation::new(
                "transaction",
                format!("{} was never answered", request.name()),
            ));
        }
    }
}
