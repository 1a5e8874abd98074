//! Why a connect failed, in the node's terms.

use std::io;

use msrp_core::node::ConnectFailure;

pub(crate) fn failure_of(error: &io::Error) -> ConnectFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
        io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectFailure::Unreachable,
        _ => ConnectFailure::Other(error.kind().to_string()),
    }
}

/// Why a name could not be looked up.
pub(crate) fn unresolved(error: &io::Error) -> ConnectFailure {
    match error.kind() {
        io::ErrorKind::TimedOut => ConnectFailure::TimedOut,
        _ => ConnectFailure::Unresolved,
    }
}
