//! A receiver that stops reading, beside others that go on.

use std::time::{Duration, Instant};

use super::{
    LoadError, Options,
    flow::Flow,
    messages::{Measured, server_of},
    report::{Memory, Report},
};

/// Measures the others before and beside it, and what the server's memory grows by.
///
/// # Errors
/// [`LoadError`].
pub fn run(options: &Options) -> Result<Report, LoadError> {
    let server = server_of(options)?;
    let mut flow = Flow::connect(options, 0..options.pairs)?;
    // All the pairs but the first: the same in both measurements.
    if let Some(deaf) = flow.pairs_mut().first_mut() {
        deaf.limit(0);
    }
    flow.run_until(Instant::now() + Duration::from_secs_f64(options.warmup))?;
    // Peak is compared with peak: what the others need in passing is there in both.
    server.reset_peak();
    let alone = Measured::over(&mut flow, options.seconds, Some(&server))?;
    let before = server.peak()?;
    server.reset_peak();
    if let Some(deaf) = flow.pairs_mut().first_mut() {
        deaf.turn_deaf();
    }
    let beside = Measured::over(&mut flow, options.seconds, Some(&server))?;
    let peak = server.peak()?;
    flow.drain()?;
    let mut report = Report::new(options);
    report.rate = Some(alone.rate(options));
    report.rate_beside_deaf = Some(beside.rate(options));
    report.memory = Some(Memory::new(before, peak));
    Ok(report)
}
