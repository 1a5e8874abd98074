//! What the user agent tells, as programs are told.

use msrp_ua::{
    UserAgent, UserAgentEvent,
    call::{
        CallAnswer, CallChange, CallStream, FileOutcome, IncomingCall, ProposalKind, StreamAnswer, StreamId,
        StreamProposal,
    },
    imdn::{DisplayStatus, Disposition},
    sip::{CallId, SipReply},
};

use super::{
    BodyPart, Content, Direction, Event, Phase, Status,
    files::{self, Transfer},
    reasons::{file_end, how, lost, why},
    state::{Session, State, party},
};

/// What is to be done where the user agent lives, and what there is to tell of it.
pub(super) type Act = Box<dyn FnOnce(&mut UserAgent, &mut State) -> Option<Event> + Send>;

/// What comes of an event.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) events: Vec<Event>,
    pub(super) acts: Vec<Act>,
}

impl Heard {
    fn act(
        &mut self,
        act: impl FnOnce(&mut UserAgent) -> Result<(), msrp_ua::CommandError> + Send + 'static,
    ) {
        self.acts.push(Box::new(move |agent, _| {
            if let Err(error) = act(agent) {
                // The call has ended meanwhile, which is told.
                tracing::debug!(%error, "not done");
            }
            None
        }));
    }
}

impl State {
    /// Something has happened.
    pub(super) fn hear(&mut self, event: UserAgentEvent) -> Heard {
        let mut heard = Heard::default();
        match event {
            UserAgentEvent::IncomingCall(call) => self.on_call(*call, &mut heard),
            UserAgentEvent::CallProgress { call, code } => heard.events.push(Event::Progress {
                session: call.to_string(),
                code,
            }),
            UserAgentEvent::CallEstablished { call, streams, .. } => {
                self.on_established(call, &streams, &mut heard);
            }
            UserAgentEvent::StreamsOffered { call, streams } => {
                let answer = self.answer(call, &streams, &mut heard);
                heard.act(move |agent| agent.answer_streams(call, answer));
            }
            UserAgentEvent::StreamsChanged { call, changes } => {
                for change in changes {
                    if let CallChange::Added(stream) | CallChange::Changed(stream) = change {
                        self.on_stream(call, &stream, &mut heard);
                    }
                }
            }
            UserAgentEvent::FileEnded {
                call,
                stream,
                outcome,
            } => self.on_file_ended(call, stream, outcome, &mut heard),
            UserAgentEvent::CallEnded { call, reason } => {
                self.forget(call);
                let (code, regular) = how(&reason);
                heard.events.push(Event::Ended {
                    session: call.to_string(),
                    reason: why(&reason),
                    code,
                    regular,
                });
            }
            event => self.on_message_event(event, &mut heard),
        }
        heard
    }

    /// What is about messages.
    fn on_message_event(&mut self, event: UserAgentEvent, heard: &mut Heard) {
        match event {
            UserAgentEvent::Message {
                session,
                message,
                message_id,
                content_type,
                body: Some(body),
                duplicate,
                envelope,
                ..
            } => {
                let Some(call) = self.chats.get(&session).copied() else {
                    return;
                };
                let Some(session) = self.sessions.get_mut(&call) else {
                    return;
                };
                session.remember(message_id.to_string(), message);
                // In a room it is not the peer who speaks.
                let from = envelope
                    .as_ref()
                    .and_then(|envelope| envelope.from())
                    .map_or_else(
                        || session.peer.clone(),
                        |from| session.known(from.uri(), from.name()),
                    );
                heard.events.push(Event::Message {
                    session: call.to_string(),
                    message_id: message_id.to_string(),
                    from,
                    content: Content::new(&content_type, &body),
                    content_type,
                    size: body.len() as u64,
                    duplicate,
                });
            }
            UserAgentEvent::Accepted { message } => {
                if let Some(sent) = self.sent.get(&message) {
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Sent, None));
                }
            }
            UserAgentEvent::Delivered {
                message,
                complete: true,
                ..
            } => {
                if let Some(sent) = self.deliver(message) {
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Delivered, None));
                }
            }
            UserAgentEvent::Failed { message, code, .. } => {
                if let Some(sent) = self.sent.remove(&message) {
                    let why = (Some(code.as_u16()), code.phrase());
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Failed, Some(why)));
                }
            }
            UserAgentEvent::DeliveryUnknown { message, reason, .. } => {
                if let Some(sent) = self.sent.remove(&message) {
                    let why = reason.as_ref().map(lost);
                    let why = why.as_deref().map(|why| (None, why));
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Unknown, why));
                }
            }
            UserAgentEvent::SourceFailed { message } => {
                if let Some(sent) = self.sent.remove(&message) {
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Unknown, None));
                }
            }
            UserAgentEvent::Noticed {
                message,
                disposition: Disposition::Display(DisplayStatus::Displayed),
                ..
            } => {
                // It has been delivered, then; whichever comes first.
                self.deliver(message);
                let sent = self.delivered.iter().find(|(key, _)| *key == message);
                if let Some((_, sent)) = sent {
                    heard
                        .events
                        .push(report(sent.call, &sent.message_id, Status::Displayed, None));
                }
            }
            UserAgentEvent::Composing { session, who, active } => {
                let known = self.chats.get(&session);
                if let Some((call, session)) = known.and_then(|call| self.sessions.get_key_value(call)) {
                    heard.events.push(Event::Composing {
                        session: call.to_string(),
                        from: session.known(&who, None),
                        active,
                    });
                }
            }
            UserAgentEvent::RegistrationLost { relay, reason, .. } => {
                tracing::warn!(relay = relay.host_str(), ?reason, "no path from the relay");
            }
            _ => {}
        }
    }

    /// Somebody calls.
    fn on_call(&mut self, call: IncomingCall, heard: &mut Heard) {
        let id = call.call;
        if self.policy.one_at_a_time && !self.sessions.is_empty() {
            tracing::info!(from = call.from.uri, "told that we are busy");
            heard.act(move |agent| agent.refuse_call(id, SipReply::new(486)));
            return;
        }
        let files = call
            .streams
            .iter()
            .filter_map(|stream| match &stream.kind {
                ProposalKind::Push(attributes) => Some(files::describe(&attributes.selector)),
                _ => None,
            })
            .collect();
        let mut session = Session::new(party(&call.from), Direction::In, Phase::Ringing);
        session.offered = call.streams;
        heard.events.push(Event::Call {
            session: id.to_string(),
            peer: session.peer.clone(),
            subject: call.subject,
            parts: call.parts.iter().map(BodyPart::new).collect(),
            files,
        });
        self.sessions.insert(id, session);
        if self.policy.auto_answer {
            let answer = self.accept(id, heard);
            heard.act(move |agent| agent.answer_call(id, answer));
        } else {
            heard.act(move |agent| agent.ring(id));
        }
    }

    /// How the call of a peer is accepted.
    pub(super) fn accept(&mut self, call: CallId, heard: &mut Heard) -> CallAnswer {
        let offered = match self.sessions.get_mut(&call) {
            Some(session) => {
                session.phase = Phase::Answering;
                std::mem::take(&mut session.offered)
            }
            None => Vec::new(),
        };
        self.answer(call, &offered, heard)
    }

    /// Messages are accepted; files where they are wanted.
    fn answer(&mut self, call: CallId, offered: &[StreamProposal], heard: &mut Heard) -> CallAnswer {
        let mut answer = CallAnswer::new().with_relays(self.relays.clone());
        for proposal in offered {
            let ProposalKind::Push(attributes) = &proposal.kind else {
                // Nobody fetches files from here; what is said of nothing is accepted if it is for messages.
                continue;
            };
            let received = match &self.save_dir {
                Some(folder) => files::receive(attributes, folder, self.max_file),
                None => Err("there is no folder for files (--save-dir)".to_owned()),
            };
            let info = files::describe(&attributes.selector);
            let reason = match received {
                Ok((receiver, transfer)) => {
                    answer = answer.with_stream(proposal.stream, StreamAnswer::Receive(receiver));
                    if let Some(session) = self.sessions.get_mut(&call) {
                        session.files.insert(proposal.stream, transfer);
                    }
                    None
                }
                Err(why) => {
                    tracing::info!(name = info.name, why, "file refused");
                    Some(why)
                }
            };
            heard.events.push(Event::FileOffered {
                session: call.to_string(),
                file: proposal.stream.to_string(),
                info,
                accepted: reason.is_none(),
                reason,
            });
        }
        answer
    }

    fn on_established(&mut self, call: CallId, streams: &[CallStream], heard: &mut Heard) {
        let Some(session) = self.sessions.get_mut(&call) else {
            return;
        };
        session.phase = Phase::Established;
        heard.events.push(Event::Session {
            session: call.to_string(),
            peer: session.peer.clone(),
            direction: session.direction,
        });
        for stream in streams {
            self.on_stream(call, stream, heard);
        }
    }

    /// There is a stream, or it is another than it was.
    fn on_stream(&mut self, call: CallId, stream: &CallStream, heard: &mut Heard) {
        let Some(session) = self.sessions.get_mut(&call) else {
            return;
        };
        let Some(file) = &stream.file else {
            session.chat.get_or_insert(stream.session);
            self.chats.insert(stream.session, call);
            return;
        };
        let (Some(message), stream) = (file.message, stream.stream) else {
            return;
        };
        let unnamed = |transfer: &Transfer| transfer.message_id.is_none();
        if session.files.get(&stream).is_some_and(unnamed) {
            heard.acts.push(Box::new(move |agent, state| {
                let message_id = agent.message_id(message)?.to_string();
                let transfer = state.sessions.get_mut(&call)?.files.get_mut(&stream)?;
                transfer.message_id = Some(message_id.clone());
                Some(Event::FileAccepted {
                    session: call.to_string(),
                    file: stream.to_string(),
                    info: transfer.info.clone(),
                    message_id,
                })
            }));
        }
    }

    fn on_file_ended(&mut self, call: CallId, stream: StreamId, outcome: FileOutcome, heard: &mut Heard) {
        let transfer = self
            .sessions
            .get_mut(&call)
            .and_then(|session| session.files.remove(&stream));
        let Some(mut transfer) = transfer else {
            return;
        };
        if let Some(octets) = transfer.news() {
            heard.events.push(progress(call, stream, &transfer, octets));
        }
        let (end, mut reason) = file_end(&outcome);
        let path = match transfer.saved.as_ref().and_then(|saved| saved.get()) {
            Some(Ok(path)) => Some(path),
            Some(Err(error)) => {
                reason = Some(format!("it cannot be saved: {error}"));
                None
            }
            None => None,
        };
        heard.events.push(Event::File {
            session: call.to_string(),
            file: stream.to_string(),
            outcome: end,
            path: path.map(|path| path.display().to_string()),
            reason,
            message_id: transfer.message_id,
            info: transfer.info,
        });
    }

    /// What has passed of files since this was asked last.
    pub(super) fn progress(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for (call, session) in &mut self.sessions {
            for (stream, transfer) in &mut session.files {
                if let Some(octets) = transfer.news() {
                    events.push(progress(*call, *stream, transfer, octets));
                }
            }
        }
        events
    }
}

fn progress(call: CallId, stream: StreamId, transfer: &Transfer, octets: u64) -> Event {
    Event::FileProgress {
        session: call.to_string(),
        file: stream.to_string(),
        octets,
        total: transfer.info.size,
    }
}

fn report(call: CallId, message_id: &str, status: Status, why: Option<(Option<u16>, &str)>) -> Event {
    Event::Report {
        session: call.to_string(),
        message_id: message_id.to_owned(),
        status,
        code: why.and_then(|(code, _)| code),
        reason: why.map(|(_, reason)| reason.to_owned()),
    }
}
