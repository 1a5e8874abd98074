//! Requests and responses as they leave.

use bytes::Bytes;
use rsipstack::sip::{
    Method, Request, Response, StatusCode, Uri, Version,
    headers::{Header, Headers},
};

use super::{
    config::RsipConfig,
    dialog::Dialog,
    fields,
    flow::Flow,
    sockets::{Sockets, to_stack},
};
use crate::{
    mime::{MimeError, Multipart, Part},
    sip::{SipAnswer, SipError, SipReply},
};

/// What we understand.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, MESSAGE, OPTIONS";

pub(super) const SDP: &str = "application/sdp";

/// Octets above which a request does not go by UDP (RFC 3261 §18.1.1).
pub(super) const UDP_LIMIT: usize = 1300;

/// Random octets in hexadecimal.
pub(super) fn token() -> String {
    let mut octets = [0; 12];
    // A system without randomness leaves zeros; none that has sockets is known.
    getrandom::fill(&mut octets).ok();
    octets.iter().fold(String::with_capacity(24), |mut text, octet| {
        text.extend([octet >> 4, octet & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        text
    })
}

pub(super) fn branch() -> String {
    format!("z9hG4bK{}", token())
}

/// A request outside of dialogs, without `Via` and `Contact`, which depend on the way it goes.
pub(super) struct Outside<'a> {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) seq: u32,
    pub(super) route: Option<&'a str>,
}

impl Outside<'_> {
    pub(super) fn request(self, config: &RsipConfig) -> Request {
        let mut headers = Headers::default();
        if let Some(route) = self.route {
            fields::push(&mut headers, "Route", format!("<{route}>"));
        }
        fields::push(&mut headers, "Max-Forwards", "70");
        fields::push(&mut headers, "From", self.from);
        fields::push(&mut headers, "To", self.to);
        fields::push(&mut headers, "Call-ID", self.call_id);
        fields::push(&mut headers, "CSeq", format!("{} {}", self.seq, self.method));
        fields::push(&mut headers, "User-Agent", config.user_agent.as_str());
        Request {
            method: self.method,
            uri: fields::lower(self.uri),
            version: Version::V2,
            headers,
            body: Vec::new(),
        }
    }
}

/// A request within a dialog.
pub(super) fn inside(
    config: &RsipConfig,
    dialog: &Dialog,
    method: Method,
    seq: u32,
) -> Result<Request, SipError> {
    let mut headers = Headers::default();
    for route in &dialog.routes {
        fields::push(&mut headers, "Route", route.as_str());
    }
    fields::push(&mut headers, "Max-Forwards", "70");
    fields::push(&mut headers, "From", dialog.local.as_str());
    fields::push(&mut headers, "To", dialog.remote.as_str());
    fields::push(&mut headers, "Call-ID", dialog.call_id.as_str());
    fields::push(&mut headers, "CSeq", format!("{seq} {method}"));
    fields::push(&mut headers, "User-Agent", config.user_agent.as_str());
    Ok(Request {
        method,
        uri: fields::lower(fields::uri(&dialog.target)?),
        version: Version::V2,
        headers,
        body: Vec::new(),
    })
}

/// Gives a message its body.
pub(super) fn with_body(headers: &mut Headers, body: &mut Vec<u8>, content_type: &str, octets: &Bytes) {
    fields::push(headers, "Content-Type", content_type);
    *body = octets.to_vec();
}

/// Gives an INVITE its offer, and what goes with it.
pub(super) fn with_offer(request: &mut Request, offer: &Bytes, parts: &[Part]) -> Result<(), SipError> {
    if parts.is_empty() {
        with_body(&mut request.headers, &mut request.body, SDP, offer);
        return Ok(());
    }
    let invalid = |fault: MimeError| SipError::Invalid(format!("a part of the body: {fault}"));
    let mut sdp = Part {
        body: offer.clone(),
        ..Part::default()
    };
    sdp.headers.push("Content-Type", SDP).map_err(invalid)?;
    let whole = Multipart::new(std::iter::once(sdp).chain(parts.iter().cloned()).collect());
    let boundary = token();
    let body = whole.body(&boundary).map_err(invalid)?;
    let content_type = whole.content_type("mixed", &boundary);
    with_body(&mut request.headers, &mut request.body, &content_type, &body);
    Ok(())
}

/// `Contact`: where we are reached by the way that this request goes, or came.
pub(super) fn contact(sockets: &Sockets, flow: &Flow) -> String {
    let host = sockets.advertised(flow);
    let aor = fields::uri(&sockets.config.aor.uri).ok();
    let user = aor
        .and_then(|uri| uri.auth)
        .map(|auth| format!("{auth}@"))
        .unwrap_or_default();
    match flow.transport.name() {
        "udp" => format!("<sip:{user}{host}>"),
        transport => format!("<sip:{user}{host};transport={transport}>"),
    }
}

/// Puts in what depends on the way that a request goes.
pub(super) fn address(request: &mut Request, sockets: &Sockets, flow: &Flow, branch: &str) {
    fields::remove(&mut request.headers, "Via");
    let transport = to_stack(flow.transport);
    let host = sockets.advertised(flow);
    let via = format!("SIP/2.0/{transport} {host};branch={branch};rport");
    request.headers.push_front(Header::Via(via.into()));
    if matches!(
        request.method,
        Method::Invite | Method::Update | Method::Register | Method::Options
    ) {
        let parameters = fields::value(&request.headers, "Contact")
            .and_then(|contact| contact.split_once('>'))
            .map(|(_, parameters)| parameters.to_owned())
            .unwrap_or_default();
        fields::remove(&mut request.headers, "Contact");
        fields::push(
            &mut request.headers,
            "Contact",
            contact(sockets, flow) + &parameters,
        );
    }
    fields::remove(&mut request.headers, "Content-Length");
    fields::push(
        &mut request.headers,
        "Content-Length",
        request.body.len().to_string(),
    );
}

/// A response to this request. `tag` is what is put into a `To` that has none.
pub(super) fn respond_to(request: &Request, code: StatusCode, tag: Option<&str>) -> Response {
    let mut headers = Headers::default();
    for header in request.headers.iter() {
        match header {
            Header::To(to) if fields::tag(to.value()).is_none() => {
                let value = match tag {
                    Some(tag) => format!("{};tag={tag}", to.value()),
                    None if code.code() > 100 => format!("{};tag={}", to.value(), token()),
                    None => to.value().to_owned(),
                };
                fields::push(&mut headers, "To", value);
            }
            Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::CSeq(_) => {
                headers.push(header.clone());
            }
            Header::Timestamp(_) if code.code() == 100 => headers.push(header.clone()),
            _ => {}
        }
    }
    fields::push(&mut headers, "Content-Length", "0");
    Response {
        status_code: code,
        wire_reason: None,
        version: Version::V2,
        headers,
        body: Vec::new(),
    }
}

/// A code and its phrase. The stack writes a phrase of ours only for codes that it takes for unknown.
pub(super) fn status(reply: &SipReply) -> StatusCode {
    match &reply.reason {
        None => StatusCode::from(reply.code),
        Some(reason) => StatusCode::Other(
            reply.code,
            reason
                .chars()
                .filter(|character| !character.is_control())
                .collect(),
        ),
    }
}

/// A redirection that is not followed, with the reason why.
pub(super) fn explained(response: &Response, why: &str) -> Response {
    let mut response = response.clone();
    let phrase = response
        .wire_reason
        .as_deref()
        .unwrap_or(response.status_code.text());
    let to = fields::value(&response.headers, "Contact")
        .and_then(fields::NameAddr::parse)
        .map(|contact| format!("to {}: ", contact.uri))
        .unwrap_or_default();
    response.wire_reason = Some(format!("{phrase} ({to}{why})"));
    response
}

/// What the user agent is told of an answer.
pub(super) fn answer(response: &Response) -> SipAnswer {
    const TOLD: [&str; 10] = [
        "Warning",
        "Accept",
        "Contact",
        "Allow",
        "Unsupported",
        "Require",
        "Min-Expires",
        "Accept-Encoding",
        "Error-Info",
        "Server",
    ];
    let phrase = response
        .wire_reason
        .as_deref()
        .unwrap_or(response.status_code.text());
    let mut answer = SipAnswer::new(response.status_code.code(), phrase);
    answer.retry_after = fields::value(&response.headers, "Retry-After")
        .map(|value| value.split([';', '(', ' ']).next().unwrap_or_default())
        .and_then(|value| value.trim().parse().ok())
        .map(std::time::Duration::from_secs);
    answer.headers = fields::incoming(&response.headers);
    answer.headers.extend(
        fields::values(&response.headers, "Contact")
            .map(|value| crate::sip::SipHeader::new("Contact", value)),
    );
    answer
        .headers
        .retain(|header| TOLD.iter().any(|told| header.name.eq_ignore_ascii_case(told)));
    answer
}
