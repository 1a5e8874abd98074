//! The short way of short messages: a SEND that says what an earlier one said goes where that went, without being read.
//!
//! What a head means, and where it leads, is found out by [`route`](super::route) and checked by the rest of this module
//! once; messages whose heads differ in nothing but identifiers and range are compared with it from then on
//! ([`RepeatPattern`]). Whether the way is still open is asked again for all that came in one read. Wherever anything is
//! out of the ordinary, nothing is done here, and the message takes the long way.

use msrp_core::{
    connection::RepeatPattern,
    grammar::{ContinuationFlag, FailureReport},
    node::ConnectionHandle,
};

use crate::{
    anchor::table::edit,
    failure::{Context, Tag},
    forward::Route,
    relay::Relay,
    session::Traffic,
};

/// Patterns that are kept for a connection: a client may alternate between a few kinds of content.
const MAX_PATTERNS: usize = 4;

/// Learning a pattern costs this much of the credit, and each message that fits one earns 1. Heads that never repeat
/// would otherwise cost more than being read.
const LEARNING: u8 = 4;
const MAX_CREDIT: u8 = 32;

/// What the latest messages from a connection looked like, and where they went.
#[derive(Debug)]
pub(crate) struct Repeats {
    known: Vec<(RepeatPattern, Route)>,
    credit: u8,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            credit: MAX_CREDIT,
        }
    }
}

impl Repeats {
    fn learn(&mut self, pattern: RepeatPattern, route: Route) {
        self.credit = self.credit.saturating_sub(LEARNING);
        if self.known.len() >= MAX_PATTERNS {
            self.known.pop();
        }
        self.known.insert(0, (pattern, route));
    }
}

impl Relay {
    /// Takes as much of what a connection has received as goes the short way; whether there was any.
    pub(crate) fn pass_repeats(&mut self, handle: ConnectionHandle) -> bool {
        if self.table.get(handle).is_none_or(|(_, data)| data.wait.is_some()) {
            return false;
        }
        let mut worked = self.take_repeated_answers(handle);
        let Some(mut repeats) = self
            .table
            .get_mut(handle)
            .and_then(|(_, data)| data.repeats.take())
        else {
            return worked;
        };
        let mut at = 0;
        while let Some((pattern, route)) = repeats.known.get(at) {
            let passed = self.pass_repeats_of(handle, pattern, *route);
            if passed == 0 {
                at += 1;
                continue;
            }
            worked = true;
            let earned = u8::try_from(passed).unwrap_or(MAX_CREDIT);
            repeats.credit = repeats.credit.saturating_add(earned).min(MAX_CREDIT);
            repeats.known.swap(0, at);
            at = 0;
        }
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.repeats = Some(repeats);
        }
        worked
    }

    /// Takes 200s to chunks that went whole: all they say is that nothing has to be reported.
    fn take_repeated_answers(&mut self, handle: ConnectionHandle) -> bool {
        let now = self.now;
        let contexts = &mut self.contexts;
        let Some((connection, _)) = self.table.get_mut(handle) else {
            return false;
        };
        let mut any = false;
        while let Some((tag, after)) =
            connection.next_repeated_answer(now, |tag| contexts.is_chunk(Tag::of(tag)))
        {
            any = true;
            if let Some(after) = after {
                self.stats.hop_answers.record_time(after);
            }
            if let Tag::Context(index) = Tag::of(tag) {
                contexts.remove(index);
            }
        }
        if any {
            self.judge_source(handle, true);
        }
        any
    }

    /// Passes on the messages of one pattern that a connection has received; how many.
    fn pass_repeats_of(&mut self, handle: ConnectionHandle, pattern: &RepeatPattern, route: Route) -> usize {
        let now = self.now;
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return 0;
        };
        let Some(mut repeat) = connection.peek_repeat(now, pattern) else {
            return 0;
        };
        // A message may have failed, or be under way bit by bit; and the connection may have come to serve more sessions.
        let ordinary = data
            .rare
            .as_ref()
            .is_none_or(|rare| rare.poisoned.is_empty() && rare.lanes_in.is_empty())
            && (data.shared || data.session.is_some_and(|(binding, _)| binding == route.binding));
        let (Some(to_path), Some(from_path)) = (pattern.to_path(), pattern.from_path()) else {
            return 0;
        };
        if !ordinary
            || self.draining
            || self.is_full_for(route.out)
            || self.config.policy.inspects_requests()
            || self.is_rated(route)
            || self.known_route(handle, &to_path, &from_path) != Some(route)
        {
            return 0;
        }
        let Self {
            table,
            contexts,
            buffers,
            stats,
            ..
        } = self;
        let Some(((from, data), (out, beside))) = table.pair_mut(handle, route.out) else {
            return 0;
        };
        out.borrow(|| Some(buffers.take_or_make()));
        from.borrow(|| Some(buffers.take_or_make()));
        let failure_report = pattern.failure_report();
        let mut passed = 0;
        let mut traffic = Traffic::default();
        loop {
            let tag = (failure_report != FailureReport::No).then(|| {
                let context = contexts.chunk(
                    handle,
                    route.binding,
                    *repeat.message_id(),
                    failure_report,
                    to_path.first_raw(),
                    from_path.raw(),
                );
                contexts.insert(Context::Chunk(context))
            });
            if !out.pass_on_repeat(now, pattern, from, &repeat, tag.map(Tag::number)) {
                if let Some(Tag::Context(index)) = tag {
                    contexts.remove(index);
                }
                break;
            }
            from.take_repeat(now, pattern, &repeat);
            beside.earn_reports(repeat.body_len());
            traffic += Traffic::chunk(repeat.body_len(), Some(ContinuationFlag::Complete));
            passed += 1;
            match from.peek_repeat(now, pattern) {
                Some(next) => repeat = next,
                None => break,
            }
        }
        if passed > 0 {
            if !route.binding.is_elsewhere() {
                data.prove();
            }
            data.last_used = now;
            beside.last_used = now;
            stats.chunks_in += passed as u64;
            stats.chunks_whole += passed as u64;
            // They went as they came.
            stats.held.record_many(0, passed as u64);
            self.count(route, traffic);
            self.touch(route.out);
        }
        passed
    }

    /// Remembers what a message looked like that has been passed on whole, for the next ones.
    pub(crate) fn learn_repeat(&mut self, from: ConnectionHandle, key: u32, route: Route) {
        let max_uris = self.max_uris();
        let shown = self.shown_to(key, route);
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let Some((_, data)) = self.table.get_mut(from) else {
            return;
        };
        if incoming.range.start != 1
            || data
                .repeats
                .as_ref()
                .is_some_and(|repeats| repeats.credit < LEARNING)
        {
            return;
        }
        let Ok(edit) = edit(&self.anchors, &incoming.head, max_uris, route, shown.as_deref()) else {
            return;
        };
        if let Some(pattern) = RepeatPattern::of(&edit) {
            data.repeats.get_or_insert_default().learn(pattern, route);
        }
    }
}
