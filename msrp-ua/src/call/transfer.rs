//! The file of a stream: sent as one message, received as one, and then its stream ends (RFC 5547 §8.7).

use msrp_core::grammar::{AcceptTypes, StatusCode};

use super::{FileOffer, FileOutcome, FileReceiver, StreamId, file::FileWay, stream::Want};
use crate::{
    error::CommandError,
    event::{AbortReason, UserAgentEvent},
    file::{VerifyingSink, content_disposition},
    message::{MessageSource, OutgoingMessage},
    names::{IncomingKey, OutgoingKey, SessionId},
    sdp::{FileAttributes, FileSelector},
    sip::CallId,
    user_agent::UserAgent,
};

/// What is known of the file of a stream.
pub(crate) struct Transfer {
    attributes: FileAttributes,
    way: Way,
    headers: Vec<(String, String)>,
    /// The message in which it comes.
    incoming: Option<IncomingKey>,
    /// What has become of it has been told.
    pub(crate) told: bool,
}

enum Way {
    /// The source, until it is sent; then its message.
    Sends(Option<Box<dyn MessageSource>>, Option<OutgoingKey>),
    /// Where it goes, until it comes.
    Receives(Option<FileReceiver>, u64),
}

impl std::fmt::Debug for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfer")
            .field("sends", &self.sends())
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}

/// The one message that is to come in a session, and where it goes.
#[derive(Debug)]
pub(crate) struct IncomingFile {
    sink: Option<FileReceiver>,
}

/// What an event about a message means for the file that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The next hop has it.
    Taken,
    /// It is over like this.
    Over(FileOutcome),
}

impl Transfer {
    pub(crate) fn new(file: FileOffer, transfer_id: Option<String>) -> Self {
        let FileOffer {
            mut attributes,
            way,
            headers,
        } = file;
        attributes.transfer_id = transfer_id.or(attributes.transfer_id);
        let way = match way {
            FileWay::Push(source) => Way::Sends(Some(source), None),
            FileWay::Pull(receiver) => Way::receives(receiver, &attributes),
        };
        Self {
            attributes,
            way,
            headers,
            incoming: None,
            told: false,
        }
    }

    /// One that the peer offers.
    pub(crate) fn receive(attributes: FileAttributes, receiver: FileReceiver) -> Self {
        Self {
            way: Way::receives(receiver, &attributes),
            attributes,
            headers: Vec::new(),
            incoming: None,
            told: false,
        }
    }

    pub(crate) fn sends(&self) -> bool {
        matches!(self.way, Way::Sends(..))
    }

    pub(crate) fn attributes(&self) -> &FileAttributes {
        &self.attributes
    }

    pub(crate) fn outgoing(&self) -> Option<OutgoingKey> {
        match self.way {
            Way::Sends(_, key) => key,
            Way::Receives(..) => None,
        }
    }

    /// How much is taken; the rest of the world's files are `otherwise`.
    pub(crate) fn max_size(&self, otherwise: u64) -> u64 {
        match self.way {
            Way::Receives(_, 0) => otherwise,
            Way::Receives(_, limit) => limit,
            // Nothing comes where we send.
            Way::Sends(..) => 1,
        }
    }

    /// What may come; none where that is not known.
    pub(crate) fn accept_types(&self) -> Option<AcceptTypes> {
        let media_type = self.attributes.selector.media_type.as_deref()?;
        AcceptTypes::parse(media_type.as_bytes()).ok()
    }

    /// The message in which it is sent; once.
    fn message(&mut self, report: bool) -> Option<OutgoingMessage> {
        let Way::Sends(source, _) = &mut self.way else {
            return None;
        };
        let source = source.take()?;
        let selector = &self.attributes.selector;
        let media_type = selector
            .media_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        let mut message = OutgoingMessage::new(media_type, source);
        if report {
            message = message.with_success_report();
        }
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case("Content-Disposition");
        if self.headers.iter().find(named).is_none() {
            message = message.with_header(
                "Content-Disposition",
                content_disposition(&self.attributes).to_string(),
            );
        }
        for (name, value) in self.headers.drain(..) {
            message = message.with_header(name, value);
        }
        Some(message)
    }
}

impl Way {
    fn receives(receiver: FileReceiver, attributes: &FileAttributes) -> Self {
        let size = attributes.selector.size;
        let offered = match attributes.range {
            // A range says how much of it comes.
            Some(range) => range
                .end
                .or(size)
                .map(|end| end.saturating_add(1).saturating_sub(range.start)),
            None => size,
        };
        let limit = receiver.max_size.into_iter().chain(offered).min();
        Self::Receives(Some(receiver), limit.unwrap_or_default())
    }
}

impl UserAgent {
    /// Gives the session of a stream that receives a file the place where it goes.
    pub(super) fn ready_transfer(&mut self, call: CallId, stream: StreamId) {
        let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let (Some(session), Some(transfer)) = (entry.session, &mut entry.transfer) else {
            return;
        };
        if let Way::Receives(receiver, _) = &mut transfer.way
            && let Some(receiver) = receiver.take()
            && let Some(session) = self.sessions.get_mut(session)
        {
            session.file = Some(Box::new(IncomingFile { sink: Some(receiver) }));
        }
    }

    /// The session of a stream is there: a file that is to be sent is.
    pub(super) fn begin_transfer(&mut self, call: CallId, stream: StreamId, through_relays: bool) {
        self.ready_transfer(call, stream);
        let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let (Some(session), Some(transfer)) = (entry.session, &mut entry.transfer) else {
            return;
        };
        // Between two endpoints the answer to its last octet says all there is to know.
        let Some(message) = transfer.message(through_relays) else {
            return;
        };
        match self.enqueue(session, message) {
            Ok(key) => {
                self.calls.transfers.insert(key.0, (call, stream));
                let entry = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream));
                if let Some(transfer) = entry.and_then(|entry| entry.transfer.as_mut()) {
                    transfer.way = Way::Sends(None, Some(key));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "file not sent");
                let outcome = match error {
                    CommandError::TooLarge { .. } => FileOutcome::Failed(StatusCode::STOP_SENDING),
                    CommandError::NotAccepted(_) => FileOutcome::Failed(StatusCode::UNSUPPORTED_MEDIA),
                    _ => FileOutcome::Source,
                };
                self.calls.marks.push((call, stream, Mark::Over(outcome)));
            }
        }
    }

    /// A message begins to come in. In the session of a file it goes where the file goes; the code says what else is not
    /// wanted there.
    pub(crate) fn claim_file(
        &mut self,
        session: SessionId,
        message: IncomingKey,
    ) -> Result<Option<crate::SinkBox>, StatusCode> {
        let Some(entry) = self.sessions.get_mut(session) else {
            return Ok(None);
        };
        let (Some(file), Some(of)) = (&mut entry.file, entry.call) else {
            return Ok(None);
        };
        // One file, one message (RFC 5547 §8.7).
        let Some(FileReceiver { sink, checked, .. }) = file.sink.take() else {
            return Err(StatusCode::FORBIDDEN);
        };
        let (call, stream) = of;
        self.calls.transfers.insert(message.0, of);
        let described = self.described(call, stream);
        let stream = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream));
        if let Some(transfer) = stream.and_then(|stream| stream.transfer.as_mut()) {
            transfer.incoming = Some(message);
        }
        Ok(Some(crate::SinkBox(match described {
            Some(described) if checked => Box::new(VerifyingSink::new(sink, &described)),
            _ => sink,
        })))
    }

    /// What was said of a file that is to come; none where only a part of it comes, which says little of the whole.
    fn described(&self, call: CallId, stream: StreamId) -> Option<FileSelector> {
        let call = self.calls.get(call)?;
        let line = call.streams.iter().position(|entry| entry.id == stream)?;
        let attributes = call.streams[line].transfer.as_ref()?.attributes();
        if attributes.range.is_some() {
            return None;
        }
        let mut selector = attributes.selector.clone();
        let theirs = call
            .negotiation
            .streams()
            .get(line)?
            .as_ref()?
            .remote
            .file
            .as_ref()?;
        selector.size = selector.size.or(theirs.selector.size);
        for hash in &theirs.selector.hashes {
            if selector.hash(&hash.algorithm).is_none() {
                selector.hashes.push(hash.clone());
            }
        }
        Some(selector)
    }

    /// Looks whether an event is about a file.
    pub(crate) fn note_transfer(&mut self, event: &UserAgentEvent) {
        let (key, mark) = match event {
            UserAgentEvent::Accepted { message } => (message.0, Mark::Taken),
            UserAgentEvent::Delivered {
                message,
                complete: true,
                ..
            } => (message.0, Mark::Over(FileOutcome::Sent { confirmed: true })),
            UserAgentEvent::Failed { message, code, .. } => {
                (message.0, Mark::Over(FileOutcome::Failed(*code)))
            }
            UserAgentEvent::SourceFailed { message } => (message.0, Mark::Over(FileOutcome::Source)),
            UserAgentEvent::DeliveryUnknown { message, .. } => (message.0, Mark::Over(FileOutcome::Ended)),
            UserAgentEvent::Message { message, size, .. } => {
                (message.0, Mark::Over(FileOutcome::Received { size: *size }))
            }
            UserAgentEvent::MessageAborted { message, reason } => {
                let outcome = match reason {
                    AbortReason::Sender => FileOutcome::AbortedByPeer,
                    AbortReason::Rejected(code) => FileOutcome::Failed(*code),
                    AbortReason::TimedOut | AbortReason::SessionEnded => FileOutcome::Ended,
                    AbortReason::Sink => FileOutcome::Sink,
                };
                (message.0, Mark::Over(outcome))
            }
            _ => return,
        };
        if let Some(&(call, stream)) = self.calls.transfers.get(&key) {
            self.calls.marks.push((call, stream, mark));
            self.calls.touch(call);
        }
    }

    /// Something has become of a file.
    pub(super) fn on_mark(&mut self, call: CallId, stream: StreamId, mark: Mark) {
        let now = self.now;
        let linger = self.config.calls.linger;
        let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let Some(transfer) = &mut entry.transfer else {
            return;
        };
        match mark {
            Mark::Taken if transfer.told => {}
            // The report of the peer itself may still come, and is waited for.
            Mark::Taken if self.awaits_report(call, stream) => {
                if let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) {
                    entry.due = Some(now + linger);
                }
            }
            Mark::Taken => self.tell_transfer(call, stream, FileOutcome::Sent { confirmed: true }),
            Mark::Over(outcome) => self.tell_transfer(call, stream, outcome),
        }
        self.calls.touch(call);
    }

    /// Whether the peer has been asked to report on a file, and has not.
    fn awaits_report(&self, call: CallId, stream: StreamId) -> bool {
        let key = self
            .calls
            .get(call)
            .and_then(|call| call.stream(stream)?.transfer.as_ref()?.outgoing());
        key.is_some_and(|key| self.expects_report(key))
    }

    /// Tells what has become of a file; once. Its stream has done what it was for.
    pub(super) fn tell_transfer(&mut self, call: CallId, stream: StreamId, outcome: FileOutcome) {
        let now = self.now;
        let linger = self.config.calls.linger;
        let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) else {
            return;
        };
        let Some(transfer) = &mut entry.transfer else {
            return;
        };
        if std::mem::replace(&mut transfer.told, true) {
            return;
        }
        let sends = transfer.sends();
        let live = entry.live;
        if live {
            // The sender ends the stream when all is sent, and whoever gives a file up when it does (RFC 5547 §8.4); the other
            // side waits for that, but not for ever.
            let theirs = match outcome {
                FileOutcome::Received { .. } | FileOutcome::AbortedByPeer => true,
                FileOutcome::Failed(_) => sends,
                _ => false,
            };
            if theirs {
                entry.due = Some(now + linger);
            } else {
                entry.want = Want::End;
                entry.due = None;
            }
        }
        self.push_event(UserAgentEvent::FileEnded {
            call,
            stream,
            outcome,
        });
        self.calls.touch(call);
    }

    /// Gives up a file, or takes back that it was offered.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`], [`CommandError::UnknownStream`].
    pub fn abort_file(&mut self, call: CallId, stream: StreamId) -> Result<(), CommandError> {
        let entry = self
            .calls
            .get(call)
            .ok_or(CommandError::UnknownCall)?
            .stream(stream)
            .filter(|entry| entry.transfer.is_some())
            .ok_or(CommandError::UnknownStream)?;
        let (outgoing, coming) = entry
            .transfer
            .as_ref()
            .map_or((None, None), |transfer| (transfer.outgoing(), transfer.incoming));
        self.tell_transfer(call, stream, FileOutcome::Aborted);
        if let Some(key) = outgoing {
            let _known = self.cancel(key);
        }
        if let Some(key) = coming {
            let _known = self.reject(key, StatusCode::STOP_SENDING);
        }
        if let Some(entry) = self.calls.get_mut(call).and_then(|call| call.stream_mut(stream)) {
            entry.want = Want::End;
        }
        Ok(())
    }

    /// The stream of a file is over, however: its messages are no affair of the call any more.
    pub(super) fn end_transfer(&mut self, call: CallId, stream: StreamId, outcome: FileOutcome) {
        self.tell_transfer(call, stream, outcome);
        let Some(entry) = self.calls.get(call).and_then(|call| call.stream(stream)) else {
            return;
        };
        if let Some(transfer) = &entry.transfer {
            let keys = [
                transfer.outgoing().map(|key| key.0),
                transfer.incoming.map(|key| key.0),
            ];
            for key in keys.into_iter().flatten() {
                self.calls.transfers.remove(&key);
            }
        }
    }
}
