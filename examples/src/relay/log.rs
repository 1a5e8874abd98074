//! What happens, written to the log. Connections are named as the relay names them; a URI never stands in it.

use std::{fmt, net::SocketAddr};

use msrp_core::node::ConnectionHandle;
use msrp_relay::{Relay, RelayEvent};
use msrp_transport::mio_driver::Host;

/// Writes what happens to the log.
pub(super) struct Log;

/// A connection, by its place in the relay's table and how many were there before it.
struct Name(ConnectionHandle);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.index(), self.0.generation())
    }
}

/// An address, or nothing where there is none.
fn shown(address: Option<SocketAddr>) -> Option<tracing::field::DisplayValue<SocketAddr>> {
    address.map(tracing::field::display)
}

impl Host<Relay> for Log {
    fn event(&mut self, _relay: &mut Relay, event: RelayEvent) {
        match event {
            RelayEvent::Authenticated {
                connection,
                peer,
                session,
                user,
                relay,
                expires,
            } => tracing::info!(
                connection = %Name(connection),
                peer = shown(peer),
                %session,
                user,
                relay,
                expires = expires.as_secs(),
                "authenticated"
            ),
            RelayEvent::AuthFailed {
                connection,
                peer,
                user,
                reason,
            } => tracing::warn!(
                connection = %Name(connection),
                peer = shown(peer),
                user,
                ?reason,
                "AUTH failed"
            ),
            RelayEvent::BindingExpired {
                connection,
                session,
                user,
            } => tracing::info!(
                connection = connection.map(|connection| tracing::field::display(Name(connection))),
                %session,
                user,
                "URI expired"
            ),
            RelayEvent::ConnectionClosed {
                connection,
                peer,
                reason,
            } => tracing::debug!(
                connection = %Name(connection),
                peer = shown(peer),
                %reason,
                "connection closed"
            ),
            RelayEvent::AnchorLegConnected {
                anchor,
                side,
                connection,
            } => tracing::info!(%anchor, %side, connection = %Name(connection), "side connected"),
            RelayEvent::AnchorLegLost { anchor, side } => tracing::info!(%anchor, %side, "side lost"),
            RelayEvent::AnchorLegFailed { anchor, side } => {
                tracing::warn!(%anchor, %side, "side not reached");
            }
            RelayEvent::AnchorEnded { info, reason } => {
                tracing::info!(anchor = %info.id, %reason, "anchored session ended");
            }
            _ => {}
        }
    }
}
