//! Octets in are octets out.

use std::collections::BTreeMap;

use super::{Seen, Violation};
use crate::ledger::{Fate, Ledger};

pub(super) fn check(seen: &[Seen<'_>], ledger: &Ledger, relays: &[bool], violations: &mut Vec<Violation>) {
    let mut wrong = |what: String| violations.push(Violation::new("message", what));
    // What each message consists of: the application's word, else what its origin wrote.
    let mut contents: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for one in seen
        .iter()
        .filter(|one| one.frame.is_send() && !relays[one.stream.from])
    {
        let (Some(id), Some((start, ..)), Some(body)) =
            (one.frame.header("Message-ID"), one.frame.range(), &one.frame.body)
        else {
            continue;
        };
        let content = contents.entry(id).or_default();
        let from = start.saturating_sub(1) as usize;
        if content.len() < from + body.len() {
            content.resize(from + body.len(), 0);
        }
        content[from..from + body.len()].copy_from_slice(body);
    }
    for (id, sent) in ledger.all_sent() {
        // A message may be given up before all of it was written, and the last chunk of a broken connection may hold a
        // part of an end-line.
        if let Some(written) = contents.get(id.as_str())
            && !written.starts_with(&sent.content)
            && !sent.content.starts_with(written)
            && !starts_but_for_end(written, &sent.content)
        {
            wrong(format!("{id} was written otherwise than the application gave it"));
        }
        contents.insert(id, sent.content.to_vec());
    }
    // Every chunk on every hop carries the octets of its place.
    for one in seen {
        let (Some(id), Some((start, ..)), Some(body), Some(_)) = (
            one.frame.header("Message-ID"),
            one.frame.range(),
            &one.frame.body,
            one.frame.flag,
        ) else {
            continue;
        };
        if !one.frame.is_send() {
            continue;
        }
        let from = start.saturating_sub(1) as usize;
        let content = contents
            .get(id)
            .and_then(|content| content.get(from..from + body.len()));
        if content != Some(body.as_slice()) {
            wrong(format!(
                "{}: carries other octets than its message has at {start}",
                one.name()
            ));
        }
    }
    let mut got: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for received in ledger.all_received() {
        let id = received.message_id.as_str();
        let times = got.entry((received.node, id)).or_default();
        *times += 1;
        if *times > 1 {
            wrong(format!("{id} was received twice by node {}", received.node));
        }
        match contents.get(id) {
            Some(content) if *content == received.content => {}
            Some(content) => wrong(format!(
                "{id} was received damaged: {} octets of {}",
                received.content.len(),
                content.len()
            )),
            None => wrong(format!("{id} was received, and nobody sent it")),
        }
    }
    for (id, sent) in ledger.all_sent() {
        let arrived = ledger
            .all_received()
            .iter()
            .any(|received| received.message_id == *id);
        if sent.fate == Fate::Delivered && !arrived {
            wrong(format!("{id} was reported delivered and was not"));
        }
        if sent.must_arrive && !arrived {
            wrong(format!(
                "{id} of {} octets from node {} never arrived, its fate is {:?}",
                sent.content.len(),
                sent.node,
                sent.fate
            ));
        }
    }
}

/// A stream that broke off in a body may end with a part of an end-line.
fn starts_but_for_end(written: &[u8], content: &[u8]) -> bool {
    let same = written.iter().zip(content).take_while(|(a, b)| a == b).count();
    written[same..].len() < 45 && b"\r\n-------".starts_with(&written[same..written.len().min(same + 9)])
}
