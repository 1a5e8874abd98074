//! The modes messages, bare and huge.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use super::{
    LoadError, Options,
    flow::{Arrivals, Flow},
    report::{Latency, Memory, Rate, Report},
    server::{Server, Usage},
};

/// How long the message of mode huge may take.
const HUGE_PATIENCE: Duration = Duration::from_secs(600);

/// Messages through the relay, for some time.
///
/// # Errors
/// [`LoadError`].
pub fn run(options: &Options) -> Result<Report, LoadError> {
    let server = options.server_pid.map(Server::new).transpose()?;
    let connected = Barrier::new(options.threads);
    let results: Vec<Result<Measured, LoadError>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|thread| {
                let of = |thread| thread * options.pairs / options.threads;
                let numbers = of(thread)..of(thread + 1);
                let (server, connected) = (server.as_ref().filter(|_| thread == 0), &connected);
                scope.spawn(move || {
                    let flow = Flow::connect(options, numbers);
                    connected.wait();
                    measure(options, flow?, server)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut all: Option<Measured> = None;
    for result in results {
        let one = result?;
        match &mut all {
            None => all = Some(one),
            Some(all) => {
                all.arrivals.messages += one.arrivals.messages;
                all.arrivals.latency += one.arrivals.latency;
            }
        }
    }
    let mut report = Report::new(options);
    report.rate = all.map(|all| all.rate(options));
    Ok(report)
}

/// What arrived between two moments, and what it cost.
#[derive(Debug)]
pub struct Measured {
    /// Between the moments.
    pub time: Duration,
    /// What arrived.
    pub arrivals: Arrivals,
    /// Before and after.
    pub usage: Option<(Usage, Usage)>,
}

impl Measured {
    /// Lets a flow run for some time.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn over(flow: &mut Flow, seconds: f64, server: Option<&Server>) -> Result<Self, LoadError> {
        flow.take_arrivals();
        let usage = |server: Option<&Server>| server.map(Server::usage).transpose();
        let (begun, before) = (Instant::now(), usage(server)?);
        flow.run_until(begun + Duration::from_secs_f64(seconds))?;
        let (time, after) = (begun.elapsed(), usage(server)?);
        Ok(Self {
            time,
            arrivals: flow.take_arrivals(),
            usage: before.zip(after),
        })
    }

    /// As it is reported.
    pub fn rate(&self, options: &Options) -> Rate {
        let seconds = self.time.as_secs_f64();
        let messages = self.arrivals.messages;
        let megabytes = messages as f64 * options.size as f64 / 1e6;
        let us = |nanos: u64| nanos as f64 / 1e3;
        let latency = &self.arrivals.latency;
        let cpu = self.usage.map(|(before, after)| after.cpu - before.cpu);
        // Without a message or a tick there is nothing to divide by.
        let cost = cpu.filter(|&cpu| cpu > 0.0 && messages > 0);
        Rate {
            seconds,
            messages,
            messages_per_second: messages as f64 / seconds,
            megabytes_per_second: megabytes / seconds,
            latency_us: Latency {
                p50: us(latency.value_at_quantile(0.5)),
                p99: us(latency.value_at_quantile(0.99)),
                p999: us(latency.value_at_quantile(0.999)),
                max: us(latency.max()),
            },
            server_cpu: cpu,
            server_us_per_message: cost.map(|cpu| cpu * 1e6 / messages as f64),
            megabytes_per_cpu_second: cost.map(|cpu| megabytes / cpu),
        }
    }
}

fn measure(options: &Options, mut flow: Flow, server: Option<&Server>) -> Result<Measured, LoadError> {
    flow.run_until(Instant::now() + Duration::from_secs_f64(options.warmup))?;
    let measured = Measured::over(&mut flow, options.seconds, server)?;
    flow.drain()?;
    Ok(measured)
}

/// One message of each pair, and how far the server's memory grows meanwhile.
///
/// # Errors
/// [`LoadError`].
pub fn run_huge(options: &Options) -> Result<Report, LoadError> {
    let server = server_of(options)?;
    let mut flow = Flow::connect(options, 0..options.pairs)?;
    server.reset_peak();
    let (begun, before) = (Instant::now(), server.usage()?);
    for pair in flow.pairs_mut() {
        pair.limit(1);
    }
    flow.finish(HUGE_PATIENCE)?;
    let (time, after) = (begun.elapsed(), server.usage()?);
    let measured = Measured {
        time,
        arrivals: flow.take_arrivals(),
        usage: Some((before, after)),
    };
    let mut report = Report::new(options);
    report.rate = Some(measured.rate(options));
    report.memory = Some(Memory::new(before.resident, server.peak()?.max(after.resident)));
    Ok(report)
}

/// The server whose memory is measured.
///
/// # Errors
/// [`LoadError`].
pub fn server_of(options: &Options) -> Result<Server, LoadError> {
    match options.server_pid {
        Some(pid) => Server::new(pid),
        None => Err(LoadError::Options(
            "--server-pid is needed to measure memory".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn measured(cpu: f64) -> Measured {
        let mut arrivals = Arrivals::new();
        for micros in 1..=1_000_u64 {
            arrivals.messages += 1;
            arrivals.latency.saturating_record(micros * 1_000);
        }
        let usage = |cpu| Usage { cpu, resident: 0 };
        Measured {
            time: Duration::from_secs(2),
            arrivals,
            usage: Some((usage(1.0), usage(1.0 + cpu))),
        }
    }

    fn options() -> Options {
        Options::parse_from(["msrp-load", "--relay", "msrp://127.0.0.1:1", "--size", "2000"])
    }

    #[test]
    fn a_rate_is_of_messages_octets_and_processor_time() {
        let rate = measured(0.5).rate(&options());
        assert_eq!(
            (rate.messages, rate.messages_per_second, rate.megabytes_per_second),
            (1_000, 500.0, 1.0)
        );
        let close = |value: f64, to: f64| (value - to).abs() <= to / 500.0;
        let Latency { p50, p99, p999, max } = rate.latency_us;
        assert!(
            close(p50, 500.0) && close(p99, 990.0) && close(p999, 999.0) && close(max, 1000.0),
            "{rate:?}"
        );
        assert!(close(rate.server_us_per_message.unwrap(), 500.0));
        assert!(close(rate.megabytes_per_cpu_second.unwrap(), 4.0));
    }

    #[test]
    fn without_a_tick_nothing_is_divided() {
        let rate = measured(0.0).rate(&options());
        assert_eq!(
            (rate.server_us_per_message, rate.megabytes_per_cpu_second),
            (None, None)
        );
        assert_eq!(rate.server_cpu, Some(0.0));
    }
}
