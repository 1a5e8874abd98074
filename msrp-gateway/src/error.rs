//! What can go wrong on our own side.

use msrp_ua::CommandError;

/// A command that was not carried out, or a gateway that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The conversation is not, or no longer, known.
    #[error("no such conversation")]
    UnknownConversation,
    /// The user agent says no.
    #[error(transparent)]
    UserAgent(#[from] CommandError),
}
