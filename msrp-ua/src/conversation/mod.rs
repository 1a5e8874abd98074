//! Conversations: what people say to each other in a session, who is writing, and what became of what was said.
//!
//! A session in which people talk has more in it than messages: wrappings that say who wrote what and when (RFC 3862),
//! status messages about writing (RFC 3994), and notifications that a message was delivered, or displayed (RFC 5438). With
//! [`UserAgent::converse`] a session gets all of that done:
//!
//! - [`UserAgent::say`] wraps where the peer wants it or the message needs it; [`UserAgentEvent::Message`] comes unwrapped,
//!   with its [envelope](UserAgentEvent::Message::envelope) beside it;
//! - [`UserAgent::typing`] and [`UserAgent::stopped_typing`] tell the peer, [`UserAgentEvent::Composing`] tells of the peer;
//! - messages that ask for it are answered with "delivered" at once, with "displayed" when the application says
//!   [`UserAgent::displayed`], both only where [consent](Conversants::consents) is given; [`UserAgentEvent::Noticed`] tells
//!   what the peer says of ours.
//!
//! Only whole messages ([`Receive::Whole`](crate::Receive::Whole)) are opened: those that stream past, or into a sink, are told
//! as they came.

mod incoming;
mod outgoing;

use std::{collections::VecDeque, time::Instant};

pub(crate) use self::incoming::Opened;
pub use self::outgoing::Utterance;
use crate::{
    composing::{Composer, ComposerConfig, Composing, WatchConfig},
    cpim::{Address, Wrapping},
    error::CommandError,
    event::UserAgentEvent,
    imdn::{Answerable, Consent, SentRequests},
    names::{IncomingKey, OutgoingKey, SessionId},
    timers::UaTimer,
    user_agent::UserAgent,
};

/// Who talks to whom, and what they let each other know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conversants {
    /// Who we are.
    pub me: Address,
    /// Whom we talk to.
    pub peer: Address,
    /// What the peer accepts, as it is and wrapped.
    pub wrapping: Wrapping,
    /// Whether senders who ask may know that their messages were delivered. Default given.
    pub delivered: Consent,
    /// Whether senders who ask may know that their messages were displayed, once the application says so. Default given.
    pub displayed: Consent,
    /// Whether the peer may know that we write. Default yes.
    pub composing: bool,
}

impl Conversants {
    /// `me` and `peer` talk; what the peer accepts is in its SDP.
    pub fn new(me: Address, peer: Address, wrapping: Wrapping) -> Self {
        Self {
            me,
            peer,
            wrapping,
            delivered: Consent::Given,
            displayed: Consent::Given,
            composing: true,
        }
    }

    /// Sets what senders may know of the fate of their messages: delivered, displayed.
    pub fn consents(mut self, delivered: Consent, displayed: Consent) -> Self {
        (self.delivered, self.displayed) = (delivered, displayed);
        self
    }

    /// Sets whether the peer may know that we write.
    pub fn composing(mut self, on: bool) -> Self {
        self.composing = on;
        self
    }
}

/// The state of a conversation. It remembers [as many](crate::UserAgentConfig::remembered) messages in each direction as a
/// session does.
#[derive(Debug)]
pub(crate) struct Conversation {
    conversants: Conversants,
    composer: Composer,
    composing: Composing,
    /// Ours that asked for notifications.
    sent: SentRequests<OutgoingKey>,
    /// The peer's that ask for notifications, the newest last.
    answerable: VecDeque<(IncomingKey, Answerable)>,
}

impl Conversation {
    fn poll_timeout(&self) -> Option<Instant> {
        let own = self.composer.poll_timeout();
        own.into_iter().chain(self.composing.poll_timeout()).min()
    }
}

impl UserAgent {
    /// Makes a conversation of a session. Doing so again changes who talks and what is let known.
    ///
    /// The call layer does this by itself for the streams that people talk in.
    ///
    /// # Errors
    /// [`CommandError::UnknownSession`].
    pub fn converse(&mut self, session: SessionId, conversants: Conversants) -> Result<(), CommandError> {
        if self.sessions.get(session).is_none() {
            return Err(CommandError::UnknownSession);
        }
        match self.conversations.get_mut(&session) {
            Some(conversation) => conversation.conversants = conversants,
            None => {
                let conversation = Conversation {
                    conversants,
                    composer: Composer::new(ComposerConfig::default()),
                    composing: Composing::new(WatchConfig::default()),
                    sent: SentRequests::new(self.config.remembered),
                    answerable: VecDeque::new(),
                };
                self.conversations.insert(session, Box::new(conversation));
            }
        }
        Ok(())
    }

    /// A session has ended, and with it what was said in it.
    pub(crate) fn end_conversation(&mut self, session: SessionId) {
        let Some(conversation) = self.conversations.remove(&session) else {
            return;
        };
        for who in conversation.composing.composers() {
            let who = who.to_owned();
            self.push_event(UserAgentEvent::Composing {
                session,
                who,
                active: false,
            });
        }
    }

    /// Somebody has stopped writing, or not been heard of for long.
    pub(crate) fn conversation_due(&mut self, session: SessionId) {
        let now = self.now;
        let Some(conversation) = self.conversations.get_mut(&session) else {
            return;
        };
        let gone = conversation.composing.handle_timeout(now);
        let status = conversation.composer.handle_timeout(now);
        for who in gone {
            self.push_event(UserAgentEvent::Composing {
                session,
                who: who.into(),
                active: false,
            });
        }
        if let Some(status) = status {
            self.send_status(session, &status);
        }
        self.rearm_conversation(session);
    }

    /// Looks when a conversation is due next.
    fn rearm_conversation(&mut self, session: SessionId) {
        if let Some(at) = self
            .conversations
            .get(&session)
            .and_then(|conversation| conversation.poll_timeout())
        {
            self.timers.insert((at, UaTimer::Conversation(session)));
        }
    }
}
