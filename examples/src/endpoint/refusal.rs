//! Why something was not done that a program was told to do.

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such session, file or message.
    #[error("{0}")]
    Unknown(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done now, or not in this state.
    #[error("{0}")]
    Conflict(String),
    /// The peer does not take it.
    #[error("{0}")]
    NotAccepted(String),
    /// There is too much of it already.
    #[error("{0}")]
    TooMuch(String),
    /// The user agent has ended.
    #[error("the user agent has ended")]
    Over,
}
