//! A request of the peer: whether it follows the rules, and how to answer it.

use std::time::Instant;

use bytes::Bytes;

use super::{
    Connection, ConnectionStats, Event, MAX_OTHER_BODY, RequestId, Responded, error::ApiMisuse, send::Send,
};
use crate::{
    codec::{Head, HeaderName, ProtocolError, encoder, put_response},
    grammar::{ByteRange, ContinuationFlag, FailureReport, StatusCode, TransactId, UriRef},
};

/// What is needed to answer a request: a view of its head, and who wants an answer.
#[derive(Clone, Debug)]
pub(super) struct ReturnPath {
    id: TransactId,
    raw: Bytes,
    /// The first To-Path URI in `raw`: we answer under the name by which we were called.
    own: (u16, u16),
    /// Where the answer goes, in `raw`: for SEND the first URI of From-Path, else all of it (RFC 4975 §7.2).
    to: (u16, u16),
    pub(super) failure_report: FailureReport,
    report: bool,
}

impl ReturnPath {
    /// Reads it off a head; none where the paths are unusable, so that no answer is possible.
    fn of(head: &Head, max_uris: usize) -> Option<Self> {
        let to_path = head.to_path(max_uris).ok()?;
        let from_path = head.from_path(max_uris).ok()?;
        let base = head.raw().as_ptr() as usize;
        let span = |octets: &[u8]| {
            let start = (octets.as_ptr() as usize).checked_sub(base)?;
            Some((
                u16::try_from(start).ok()?,
                u16::try_from(start + octets.len()).ok()?,
            ))
        };
        let back = if head.is_send() {
            from_path.first_raw()
        } else {
            from_path.raw()
        };
        Some(Self {
            id: head.transact_id(),
            raw: head.raw().clone(),
            own: span(to_path.first_raw())?,
            to: span(back)?,
            failure_report: head.failure_report().unwrap_or_default(),
            report: head.is_report(),
        })
    }

    fn slice(&self, (start, end): (u16, u16)) -> &[u8] {
        self.raw
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    /// RFC 4975 §7.2 and §7.1.2: who gets which answer.
    fn wants(&self, code: StatusCode) -> bool {
        match self.failure_report {
            _ if self.report => false,
            FailureReport::No => false,
            FailureReport::Partial => !code.is_success(),
            FailureReport::Yes => true,
        }
    }

    /// The request may wait for its answer: what is kept must not keep the block alive that it came in.
    fn detach(&mut self) {
        self.raw = Bytes::copy_from_slice(&self.raw);
    }
}

/// The request whose octets are coming in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: RequestId,
    pub(super) back: ReturnPath,
    pub(super) answer: Answer,
    /// Position of the next octet of its body.
    pub(super) offset: u64,
    pub(super) received: u64,
    pub(super) is_send: bool,
    /// The node wants no more of it.
    pub(super) swallow: bool,
    /// Its end-line has been told.
    pub(super) ended: bool,
}

/// Whether a request has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Open,
    Deferred,
    Given,
}

/// Checks what no node should have to check.
fn check(head: &Head, max_uris: usize) -> Result<ByteRange, ProtocolError> {
    // Of the URIs only the scheme: who acts on a URI parses it, or compares it with one that he knows.
    for (header, path) in [
        ("To-Path", head.to_path(max_uris)?),
        ("From-Path", head.from_path(max_uris)?),
    ] {
        UriRef::check_scheme(path.first_raw()).map_err(|source| ProtocolError::Path { header, source })?;
    }
    if let Some(name) = head.duplicate()
        && !matches!(name, HeaderName::WwwAuthenticate)
    {
        return Err(ProtocolError::Duplicate {
            header: name.as_str(),
        });
    }
    let message_id = head.message_id()?;
    let range = head.byte_range()?;
    head.failure_report()?;
    head.success_report()?;
    if head.is_send() && head.has_body() && message_id.is_none() {
        return Err(ProtocolError::NoMessageId);
    }
    if head.has_body() && head.header(HeaderName::ContentType).is_none() {
        return Err(ProtocolError::NoContentType);
    }
    let range = range.unwrap_or(ByteRange::WHOLE_UNKNOWN);
    // Positions are added to lengths: with half of the numbers to spare no sum overflows.
    let bound = u64::MAX / 2;
    if range.start > bound
        || range.end.is_some_and(|end| end > bound)
        || range.total.is_some_and(|t| t > bound)
    {
        return Err(ProtocolError::RangeOverflow);
    }
    Ok(range)
}

impl Connection {
    /// A head of a request has come.
    pub(super) fn on_request(&mut self, head: Head) -> Option<Event> {
        let max_uris = self.config.limits.max_uris;
        let checked = check(&head, max_uris);
        let back = ReturnPath::of(&head, max_uris);
        self.request_serial += 1;
        let id = RequestId(self.request_serial);
        let is_send = head.is_send();
        let Some(back) = back else {
            // Without paths there is nobody to answer.
            let error = checked.err().unwrap_or(ProtocolError::PathOrder);
            self.skipping = true;
            self.protocol_error(error);
            return None;
        };
        let offset = checked.map_or(1, |range| range.start);
        self.incoming = Some(Incoming {
            id,
            back,
            answer: Answer::Open,
            offset,
            received: 0,
            is_send,
            swallow: false,
            ended: false,
        });
        if let Err(error) = checked {
            tracing::debug!(%error, "request breaks a rule");
            self.reject_incoming(error.response_code(), error.response_code().phrase());
            self.protocol_error(error);
            return None;
        }
        self.stats.requests_in += 1;
        Some(Event::Request { id, head })
    }

    /// Octets of a request's body have come.
    pub(super) fn on_body(&mut self, data: Bytes) -> Option<Event> {
        self.stats.body_octets_in += data.len() as u64;
        let incoming = self.incoming.as_mut()?;
        let offset = incoming.offset;
        let len = data.len() as u64;
        incoming.offset += len;
        incoming.received += len;
        if incoming.swallow {
            return None;
        }
        if !incoming.is_send && incoming.received > MAX_OTHER_BODY {
            let error = ProtocolError::BodyTooLong {
                limit: MAX_OTHER_BODY,
            };
            let id = incoming.id;
            self.reject_incoming(error.response_code(), error.response_code().phrase());
            self.protocol_error(error);
            return Some(Event::RequestAborted { id });
        }
        Some(Event::Body {
            id: incoming.id,
            data,
            offset,
        })
    }

    /// A request's end-line has come.
    pub(super) fn on_request_end(&mut self, flag: ContinuationFlag) -> Option<Event> {
        self.skipping = false;
        let incoming = self.incoming.as_mut()?;
        incoming.ended = true;
        let (id, received, swallow, is_send) =
            (incoming.id, incoming.received, incoming.swallow, incoming.is_send);
        if is_send && !self.budget.chunk(&self.config, received, flag) {
            self.fail(super::ConnectionError {
                origin: super::Origin::Peer,
                kind: super::CloseReason::TinyChunks,
            });
            return None;
        }
        if swallow {
            self.settle_incoming();
            return None;
        }
        if !is_send && flag != ContinuationFlag::Complete {
            let error = ProtocolError::ChunkedRequest;
            self.reject_incoming(error.response_code(), error.response_code().phrase());
            self.protocol_error(error);
            self.settle_incoming();
            return Some(Event::RequestAborted { id });
        }
        Some(Event::RequestEnd { id, flag, received })
    }

    /// The node has seen the end of the request: gives the automatic answer, or puts the request by.
    pub(super) fn settle_incoming(&mut self) {
        let Some(incoming) = self.incoming.take_if(|incoming| incoming.ended) else {
            return;
        };
        match incoming.answer {
            Answer::Open if incoming.is_send && self.config.auto_200 && !self.is_broken() => {
                let out = (&mut self.send, &mut self.stats, self.now);
                put_answer(out, &incoming.back, StatusCode::OK, "OK", &[]);
            }
            Answer::Deferred => {
                let mut back = incoming.back;
                back.detach();
                self.deferred.insert(incoming.id.0, back);
            }
            Answer::Open | Answer::Given => {}
        }
    }

    /// Answers a request.
    ///
    /// Whether anything is sent follows from the request (RFC 4975 §7.2): with `Failure-Report: no` nothing, with
    /// `partial` errors only, and never anything for a REPORT.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownRequest`] for a request that is not known or was answered.
    pub fn respond(&mut self, id: RequestId, code: StatusCode, phrase: &str) -> Result<Responded, ApiMisuse> {
        self.respond_with(id, code, phrase, &[])
    }

    /// Answers a request, with headers.
    ///
    /// # Errors
    /// As [`respond`](Self::respond). Headers that are no header lines are left out.
    pub fn respond_with(
        &mut self,
        id: RequestId,
        code: StatusCode,
        phrase: &str,
        headers: &[(&str, &[u8])],
    ) -> Result<Responded, ApiMisuse> {
        match &mut self.incoming {
            Some(incoming) if incoming.id == id => {
                if incoming.answer == Answer::Given {
                    return Err(ApiMisuse::UnknownRequest);
                }
                incoming.answer = Answer::Given;
                if self.closing.is_some_and(|closing| closing.broken) {
                    return Ok(Responded::Suppressed);
                }
                let out = (&mut self.send, &mut self.stats, self.now);
                Ok(put_answer(out, &incoming.back, code, phrase, headers))
            }
            _ => {
                let back = self.deferred.remove(&id.0).ok_or(ApiMisuse::UnknownRequest)?;
                if self.is_broken() {
                    return Ok(Responded::Suppressed);
                }
                let out = (&mut self.send, &mut self.stats, self.now);
                Ok(put_answer(out, &back, code, phrase, headers))
            }
        }
    }

    /// Says that the answer to a request will be given later: there is no automatic one.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownRequest`]; [`ApiMisuse::TooManyDeferred`] when
    /// [`max_deferred`](super::ConnectionConfig::max_deferred) requests wait already.
    pub fn defer(&mut self, id: RequestId) -> Result<(), ApiMisuse> {
        let limit = self.config.max_deferred;
        match &mut self.incoming {
            Some(incoming) if incoming.id == id && incoming.answer == Answer::Open => {
                if self.deferred.len() >= limit {
                    return Err(ApiMisuse::TooManyDeferred { limit });
                }
                incoming.answer = Answer::Deferred;
                Ok(())
            }
            _ => Err(ApiMisuse::UnknownRequest),
        }
    }

    /// Nothing is to be answered any more to a request that was [deferred](Self::defer): what came from elsewhere has been
    /// passed back, or nobody waits.
    pub fn forget(&mut self, id: RequestId) {
        match &mut self.incoming {
            Some(incoming) if incoming.id == id && incoming.answer == Answer::Deferred => {
                incoming.answer = Answer::Given;
            }
            _ => {
                self.deferred.remove(&id.0);
            }
        }
    }

    /// Answers a request with an error at once, and swallows what is still to come of it: no further
    /// [`Event::Body`] or [`Event::RequestEnd`] tells of it. For a request that has been answered it only swallows.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownRequest`].
    pub fn reject(&mut self, id: RequestId, code: StatusCode, phrase: &str) -> Result<Responded, ApiMisuse> {
        match &mut self.incoming {
            Some(incoming) if incoming.id == id => {
                incoming.swallow = true;
                if incoming.answer == Answer::Given {
                    return Ok(Responded::Suppressed);
                }
                self.respond(id, code, phrase)
            }
            _ => self.respond(id, code, phrase),
        }
    }

    fn reject_incoming(&mut self, code: StatusCode, phrase: &str) {
        if let Some(id) = self.incoming.as_ref().map(|incoming| incoming.id) {
            // It is the request at hand, so it is known; that it was answered before is no error here.
            let _known = self.reject(id, code, phrase);
        }
    }

    fn protocol_error(&mut self, error: ProtocolError) {
        self.stats.protocol_errors += 1;
        if !self.budget.protocol_error(error) {
            let limit = self.config.max_protocol_errors;
            self.fail(super::ConnectionError {
                origin: super::Origin::Peer,
                kind: super::CloseReason::ProtocolErrors { limit, last: error },
            });
        }
    }
}

/// Writes an answer, if the request wants this one.
fn put_answer(
    (send, stats, now): (&mut Send, &mut ConnectionStats, Instant),
    back: &ReturnPath,
    code: StatusCode,
    phrase: &str,
    headers: &[(&str, &[u8])],
) -> Responded {
    if !back.wants(code) {
        return Responded::Suppressed;
    }
    let queue = send.control_queue(now);
    let extra: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    queue.write(back.raw.len().min(1024) + 128 + extra, |out| {
        if headers
            .iter()
            .all(|(name, value)| encoder::check_header(name, value).is_ok())
        {
            put_response(
                out,
                &back.id,
                code,
                phrase,
                back.slice(back.to),
                back.slice(back.own),
                headers,
            );
        } else {
            let sound: Vec<_> = headers
                .iter()
                .copied()
                .filter(|(name, value)| encoder::check_header(name, value).is_ok())
                .collect();
            put_response(
                out,
                &back.id,
                code,
                phrase,
                back.slice(back.to),
                back.slice(back.own),
                &sound,
            );
        }
    });
    queue.mark_frame();
    stats.responses_out += 1;
    Responded::Queued
}
