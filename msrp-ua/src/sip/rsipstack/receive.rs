//! What becomes of octets that have come: parsed, checked, and given to the transaction that waits for them.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use futures::FutureExt;
use rsipstack::{
    sip::{HeadersExt, Method, Request, Response, SipMessage, StatusCode, Transport},
    transaction::key::{TransactionKey, TransactionRole},
    transport::SipConnection,
};

use super::{
    compose::respond_to,
    fields,
    frame::content_length,
    happening::Happening,
    sockets::{Sockets, sip_addr},
};

/// Takes one message. `from` is where it came from by `connection`.
pub(super) async fn message(
    sockets: &Arc<Sockets>,
    octets: &[u8],
    connection: SipConnection,
    from: SocketAddr,
    transport: Transport,
) {
    let Some(message) = parse(octets) else {
        unparsed(sockets, octets, connection, from, transport).await;
        return;
    };
    match message {
        SipMessage::Request(request) => {
            self::request(sockets, octets, request, connection, from, transport).await
        }
        SipMessage::Response(response) => {
            self::response(sockets, response, connection, from, transport).await
        }
    }
}

/// The stack's parser, whose faults must not end more than this message.
fn parse(octets: &[u8]) -> Option<SipMessage> {
    catch_unwind(|| SipMessage::try_from(octets)).ok()?.ok()
}

/// Notes in `Via` where a request came from (RFC 3581).
fn with_source(request: Request, from: SocketAddr, transport: Transport) -> Option<Request> {
    let noted = catch_unwind(AssertUnwindSafe(|| {
        SipConnection::update_msg_received(request.into(), from, transport).ok()
    }));
    match noted {
        Ok(Some(SipMessage::Request(request))) => Some(request),
        _ => None,
    }
}

async fn request(
    sockets: &Arc<Sockets>,
    octets: &[u8],
    request: Request,
    connection: SipConnection,
    from: SocketAddr,
    transport: Transport,
) {
    let Some(request) = with_source(request, from, transport) else {
        return;
    };
    if let Some(fault) = fault(&request, octets) {
        refuse(&request, 400, fault, &connection).await;
        return;
    }
    if is_full(sockets) && request.method != Method::Ack {
        sockets.dropped.fetch_add(1, Ordering::Relaxed);
        if connection.is_reliable() {
            refuse(&request, 503, "Too Many Requests", &connection).await;
        }
        return;
    }
    pass(sockets, request.into(), connection, from, transport).await;
}

/// Whether there are as many transactions as may be. Of each that has ended the stack keeps a timer.
fn is_full(sockets: &Sockets) -> bool {
    let (endpoint, limit) = (&sockets.endpoint, sockets.config.limits.transactions);
    endpoint.transactions.len() + endpoint.finished_transactions.len() >= limit
        || endpoint.timers.len() >= limit.saturating_mul(4)
}

/// What is wrong with a request, beyond what the parser sees (RFC 3261 §8.1.1, §18.3).
fn fault(request: &Request, octets: &[u8]) -> Option<&'static str> {
    let cseq = request.cseq_header().ok();
    let method = cseq.and_then(|cseq| cseq.method().ok());
    let seq = cseq.and_then(|cseq| cseq.seq().ok());
    let body = octets
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| octets.split_at(at + 4));
    if method != Some(request.method) || seq.is_none_or(|seq| seq >= 1 << 31) {
        return Some("Bad CSeq");
    }
    if fields::value(&request.headers, "Call-ID").is_none_or(str::is_empty) {
        return Some("Missing Call-ID");
    }
    if fields::value(&request.headers, "From")
        .and_then(fields::tag)
        .is_none()
    {
        return Some("Bad From");
    }
    if fields::value(&request.headers, "To")
        .and_then(fields::NameAddr::parse)
        .is_none()
    {
        return Some("Bad To");
    }
    match body.map(|(head, body)| (content_length(head), body.len())) {
        Some((Ok(length), body)) if length <= body => None,
        _ => Some("Bad Content-Length"),
    }
}

async fn response(
    sockets: &Arc<Sockets>,
    response: Response,
    connection: SipConnection,
    from: SocketAddr,
    transport: Transport,
) {
    let accepts = (200..300).contains(&response.status_code.code());
    let invite = response.cseq_header().and_then(|cseq| cseq.method()) == Ok(Method::Invite);
    if accepts && invite {
        // The transaction ends with the first 2xx; those that come again, or from another branch of a fork, are the
        // user agent core's (RFC 3261 §13.2.2.4).
        let Ok(key) = TransactionKey::from_response(&response, TransactionRole::Client) else {
            return;
        };
        if sockets.endpoint.transactions.get(&key).is_none() {
            sockets.tell(Happening::LateAccept(Box::new(response))).await;
            return;
        }
    }
    pass(sockets, response.into(), connection, from, transport).await;
}

async fn pass(
    sockets: &Arc<Sockets>,
    message: SipMessage,
    connection: SipConnection,
    from: SocketAddr,
    transport: Transport,
) {
    let from = sip_addr(transport, from);
    let taken = sockets.endpoint.on_received_message(message, connection, &from);
    // An error is about a message that fits nothing; a panic would be a fault of the stack.
    drop(AssertUnwindSafe(taken).catch_unwind().await);
}

/// The parser knows no methods but those of the RFCs that it implements. Others get 501, and what is no SIP gets nothing.
async fn unparsed(
    sockets: &Arc<Sockets>,
    octets: &[u8],
    connection: SipConnection,
    from: SocketAddr,
    transport: Transport,
) {
    let Some(space) = octets.iter().position(|octet| *octet == b' ') else {
        return;
    };
    let method = octets.get(..space).unwrap_or_default();
    let token = method
        .iter()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(octet));
    if method.is_empty() || !token || method == b"SIP/2.0" {
        return;
    }
    let mut as_options = b"OPTIONS".to_vec();
    as_options.extend_from_slice(octets.get(space..).unwrap_or_default());
    let Some(SipMessage::Request(request)) = parse(&as_options) else {
        return;
    };
    let Some(request) = with_source(request, from, transport) else {
        return;
    };
    sockets.dropped.fetch_add(1, Ordering::Relaxed);
    refuse(&request, 501, "Not Implemented", &connection).await;
}

/// Answers without a transaction.
pub(super) async fn refuse(request: &Request, code: u16, phrase: &str, connection: &SipConnection) {
    if request.method == Method::Ack {
        return;
    }
    let response = respond_to(request, StatusCode::Other(code, phrase.to_owned()), None);
    drop(connection.send(response.into(), None).await);
}

/// Answers the head of a message that is too long.
pub(super) async fn too_long(head: &[u8], connection: SipConnection, from: SocketAddr, transport: Transport) {
    let Some(SipMessage::Request(request)) = parse(head) else {
        return;
    };
    let Some(request) = with_source(request, from, transport) else {
        return;
    };
    refuse(&request, 513, "Message Too Large", &connection).await;
}
