//! What is due when.

use std::time::{Duration, Instant};

use msrp_core::node::Ticket;

use super::{Gateway, conversation::Message};
use crate::event::{ConversationId, MessageNumber, Outcome};

/// How often what holds no longer is forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// How long a session goes on in which somebody has just been told what became of a message: a BYE may be faster than what is
/// said before by MSRP.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A message has waited for too long.
    Expiry(MessageNumber),
    /// A MESSAGE is to be answered.
    Answer(MessageNumber),
    /// A report is not waited for any more.
    Report(MessageNumber),
    /// It is to be looked whether something was said.
    Idle(ConversationId),
    /// A policy has not answered.
    Lookup(Ticket),
    /// What is remembered is to be looked through.
    Sweep,
    /// Sessions are over whose phone is not to be had.
    NobodyThere(ConversationId),
    /// What is under way has had its time.
    Drain,
    /// Everything has its outcome, and whoever waited for that has had the time to hear of it.
    Drained,
}

impl Gateway {
    pub(super) fn next_due(&self) -> Option<Instant> {
        [self.due.first().map(|&(at, _)| at), self.pager.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn run_timers(&mut self) {
        while let Some((at, _)) = self.due.first()
            && *at <= self.now
        {
            let Some((_, due)) = self.due.pop_first() else {
                break;
            };
            self.on_due(due);
        }
        while let Some(job) = self.pager.handle_timeout(self.now) {
            self.on_job_over(job, 408, "Waited Too Long");
        }
        self.arm_sweep();
    }

    fn on_due(&mut self, due: Due) {
        match due {
            Due::Expiry(number) => self.on_expiry(number),
            Due::Answer(number) => self.answer_accepted(number),
            Due::Report(number) => {
                if self.messages.get(&number).is_some_and(Message::is_accepted) {
                    self.settle(number, &Outcome::Accepted);
                }
            }
            Due::Idle(id) => self.on_idle(id),
            Due::Lookup(ticket) => self.on_lookup_timeout(ticket),
            Due::Sweep => self.sweep(),
            Due::NobodyThere(id) => self.on_nobody_there(id),
            Due::Drain => self.give_up(),
            Due::Drained => self.end_all(),
        }
    }

    /// What has been sent is waited for: it may arrive. It is not sent again, see [`finish_if_over`](Self::finish_if_over).
    fn on_expiry(&mut self, number: MessageNumber) {
        if self.messages.get(&number).is_some_and(|it| it.sends.is_empty()) {
            self.settle(number, &Outcome::failed(408, "Waited Too Long"));
        }
    }

    /// Ends the sessions of a conversation in which nothing was said for long, or that has lasted for long (row GW-106).
    fn on_idle(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        let oldest = conversation.legs.iter().map(|leg| leg.created).min();
        let quiet_at = conversation.touched + self.config.session_timeout;
        let old_at = oldest.map(|created| created + self.config.session_life);
        let at = old_at.map_or(quiet_at, |old_at| old_at.min(quiet_at));
        if at > self.now {
            conversation.idle_at = at;
            self.due.insert((at, Due::Idle(id)));
            return;
        }
        let reason = if quiet_at <= self.now { "Idle" } else { "Too Long" };
        // What waits to go out has times of its own.
        conversation.touched = self.now;
        conversation.idle_at = self.now + self.config.session_timeout;
        self.due.insert((conversation.idle_at, Due::Idle(id)));
        // Nor is a session ended in which somebody waits to be told what became of a message.
        if conversation.to_session.messages == 0 && conversation.to_pages.messages == 0 {
            self.end_sessions(id, reason);
        }
        self.dirty.insert(id);
    }

    fn on_nobody_there(&mut self, id: ConversationId) {
        if let Some(conversation) = self.conversations.get_mut(&id)
            && conversation.permanent >= self.config.permanent_failures
        {
            conversation.permanent = 0;
            self.end_sessions(id, "Nobody There");
            self.dirty.insert(id);
        }
    }

    fn arm_sweep(&mut self) {
        let remembers = self.remembers();
        if remembers > 0 && !std::mem::replace(&mut self.sweeping, true) {
            self.due.insert((self.now + SWEEP, Due::Sweep));
        }
    }

    fn sweep(&mut self) {
        let now = self.now;
        self.sweeping = false;
        self.repeats.sweep(now);
        self.taken.sweep(now);
        self.away.sweep(now);
        self.page_only.sweep(now);
        self.no_cpim.sweep(now);
        self.no_composing.sweep(now);
        self.sender_rate.sweep(now);
        self.pair_rate.sweep(now);
        self.total_rate.sweep(now);
    }

    /// How many facts are remembered.
    pub(super) fn remembers(&self) -> usize {
        self.repeats.len()
            + self.taken.len()
            + self.away.len()
            + self.page_only.len()
            + self.no_cpim.len()
            + self.no_composing.len()
            + self.sender_rate.len()
            + self.pair_rate.len()
            + self.total_rate.len()
    }
}
