//! Responses: they end a transaction, and go back where the request came from if it was not for us to answer
//! (RFC 4976 §6.4.3).

use std::{collections::BTreeSet, time::Duration};

use msrp_core::{
    codec::{Head, Own},
    connection::Outcome,
    grammar::{ByteRange, FailureReport, StatusCode},
    node::ConnectionHandle,
};

use crate::{
    bindings::BindingId,
    failure::{Context, RequestContext, Tag},
    forward::shown::rest_of,
    relay::Relay,
};

impl Relay {
    /// A transaction on a connection is over.
    pub(crate) fn on_transaction_ended(
        &mut self,
        handle: ConnectionHandle,
        tag: Tag,
        range: Option<ByteRange>,
        outcome: Outcome,
        after: Option<Duration>,
    ) {
        if let Some(after) = after {
            self.stats.hop_answers.record_time(after);
        }
        if let Tag::Context(index) = tag
            && let Some(Context::Request(context)) = self.contexts.get(index)
        {
            let context = *context;
            self.contexts.remove(index);
            // Who asked has given up, too, when no answer comes in time.
            self.forget_request(context);
            if let Outcome::Response { head, .. } = outcome {
                self.learn_name(handle, &head);
                self.pass_back(context, &head);
                self.note_remote_auth(context, &head);
            }
            return;
        }
        if let Tag::Context(index) = tag
            && let Some(&Context::Bind { leg, binding }) = self.contexts.get(index)
        {
            self.contexts.remove(index);
            if let Outcome::Response { code, .. } = outcome {
                self.leg_answered(leg, binding, handle, code);
            }
            return;
        }
        match outcome {
            Outcome::Response { code, head } if code.is_success() => {
                if let Some((connection, data)) = self.table.get_mut(handle) {
                    connection.recycle(head);
                    if data.source().is_some() {
                        self.judge_source(handle, true);
                    }
                }
            }
            // Once for each message, whatever becomes of its other chunks.
            Outcome::Response { code, .. } if self.poison(tag, code) => {
                self.report_failure(tag, range, code);
                self.judge_source(handle, false);
            }
            Outcome::TimedOut => {
                self.stats.hop_timeouts += 1;
                self.report_failure(tag, range, StatusCode::REQUEST_TIMEOUT);
            }
            _ => {}
        }
        match tag {
            Tag::Context(index) => self.contexts.remove(index),
            Tag::Lane(index) => self.on_lane_chunk_ended(index),
        }
    }

    /// We have nothing to answer to a request any more.
    fn forget_request(&mut self, context: RequestContext) {
        if let Some(request) = context.request
            && let Some((connection, _)) = self.table.get_mut(context.from)
        {
            connection.forget(request);
        }
    }

    /// The answer to a request that was passed on will not come, as its way is broken: who asked need not wait for it.
    fn answer_lost(&mut self, context: RequestContext) {
        let code = StatusCode::REQUEST_TIMEOUT;
        if let Some(request) = context.request
            && let Some((connection, _)) = self.table.get_mut(context.from)
            // It may have been answered, or its connection be closing.
            && connection.respond(request, code, code.phrase()).is_ok()
        {
            self.touch(context.from);
        }
    }

    /// Passes a response back, over the connection that the request came from or not at all: none is opened for it.
    fn pass_back(&mut self, context: RequestContext, head: &Head) {
        let now = self.now;
        let expected = match context.leg {
            Some((leg, binding)) => self.names_opposite(head, leg, binding),
            None => self.names_us(head, context.own),
        };
        if !expected {
            self.stats.responses_dropped += 1;
            return;
        }
        let max_uris = self.max_uris();
        let shown = match context.leg {
            None => self.shown_from_path(context.from, head, context.own),
            Some(_) => None,
        };
        let sent = match (self.table.get_mut(context.from), context.leg) {
            (Some((connection, _)), None) => match shown {
                None => connection
                    .forward_response(now, &context.id, head, context.own)
                    .is_ok(),
                Some(shown) => {
                    let to_path = head.to_path(max_uris).ok();
                    let rest = to_path.and_then(|path| rest_of(&path, context.own));
                    rest.is_some_and(|rest| {
                        connection
                            .forward_response_readdressed(now, &context.id, head, rest, &shown)
                            .is_ok()
                    })
                }
            },
            (Some((connection, _)), Some((leg, binding))) => {
                let paths = self.anchors.paths_to(leg, binding);
                paths.is_some_and(|(to_path, from_path)| {
                    connection
                        .forward_response_readdressed(now, &context.id, head, to_path, from_path)
                        .is_ok()
                })
            }
            (None, _) => false,
        };
        if sent {
            self.stats.responses_forwarded += 1;
            self.touch(context.from);
        } else {
            self.stats.responses_dropped += 1;
        }
    }

    /// Whether a response names our URI of the side opposite of this one.
    fn names_opposite(&self, head: &Head, leg: u32, binding: BindingId) -> bool {
        let opposite = self.anchors.opposite(leg, binding).map(|leg| leg.binding);
        head.to_path(self.max_uris()).is_ok_and(|path| {
            self.bindings.find(self.now, path.first_raw()) == opposite && opposite.is_some()
        })
    }

    /// Whether the first URIs of To-Path are ours.
    fn names_us(&self, head: &Head, own: Own) -> bool {
        let Ok(to_path) = head.to_path(self.max_uris()) else {
            return false;
        };
        let count = match own {
            Own::None => 0,
            Own::One => 1,
            Own::Two => 2,
        };
        to_path.len() > count
            && to_path
                .iter_raw()
                .take(count)
                .all(|uri| self.bindings.find(self.now, uri).is_some())
    }

    /// A connection has ended: what was on its way there may or may not have arrived. Each sender is told who wants to
    /// hear when no answer comes; with `partial` silence means nothing, so that only what has not left is told of.
    pub(crate) fn lose_transactions(&mut self, handle: ConnectionHandle) {
        let Some((connection, data)) = self.table.get_mut(handle) else {
            return;
        };
        let lost: Vec<_> = connection.drain_lost().collect();
        let lanes = data
            .rare
            .as_mut()
            .map(|rare| std::mem::take(&mut rare.lanes_out))
            .unwrap_or_default();
        let mut reported = BTreeSet::new();
        for lost in lost {
            let Some(tag) = self.tag_of(lost.tag) else {
                continue;
            };
            let wants = match self.failure_report_of(tag) {
                Some(FailureReport::Yes) => true,
                Some(FailureReport::Partial) => !lost.left,
                _ => false,
            };
            if wants {
                self.report_failure(tag, lost.range, StatusCode::REQUEST_TIMEOUT);
            }
            match tag {
                Tag::Context(index) => {
                    if wants {
                        self.poison(tag, StatusCode::REQUEST_TIMEOUT);
                    }
                    if let Some(&Context::Request(context)) = self.contexts.get(index) {
                        self.answer_lost(context);
                    }
                    self.contexts.remove(index);
                }
                Tag::Lane(lane) if wants => {
                    reported.insert(lane);
                }
                Tag::Lane(_) => {}
            }
        }
        for lane in lanes {
            self.lose_lane(lane, reported.contains(&lane));
        }
    }
}
