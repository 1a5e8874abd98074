//! What the relay tells the application.

use std::{net::SocketAddr, time::Duration};

use msrp_core::{connection::ConnectionError, node::ConnectionHandle};

use crate::{
    anchor::{AnchorEnd, AnchorId, AnchorInfo, Side},
    session::SessionId,
};

/// Something that happened. The queue is bounded ([`event_queue`](crate::RelayConfig::event_queue)): a relay whose events
/// nobody pulls drops the oldest and counts them in
/// [`events_dropped`](crate::RelayStats::events_dropped); it never stands still for want of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEvent {
    /// A client has proven who it is and has been given a URI.
    Authenticated {
        /// Its connection, or that of the relay behind which it is.
        connection: ConnectionHandle,
        /// Where that comes from, as far as the transport knows.
        peer: Option<SocketAddr>,
        /// The session that the URI is for.
        session: SessionId,
        /// Who it is.
        user: String,
        /// The relay behind which it is, if it is not connected to this one.
        relay: Option<String>,
        /// How long the URI lives.
        expires: Duration,
    },
    /// An AUTH with credentials was refused.
    AuthFailed {
        /// The connection.
        connection: ConnectionHandle,
        /// Where it comes from, as far as the transport knows.
        peer: Option<SocketAddr>,
        /// Who it claimed to be.
        user: String,
        /// Why.
        reason: AuthFailure,
    },
    /// A Use-Path URI has come to the end of its life.
    BindingExpired {
        /// The client's connection; none where it is behind another relay.
        connection: Option<ConnectionHandle>,
        /// The session that the URI was for.
        session: SessionId,
        /// Whose it was.
        user: String,
    },
    /// A connection has ended.
    ConnectionClosed {
        /// Which.
        connection: ConnectionHandle,
        /// Where its other end was, as far as the transport knew.
        peer: Option<SocketAddr>,
        /// Why.
        reason: ConnectionError,
    },
    /// A side of an anchored session is there: it has connected, or was connected to.
    AnchorLegConnected {
        /// The session.
        anchor: AnchorId,
        /// Which side.
        side: Side,
        /// By which connection.
        connection: ConnectionHandle,
    },
    /// The connection of a side of an anchored session has ended. The session goes on, and the side may come again.
    AnchorLegLost {
        /// The session.
        anchor: AnchorId,
        /// Which side.
        side: Side,
    },
    /// A side of an anchored session could not be connected to, or refused the session.
    AnchorLegFailed {
        /// The session.
        anchor: AnchorId,
        /// Which side.
        side: Side,
    },
    /// An anchored session has ended.
    AnchorEnded {
        /// What it was, at its end.
        info: Box<AnchorInfo>,
        /// Why.
        reason: AnchorEnd,
    },
}

/// Why an AUTH was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthFailure {
    /// Unknown user, or wrong password; which of the two is not told.
    Credentials,
    /// The credentials could not be read, or used another scheme, realm or algorithm.
    Malformed,
    /// The user, or the address, has failed too often of late.
    LockedOut,
    /// The user has as many sessions as he may.
    TooManySessions,
    /// The policy does not let this user in.
    Denied,
    /// It came by way of a relay that is not known: on a connection without a certificate that names it, or it is not
    /// one of the [peer relays](crate::RelayConfig::peer_relay).
    UnknownRelay,
}
