//! Dialogs (RFC 3261 §12).

use rsipstack::sip::{Request, Response};

use super::{fields, flow::Flow};

/// What two sides of a call know of each other.
pub(super) struct Dialog {
    pub(super) call_id: String,
    /// Our `From`, with its tag.
    pub(super) local: String,
    pub(super) local_tag: String,
    /// The peer's `To`, with its tag.
    pub(super) remote: String,
    pub(super) remote_tag: String,
    pub(super) local_seq: u32,
    pub(super) remote_seq: Option<u32>,
    pub(super) routes: Vec<String>,
    /// Where the peer says that it is.
    pub(super) target: String,
    /// The way by which its messages come, or ours have gone; none before the first.
    pub(super) flow: Option<Flow>,
}

/// Most entries of a route set; more are a loop or an attack.
const ROUTES: usize = 32;

fn record_routes(headers: &rsipstack::sip::headers::Headers) -> Vec<String> {
    fields::values(headers, "Record-Route")
        .flat_map(fields::list)
        .take(ROUTES)
        .map(str::to_owned)
        .collect()
}

/// The URI of `Contact`, if it can be sent to.
fn contact(headers: &rsipstack::sip::headers::Headers) -> Option<String> {
    let value = fields::value(headers, "Contact")?;
    let first = fields::list(value).into_iter().next()?;
    let uri = fields::NameAddr::parse(first)?.uri;
    fields::uri(uri).is_ok().then(|| uri.to_owned())
}

impl Dialog {
    /// The dialog that a caller's INVITE asks for. `None`: it has no usable `Contact`.
    pub(super) fn called(request: &Request, local_tag: String, flow: Flow) -> Option<Self> {
        let value = |name| fields::value(&request.headers, name);
        let remote = value("From")?;
        Some(Self {
            call_id: value("Call-ID")?.to_owned(),
            local: format!("{};tag={local_tag}", value("To")?),
            local_tag,
            remote: remote.to_owned(),
            remote_tag: fields::tag(remote)?.to_owned(),
            local_seq: 0,
            remote_seq: seq(request),
            routes: record_routes(&request.headers),
            target: contact(&request.headers)?,
            flow: Some(flow),
        })
    }

    /// What a caller knows before anybody has answered.
    pub(super) fn calling(
        call_id: String,
        local: String,
        local_tag: String,
        remote: String,
        target: String,
    ) -> Self {
        Self {
            call_id,
            local,
            local_tag,
            remote,
            remote_tag: String::new(),
            local_seq: 1,
            remote_seq: None,
            routes: Vec::new(),
            target,
            flow: None,
        }
    }

    /// Completes a caller's dialog with a 2xx. `false`: it does not say who has answered.
    pub(super) fn answered(&mut self, response: &Response) -> bool {
        let Some(remote) = fields::value(&response.headers, "To") else {
            return false;
        };
        let Some(tag) = fields::tag(remote) else {
            return false;
        };
        self.remote_tag = tag.to_owned();
        self.remote = remote.to_owned();
        self.routes = record_routes(&response.headers);
        self.routes.reverse();
        self.refresh(&response.headers);
        true
    }

    /// Takes the target from a request or a response that refreshes it.
    pub(super) fn refresh(&mut self, headers: &rsipstack::sip::headers::Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// The number of our next request.
    pub(super) fn next_seq(&mut self) -> u32 {
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// Where its requests go first.
    pub(super) fn hop(&self) -> &str {
        self.routes
            .first()
            .and_then(|route| fields::NameAddr::parse(route))
            .map_or(self.target.as_str(), |route| route.uri)
    }
}

/// The number of a request.
pub(super) fn seq(request: &Request) -> Option<u32> {
    let value = fields::value(&request.headers, "CSeq")?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
