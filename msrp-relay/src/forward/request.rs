//! Requests other than SEND: REPORT, AUTH for a relay further on, and whatever methods there are (RFC 4976 §6.4.2).

use msrp_core::{
    connection::{Connection, SendError},
    grammar::{Method, StatusCode},
    node::ConnectionHandle,
};

use crate::{
    anchor::table::edit,
    connection::Wait,
    failure::{Context, RequestContext, Tag},
    forward::{Reason, Route, incoming::Held, send::refusal},
    relay::Relay,
    session::Traffic,
};

impl Relay {
    /// A request other than SEND whose way is known begins.
    pub(crate) fn begin_request(&mut self, from: ConnectionHandle, key: u32, route: Route) {
        let Some(incoming) = self.incoming.get(key as usize) else {
            return;
        };
        let is_auth = incoming.head.method() == Some(Method::Auth);
        if is_auth && self.table.get(route.out).is_some_and(|(c, _)| !c.peer().is_tls()) {
            // Between relays there is TLS, always (RFC 4976 §9.2).
            return self.refuse(from, StatusCode::FORBIDDEN, Reason::Policy);
        }
        let known = matches!(
            incoming.head.method(),
            Some(Method::Report | Method::Auth | Method::Nickname)
        );
        if !known && !self.config.forward_unknown_methods {
            self.refuse(from, StatusCode::NOT_IMPLEMENTED, Reason::Policy);
        }
    }

    /// The request is complete: it goes on whole.
    pub(crate) fn finish_request(&mut self, from: ConnectionHandle, key: u32) {
        let now = self.now;
        let max_uris = self.max_uris();
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        let Some(route) = incoming.route.filter(|_| incoming.ended.is_some()) else {
            return;
        };
        let is_report = incoming.head.is_report();
        if is_report && !self.spend_report(from) {
            self.stats.reports_over_budget += 1;
            self.take_incoming(from);
            return;
        }
        let proves_to = match self.incoming.get(key as usize) {
            Some(incoming) => self.proves_to(from, &incoming.head, route),
            None => None,
        };
        let shown = self.shown_to(key, route);
        let Some(incoming) = self.incoming.get_mut(key as usize) else {
            return;
        };
        let body = incoming.held.take();
        let Ok(edit) = edit(&self.anchors, &incoming.head, max_uris, route, shown.as_deref()) else {
            return self.refuse(from, StatusCode::BAD_REQUEST, Reason::Malformed);
        };
        // A REPORT is never answered; all else is answered end to end, or by us if its way breaks.
        let tag = (!is_report).then(|| {
            let id = incoming.id;
            let deferred = |connection: &mut Connection| connection.defer(id).is_ok();
            let known = self.table.get_mut(from).is_some_and(|(c, _)| deferred(c));
            self.contexts.insert(Context::Request(RequestContext {
                from,
                id: incoming.head.transact_id(),
                request: known.then_some(id),
                own: route.own,
                leg: route.leg.map(|leg| (leg.index, route.binding)),
                proves_to,
            }))
        });
        let sent = match self.table.get_mut(route.out) {
            Some((connection, data)) => {
                data.last_used = now;
                connection.forward_request(now, &edit, &body, tag.map(Tag::number))
            }
            None => Err(SendError::Closed),
        };
        if sent.is_err()
            && let Some(Tag::Context(context)) = tag
        {
            self.contexts.remove(context);
        }
        match sent {
            Ok(_) => {
                if is_report {
                    let status = incoming.head.status().ok().flatten();
                    self.stats
                        .reports_by_code
                        .record_code(status.map(|status| status.code));
                    self.stats.reports_forwarded += 1;
                    self.count(route, Traffic::REPORT);
                } else {
                    self.stats.others_forwarded += 1;
                }
                self.touch(route.out);
                self.take_incoming(from);
                self.note_passed_on(from, route.binding);
            }
            Err(SendError::Blocked) if self.buffers_for(from).is_none() => {
                if let Some(incoming) = self.incoming.get_mut(key as usize) {
                    incoming.held = Held::Slice(body);
                }
                self.earn_back_report(from, is_report);
                self.set_wait(from, Wait::Room(route.out));
            }
            Err(error) => {
                // On a connection of several sessions none waits for another: what has no room is lost.
                let (code, reason) = refusal(error);
                self.refuse(from, code, reason);
            }
        }
    }

    /// A REPORT is passed on as long as its sender has credit: nobody has to read more of them than fits what he sent.
    fn spend_report(&mut self, from: ConnectionHandle) -> bool {
        let Some((_, data)) = self.table.get_mut(from) else {
            return false;
        };
        match data.report_credit.checked_sub(1) {
            Some(rest) => {
                data.report_credit = rest;
                true
            }
            None => false,
        }
    }

    /// The REPORT will be tried again.
    fn earn_back_report(&mut self, from: ConnectionHandle, is_report: bool) {
        if let Some((_, data)) = self.table.get_mut(from)
            && is_report
        {
            data.report_credit = data.report_credit.saturating_add(1);
        }
    }
}
