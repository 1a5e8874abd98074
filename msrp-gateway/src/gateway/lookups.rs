//! What waits for the answer of a policy.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use hashbrown::HashMap;
use msrp_core::node::{Action, Ticket};

use super::{Gateway, intake::Request, timers::Due};
use crate::policy::{GatewayAnswer, GatewayQuery, Lookup, RouteQuery, Routing};
use msrp_ua::sip::SipReply;

/// Requests that wait, at the most; a further one is refused with 503.
const MAX_PARKED: usize = 10_000;

/// Questions under way, and what waits for their answers. What asks the same question waits for the same answer.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    questions: BTreeMap<Ticket, Question>,
    by_query: HashMap<RouteQuery, Ticket, foldhash::fast::RandomState>,
    waiting: usize,
    next: u64,
}

/// A question, until when an answer is awaited, and what waits for it.
#[derive(Debug)]
struct Question {
    query: RouteQuery,
    until: Instant,
    requests: VecDeque<Request>,
}

impl Parked {
    /// Whether an answer to this is awaited.
    pub(super) fn asks(&self, query: &RouteQuery) -> bool {
        self.by_query.contains_key(query)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// All that waits.
    pub(super) fn take_all(&mut self) -> Vec<Request> {
        self.waiting = 0;
        self.by_query.clear();
        std::mem::take(&mut self.questions)
            .into_values()
            .flat_map(|question| question.requests)
            .collect()
    }
}

impl Gateway {
    /// Asks for the way of a request, and goes on with it when the way is known.
    pub(super) fn ask_route(&mut self, query: RouteQuery, request: Request) {
        let ticket = self.parked.by_query.get(&query);
        if let Some(asked) = ticket.and_then(|ticket| self.parked.questions.get_mut(ticket)) {
            if self.parked.waiting >= MAX_PARKED {
                return self.refuse(request, super::reply::busy(self.config.lookup_timeout));
            }
            self.parked.waiting += 1;
            asked.requests.push_back(request);
            return;
        }
        match self.policies.routes.route(&query) {
            Lookup::Ready(routing) => self.on_routed(request, routing),
            Lookup::Pending if self.parked.waiting >= MAX_PARKED => {
                self.refuse(request, super::reply::busy(self.config.lookup_timeout));
            }
            Lookup::Pending => {
                self.parked.next += 1;
                let ticket = Ticket(self.parked.next);
                self.actions.push_back(Action::Lookup {
                    ticket,
                    query: GatewayQuery::Route(query.clone()),
                });
                let until = self.now + self.config.lookup_timeout;
                self.due.insert((until, Due::Lookup(ticket)));
                self.parked.waiting += 1;
                self.parked.by_query.insert(query.clone(), ticket);
                let question = Question {
                    query,
                    until,
                    requests: VecDeque::from([request]),
                };
                self.parked.questions.insert(ticket, question);
            }
        }
    }

    pub(super) fn on_answer(&mut self, ticket: Ticket, answer: GatewayAnswer) {
        let GatewayAnswer::Routing(routing) = answer;
        self.unpark(ticket, &routing);
    }

    /// Nobody has answered.
    pub(super) fn on_lookup_timeout(&mut self, ticket: Ticket) {
        let late = SipReply::new(503).with_reason("Policy Did Not Answer");
        self.unpark(ticket, &Routing::Refuse(late));
    }

    fn unpark(&mut self, ticket: Ticket, routing: &Routing) {
        let Some(question) = self.parked.questions.remove(&ticket) else {
            return;
        };
        self.parked.by_query.remove(&question.query);
        self.parked.waiting = self.parked.waiting.saturating_sub(question.requests.len());
        self.due.remove(&(question.until, Due::Lookup(ticket)));
        for request in question.requests {
            self.on_routed(request, routing.clone());
        }
    }
}
