//! What is known of sessions, messages and files, and what it is called outside.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
};

use msrp_ua::{
    IncomingKey, OutgoingKey, RelayAccount, SessionId,
    call::{StreamId, StreamProposal},
    sip::{CallId, SipParty},
};
use serde::Serialize;

use super::{Direction, Party, Refusal, files::Transfer};

/// Messages that are remembered in each direction, for what may still be said of them.
const REMEMBERED: usize = 256;

/// What is done without asking.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Calls are answered.
    pub auto_answer: bool,
    /// While there is a session others who call are told 486.
    pub one_at_a_time: bool,
}

/// How far a session has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// We call.
    Calling,
    /// The peer calls, and waits for an answer.
    Ringing,
    /// The peer's call has been answered.
    Answering,
    /// Messages can be sent.
    Established,
}

/// A session.
pub(super) struct Session {
    pub(super) peer: Party,
    pub(super) direction: Direction,
    pub(super) phase: Phase,
    /// What the peer has offered with its call.
    pub(super) offered: Vec<StreamProposal>,
    /// Where messages go.
    pub(super) chat: Option<SessionId>,
    pub(super) files: BTreeMap<StreamId, Transfer>,
    /// Messages that have come of late, the newest last: their senders may want to know that they were displayed.
    pub(super) heard: VecDeque<(String, IncomingKey)>,
}

impl Session {
    pub(super) fn new(peer: Party, direction: Direction, phase: Phase) -> Self {
        Self {
            peer,
            direction,
            phase,
            offered: Vec::new(),
            chat: None,
            files: BTreeMap::new(),
            heard: VecDeque::new(),
        }
    }

    /// Somebody in this session, by the URI that it gives itself.
    pub(super) fn known(&self, uri: &str, name: Option<&str>) -> Party {
        if uri == self.peer.uri {
            return self.peer.clone();
        }
        Party {
            uri: uri.to_owned(),
            name: name.map(str::to_owned),
        }
    }

    /// A message has come.
    pub(super) fn remember(&mut self, message_id: String, message: IncomingKey) {
        if self.heard.len() >= REMEMBERED {
            self.heard.pop_front();
        }
        self.heard.push_back((message_id, message));
    }
}

/// What programs are told of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionInfo {
    /// Its name.
    pub session: String,
    /// Who is at the other end.
    pub peer: Party,
    /// Who has called.
    pub direction: Direction,
    /// How far it has got.
    pub phase: Phase,
    /// Messages that nothing is known of yet.
    pub pending: usize,
    /// Files that are on their way.
    pub files: Vec<String>,
}

/// A message that we have sent, until it is known what became of it.
pub(super) struct Sent {
    pub(super) call: CallId,
    pub(super) message_id: String,
}

/// Everything.
#[derive(Default)]
pub(super) struct State {
    pub(super) policy: Policy,
    pub(super) save_dir: Option<PathBuf>,
    pub(super) max_file: Option<u64>,
    pub(super) relays: Vec<RelayAccount>,
    pub(super) sessions: BTreeMap<CallId, Session>,
    /// The calls of MSRP sessions.
    pub(super) chats: HashMap<SessionId, CallId>,
    pub(super) sent: HashMap<OutgoingKey, Sent>,
    /// Of these it is known that they have arrived; they may be displayed yet. The newest is the last.
    pub(super) delivered: VecDeque<(OutgoingKey, Sent)>,
}

/// The name of a session outside, `out-1`, read.
pub(super) fn call_id(name: &str) -> Option<CallId> {
    let (side, number) = name.split_once('-')?;
    let number = number.parse().ok()?;
    match side {
        "in" => Some(CallId::incoming(number)),
        "out" => Some(CallId::outgoing(number)),
        _ => None,
    }
}

pub(super) fn party(party: &SipParty) -> Party {
    Party {
        uri: party.uri.clone(),
        name: party.display_name.clone().filter(|name| !name.is_empty()),
    }
}

impl State {
    /// The call of a session by its name.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub(super) fn call(&self, name: &str) -> Result<CallId, Refusal> {
        call_id(name)
            .filter(|call| self.sessions.contains_key(call))
            .ok_or_else(|| Refusal::Unknown(format!("there is no session {name}")))
    }

    /// A session by its name.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub(super) fn session(&self, name: &str) -> Result<(CallId, &Session), Refusal> {
        let call = self.call(name)?;
        self.sessions
            .get(&call)
            .map(|session| (call, session))
            .ok_or_else(|| Refusal::Unknown(format!("there is no session {name}")))
    }

    /// Where messages of a session go.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn chat(&self, name: &str) -> Result<(CallId, SessionId), Refusal> {
        let (call, session) = self.session(name)?;
        match session.chat {
            Some(chat) => Ok((call, chat)),
            None if session.phase == Phase::Established => {
                Err(Refusal::Conflict(format!("session {name} is for files only")))
            }
            None => Err(Refusal::Conflict(format!("session {name} is not established"))),
        }
    }

    /// A message has arrived.
    pub(super) fn deliver(&mut self, key: OutgoingKey) -> Option<&Sent> {
        let sent = self.sent.remove(&key)?;
        if self.delivered.len() >= REMEMBERED {
            self.delivered.pop_front();
        }
        self.delivered.push_back((key, sent));
        self.delivered.back().map(|(_, sent)| sent)
    }

    pub(super) fn info(&self, call: CallId, session: &Session) -> SessionInfo {
        SessionInfo {
            session: call.to_string(),
            peer: session.peer.clone(),
            direction: session.direction,
            phase: session.phase,
            pending: self.sent.values().filter(|sent| sent.call == call).count(),
            files: session.files.keys().map(StreamId::to_string).collect(),
        }
    }

    /// All that is known of a session goes.
    pub(super) fn forget(&mut self, call: CallId) -> Option<Session> {
        let session = self.sessions.remove(&call)?;
        self.chats.retain(|_, of| *of != call);
        self.sent.retain(|_, sent| sent.call != call);
        self.delivered.retain(|(_, sent)| sent.call != call);
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for call in [CallId::incoming(7), CallId::outgoing(12)] {
            assert_eq!(call_id(&call.to_string()), Some(call));
        }
        for name in ["", "in", "in-", "in-x", "up-1", "out--1"] {
            assert_eq!(call_id(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let state = State::default();
        let error = state.chat("out-3").err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("there is no session out-3"));
    }
}
