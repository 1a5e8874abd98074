//! Clients of an MSRP relay, many of them in one thread.
//!
//! ```text
//!   options ──▶ setup (connect, AUTH, paths) ──▶ flow (event loop: pairs of sender and receiver) ──▶ report
//!                                                  │ wire: frames in      │ body: what stands in the messages
//!                                                  └ server: what it costs the process under test (/proc)
//! ```

pub mod auth_rate;
pub mod body;
pub mod credentials;
pub mod deaf;
pub mod digits;
pub mod error;
pub mod flow;
pub mod idle;
pub mod incoming;
pub mod link;
pub mod messages;
pub mod options;
pub mod outgoing;
pub mod pair;
pub mod report;
pub mod server;
pub mod setup;
pub mod stream;
pub mod wire;

pub use error::LoadError;
pub use options::Options;

/// Runs what the options ask for.
///
/// # Errors
/// [`LoadError`]: the server cannot be reached, refuses, or does not deliver what was sent.
pub fn run(options: &Options) -> Result<report::Report, LoadError> {
    match options.mode {
        options::Mode::Messages | options::Mode::Bare | options::Mode::Yardstick => messages::run(options),
        options::Mode::Huge => messages::run_huge(options),
        options::Mode::Deaf => deaf::run(options),
        options::Mode::Auth => auth_rate::run(options),
        options::Mode::Idle => idle::run(options),
    }
}
