//! A user agent for programs: settings in, events out, and what is to be done by methods; sockets, SIP and files are taken
//! care of.
//!
//! ```text
//!   program ── call, send, send_file … ──▶ Endpoint ──▶ UserAgent ◀── sockets, SIP
//!      ▲                                      │             │
//!      └───────────── Event ◀── State ◀───────┴─────────────┘
//! ```

mod event;
mod files;
mod hearing;
mod options;
mod reasons;
mod refusal;
mod settings;
mod sink;
mod source;
mod start;
mod state;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use msrp_transport::driver::Handle;
use msrp_ua::{
    CommandError, OutgoingMessage, UserAgent, UserAgentEvent,
    call::{OutgoingCall, StreamId},
    conversation::Utterance,
    imdn::DispositionRequests,
    sip::{SipParty, SipReply},
};
use tokio::sync::mpsc;

pub(crate) use self::settings::is_sip_uri;
pub use self::{
    event::{BodyPart, Content, Direction, Event, FileEnd, FileInfo, Party, Status},
    files::PreparedFile,
    options::EndpointOptions,
    refusal::Refusal,
    settings::EndpointSettings,
    sink::{FileSink, SavedAs},
    source::FileSource,
    state::{Phase, Policy, SessionInfo},
};
use self::{
    hearing::{Act, Heard},
    state::{Sent, Session, State, party},
};
use crate::{failure::Failure, signalling::SipSide};

/// Events that may wait for the program.
const EVENTS: usize = 256;
/// How often it is told how much of files has passed.
const PROGRESS: Duration = Duration::from_millis(200);

/// A user agent that runs.
#[derive(Clone)]
pub struct Endpoint {
    handle: Handle<UserAgent>,
    sip: SipSide,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// What is known; whoever panicked has left it as whole as it needs to be.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        match error {
            CommandError::UnknownCall | CommandError::UnknownSession | CommandError::UnknownStream => {
                Self::Unknown(text)
            }
            CommandError::NotAccepted(_) | CommandError::TooLarge { .. } => Self::NotAccepted(text),
            CommandError::TooManyMessages { .. }
            | CommandError::TooManySessions { .. }
            | CommandError::TooManyCalls { .. }
            | CommandError::TooManyStreams { .. }
            | CommandError::TooManyFiles { .. } => Self::TooMuch(text),
            CommandError::ShuttingDown => Self::Over,
            _ => Self::Invalid(text),
        }
    }
}

impl Endpoint {
    /// Starts a user agent; has to be on tokio. The events begin with the listeners.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn start(
        settings: &EndpointSettings,
        policy: Policy,
    ) -> Result<(Self, mpsc::Receiver<Event>), Failure> {
        let started = start::start(settings).await?;
        let state = State {
            policy,
            save_dir: settings.save_dir.clone(),
            max_file: settings.max_file,
            relays: started.relays,
            ..State::default()
        };
        let endpoint = Self {
            handle: started.handle,
            sip: started.sip,
            state: Arc::new(Mutex::new(state)),
        };
        let (told, heard) = mpsc::channel(EVENTS + started.urls.len());
        for event in started.urls.iter().map(Event::listening) {
            // There is room, and the other end is here.
            let _told = told.try_send(event);
        }
        tokio::spawn(endpoint.clone().listen(started.events, told));
        Ok((endpoint, heard))
    }

    /// Hears the user agent, and tells the program.
    async fn listen(self, mut events: mpsc::Receiver<UserAgentEvent>, told: mpsc::Sender<Event>) {
        let mut to_tell = Vec::new();
        let mut tick = tokio::time::interval(PROGRESS);
        loop {
            for event in to_tell.drain(..) {
                if told.send(event).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        let Heard { events, acts } = lock(&self.state).hear(event);
                        to_tell = events;
                        if !acts.is_empty() {
                            to_tell.extend(self.act(acts).await);
                        }
                    }
                    None => return,
                },
                _ = tick.tick() => to_tell = lock(&self.state).progress(),
            }
        }
    }

    async fn act(&self, acts: Vec<Act>) -> Vec<Event> {
        self.visit(move |agent, state| Ok(acts.into_iter().filter_map(|act| act(agent, state)).collect()))
            .await
            .unwrap_or_default()
    }

    /// Does something where the user agent lives, and what is known of it cannot change.
    async fn visit<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut UserAgent, &mut State) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let state = self.state.clone();
        self.handle
            .visit(move |agent| {
                agent.tick(Instant::now());
                what(agent, &mut lock(&state))
            })
            .await
            .ok_or(Refusal::Over)?
    }

    /// Calls somebody. The name of the session that comes of it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn call(&self, to: &str, subject: Option<String>) -> Result<String, Refusal> {
        if !is_sip_uri(to) {
            return Err(Refusal::Invalid(format!(
                "{to}: a SIP URI is wanted, such as sip:bob@example.com"
            )));
        }
        let to = SipParty::new(to);
        self.visit(move |agent, state| {
            let peer = party(&to);
            let mut call = OutgoingCall::new(to).with_relays(state.relays.clone());
            if let Some(subject) = subject {
                call = call.with_subject(subject);
            }
            let call = agent.call(call)?;
            let session = Session::new(peer, Direction::Out, Phase::Calling);
            state.sessions.insert(call, session);
            Ok(call.to_string())
        })
        .await
    }

    /// Answers a call.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn accept(&self, session: &str) -> Result<Vec<Event>, Refusal> {
        let session = session.to_owned();
        self.visit(move |agent, state| {
            let (call, known) = state.session(&session)?;
            if known.phase != Phase::Ringing {
                return Err(Refusal::Conflict(format!(
                    "session {session} does not wait for an answer"
                )));
            }
            let mut heard = Heard::default();
            let answer = state.accept(call, &mut heard);
            agent.answer_call(call, answer)?;
            Ok(heard.events)
        })
        .await
    }

    /// Refuses a call, with this code of SIP.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn refuse(&self, session: &str, code: u16) -> Result<(), Refusal> {
        if !(300..700).contains(&code) {
            return Err(Refusal::Invalid(format!(
                "{code}: a code from 300 to 699 is wanted"
            )));
        }
        let session = session.to_owned();
        self.visit(move |agent, state| {
            let (call, known) = state.session(&session)?;
            if known.phase != Phase::Ringing {
                return Err(Refusal::Conflict(format!(
                    "session {session} does not wait for an answer"
                )));
            }
            Ok(agent.refuse_call(call, SipReply::new(code))?)
        })
        .await
    }

    /// Ends a session, or what is to become one.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn end(&self, session: &str) -> Result<(), Refusal> {
        let session = session.to_owned();
        self.visit(move |agent, state| Ok(agent.end_call(state.call(&session)?)?))
            .await
    }

    /// Sends a message. Its identifier, under which [`Event::Report`] tells what becomes of it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send(&self, session: &str, content_type: &str, body: Vec<u8>) -> Result<String, Refusal> {
        let session = session.to_owned();
        // What people read is worth asking whether they have.
        let requests = DispositionRequests {
            display: content_type
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case("text/")),
            ..DispositionRequests::default()
        };
        let message = OutgoingMessage::bytes(content_type, body).with_success_report();
        let utterance = Utterance::new(message).with_notices(requests);
        self.visit(move |agent, state| {
            let (call, chat) = state.chat(&session)?;
            let key = agent.say(chat, utterance)?;
            let message_id = agent.message_id(key).map(|id| id.to_string()).unwrap_or_default();
            let sent = Sent {
                call,
                message_id: message_id.clone(),
            };
            state.sent.insert(key, sent);
            Ok(message_id)
        })
        .await
    }

    /// Tells the peer that somebody types here, or has stopped; may be called for each key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn composing(&self, session: &str, active: bool) -> Result<(), Refusal> {
        let session = session.to_owned();
        self.visit(move |agent, state| {
            let (_, chat) = state.chat(&session)?;
            let told = if active {
                agent.typing(chat)
            } else {
                agent.stopped_typing(chat)
            };
            Ok(told?)
        })
        .await
    }

    /// Tells the sender of a message that it has been looked at, if it wants to know.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn displayed(&self, session: &str, message_id: &str) -> Result<(), Refusal> {
        let (session, message_id) = (session.to_owned(), message_id.to_owned());
        self.visit(move |agent, state| {
            let (call, chat) = state.chat(&session)?;
            let heard = state
                .sessions
                .get(&call)
                .into_iter()
                .flat_map(|known| &known.heard);
            let message = heard
                .filter(|(id, _)| *id == message_id)
                .map(|(_, message)| *message)
                .next_back()
                .ok_or_else(|| {
                    Refusal::Unknown(format!(
                        "no message {message_id} has come in session {session} of late"
                    ))
                })?;
            agent.displayed(chat, message);
            Ok(())
        })
        .await
    }

    /// Looks at a file that is to be offered, under its own name unless there is another: this takes a while where it is
    /// long, as it is hashed.
    ///
    /// # Errors
    /// [`Refusal::Invalid`].
    pub async fn prepare_file(
        path: PathBuf,
        name: Option<String>,
        content_type: Option<String>,
    ) -> Result<PreparedFile, Refusal> {
        let shown = path.display().to_string();
        tokio::task::spawn_blocking(move || {
            PreparedFile::new(&path, name.as_deref(), content_type.as_deref())
        })
        .await
        .map_err(|_| Refusal::Over)?
        .map_err(|error| Refusal::Invalid(format!("{shown}: {error}")))
    }

    /// Offers a file. The name of its transfer, under which [`Event::File`] tells what became of it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send_file(&self, session: &str, file: PreparedFile) -> Result<String, Refusal> {
        let session = session.to_owned();
        self.visit(move |agent, state| {
            let call = state.call(&session)?;
            let (offer, transfer) = file.offer();
            let stream = agent.offer_file(call, offer)?;
            if let Some(session) = state.sessions.get_mut(&call) {
                session.files.insert(stream, transfer);
            }
            Ok(stream.to_string())
        })
        .await
    }

    /// Gives up a file that is sent or received.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn cancel_file(&self, session: &str, file: &str) -> Result<(), Refusal> {
        let (session, file) = (session.to_owned(), file.to_owned());
        self.visit(move |agent, state| {
            let (call, known) = state.session(&session)?;
            let stream = known
                .files
                .keys()
                .find(|stream: &&StreamId| stream.to_string() == file)
                .copied()
                .ok_or_else(|| Refusal::Unknown(format!("there is no file {file} in session {session}")))?;
            Ok(agent.abort_file(call, stream)?)
        })
        .await
    }

    /// The sessions that there are.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let state = lock(&self.state);
        let sessions = state.sessions.iter();
        sessions
            .map(|(call, session)| state.info(*call, session))
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn session(&self, session: &str) -> Result<SessionInfo, Refusal> {
        let state = lock(&self.state);
        let (call, known) = state.session(session)?;
        Ok(state.info(call, known))
    }

    /// Ends all sessions, which the events tell, and the SIP registration, and waits until peers have answered to that, though
    /// not for long; and then, within the time at the most, everything else.
    pub async fn shut_down(&self, time: Duration) {
        let calls = self.visit(|agent, state| {
            for call in state.sessions.keys() {
                // One that has ended just now cannot be ended again.
                let _ended_before = agent.end_call(*call);
            }
            Ok(())
        });
        let _already_over = calls.await;
        self.sip.shutdown().await;
        let ended = self
            .visit(|agent, _| {
                agent.shut_down();
                Ok(())
            })
            .await;
        if ended.is_ok() {
            self.handle.shutdown(time).await;
        }
    }
}
