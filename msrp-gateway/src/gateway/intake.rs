//! Requests that come in: what is refused before anything is done (rows GW-113 to GW-118).

use std::time::Instant;

use msrp_ua::sip::{CallId, SipHeader, SipPage, SipParty, SipReply};

use super::{Gateway, conversation::Trail, reply::busy};
use crate::{
    identity::{Aor, UriParts},
    policy::{Direction, Route, RouteQuery, Routing},
};

/// The header field by which gateways know their own requests.
pub const MARK: &str = "MSRP-Gateway";

/// Gateways that a request may come through, at the most.
const MAX_GATEWAYS: usize = 8;

/// A request whose way is not known yet.
#[derive(Debug)]
pub(crate) enum Request {
    /// A MESSAGE.
    Page(Box<PageRequest>),
    /// A MESSAGE whose own way is known; that of the answers to it is not.
    Back(Box<PageRequest>, Route),
    /// An INVITE.
    Call(Box<CallRequest>),
}

/// A MESSAGE that has passed the first checks.
#[derive(Debug)]
pub(crate) struct PageRequest {
    pub(crate) page: SipPage,
    pub(crate) sender: Aor,
    pub(crate) target: Aor,
    pub(crate) trail: Trail,
    pub(crate) repeat: Vec<String>,
    pub(crate) came_at: Instant,
}

/// An INVITE that has passed the first checks.
#[derive(Debug)]
pub(crate) struct CallRequest {
    pub(crate) call: CallId,
    pub(crate) from: SipParty,
    pub(crate) to: SipParty,
    pub(crate) request_uri: String,
    pub(crate) sender: Aor,
    pub(crate) target: Aor,
    pub(crate) trail: Trail,
}

/// What the first checks look at.
pub(super) struct Claims<'a> {
    pub(super) request_uri: &'a str,
    pub(super) from: &'a SipParty,
    pub(super) identity: Option<&'a str>,
    pub(super) headers: &'a [SipHeader],
}

impl Claims<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim())
    }
}

impl Gateway {
    /// Who sends to whom, and what has to be carried over to what is sent on.
    pub(super) fn check_request(&mut self, claims: &Claims<'_>) -> Result<(Aor, Aor, Trail), SipReply> {
        if self.draining.is_some() {
            return Err(busy(self.config.backoff));
        }
        let target = Aor::parse(claims.request_uri)
            .map_err(|error| SipReply::new(416).with_reason(format!("Unsupported URI: {error}")))?;
        let trail = self.trail(claims)?;
        let sender = self.policies.sender.sender(claims.identity, claims.from)?;
        if sender == target {
            return Err(SipReply::new(482).with_reason("Loop Detected: To Oneself"));
        }
        let secure = UriParts::parse(claims.request_uri).is_ok_and(|parts| parts.is_sips());
        if secure && self.config.keep_secure && !self.agent.config().uses_tls() {
            return Err(SipReply::new(416).with_reason("No Encryption On The Other Side"));
        }
        let now = self.now;
        self.total_rate.take(now, ()).map_err(busy)?;
        self.sender_rate.take(now, sender.clone()).map_err(busy)?;
        self.pair_rate
            .take(now, (sender.clone(), target.clone()))
            .map_err(busy)?;
        Ok((sender, target, trail))
    }

    fn trail(&self, claims: &Claims<'_>) -> Result<Trail, SipReply> {
        let hops = match claims.header("Max-Forwards") {
            Some(hops) => hops
                .parse::<u8>()
                .map_err(|_| SipReply::new(400).with_reason("Malformed Max-Forwards"))?,
            None => 70,
        };
        let max_forwards = hops.checked_sub(1).ok_or_else(|| SipReply::new(483))?;
        let mut gateways: Vec<&str> = claims
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(MARK))
            .flat_map(|header| header.value.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let token = |name: &&str| name.len() <= 64 && name.bytes().all(|octet| octet.is_ascii_graphic());
        if gateways.contains(&&*self.name) || gateways.len() >= MAX_GATEWAYS || !gateways.iter().all(token) {
            return Err(SipReply::new(482));
        }
        gateways.push(&self.name);
        Ok(Trail {
            max_forwards,
            gateways: gateways.join(", "),
        })
    }

    /// The header fields of a request of ours.
    pub(super) fn trail_headers(trail: &Trail) -> [SipHeader; 2] {
        [
            SipHeader::new("Max-Forwards", trail.max_forwards.to_string()),
            SipHeader::new(MARK, trail.gateways.clone()),
        ]
    }

    /// Whether what is sent to this URI by this way would come back to us.
    pub(super) fn leads_back(&self, request_uri: &str, route: &Route) -> bool {
        let next = route.via.as_deref().unwrap_or(request_uri);
        UriParts::parse(next).is_ok_and(|parts| self.config.own.contains(&parts.authority()))
    }

    /// Whether a way is encrypted where it has to be.
    fn keeps_secure(&self, request_uri: &str, route: &Route) -> bool {
        let secure = UriParts::parse(request_uri).is_ok_and(|parts| parts.is_sips());
        let encrypted = |via: &String| UriParts::parse(via).is_ok_and(|parts| parts.is_encrypted());
        !secure || !self.config.keep_secure || route.via.as_ref().is_none_or(encrypted)
    }

    /// The way of a request is known, or that there is none.
    pub(super) fn on_routed(&mut self, request: Request, routing: Routing) {
        match (request, routing) {
            // Whoever has been let write may be answered, by the way that SIP finds.
            (Request::Back(page, route), Routing::Refuse(_)) => {
                self.accept_page(*page, route, Some(Route::new()))
            }
            (Request::Back(page, route), Routing::Carry(back)) => self.accept_page(*page, route, Some(back)),
            (request, Routing::Refuse(reply)) => self.refuse(request, reply),
            (Request::Page(page), Routing::Carry(route)) => {
                if let Some(reply) = self.objection(&page.page.request_uri, &route) {
                    return self.answer_page_request(*page, reply);
                }
                let key = self.policies.sender.key(&page.sender, &page.target);
                let query = RouteQuery {
                    direction: Direction::ToPages,
                    request_uri: page.page.from.uri.clone(),
                    target: page.sender.clone(),
                    sender: page.target.clone(),
                };
                // Those that came before it may wait still.
                if self.by_key.contains_key(&key) && !self.parked.asks(&query) {
                    return self.accept_page(*page, route, None);
                }
                self.ask_route(query, Request::Back(page, route));
            }
            (Request::Call(call), Routing::Carry(route)) => match self.objection(&call.request_uri, &route) {
                Some(reply) => self.refuse(Request::Call(call), reply),
                None => self.accept_call(*call, route),
            },
        }
    }

    fn objection(&self, request_uri: &str, route: &Route) -> Option<SipReply> {
        if self.leads_back(request_uri, route) {
            return Some(SipReply::new(482));
        }
        (!self.keeps_secure(request_uri, route))
            .then(|| SipReply::new(416).with_reason("No Encryption On The Other Side"))
    }

    pub(super) fn refuse(&mut self, request: Request, reply: SipReply) {
        match request {
            Request::Page(page) | Request::Back(page, _) => self.answer_page_request(*page, reply),
            Request::Call(call) => self.refuse_call(call.call, reply),
        }
    }
}
