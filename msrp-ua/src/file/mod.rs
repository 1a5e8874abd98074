//! The data of a file transfer (RFC 5547): what a file is called here, whether it is the file that was described, and what
//! of it is still missing.
//!
//! ```text
//!   who sends                                          who receives
//!   FileHasher: the hash for the offer                 safe_file_name: what it is called here
//!   Ranged: the part that was asked for                VerifyingSink: size and hash as they were described
//!   CheckedSource: still the file that was offered     Partial: what to ask for after a break
//!   content_disposition ──▶ message ──▶ ContentDisposition
//! ```
//!
//! What offers and answers say about files is in [`sdp`](crate::sdp), progress in
//! [`UserAgentEvent`](crate::UserAgentEvent).

mod describe;
mod hash;
mod name;
mod sink;
mod source;

pub use self::{
    describe::content_disposition,
    hash::{FileHasher, HashAlgorithm},
    name::{MAX_FILE_NAME, safe_file_name},
    sink::{FileVerdict, Partial, ReadAgain, Verdict, VerifyingSink},
    source::{CheckedSource, Ranged},
};
