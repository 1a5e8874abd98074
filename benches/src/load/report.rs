//! What a run found.

use std::fmt;

use serde::Serialize;

use super::options::{Mode, Options};

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are no longer.
    pub p99: f64,
    /// 999 of 1,000 are no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// Messages, over some time.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Seconds measured.
    pub seconds: f64,
    /// Whole messages that arrived.
    pub messages: u64,
    /// Of these, a second.
    pub messages_per_second: f64,
    /// Octets of their content, in millions a second.
    pub megabytes_per_second: f64,
    /// From sender to receiver.
    pub latency_us: Latency,
    /// Processor time of the server, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu: Option<f64>,
    /// Of it for one message, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_us_per_message: Option<f64>,
    /// Content in millions of octets for one second of the server's processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megabytes_per_cpu_second: Option<f64>,
}

/// AUTH handshakes.
#[derive(Clone, Debug, Serialize)]
pub struct Handshakes {
    /// Seconds measured.
    pub seconds: f64,
    /// Challenge and answer, both.
    pub handshakes: u64,
    /// Of these, a second.
    pub per_second: f64,
    /// For one second of the server's processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_cpu_second: Option<f64>,
}

/// Memory of the server, in octets.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Resident before; in mode deaf at most before.
    pub before: u64,
    /// Resident at most, or at the end where nothing goes away again.
    pub after: u64,
    /// Between the two.
    pub growth: i64,
    /// For each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_connection: Option<f64>,
}

impl Memory {
    /// From one to the other.
    pub fn new(before: u64, after: u64) -> Self {
        Self {
            before,
            after,
            growth: i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX),
            per_connection: None,
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was measured.
    pub mode: Mode,
    /// Pairs, or clients.
    pub pairs: usize,
    /// Octets of a message.
    pub size: u64,
    /// Octets of a chunk.
    pub chunk: u64,
    /// Messages in flight of each pair.
    pub window: usize,
    /// Messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Messages of the others while one receiver does not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_beside_deaf: Option<Rate>,
    /// Handshakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshakes: Option<Handshakes>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

impl Report {
    /// An empty report on these options.
    pub fn new(options: &Options) -> Self {
        Self {
            mode: options.mode,
            pairs: options.pairs,
            size: options.size,
            chunk: options.chunk_octets(),
            window: options.window,
            rate: None,
            rate_beside_deaf: None,
            handshakes: None,
            memory: None,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} messages in {:.2} s: {:.0} messages/s, {:.2} MB/s",
            self.messages, self.seconds, self.messages_per_second, self.megabytes_per_second
        )?;
        let Latency { p50, p99, p999, max } = self.latency_us;
        write!(
            f,
            "latency: p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us, max {max:.0} us"
        )?;
        if let (Some(cpu), Some(each), Some(octets)) = (
            self.server_cpu,
            self.server_us_per_message,
            self.megabytes_per_cpu_second,
        ) {
            write!(
                f,
                "\nserver: {cpu:.2} s of processor time, {each:.2} us/message, {octets:.1} MB/CPU-s"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if let Some(rate) = &self.rate {
            lines.push(rate.to_string());
        }
        if let Some(rate) = &self.rate_beside_deaf {
            lines.push(format!("the others beside the deaf receiver:\n{rate}"));
        }
        if let Some(shake) = &self.handshakes {
            let mut line = format!(
                "{} AUTH handshakes in {:.2} s: {:.0}/s",
                shake.handshakes, shake.seconds, shake.per_second
            );
            if let Some(rate) = shake.per_cpu_second {
                line.push_str(&format!(", {rate:.0}/CPU-s of the server"));
            }
            lines.push(line);
        }
        if let Some(memory) = &self.memory {
            let kib = |octets: u64| octets / 1024;
            let mut line = format!(
                "server memory: {} KiB before, {} KiB at most, growth {} KiB",
                kib(memory.before),
                kib(memory.after),
                memory.growth / 1024
            );
            if let Some(each) = memory.per_connection {
                line.push_str(&format!(", {each:.0} octets for each connection"));
            }
            lines.push(line);
        }
        f.write_str(&lines.join("\n"))
    }
}
