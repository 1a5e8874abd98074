//! The receiving side: pulls octets through the decoder until there is something to tell.

use std::time::Instant;

use super::{CloseReason, Connection, ConnectionError, Event, Origin, Outcome, rx::Advance};
use crate::{
    codec::{DecodeError, DecodeEvent, Head},
    grammar::{FailureReport, StatusCode},
};

impl Connection {
    /// The next thing to tell; `None` when there is nothing now.
    ///
    /// This is what decodes: a node that does not call it leaves octets where they are.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        let now = self.clock(now);
        self.unhold(now);
        loop {
            self.settle_incoming();
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.closing.is_some() {
                return self.poll_closed();
            }
            if self.send.control_full(&self.config) {
                // The peer does not read our answers, so it is asked for nothing more until it does.
                self.send.tell_when_ready();
                self.settle();
                return None;
            }
            match self.decode_next(now) {
                Ok(Step::Event(event)) => return Some(event),
                Ok(Step::Again) => {}
                Ok(Step::Dry) => {
                    self.on_dry(now);
                    if self.events.is_empty() && self.closing.is_none() {
                        return None;
                    }
                }
                Err(error) => {
                    self.fail(ConnectionError {
                        origin: Origin::Peer,
                        kind: CloseReason::Decode(error),
                    });
                }
            }
        }
    }

    /// Takes back the head of an [`Event`] that is not needed any more, so that the next one costs no allocation. One is
    /// kept. Nobody has to do this; a node that handles many short messages gains by it.
    pub fn recycle(&mut self, head: Head) {
        self.decoder.recycle(head);
    }

    /// Whether the latest [`Event::Body`] holds no CRLF with seven hyphens, so that no end-line can begin in it, whatever its
    /// identifier: for [`write_plain`](Self::write_plain).
    pub fn body_is_plain(&self) -> bool {
        self.decoder.body_is_plain()
    }

    /// The next thing to tell of what was sent, without looking at what was received.
    ///
    /// For a node that leaves octets in the receive buffer because another connection is full: it still has to hear
    /// that this one has room ([`Event::Writable`], [`Event::SendReady`]), or two connections that wait for each other
    /// would wait for ever.
    pub fn poll_sent(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The node will not pull for a while: small rests are copied, so that they do not keep large blocks alive, and the
    /// time of transactions stands still, as their responses may be among what is not pulled.
    pub fn settle(&mut self) {
        self.rx.settle();
        if self.closing.is_none() {
            self.held = true;
            self.transactions.pause(self.now);
        }
    }

    /// The node pulls again.
    pub(super) fn unhold(&mut self, now: Instant) {
        if std::mem::take(&mut self.held) && !self.paused {
            self.transactions.resume(now);
        }
    }

    fn decode_next(&mut self, now: Instant) -> Result<Step, DecodeError> {
        let before = self.rx.front_ref().len();
        let decoded = self.decoder.decode(self.rx.front())?;
        self.rx.taken(before);
        let Some(decoded) = decoded else {
            return Ok(match self.rx.advance() {
                Advance::More => Step::Again,
                Advance::Dry => Step::Dry,
                Advance::MessageEnd => {
                    self.decoder.message_end(self.rx.front_ref())?;
                    Step::Again
                }
            });
        };
        self.read_on(now);
        let event = match decoded {
            DecodeEvent::Head(head) => {
                self.head_since = None;
                if head.is_request() {
                    self.on_request(head)
                } else {
                    self.on_response(head)
                }
            }
            DecodeEvent::Body(_) if self.skipping => None,
            DecodeEvent::Body(data) => self.on_body(data),
            DecodeEvent::EndLine(flag) => self.on_request_end(flag),
        };
        Ok(event.map_or(Step::Again, Step::Event))
    }

    /// Octets have been pulled: reading may go on where it was paused.
    pub(super) fn read_on(&mut self, now: Instant) {
        if self.paused && self.rx.len() < self.config.rx_limit / 2 {
            self.paused = false;
            self.transactions.resume(now);
        }
    }

    /// A response: it ends the transaction that it names, if there is one.
    fn on_response(&mut self, head: Head) -> Option<Event> {
        self.stats.responses_in += 1;
        let code = head.status_code()?;
        let id = head.transact_id();
        let after = self.transactions.find(id.as_bytes()).and_then(|transaction| {
            let timeout = self.config.transaction_timeout;
            self.transactions.age(self.now, transaction, timeout)
        });
        let Some(transaction) = self.transactions.complete(&id) else {
            // Peers answer REPORTs, and SENDs that asked for no answer; a duplicate is no news either.
            self.stats.stray_responses += 1;
            return None;
        };
        self.tell_answered();
        if code == StatusCode::OK {
            self.note_answer(&head);
        }
        Some(Event::TransactionEnded {
            transaction: transaction.id,
            tag: transaction.tag,
            range: transaction.range,
            outcome: Outcome::Response { code, head },
            after,
        })
    }

    /// Everything that was received has been pulled.
    fn on_dry(&mut self, now: Instant) {
        self.dry = true;
        if self.paused {
            self.paused = false;
            self.transactions.resume(now);
        }
        let in_head = self.decoder.is_in_head() && !self.rx.front_ref().is_empty();
        if in_head {
            self.head_since.get_or_insert(now);
        }
        if self.eof {
            if let Some(incoming) = self.incoming.take()
                && !incoming.swallow
            {
                self.events.push_back(Event::RequestAborted { id: incoming.id });
            }
            self.fail(ConnectionError {
                origin: Origin::Peer,
                kind: CloseReason::Eof,
            });
            return;
        }
        self.expire_transactions(now);
    }

    /// Ends the transactions whose time is over.
    pub(super) fn expire_transactions(&mut self, now: Instant) {
        while let Some(transaction) = self.transactions.expire(now) {
            let outcome = match transaction.failure_report {
                FailureReport::Yes => {
                    self.stats.timeouts += 1;
                    Outcome::TimedOut
                }
                FailureReport::Partial | FailureReport::No => Outcome::Unanswered,
            };
            self.events.push_back(Event::TransactionEnded {
                transaction: transaction.id,
                tag: transaction.tag,
                range: transaction.range,
                outcome,
                after: None,
            });
        }
        self.tell_answered();
    }

    fn poll_closed(&mut self) -> Option<Event> {
        if let Some(incoming) = self.incoming.take()
            && !incoming.swallow
            && !incoming.ended
        {
            return Some(Event::RequestAborted { id: incoming.id });
        }
        let closing = self.closing.as_mut()?;
        if closing.told {
            return None;
        }
        closing.told = true;
        self.close_reason
            .as_deref()
            .map(|&reason| Event::Closed { reason })
    }
}

/// What one turn of the decoder led to.
#[allow(clippy::large_enum_variant, reason = "handed on at once")]
enum Step {
    Event(Event),
    Again,
    Dry,
}
