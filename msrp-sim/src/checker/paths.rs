//! How paths turn at relays (RFC 4976 §6.4): URIs wander from the front of To-Path to the front of From-Path.

use std::collections::BTreeMap;

use super::{Seen, Violation};

/// Methods and identities of what passed into a relay.
type Arrived<'a> = BTreeMap<(usize, &'a str, &'a str), Vec<(Vec<&'a str>, Vec<&'a str>)>>;

pub(super) fn check(seen: &[Seen<'_>], relays: &[bool], violations: &mut Vec<Violation>) {
    let mut arrived: Arrived<'_> = BTreeMap::new();
    for one in seen {
        let frame = &one.frame;
        let (Some(method), Some(id)) = (frame.method(), frame.header("Message-ID")) else {
            continue;
        };
        let (to, from) = (frame.path("To-Path"), frame.path("From-Path"));
        let mut wrong =
            |what: &str| violations.push(Violation::new("path", format!("{}: {what}", one.name())));
        if to.is_empty() || from.is_empty() {
            wrong("lacks a path");
            continue;
        }
        if relays[one.stream.from] {
            let before = arrived.get(&(one.stream.from, method, id));
            let turned =
                before.is_some_and(|before| before.iter().any(|(t, f)| turns_into(t, f, &to, &from)));
            // A relay begins REPORTs of its own, with nothing but its own URI in From-Path.
            let own = method == "REPORT" && from.len() == 1;
            if !turned && !own {
                wrong("has paths that nothing that came in turns into");
            }
        } else if from.len() != 1 {
            wrong("comes from an endpoint and has more than its URI in From-Path");
        }
        if relays[one.stream.to] {
            arrived
                .entry((one.stream.to, method, id))
                .or_default()
                .push((to, from));
        }
    }
}

/// Whether some URIs, at least one, were moved from the front of To-Path to the front of From-Path, in turn.
fn turns_into(to_in: &[&str], from_in: &[&str], to: &[&str], from: &[&str]) -> bool {
    let Some(moved) = to_in.len().checked_sub(to.len()).filter(|moved| *moved > 0) else {
        return false;
    };
    let front: Vec<&str> = to_in[..moved].iter().rev().copied().collect();
    to_in[moved..] == *to && from.starts_with(&front) && from[front.len()..] == *from_in
}

#[cfg(test)]
mod tests {
    use super::turns_into;

    // shows: 4976-3-05
    #[test]
    fn rfc4976_3_05_uris_turn_one_by_one() {
        assert!(turns_into(
            &["b", "bob"],
            &["a", "alice"],
            &["bob"],
            &["b", "a", "alice"]
        ));
        assert!(turns_into(
            &["b", "c", "bob"],
            &["alice"],
            &["bob"],
            &["c", "b", "alice"]
        ));
        assert!(!turns_into(
            &["b", "c", "bob"],
            &["alice"],
            &["bob"],
            &["b", "c", "alice"]
        ));
        assert!(!turns_into(&["b", "bob"], &["alice"], &["b", "bob"], &["alice"]));
        assert!(!turns_into(&["b", "bob"], &["alice"], &["bob"], &["b"]));
    }
}
