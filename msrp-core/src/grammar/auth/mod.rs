//! WWW-Authenticate, Authorization, Authentication-Info: HTTP Digest for AUTH (RFC 4976 sections 7 and 9.1).
//!
//! Input is taken as peers write it: values quoted or not, with or without white space around commas, in any order;
//! unknown parameters are ignored. Output is exactly the grammar's, with `, ` between parameters.

mod authentication_info;
mod challenge;
mod credentials;
mod parameters;

pub use self::{authentication_info::AuthenticationInfo, challenge::Challenge, credentials::Credentials};
use super::GrammarError;
use crate::digest::Algorithm;

/// The most parameters, known and unknown, that one header field may have.
pub const MAX_AUTH_PARAMETERS: usize = 32;

/// An absent algorithm is MD5.
fn named_algorithm(name: Option<&str>) -> Option<Algorithm> {
    name.map_or(Some(Algorithm::Md5), Algorithm::from_name)
}

/// `nc-value`: 8 lower-case hexadecimal digits.
fn nonce_count(digits: &str) -> Result<u32, GrammarError> {
    let well_formed = digits.len() == 8
        && digits
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !well_formed {
        return Err(GrammarError::AuthValue("nc"));
    }
    u32::from_str_radix(digits, 16).map_err(|_| GrammarError::AuthValue("nc"))
}
