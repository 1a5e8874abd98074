//! What can go wrong with a run.

use std::{io, net::SocketAddr};

use super::{body::Mismatch, wire::WireError};

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The server is not there.
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// A socket call failed.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    /// A connection was closed while it was needed.
    #[error("the server closed the connection of {0}")]
    Closed(String),
    /// What came in is no MSRP.
    #[error("not MSRP: {0}")]
    Wire(#[from] WireError),
    /// A request was refused.
    #[error("{what} was answered with {code} {phrase}")]
    Refused {
        /// The request.
        what: &'static str,
        /// Its status code.
        code: u16,
        /// The text behind the code.
        phrase: String,
    },
    /// MSRP, but not what the generator can go on with.
    #[error("{0}")]
    Unexpected(String),
    /// A receiver got something else than was sent.
    #[error("pair {pair}: {mismatch}")]
    Mismatch {
        /// The pair, from 0.
        pair: usize,
        /// What differs.
        mismatch: Mismatch,
    },
    /// Messages did not arrive in time.
    #[error(
        "{missing} of {sent} messages were not delivered and answered within {seconds} s after the last was sent"
    )]
    Lost {
        /// Not there.
        missing: u64,
        /// Sent altogether.
        sent: u64,
        /// How long was waited.
        seconds: f64,
    },
    /// `/proc` does not tell.
    #[error("--server-pid {0}: {1}")]
    Server(u32, io::Error),
    /// Options that do not go together.
    #[error("{0}")]
    Options(String),
}

impl LoadError {
    /// Whether the command line is at fault (exit status 2).
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Options(_))
    }
}
