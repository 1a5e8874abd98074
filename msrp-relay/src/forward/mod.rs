//! Passing requests on: which way (RFC 4976 §6.2 to §6.4), and what becomes of them.

pub(crate) mod incoming;
pub(crate) mod lane;
mod lane_end;
mod repeat;
mod request;
mod response;
mod route;
pub(crate) mod shown;

pub(crate) use self::{
    repeat::Repeats,
    route::{Decision, Reason, Route, Way},
};
pub(crate) mod send;

use std::hash::{DefaultHasher, Hash, Hasher};

use msrp_core::{codec::Head, connection::RequestId, grammar::StatusCode, node::ConnectionHandle};

use crate::{
    connection::Wait,
    forward::incoming::{Incoming, Kind},
    policy::{ForwardQuery, Verdict},
    relay::Relay,
};

/// A number for the two ends of a request's session.
fn ends_of(head: &Head, max_uris: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let (Ok(to_path), Ok(from_path)) = (head.to_path(max_uris), head.from_path(max_uris)) {
        (to_path.last_raw(), from_path.last_raw()).hash(&mut hasher);
    }
    hasher.finish()
}

impl Relay {
    /// The head of a request has come.
    pub(crate) fn on_request(&mut self, from: ConnectionHandle, id: RequestId, head: Head) {
        let max_uris = self.max_uris();
        let kind = if head.is_send() {
            Kind::Send
        } else if head.method() == Some(msrp_core::grammar::Method::Auth)
            && head.to_path(max_uris).is_ok_and(|path| path.len() == 1)
        {
            Kind::Auth
        } else {
            Kind::Other
        };
        let incoming = Incoming::new(self.now, id, head, kind);
        let key = self.incoming.insert(incoming) as u32;
        let now = self.now;
        let Some((_, data)) = self.table.get_mut(from) else {
            return;
        };
        data.incoming = Some(key);
        if kind == Kind::Auth {
            self.stats.auth_requests += 1;
            return;
        }
        data.last_used = now;
        self.start_forwarding(from, key);
    }

    /// Finds the way of the request at hand, or waits for it.
    pub(crate) fn start_forwarding(&mut self, from: ConnectionHandle, key: u32) {
        match self.route(from, key) {
            Decision::Forward(route) => {
                if let Some(incoming) = self.incoming.get_mut(key as usize) {
                    incoming.connecting = None;
                }
                self.begin(from, key, route);
            }
            Decision::Wait(wait) => self.set_wait(from, wait),
            Decision::Connect(connecting) => match self.incoming.get_mut(key as usize) {
                // A short chunk need not hold up what comes behind it.
                Some(incoming) if incoming.kind == Kind::Send && incoming.held.len() == 0 => {
                    incoming.connecting = Some(connecting);
                }
                _ => self.set_wait(from, Wait::Connect(connecting.token)),
            },
            Decision::Refuse(code, reason) => self.refuse(from, code, reason),
        }
    }

    /// The way is known: asks the policy, and looks whether there is room.
    fn begin(&mut self, from: ConnectionHandle, key: u32, route: Route) {
        let max_uris = self.max_uris();
        if self.config.policy.inspects_requests()
            && let Some(code) = self.policy_rejects(from, key, route)
        {
            return self.refuse(from, code, Reason::Policy);
        }
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        incoming.route = Some(route);
        if let Some((_, data)) = self.table.get_mut(from) {
            data.note_session(route.binding, || ends_of(&incoming.head, max_uris));
        }
        match incoming.kind {
            Kind::Send => self.begin_send(from, key, route),
            Kind::Other => self.begin_request(from, key, route),
            Kind::Auth => {}
        }
    }

    fn policy_rejects(&mut self, from: ConnectionHandle, key: u32, route: Route) -> Option<StatusCode> {
        let incoming = self.incoming.get(key as usize)?;
        let binding = self.bindings.get(route.binding)?;
        let query = ForwardQuery {
            method: incoming.head.method()?,
            content_type: incoming.head.content_type(),
            total: incoming.range.total,
            user: &binding.user,
            from_client: self.is_owner(binding.owner, from),
        };
        match self.config.policy.forward(&query) {
            Verdict::Allow => None,
            Verdict::Reject(code) => Some(code),
        }
    }

    /// Answers the request at hand with an error, as far as it wants one, and forgets it.
    pub(crate) fn refuse(&mut self, from: ConnectionHandle, code: StatusCode, reason: Reason) {
        match reason {
            Reason::NotOurs | Reason::NoSession => self.stats.refused_no_session += 1,
            Reason::NoRoom => self.stats.refused_no_room += 1,
            Reason::Policy => self.stats.refused_by_policy += 1,
            Reason::Poisoned => self.stats.refused_poisoned += 1,
            Reason::Malformed => self.stats.refused_malformed += 1,
            Reason::Unreachable => self.stats.refused_unreachable += 1,
        }
        let Some(incoming) = self.take_incoming(from) else {
            return;
        };
        if let Some((connection, data)) = self.table.get_mut(from) {
            data.wait = None;
            // An answer given before is no error here: then only the rest is swallowed.
            let _answered = if incoming.ended.is_some() {
                connection.respond(incoming.id, code, code.phrase())
            } else {
                connection.reject(incoming.id, code, code.phrase())
            };
        }
        match reason {
            Reason::NotOurs => self.note_misdirected(from),
            Reason::NoSession | Reason::Malformed | Reason::Policy => self.note_failure(from),
            Reason::NoRoom | Reason::Unreachable | Reason::Poisoned => {}
        }
    }

    /// Forgets the request at hand.
    pub(crate) fn take_incoming(&mut self, from: ConnectionHandle) -> Option<Incoming> {
        let (_, data) = self.table.get_mut(from)?;
        let key = data.incoming.take()?;
        self.incoming.try_remove(key as usize)
    }

    /// Puts a request back that was taken and could not be passed on.
    pub(crate) fn put_incoming(&mut self, from: ConnectionHandle, incoming: Incoming) -> u32 {
        let key = self.incoming.insert(incoming) as u32;
        if let Some((_, data)) = self.table.get_mut(from) {
            data.incoming = Some(key);
        }
        key
    }

    /// Nothing more is pulled from this connection until what it waits for has come.
    pub(crate) fn set_wait(&mut self, handle: ConnectionHandle, wait: Wait) {
        if let Wait::Room(out) | Wait::Slow { out, .. } = wait
            && let Some((_, data)) = self.table.get_mut(out)
        {
            data.rare().waiters.insert(handle);
        }
        if let Some((_, data)) = self.table.get_mut(handle) {
            data.wait = Some(wait);
        }
    }

    /// What the connection may be waiting for has come, or never will.
    pub(crate) fn wake(&mut self, handle: ConnectionHandle, come: Wait) {
        if let Some((_, data)) = self.table.get_mut(handle)
            && data.wait == Some(come)
        {
            data.wait = None;
            data.retry = true;
            self.enqueue(handle);
        }
    }

    /// Nobody said where the request at hand should go.
    pub(crate) fn fail_route(&mut self, handle: ConnectionHandle) {
        let key = self.table.get(handle).and_then(|(_, data)| data.incoming);
        if let Some(incoming) = key.and_then(|key| self.incoming.get_mut(key as usize)) {
            incoming.unreachable = Some(StatusCode::REQUEST_TIMEOUT);
        }
    }

    /// There is room on a connection again: those that waited for it go on.
    pub(crate) fn wake_waiters(&mut self, handle: ConnectionHandle) {
        let Some((_, data)) = self.table.get_mut(handle) else {
            return;
        };
        let Some(rare) = &mut data.rare else { return };
        for waiter in std::mem::take(&mut rare.waiters) {
            let wait = self.table.get(waiter).and_then(|(_, data)| data.wait);
            if let Some(wait @ (Wait::Room(out) | Wait::Slow { out, .. })) = wait
                && out == handle
            {
                self.wake(waiter, wait);
            }
        }
    }

    /// Tries again what the connection had to wait with.
    pub(crate) fn retry(&mut self, handle: ConnectionHandle) {
        let Some(key) = self.table.get(handle).and_then(|(_, data)| data.incoming) else {
            return;
        };
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        match (incoming.kind, incoming.route) {
            // An AUTH waits for answers only, which come by another way.
            (Kind::Auth, _) => {}
            (kind, route) => {
                if route.is_none() {
                    self.start_forwarding(handle, key);
                }
                match kind {
                    Kind::Send if self.has_route(key) => self.resume_send(handle, key),
                    Kind::Other if self.has_route(key) => self.finish_request(handle, key),
                    _ => {}
                }
            }
        }
    }

    fn has_route(&self, key: u32) -> bool {
        self.incoming
            .get(key as usize)
            .is_some_and(|incoming| incoming.route.is_some())
    }
}
