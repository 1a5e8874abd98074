//! How messages are cut in chunks (RFC 4975 §5.1, §7.1, §7.1.1).

use std::{collections::BTreeMap, time::Duration};

use super::{Rules, Seen, Violation};

/// A chunk of this size or less is never cut short for others.
const UNINTERRUPTED: u64 = 2048;
/// A sender may end a chunk of which no data comes when others have waited this long.
const STALL: Duration = Duration::from_millis(100);

/// How far a message has come on one stream.
struct Progress {
    next: u64,
    over: bool,
    /// A short interruption, excusable only by what follows.
    short: Option<String>,
}

pub(super) fn check(seen: &[Seen<'_>], relays: &[bool], rules: &Rules, violations: &mut Vec<Violation>) {
    let mut messages: BTreeMap<(usize, usize, &str, Option<&str>), Progress> = BTreeMap::new();
    for one in seen {
        let frame = &one.frame;
        let mut wrong =
            |what: String| violations.push(Violation::new("chunk", format!("{}: {what}", one.name())));
        if frame.headers.first().is_none_or(|(name, _)| name != "To-Path")
            || frame.headers.get(1).is_none_or(|(name, _)| name != "From-Path")
        {
            if frame.flag.is_some() {
                wrong("To-Path and From-Path are not the first headers".to_owned());
            }
            continue;
        }
        let Some(flag) = frame.flag else {
            // Chunks stay unfinished only where the connection ended.
            if one.wire.ended.is_none() {
                wrong("was never ended".to_owned());
            }
            continue;
        };
        if frame.count("Content-Transfer-Encoding") > 0 {
            wrong("says a transfer encoding".to_owned());
        }
        if frame.body.is_some() != frame.header("Content-Type").is_some() {
            wrong("has a body without a Content-Type or the reverse".to_owned());
        }
        if !frame.is_send() {
            if frame.method().is_some() && flag != '$' {
                wrong(format!("ends with {flag}"));
            }
            if frame.body_len() > 10_240 {
                wrong(format!("has a body of {} octets", frame.body_len()));
            }
            continue;
        }
        if frame.body.is_none() {
            continue;
        }
        let (Some(id), Some((start, end, total))) = (frame.header("Message-ID"), frame.range()) else {
            wrong("has a body, but no Message-ID or no Byte-Range".to_owned());
            continue;
        };
        let len = frame.body_len();
        match end {
            Some(end) if len > UNINTERRUPTED => {
                wrong(format!("has {len} octets and says that it ends at {end}"))
            }
            Some(end) if flag != '#' && end + 1 != start + len => {
                wrong(format!("says {start}-{end} and carries {len} octets"));
            }
            Some(end) if end + 1 < start + len => {
                wrong(format!("says {start}-{end} and carries {len} octets"))
            }
            _ => {}
        }
        if let (Some(total), '$') = (total, flag)
            && start + len != total + 1
        {
            wrong(format!("ends a message of {total} octets at {}", start + len - 1));
        }
        if total.is_some_and(|total| start + len > total + 1) {
            wrong("goes beyond the message's end".to_owned());
        }
        // Between two relays a message may pass twice, over two URIs.
        let over = frame.path("To-Path").first().copied();
        let key = (one.stream.connection, one.stream.from, id, over);
        if let Some(progress) = messages.get_mut(&key) {
            if progress.over {
                wrong("continues a message that had ended".to_owned());
            }
            // Between two relays a connection may have been lost, and what was on it.
            let gap = start > progress.next && relays[one.stream.from] && rules.losses;
            if rules.in_order && start != progress.next && !gap {
                wrong(format!("begins at {start} instead of {}", progress.next));
            }
            if let Some(short) = progress.short.take()
                && start == progress.next
            {
                wrong(short);
            }
        } else if rules.in_order && start != 1 && !(relays[one.stream.from] && rules.losses) {
            // What a relay sent before may have been lost with another connection.
            wrong(format!("begins a message at {start}"));
        }
        // An open-ended chunk that gave way below 2048 octets: to another only after a stall, or for a jump.
        let began = one.stream.written_at(frame.begin + 1).at;
        let quick = one.last.at.saturating_duration_since(began) < STALL;
        // A relay waits for the octets that it passes on, so its chunks may be cut after any number of them.
        let waits = rules.stalls || relays[one.stream.from];
        let short = (!waits && flag == '+' && end.is_none() && len < UNINTERRUPTED && quick)
            .then(|| format!("follows a chunk that gave way after {len} octets"));
        messages.insert(
            key,
            Progress {
                next: start + len,
                over: flag != '+',
                short,
            },
        );
    }
}
