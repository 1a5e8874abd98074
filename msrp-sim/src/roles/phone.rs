//! Who uses a user agent: calls, talks, hangs up, and keeps book of what became of each message.

use std::{
    cell::Cell,
    collections::BTreeMap,
    convert::Infallible,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use msrp_core::{
    grammar::{FailureReport, MessageId, Path, StatusCode, Uri},
    rng::IdSource,
};
use msrp_ua::{
    Accept, CommandError, IncomingKey, OutgoingKey, OutgoingMessage, Receive, RegistrationId, RelayAccount,
    Role, SessionId, SessionParams, UserAgent, UserAgentEvent, relay_client::sdp_path,
};

use super::Switchboard;
use crate::{Application, Rng, Turn, bare::content, ledger::Fate};

/// A relay, and who one is there.
#[derive(Clone, Debug)]
pub struct Account {
    /// The relay.
    pub relay: Uri,
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// One side of a call.
#[derive(Clone, Debug)]
pub struct CallSide {
    /// The call's number.
    pub call: usize,
    /// Which of its two sides.
    pub side: usize,
    /// Who connects.
    pub role: Role,
    /// The relays that are used, the nearest first; none where none is.
    pub accounts: Vec<Account>,
    /// What becomes of what comes in.
    pub receive: Receive,
    /// The largest message that is taken.
    pub max_size: u64,
}

/// A message that is going to be sent.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// In which call.
    pub call: usize,
    /// Octets.
    pub size: usize,
    /// Whether a report of success is asked for.
    pub success: bool,
    /// Which failures are to be told.
    pub failure: FailureReport,
    /// Nothing that happens in this world can keep it from arriving.
    pub must_arrive: bool,
    /// It is given up after this time, if it is.
    pub cancel_after: Option<Duration>,
}

/// Something that the user does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Takes part in a call.
    Call(CallSide),
    /// Says something.
    Say(Utterance),
    /// Ends a call.
    HangUp(usize),
    /// Ends everything without a word to anybody.
    ShutDown,
}

/// How the user treats messages that wait for a decision ([`Receive::Ask`]), in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    /// How often it is refused.
    pub rejects: u64,
    /// At most how long the user thinks about it.
    pub think: Duration,
}

/// What a user agent holds, as seen at the end of each of its turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhoneState {
    /// Its sessions.
    pub sessions: usize,
    /// Its connections.
    pub connections: usize,
    /// Messages of ours about which more may be heard.
    pub outgoing: usize,
    /// Unfinished messages of others.
    pub incoming: usize,
    /// The most that it ever held beyond what its connections may hold; negative as long as the bound is kept.
    pub excess: i64,
}

/// How far a call has got.
#[derive(Clone, Debug)]
enum Stage {
    Registering,
    /// We have a path; the peer is awaited.
    Waiting(Uri, Option<RegistrationId>),
    Open(SessionId),
    Over,
}

#[derive(Clone, Debug)]
struct Call {
    side: CallSide,
    stage: Stage,
    asked: u32,
}

/// What has been heard of a message.
#[derive(Clone, Debug)]
struct Track {
    id: MessageId,
    success: bool,
    failure: FailureReport,
    accepted: bool,
    delivered: bool,
    failed: bool,
    unknown: bool,
    cancelled: bool,
}

/// The application of a user agent.
#[derive(Debug)]
pub struct Phone {
    board: Switchboard,
    ids: IdSource,
    deeds: Vec<(Duration, Deed)>,
    reception: Reception,
    calls: BTreeMap<usize, Call>,
    registering: BTreeMap<RegistrationId, usize>,
    /// All registrations of a call.
    chains: BTreeMap<usize, Vec<RegistrationId>>,
    sessions: BTreeMap<SessionId, usize>,
    tracks: BTreeMap<OutgoingKey, Track>,
    /// Messages that are received bit by bit.
    streams: BTreeMap<IncomingKey, Vec<u8>>,
    undecided: Vec<IncomingKey>,
    cancels: Vec<OutgoingKey>,
    /// How often a deed had to wait for its call.
    patience: BTreeMap<u64, u32>,
    bound: (usize, usize),
    state: Rc<Cell<PhoneState>>,
    /// Events are printed, to look at a failure.
    lists: bool,
}

/// Tokens of the phone's own.
const ASK_BOARD: u64 = 1 << 40;
const DECIDE: u64 = 2 << 40;
const CANCEL: u64 = 3 << 40;
const KIND: u64 = !((1 << 40) - 1);
/// How often the board is asked, and how often at most.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_MOST: u32 = 1_200;

impl Phone {
    /// Wakes all phones at the end of a world, so that they hang up whatever is still open.
    pub const HANG_UP_ALL: u64 = 4 << 40;
    /// Wakes all phones at the very end, so that they say which messages they know too little, or too much, of.
    pub const SETTLE: u64 = 5 << 40;

    /// A user who does these things, and a user agent that may hold `bound.0` octets for each connection and `bound.1`
    /// besides.
    pub fn new(
        board: Switchboard,
        deeds: Vec<(Duration, Deed)>,
        reception: Reception,
        bound: (usize, usize),
        rng: &mut Rng,
    ) -> Self {
        let state = PhoneState {
            excess: i64::MIN,
            ..PhoneState::default()
        };
        Self {
            board,
            ids: IdSource::from_seed(rng.seed()),
            deeds,
            reception,
            calls: BTreeMap::new(),
            registering: BTreeMap::new(),
            chains: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tracks: BTreeMap::new(),
            streams: BTreeMap::new(),
            undecided: Vec::new(),
            cancels: Vec::new(),
            patience: BTreeMap::new(),
            bound,
            state: Rc::new(Cell::new(state)),
            lists: std::env::var_os("MSRP_LIST").is_some(),
        }
    }

    /// What the user agent holds, to be looked at while the world runs and after.
    pub fn state(&self) -> Rc<Cell<PhoneState>> {
        Rc::clone(&self.state)
    }

    fn take_part(&mut self, agent: &mut UserAgent, side: CallSide, turn: &mut Turn<'_>) {
        let number = side.call;
        let mut call = Call {
            side,
            stage: Stage::Registering,
            asked: 0,
        };
        let accounts: Vec<_> = call
            .side
            .accounts
            .iter()
            .cloned()
            .map(|account| RelayAccount::new(account.relay, account.user, account.password))
            .collect();
        match accounts.len() {
            1.. => match agent.register_chain(accounts) {
                Ok(chain) => {
                    self.registering
                        .extend(chain.last().map(|&registration| (registration, number)));
                    self.chains.insert(number, chain);
                }
                Err(error) => complain(error, turn),
            },
            0 => {
                let own = agent.allocate_uri();
                let path = path_of(&own);
                self.board.tell_path(number, call.side.side, path);
                call.stage = Stage::Waiting(own, None);
                turn.wake_in(ASK_EVERY, ASK_BOARD | number as u64);
            }
        }
        self.calls.insert(number, call);
    }

    /// Looks whether the peer is there: the passive side opens when it knows the peer's path, the active one when the
    /// passive has, as an answer in SIP would tell.
    fn ask_board(&mut self, agent: &mut UserAgent, number: usize, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        let Stage::Waiting(own, registration) = call.stage.clone() else {
            return;
        };
        let peer = 1 - call.side.side;
        call.asked += 1;
        if self.board.is_over(number, peer) || call.asked > ASK_MOST {
            return self.hang_up(agent, number);
        }
        let may_open = call.side.role == Role::Passive || self.board.is_open(number, peer);
        let Some(path) = self.board.path(number, peer).filter(|_| may_open) else {
            return turn.wake_in(ASK_EVERY, ASK_BOARD | number as u64);
        };
        let mut params = SessionParams::new(own, path, call.side.role).with_receive(call.side.receive);
        params.max_size = call.side.max_size;
        if let Some(registration) = registration {
            params = params.with_relay(registration);
        }
        match agent.open_session(params) {
            Ok(session) => {
                call.stage = Stage::Open(session);
                self.sessions.insert(session, number);
                self.board.tell_open(number, call.side.side);
                turn.ledger.count("opened");
            }
            Err(error) => {
                complain(error, turn);
                self.hang_up(agent, number);
            }
        }
    }

    fn over(&mut self, number: usize) {
        if let Some(call) = self.calls.get_mut(&number) {
            call.stage = Stage::Over;
            self.board.tell_over(number, call.side.side);
        }
    }

    fn say(&mut self, agent: &mut UserAgent, said: &Utterance, token: u64, turn: &mut Turn<'_>) {
        let Some(call) = self.calls.get(&said.call) else {
            return self.wait_for_call(token, turn);
        };
        let session = match call.stage {
            Stage::Over => return turn.ledger.count("not said"),
            Stage::Open(session) if self.board.is_open(said.call, 1 - call.side.side) => session,
            _ => return self.wait_for_call(token, turn),
        };
        let content = content(turn.rng, said.size);
        let id = self.ids.message_id();
        let mut message = OutgoingMessage::bytes("application/octet-stream", content.clone())
            .with_failure_report(said.failure)
            .with_message_id(id);
        if said.success {
            message = message.with_success_report();
        }
        turn.ledger
            .sent(turn.node(), id.as_str(), content, said.must_arrive);
        self.board.note_message(id.as_str(), said.call);
        match agent.send(session, message) {
            Ok(key) => {
                turn.ledger.count("said");
                let track = Track {
                    id,
                    success: said.success,
                    failure: said.failure,
                    accepted: false,
                    delivered: false,
                    failed: false,
                    unknown: false,
                    cancelled: false,
                };
                self.tracks.insert(key, track);
                if let Some(after) = said.cancel_after {
                    self.cancels.push(key);
                    turn.wake_in(after, CANCEL | (self.cancels.len() - 1) as u64);
                }
            }
            Err(error) => {
                turn.ledger.fate(id.as_str(), Fate::Failed);
                complain(error, turn);
            }
        }
    }

    fn wait_for_call(&mut self, token: u64, turn: &mut Turn<'_>) {
        let tries = self.patience.entry(token).or_default();
        *tries += 1;
        if *tries < 300 {
            turn.wake_in(Duration::from_millis(500), token);
        }
    }

    fn hang_up(&mut self, agent: &mut UserAgent, number: usize) {
        let Some(call) = self.calls.get(&number) else {
            return;
        };
        if let Stage::Open(session) = call.stage.clone() {
            // It may have been lost since; then there is nothing to close.
            let _known = agent.close_session(session);
            self.sessions.remove(&session);
        }
        self.give_up_chain(agent, number);
        self.over(number);
    }

    /// Nobody will use the path of a call any more.
    fn give_up_chain(&mut self, agent: &mut UserAgent, number: usize) {
        for registration in self.chains.remove(&number).into_iter().flatten().rev() {
            self.registering.remove(&registration);
            // The session may have taken it along.
            let _known = agent.unregister(registration);
        }
    }

    fn decide(&mut self, agent: &mut UserAgent, index: usize, turn: &mut Turn<'_>) {
        let key = self.undecided[index];
        if turn.rng.chance(self.reception.rejects) {
            turn.ledger.count("rejected");
            let code = turn
                .rng
                .pick(&[StatusCode::STOP_SENDING, StatusCode::UNSUPPORTED_MEDIA]);
            // The message may be gone by now.
            let _known = agent.reject(key, code);
            return;
        }
        if turn.rng.chance(500) {
            let _known = agent.accept(key, Accept::Whole);
        } else if agent.accept(key, Accept::Stream).is_ok() {
            self.streams.insert(key, Vec::new());
        }
    }

    fn received(
        &mut self,
        now: Instant,
        session: SessionId,
        id: &MessageId,
        content: Bytes,
        turn: &mut Turn<'_>,
    ) {
        turn.ledger.count("received");
        if content.len() > 100_000 {
            turn.ledger.count("received, long");
        }
        let call = self.sessions.get(&session).copied();
        if self.board.call_of(id.as_str()) != call {
            turn.ledger.complain(format!("{id} came in call {call:?}"));
        }
        turn.ledger.received(turn.node(), id.as_str(), content, now);
    }

    fn track(
        &mut self,
        key: OutgoingKey,
        turn: &mut Turn<'_>,
        note: impl FnOnce(&mut Track) -> Option<&'static str>,
    ) {
        match self.tracks.get_mut(&key) {
            None => turn
                .ledger
                .complain("an event about a message that was not sent".to_owned()),
            Some(track) => {
                if let Some(wrong) = note(track) {
                    turn.ledger.complain(format!("{}: {wrong}", track.id));
                }
            }
        }
    }

    /// Complains about messages of which too little is known, now that nothing more will be heard.
    fn settle(&self, turn: &mut Turn<'_>) {
        for track in self.tracks.values() {
            let ends = usize::from(track.delivered) + usize::from(track.failed) + usize::from(track.unknown);
            if track.cancelled {
                continue;
            }
            if track.success && ends != 1 {
                turn.ledger
                    .complain(format!("{} has {ends} outcomes: {track:?}", track.id));
            }
            if !track.success && track.failure == FailureReport::Yes && ends == 0 && !track.accepted {
                turn.ledger
                    .complain(format!("nothing was heard of {}: {track:?}", track.id));
            }
        }
        if !self.streams.is_empty() {
            turn.ledger
                .complain(format!("{} messages never ended", self.streams.len()));
        }
    }
}

impl Application<UserAgent> for Phone {
    fn start(&mut self, _: Instant, _: &mut UserAgent, turn: &mut Turn<'_>) {
        for (index, (at, _)) in self.deeds.iter().enumerate() {
            turn.wake_in(*at, index as u64);
        }
    }

    fn wake(&mut self, now: Instant, agent: &mut UserAgent, token: u64, turn: &mut Turn<'_>) {
        agent.tick(now);
        let index = (token & !KIND) as usize;
        match token & KIND {
            ASK_BOARD => return self.ask_board(agent, index, turn),
            DECIDE => return self.decide(agent, index, turn),
            CANCEL => {
                let key = self.cancels[index];
                if agent.cancel(key).is_ok()
                    && let Some(track) = self.tracks.get_mut(&key)
                {
                    turn.ledger.count("cancelled");
                    track.cancelled = true;
                }
                return;
            }
            Self::HANG_UP_ALL => {
                let calls: Vec<_> = self.calls.keys().copied().collect();
                for call in calls {
                    self.hang_up(agent, call);
                }
                return;
            }
            Self::SETTLE => return self.settle(turn),
            _ => {}
        }
        match self.deeds[index].1.clone() {
            Deed::Call(side) => self.take_part(agent, side, turn),
            Deed::Say(said) => self.say(agent, &said, token, turn),
            Deed::HangUp(call) => self.hang_up(agent, call),
            Deed::ShutDown => {
                turn.ledger.count("shut down");
                agent.shut_down();
                let calls: Vec<_> = self.calls.keys().copied().collect();
                for call in calls {
                    self.over(call);
                }
            }
        }
    }

    fn event(&mut self, now: Instant, agent: &mut UserAgent, event: UserAgentEvent, turn: &mut Turn<'_>) {
        if self.lists {
            eprintln!("node {}: {event:?}", turn.node());
        }
        match event {
            UserAgentEvent::SessionReady { .. } => turn.ledger.count("ready"),
            UserAgentEvent::SessionLost { session, .. } => {
                turn.ledger.count("session lost");
                if let Some(call) = self.sessions.get(&session).copied() {
                    self.over(call);
                }
            }
            UserAgentEvent::IncomingMessage { session, message, .. } => {
                let receive = self
                    .sessions
                    .get(&session)
                    .and_then(|call| self.calls.get(call))
                    .map(|call| call.side.receive);
                match receive {
                    Some(Receive::Ask) => {
                        self.undecided.push(message);
                        let think = turn.rng.time(Duration::ZERO..self.reception.think);
                        turn.wake_in(think, DECIDE | (self.undecided.len() - 1) as u64);
                    }
                    _ => {
                        self.streams.insert(message, Vec::new());
                    }
                }
            }
            UserAgentEvent::MessageData {
                message,
                offset,
                data,
            } => {
                let Some(stream) = self.streams.get_mut(&message) else {
                    return turn.ledger.complain("octets of an unknown message".to_owned());
                };
                let from = offset as usize - 1;
                if stream.len() < from + data.len() {
                    stream.resize(from + data.len(), 0);
                }
                stream[from..from + data.len()].copy_from_slice(&data);
            }
            UserAgentEvent::Message {
                session,
                message,
                message_id,
                body,
                size,
                duplicate,
                ..
            } => {
                let content = body
                    .or_else(|| self.streams.remove(&message).map(Bytes::from))
                    .unwrap_or_default();
                if content.len() as u64 != size || duplicate {
                    turn.ledger.complain(format!(
                        "{message_id}: {} octets of {size}, {duplicate}",
                        content.len()
                    ));
                }
                self.received(now, session, &message_id, content, turn);
            }
            UserAgentEvent::MessageAborted { message, .. } => {
                turn.ledger.count("aborted");
                self.streams.remove(&message);
            }
            UserAgentEvent::Progress { .. } => {}
            UserAgentEvent::Accepted { message, .. } => self.track(message, turn, |track| {
                let wrong =
                    std::mem::replace(&mut track.accepted, true) || track.failure != FailureReport::Yes;
                wrong.then_some("was accepted twice, or though nobody asked")
            }),
            UserAgentEvent::Delivered {
                message, complete, ..
            } => {
                turn.ledger.count("reports");
                if complete {
                    self.track(message, turn, |track| {
                        let wrong = std::mem::replace(&mut track.delivered, true) || !track.success;
                        wrong.then_some("was delivered twice, or though nobody asked")
                    });
                    if let Some(track) = self.tracks.get(&message) {
                        turn.ledger.fate(track.id.as_str(), Fate::Delivered);
                    }
                }
            }
            UserAgentEvent::Failed { message, .. } => {
                turn.ledger.count("failed");
                self.track(message, turn, |track| {
                    let twice = std::mem::replace(&mut track.failed, true);
                    let wrong = twice || track.delivered || track.failure == FailureReport::No;
                    wrong.then_some("failed twice, or after its delivery, or though nobody asked")
                });
                if let Some(track) = self.tracks.get(&message) {
                    turn.ledger.fate(track.id.as_str(), Fate::Failed);
                }
            }
            UserAgentEvent::DeliveryUnknown { message, .. } => {
                turn.ledger.count("unknown");
                self.track(message, turn, |track| {
                    let wrong =
                        std::mem::replace(&mut track.unknown, true) || track.delivered || track.failed;
                    wrong.then_some("is unknown though its fate is known")
                });
            }
            UserAgentEvent::Registered {
                registration,
                use_path,
                renewed,
                ..
            } => {
                turn.ledger.count(if renewed { "renewed" } else { "registered" });
                let Some(number) = self.registering.remove(&registration) else {
                    return;
                };
                let (Some(own), Some(call)) = (
                    agent.registered_uri(registration).cloned(),
                    self.calls.get_mut(&number),
                ) else {
                    return;
                };
                self.board
                    .tell_path(number, call.side.side, sdp_path(&use_path, &own));
                call.stage = Stage::Waiting(own, Some(registration));
                turn.wake_in(ASK_EVERY, ASK_BOARD | number as u64);
            }
            UserAgentEvent::RegistrationLost { registration, .. } => {
                turn.ledger.count("registration lost");
                // Any of a chain takes the others with it.
                let of = |(number, chain): (&usize, &Vec<RegistrationId>)| {
                    chain.contains(&registration).then_some(*number)
                };
                let Some(number) = self.chains.iter().find_map(of) else {
                    return;
                };
                let open = self
                    .calls
                    .get(&number)
                    .is_some_and(|call| matches!(call.stage, Stage::Open(_)));
                if !open {
                    self.give_up_chain(agent, number);
                    self.over(number);
                }
            }
            other => turn
                .ledger
                .complain(format!("an event that phones do not know: {other:?}")),
        }
    }

    fn answer(&mut self, query: Infallible, _: &mut Turn<'_>) -> Option<(Duration, Infallible)> {
        match query {}
    }

    fn buffered(&self, agent: &UserAgent) -> usize {
        let held = agent.queued();
        let allowed = agent.connection_count() * self.bound.0 + self.bound.1;
        self.state.set(PhoneState {
            sessions: agent.session_count(),
            connections: agent.connection_count(),
            outgoing: agent.outgoing_count(),
            incoming: agent.incoming_count(),
            excess: self.state.get().excess.max(held as i64 - allowed as i64),
        });
        held
    }
}

/// Complains about a command that should have been carried out.
fn complain(error: CommandError, turn: &mut Turn<'_>) {
    match error {
        // A peer that has refused the media type once is not asked again.
        CommandError::NotAccepted(_) | CommandError::ShuttingDown => {}
        error => turn.ledger.complain(format!("not done: {error}")),
    }
}

fn path_of(uri: &Uri) -> Path {
    Path::from_uris(std::slice::from_ref(uri)).expect("one URI makes a path")
}
