//! `GET /metrics`: what a Prometheus server scrapes.

use std::fmt;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use msrp_relay::RelayStats;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};

use super::{Admin, error::Refusal};

pub(super) fn routes() -> Router<Admin> {
    Router::new().route("/metrics", get(metrics))
}

/// What is counted, over all shards.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    stats: RelayStats,
    connections: usize,
    sessions: usize,
    memory: usize,
    max_memory: usize,
    open_transactions: usize,
    draining: bool,
}

impl Sample {
    fn merge(mut self, other: &Self) -> Self {
        self.stats += &other.stats;
        self.connections += other.connections;
        self.sessions += other.sessions;
        self.memory += other.memory;
        self.max_memory += other.max_memory;
        self.open_transactions += other.open_transactions;
        self.draining |= other.draining;
        self
    }
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let samples = admin
        .shards
        .ask_all(|server, _| {
            let relay = server.node();
            Sample {
                stats: *relay.stats(),
                connections: relay.connections(),
                sessions: relay.bindings(),
                memory: relay.memory(),
                max_memory: relay.max_memory(),
                open_transactions: relay.open_transactions(),
                draining: relay.is_draining(),
            }
        })
        .await?;
    let sample = samples
        .iter()
        .fold(Sample::default(), |sum, sample| sum.merge(sample));
    let mut registry = Registry::with_prefix("msrp_relay");
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response())
}

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let stats = &self.stats;
        page.gauge("connections", "Connections that are open", self.connections)?;
        page.counter("connections_accepted", "Connections accepted", stats.accepted)?;
        page.counter("connections_closed", "Connections that ended", stats.closed)?;
        page.gauge("sessions", "Use-Path URIs that are valid", self.sessions)?;
        page.counters(
            "auth",
            "AUTH requests by outcome",
            "outcome",
            [
                ("challenged", stats.auth_challenges),
                ("stale", stats.auth_stale),
                ("granted", stats.auth_granted),
                ("failed", stats.auth_failures),
                ("locked_out", stats.auth_locked_out),
                ("forbidden", stats.auth_forbidden),
                ("out_of_bounds", stats.auth_out_of_bounds),
            ],
        )?;
        page.counter(
            "messages",
            "Messages passed on to their end",
            stats.passed.messages,
        )?;
        page.counter("chunks", "SEND chunks passed on", stats.passed.chunks)?;
        page.counter("body_octets", "Octets of bodies passed on", stats.passed.octets)?;
        page.counter("reports_forwarded", "REPORTs passed on", stats.passed.reports)?;
        page.gauge(
            "memory_octets",
            "Octets counted against --max-memory",
            self.memory,
        )?;
        page.gauge("memory_limit_octets", "The bound of them", self.max_memory)?;
        page.gauge(
            "open_transactions",
            "Chunks, requests and messages whose fate is open",
            self.open_transactions,
        )?;
        page.gauge("draining", "1 since SIGTERM", usize::from(self.draining))
    }
}

/// A page of metrics as it is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A number that only grows; `_total` is put behind its name.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    /// A number that goes up and down.
    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// Numbers that only grow, told apart by one label.
    fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'v str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (text, value) in values {
            metric
                .encode_family(&[(label, text)])?
                .encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }
}
