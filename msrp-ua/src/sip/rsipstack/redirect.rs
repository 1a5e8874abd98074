//! 3xx: a request goes on to where it is sent (RFC 3261 §8.1.3.4).

use std::collections::VecDeque;

use rsipstack::sip::{Request, Response, Scheme, Uri};

use super::{
    calls::{CallState, Cancel},
    clients::Purpose,
    core::Core,
    dialog,
    exchange::Hop,
    fields::{self, NameAddr},
    happening::ClientId,
};
use crate::sip::SipError;

/// Places of one answer that are looked at.
const CONTACTS: usize = 16;

/// Where a request of ours may go next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// It is sent to this URI instead.
    Target(String),
    /// It is sent by this proxy (305).
    Proxy(String),
}

/// Where a request of ours has been sent, and may still be.
pub(super) struct Targets {
    /// As it was before the first answer.
    request: Box<Request>,
    tried: Vec<Place>,
    left: VecDeque<Place>,
}

impl Core {
    /// Sends a request on, if its answer says so or there is another place for it. `Ok(false)`: the answer stands.
    ///
    /// # Errors
    /// Why a redirection is not followed.
    pub(super) fn go_on(&mut self, id: ClientId, response: &Response) -> Result<bool, String> {
        let code = response.status_code.code();
        let most = usize::from(self.config.redirects);
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(false);
        };
        let purpose = client.purpose;
        let seq = client.sent.as_ref().and_then(|sent| dialog::seq(&sent.request));
        match purpose {
            Purpose::Invite(call) => match self.calls.get(&call).map(|call| &call.state) {
                Some(CallState::Calling {
                    cancel: Cancel::No, ..
                }) => {}
                // It has been given up.
                _ => return Ok(false),
            },
            Purpose::Page(_) => {}
            _ => return Ok(false),
        }
        let redirects = (300..400).contains(&code);
        let mut targets = match client.targets.take() {
            Some(targets) => targets,
            None if redirects => {
                let Some(sent) = &client.sent else {
                    return Ok(false);
                };
                let first = Place::Target(sent.request.uri.to_string());
                Box::new(Targets {
                    request: sent.request.clone(),
                    tried: vec![first],
                    left: VecDeque::new(),
                })
            }
            None => return Ok(false),
        };
        if redirects {
            if most == 0 {
                return Err("redirections are not followed".to_owned());
            }
            if !matches!(code, 300 | 301 | 302 | 305) {
                return Err("not a redirection that can be followed".to_owned());
            }
            let places = places(code, response, &targets.request.uri);
            if places.is_empty() {
                return Err("it names no place to go to".to_owned());
            }
            for place in places.into_iter().rev() {
                if !targets.tried.contains(&place) {
                    targets.left.retain(|known| *known != place);
                    targets.left.push_front(place);
                }
            }
            if targets.left.is_empty() {
                return Err("a loop".to_owned());
            }
        } else if code >= 600 {
            // It holds for all places (RFC 3261 §21.6).
            return Ok(false);
        }
        if targets.left.is_empty() {
            return Ok(false);
        }
        // The first was no redirection.
        if targets.tried.len() > most {
            return Err(format!("more than {most} redirections"));
        }
        while let Some(place) = targets.left.pop_front() {
            targets.tried.push(place.clone());
            if let Ok((request, hop)) = self.redirected(&targets.request, &place) {
                self.send_on((id, purpose, seq), request, hop, targets);
                return Ok(true);
            }
        }
        Err("it names no place to go to".to_owned())
    }

    /// The request as it goes to another place.
    fn redirected(&self, first: &Request, place: &Place) -> Result<(Request, Hop), SipError> {
        let mut request = first.clone();
        for name in ["Route", "Authorization", "Proxy-Authorization"] {
            fields::remove(&mut request.headers, name);
        }
        let (hop, route) = match place {
            Place::Target(target) => {
                request.uri = fields::lower(fields::uri(target)?);
                self.way(target, None)?
            }
            Place::Proxy(proxy) => self.way(proxy, Some(proxy))?,
        };
        if let Some(route) = route {
            fields::push(&mut request.headers, "Route", format!("<{route}>"));
        }
        Ok((request, hop))
    }

    fn send_on(
        &mut self,
        (id, purpose, seq): (ClientId, Purpose, Option<u32>),
        mut request: Request,
        hop: Hop,
        targets: Box<Targets>,
    ) {
        let seq = match purpose {
            Purpose::Invite(call) => match self.calls.get_mut(&call) {
                Some(call) => {
                    call.dialog.target = request.uri.to_string();
                    call.dialog.next_seq()
                }
                None => return,
            },
            // One that could not be sent has used no number.
            _ => seq
                .or_else(|| dialog::seq(&request))
                .unwrap_or(0)
                .saturating_add(1),
        };
        fields::set_seq(&mut request, seq);
        let next = self.send(purpose, request, hop);
        if let Some(client) = self.clients.get_mut(&next) {
            client.targets = Some(targets);
        }
        if let Purpose::Invite(call) = purpose {
            self.moved(call, id, next);
        }
    }
}

/// The places that an answer names, the best first.
fn places(code: u16, response: &Response, from: &Uri) -> Vec<Place> {
    let secure = from.scheme == Some(Scheme::Sips);
    let mut places: Vec<(u16, Place)> = fields::values(&response.headers, "Contact")
        .flat_map(fields::list)
        .take(CONTACTS)
        .filter_map(|contact| {
            let contact = NameAddr::parse(contact)?;
            // Header fields in it would be ours to send (RFC 3261 §19.1.5); none is wanted.
            let text = contact.uri.split('?').next()?;
            let uri = fields::lower(fields::uri(text).ok()?);
            let text = uri.to_string();
            let fits = match uri.scheme {
                Some(Scheme::Sips) => true,
                // What was to go by TLS all the way does not go without.
                Some(Scheme::Sip) => !secure,
                _ => false,
            };
            let place = match code {
                305 => Place::Proxy(text),
                _ => Place::Target(text),
            };
            fits.then(|| (quality(contact.parameter("q")), place))
        })
        .collect();
    // As they stand where the preference is the same.
    places.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    places.into_iter().map(|(_, place)| place).collect()
}

/// `0.7` in thousandths; what says nothing is best.
fn quality(value: Option<&str>) -> u16 {
    let Some(value) = value else { return 1000 };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if whole == "1" {
        return 1000;
    }
    let digits = format!("{fraction:0<3}");
    digits
        .get(..3)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}
