//! The runtime on which a program does its work.

use std::future::Future;

use crate::failure::Failure;

/// Runs a program to its end on a runtime of its own. Threads that still wait for something, such as a line of input, do not
/// hold it up.
///
/// # Errors
/// The program's own, or [`Failure::Ran`] where there can be no runtime.
pub fn run(program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Ran(error.to_string()))?;
    let outcome = runtime.block_on(program);
    runtime.shutdown_background();
    outcome
}
