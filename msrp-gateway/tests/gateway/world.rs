//! A gateway between a phone that only speaks MESSAGE and a chat that only speaks MSRP, in memory and in virtual time.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use msrp_core::node::Node;
use msrp_gateway::{
    Gateway, GatewayConfig, GatewayEvent, MessageNumber, Outcome, Policies,
    policy::{Direction, Routes, TrustFrom},
};
use msrp_ua::{
    CommandError, IncomingKey, OutgoingKey, OutgoingMessage, SessionId, UserAgent, UserAgentConfig,
    UserAgentEvent,
    call::{CallAnswer, CallConfig, CallEnd, OutgoingCall, StreamId, StreamProfile},
    cpim::{Content, CpimRules},
    sip::{
        CallId, PageId, SipAction, SipAnswer, SipFaults, SipInput, SipInvite, SipLoopback, SipPage, SipParty,
        SipReply,
    },
};

pub(crate) const ALICE: &str = "sip:alice@phones.example.com";
pub(crate) const BOB: &str = "sip:bob@chats.example.com";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What the chat does with calls.
pub(crate) enum Answering {
    Yes(Box<CallAnswer>),
    No(SipReply),
    Ring,
}

/// What the phone does with MESSAGEs.
pub(crate) enum Paging {
    /// Answers each with this.
    All(u16),
    /// Answers with these in turn, then with 200.
    Each(VecDeque<SipAnswer>),
    /// Leaves them unanswered.
    Silent,
}

pub(crate) struct Phone {
    pub(crate) paging: Paging,
    /// MESSAGEs that the gateway has sent.
    pub(crate) inbox: Vec<SipPage>,
    /// Answers to its own.
    pub(crate) answers: Vec<(PageId, SipReply)>,
    /// Those of the inbox that are not answered.
    pub(crate) pending: Vec<PageId>,
    pub(crate) pages: u64,
}

pub(crate) struct Chat {
    pub(crate) agent: UserAgent,
    pub(crate) answering: Answering,
    pub(crate) heard: Vec<Heard>,
    pub(crate) events: Vec<UserAgentEvent>,
    pub(crate) invites: Vec<SipInvite>,
    pub(crate) calls: Vec<CallId>,
    pub(crate) sessions: Vec<SessionId>,
    /// The streams of calls that were established.
    pub(crate) streams: HashMap<CallId, StreamId>,
}

/// What the chat has received.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) session: SessionId,
    pub(crate) message: IncomingKey,
    pub(crate) message_id: String,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) content: Content,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) gateway: Gateway,
    pub(crate) chat: Chat,
    pub(crate) phone: Phone,
    pub(crate) sip: SipLoopback,
    pub(crate) events: Vec<GatewayEvent>,
    /// What the gateway wants done by SIP with calls.
    pub(crate) actions: Vec<SipAction>,
    /// Whether MSRP connections can be made.
    pub(crate) cut: bool,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .with_rule("*@phones.example.com=sip:phones.example.com")
        .unwrap()
        .with_rule("*@chats.example.com=sip:chats.example.com;transport=tcp")
        .unwrap()
}

pub(crate) fn policies() -> Policies {
    Policies::new(routes()).sender(TrustFrom)
}

pub(crate) fn calendar() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn page(number: u64, text: &str) -> SipPage {
    SipPage::new(
        PageId::incoming(number),
        SipParty::new(ALICE),
        SipParty::new(BOB),
        "text/plain",
        text.to_owned(),
    )
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(GatewayConfig::new())
    }

    pub(crate) fn with(config: GatewayConfig) -> Self {
        Self::with_policies(config, policies())
    }

    pub(crate) fn with_policies(config: GatewayConfig, policies: Policies) -> Self {
        let now = Instant::now();
        let agent = |host: &str| UserAgentConfig::new(host, 2855, false);
        Self {
            now,
            gateway: Gateway::new(
                now,
                calendar(),
                config,
                agent("gw.example.com"),
                policies,
                [1; 32],
            ),
            chat: Chat {
                agent: UserAgent::new(now, agent("chat.example.com").calls(plain()), [2; 32]),
                answering: Answering::Yes(Box::default()),
                heard: Vec::new(),
                events: Vec::new(),
                invites: Vec::new(),
                calls: Vec::new(),
                sessions: Vec::new(),
                streams: HashMap::new(),
            },
            phone: Phone {
                paging: Paging::All(200),
                inbox: Vec::new(),
                answers: Vec::new(),
                pending: Vec::new(),
                pages: 0,
            },
            sip: SipLoopback::with_faults([3; 32], SipFaults::default()),
            events: Vec::new(),
            actions: Vec::new(),
            cut: false,
        }
    }

    /// The chat takes what this profile says.
    pub(crate) fn chat_takes(&mut self, accept: &str, wrapped: &str, max_size: u64) {
        let types = |text: &str| msrp_core::grammar::AcceptTypes::parse(text.as_bytes()).unwrap();
        let mut profile = StreamProfile::new()
            .with_limits(types(accept), max_size)
            .with_conversation(false);
        if !wrapped.is_empty() {
            profile = profile.with_wrapped_types(types(wrapped));
        }
        self.chat.answering = Answering::Yes(Box::new(CallAnswer::new().with_profile(profile)));
    }

    /// Lets everything happen that can happen now.
    pub(crate) fn run(&mut self) {
        loop {
            let now = self.now;
            self.gateway.handle_timeout(now);
            self.chat.agent.handle_timeout(now);
            if !self.cut {
                self.sip
                    .connections()
                    .run(now, &mut self.gateway, &mut self.chat.agent);
            }
            if !(self.move_gateway() | self.move_chat()) {
                return;
            }
        }
    }

    fn move_gateway(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.gateway.poll_event() {
            moved = true;
            match event {
                GatewayEvent::Sip(action) => self.gateway_acts(*action),
                event => self.events.push(event),
            }
        }
        while let Some(input) = self.sip.next(self.now, 0) {
            moved = true;
            self.gateway.handle_sip(self.now, input);
        }
        moved
    }

    fn gateway_acts(&mut self, action: SipAction) {
        match action {
            SipAction::AnswerPage { page, reply } => {
                assert!(
                    self.phone.answers.iter().all(|(answered, _)| *answered != page),
                    "{page} is answered twice"
                );
                self.phone.answers.push((page, reply));
            }
            SipAction::Page(page) => {
                let name = page.page;
                self.phone.inbox.push(*page);
                let answer = match &mut self.phone.paging {
                    Paging::All(code) => Some(SipAnswer::new(*code, "Said The Phone")),
                    Paging::Each(codes) => {
                        Some(codes.pop_front().unwrap_or_else(|| SipAnswer::new(200, "OK")))
                    }
                    Paging::Silent => {
                        self.phone.pending.push(name);
                        None
                    }
                };
                if let Some(answer) = answer {
                    let input = SipInput::PageAnswered { page: name, answer };
                    self.gateway.handle_sip(self.now, input);
                }
            }
            action => {
                self.actions.push(action.clone());
                if let SipAction::Invite(invite) = &action {
                    self.chat.invites.push((**invite).clone());
                }
                self.sip.perform(self.now, 0, action);
            }
        }
    }

    fn move_chat(&mut self) -> bool {
        let mut moved = false;
        while let Some(event) = self.chat.agent.poll_event() {
            moved = true;
            match event {
                UserAgentEvent::Sip(action) => self.sip.perform(self.now, 1, *action),
                UserAgentEvent::IncomingCall(call) => {
                    let call = call.call;
                    match &self.chat.answering {
                        Answering::Yes(answer) => {
                            let mut again = CallAnswer::new();
                            again.profile.clone_from(&answer.profile);
                            // It may have been given up meanwhile.
                            let _known = self.chat.agent.answer_call(call, again);
                        }
                        Answering::No(reply) => {
                            let _known = self.chat.agent.refuse_call(call, reply.clone());
                        }
                        Answering::Ring => {
                            let _known = self.chat.agent.ring(call);
                        }
                    }
                    self.chat.calls.push(call);
                }
                UserAgentEvent::CallEstablished { call, streams, .. } => {
                    self.chat.sessions.push(streams[0].session);
                    self.chat.streams.insert(call, streams[0].stream);
                    if !self.chat.calls.contains(&call) {
                        self.chat.calls.push(call);
                    }
                }
                UserAgentEvent::Message {
                    session,
                    message,
                    message_id,
                    content_type,
                    body,
                    disposition,
                    ..
                } => {
                    let body = body.unwrap();
                    self.chat.heard.push(Heard {
                        session,
                        message,
                        message_id: message_id.as_str().to_owned(),
                        body: body.to_vec(),
                        content: Content::open(
                            &content_type,
                            disposition.as_deref(),
                            body,
                            &CpimRules::default(),
                        )
                        .unwrap(),
                        content_type,
                    });
                }
                event => self.chat.events.push(event),
            }
        }
        while let Some(input) = self.sip.next(self.now, 1) {
            moved = true;
            self.chat.agent.handle_sip(self.now, input);
        }
        moved
    }

    /// Lets time pass, and all that happens meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run();
            let next = [
                self.gateway.poll_timeout(),
                self.chat.agent.poll_timeout(),
                self.sip.next_arrival(),
            ]
            .into_iter()
            .flatten()
            .min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
        self.run();
    }

    /// A MESSAGE comes from the phone.
    pub(crate) fn say(&mut self, text: &str) -> PageId {
        self.say_page(page(0, text))
    }

    pub(crate) fn say_page(&mut self, mut page: SipPage) -> PageId {
        self.phone.pages += 1;
        page.page = PageId::incoming(self.phone.pages);
        let name = page.page;
        self.gateway.handle_sip(self.now, SipInput::Page(Box::new(page)));
        self.run();
        name
    }

    /// How a MESSAGE was answered.
    pub(crate) fn code(&self, page: PageId) -> Option<u16> {
        self.reply(page).map(|reply| reply.code)
    }

    pub(crate) fn reply(&self, page: PageId) -> Option<&SipReply> {
        self.phone
            .answers
            .iter()
            .find(|(answered, _)| *answered == page)
            .map(|(_, reply)| reply)
    }

    /// The chat calls the phone.
    pub(crate) fn chat_calls(&mut self) -> CallId {
        self.chat_calls_with(outgoing())
    }

    pub(crate) fn chat_calls_with(&mut self, call: OutgoingCall) -> CallId {
        let call = self.chat.agent.call(call).unwrap();
        self.run();
        call
    }

    /// The chat says something in its newest session.
    pub(crate) fn chat_says(&mut self, message: OutgoingMessage) -> OutgoingKey {
        let key = self.try_chat_says(message).unwrap();
        self.run();
        key
    }

    pub(crate) fn try_chat_says(&mut self, message: OutgoingMessage) -> Result<OutgoingKey, CommandError> {
        let session = *self.chat.sessions.last().unwrap();
        self.chat.agent.send(session, message)
    }

    /// What the chat has heard, without wrapping.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.chat
            .heard
            .iter()
            .map(|heard| String::from_utf8(heard.content.body.to_vec()).unwrap())
            .collect()
    }

    /// What the phone has got.
    pub(crate) fn paged(&self) -> Vec<String> {
        self.phone
            .inbox
            .iter()
            .map(|page| String::from_utf8(page.body.to_vec()).unwrap())
            .collect()
    }

    /// The outcomes told in one direction.
    pub(crate) fn outcomes(&self, wanted: Direction) -> Vec<(MessageNumber, Outcome)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                GatewayEvent::Message {
                    message,
                    direction,
                    outcome,
                    ..
                } if *direction == wanted => Some((*message, outcome.clone())),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn outcome_codes(&self, direction: Direction) -> Vec<u16> {
        self.outcomes(direction)
            .into_iter()
            .map(|(_, outcome)| match outcome {
                Outcome::Delivered => 200,
                Outcome::Accepted => 202,
                Outcome::Failed { code, .. } => code,
                _ => 0,
            })
            .collect()
    }

    /// How calls of the chat have ended.
    pub(crate) fn call_ends(&self) -> Vec<&CallEnd> {
        self.chat
            .events
            .iter()
            .filter_map(|event| match event {
                UserAgentEvent::CallEnded { reason, .. } => Some(reason),
                _ => None,
            })
            .collect()
    }

    /// What became of a message of the chat: delivered, or the code of its failure.
    pub(crate) fn told(&self, wanted: OutgoingKey) -> Vec<u16> {
        self.chat
            .events
            .iter()
            .filter_map(|event| match event {
                UserAgentEvent::Delivered {
                    message,
                    complete: true,
                    ..
                } if *message == wanted => Some(200),
                UserAgentEvent::Failed { message, code, .. } if *message == wanted => Some(code.as_u16()),
                _ => None,
            })
            .collect()
    }

    /// Breaks all MSRP connections.
    pub(crate) fn break_connections(&mut self) {
        self.sip
            .connections()
            .reset(self.now, &mut self.gateway, &mut self.chat.agent);
        self.run();
    }

    /// Nothing is left but what is remembered, and that is forgotten in time.
    pub(crate) fn assert_over(&mut self) {
        self.pass(Duration::from_secs(3_600));
        assert!(
            self.gateway.is_idle(),
            "{:?} {:?}",
            self.gateway,
            self.gateway.conversations(None, 9)
        );
        assert_eq!(self.gateway.remembered(), 0);
        assert_eq!(self.gateway.agent().call_count(), 0);
        assert_eq!(self.gateway.agent().session_count(), 0);
    }
}

/// Messages are told as they come.
fn plain() -> CallConfig {
    CallConfig::new().with_profile(StreamProfile::new().with_conversation(false))
}

/// A call from the chat to the phone.
pub(crate) fn outgoing() -> OutgoingCall {
    OutgoingCall::new(SipParty::new(ALICE)).with_from(SipParty::new(BOB))
}
