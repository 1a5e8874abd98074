//! Why a program ends other than well, and with which exit code.

/// Why a program did not start, or did not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something that was asked for cannot be had: exit code 2.
    Asked(String),
    /// Something went wrong while it ran: exit code 1.
    Ran(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked(text) | Self::Ran(text) => f.write_str(text),
        }
    }
}

impl Failure {
    /// What was asked for by this flag cannot be had.
    pub fn asked(flag: &str, error: impl std::fmt::Display) -> Self {
        Self::Asked(format!("{flag}: {error}"))
    }

    /// The exit code that tells of it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Asked(_) => 2,
            Self::Ran(_) => 1,
        }
    }
}
