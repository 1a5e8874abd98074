//! Two user agents without SIP, in this process: what an offer and an answer would carry goes from one to the other.

mod conversation;
mod endpoint;
mod file;

pub(crate) use self::{
    conversation::{Call, FILE_SIZE, call, say, send_file},
    endpoint::Endpoint,
};

/// Something went wrong.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble(error.to_string())
    }
}
