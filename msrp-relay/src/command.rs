//! What the application tells the relay.

use std::{fmt, time::Instant};

use msrp_core::node::ConnectionHandle;

use crate::{policy::AuthStore, relay::Relay, session::SessionId};

/// A command for [`Relay::handle_command`](msrp_core::node::Node::handle_command).
#[non_exhaustive]
pub enum RelayCommand {
    /// Take no new connections and no new messages, let what is under way finish, and close connections as they fall
    /// silent. Closing the listeners is the driver's part.
    Drain,
    /// What comes before [`Drain`](Self::Drain) where several shards are one relay: take no new connections, and no new messages
    /// but those that another shard has taken, and keep every connection. A shard cannot know what the others are about to
    /// hand over; so all of them settle, and only once none has [open
    /// transactions](crate::Relay::open_transactions), at two looks in a row, are they told to drain.
    Settle,
    /// Close every connection now, after what is queued has left (at most 2 s).
    Shutdown,
    /// Withdraw all Use-Path URIs of this user, at once.
    RevokeUser(String),
    /// Close this connection.
    EndConnection(ConnectionHandle),
    /// End this session: its URI is worth nothing from now on, its messages that are under way are given up, and its
    /// client's connection is closed unless that has other URIs.
    EndSession(SessionId),
    /// Ask this store from now on. URIs that were given out stay valid until they expire; see
    /// [`RevokeUser`](Self::RevokeUser).
    ReplaceAuthStore(Box<dyn AuthStore + Send>),
    /// Run this between two turns of the relay, where its driver owns it: for what needs an answer, such as
    /// [`Relay::stats`]. It should return soon, as nothing is forwarded meanwhile.
    Call(RelayCall),
}

/// What [`RelayCommand::Call`] runs, with the time of the call.
pub type RelayCall = Box<dyn FnOnce(&mut Relay, Instant) + Send>;

impl fmt::Debug for RelayCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain => f.write_str("Drain"),
            Self::Settle => f.write_str("Settle"),
            Self::Shutdown => f.write_str("Shutdown"),
            Self::RevokeUser(user) => f.debug_tuple("RevokeUser").field(user).finish(),
            Self::EndConnection(connection) => f.debug_tuple("EndConnection").field(connection).finish(),
            Self::EndSession(session) => f.debug_tuple("EndSession").field(session).finish(),
            Self::ReplaceAuthStore(_) => f.write_str("ReplaceAuthStore"),
            Self::Call(_) => f.write_str("Call"),
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayRejected {
    /// There is no such connection any more.
    #[error("no such connection")]
    UnknownConnection,
    /// There is no such session any more.
    #[error("no such session")]
    UnknownSession,
    /// The user holds no Use-Path URI here.
    #[error("user has no session here")]
    UnknownUser,
}
