//! `GET /metrics`: what a Prometheus server scrapes.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use msrp_core::histogram::Histogram;
use msrp_relay::{Relay, RelayStats, Traffic};
use msrp_transport::mio_driver::{Server, ServerStats};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};

use super::Admin;
use crate::http::Refusal;

pub(super) fn routes() -> Router<Admin> {
    Router::new().route("/metrics", get(metrics))
}

/// What is counted, over all shards.
#[derive(Clone, Debug, Default)]
struct Sample {
    stats: RelayStats,
    server: ServerStats,
    /// The URLs of the listeners, in their order.
    listeners: Arc<[String]>,
    shards: usize,
    connections: usize,
    hops: usize,
    pipes: usize,
    sessions: usize,
    memory: usize,
    max_memory: usize,
    open_transactions: usize,
    open_lookups: usize,
    draining: bool,
}

impl Sample {
    /// Taken on a loop's thread, so nothing is worked out here.
    fn take(server: &Server<Relay>) -> Self {
        let relay = server.node();
        Self {
            stats: *relay.stats(),
            server: server.stats().clone(),
            listeners: Arc::default(),
            shards: 1,
            connections: relay.connections(),
            hops: relay.hops(),
            pipes: relay.pipes(),
            sessions: relay.bindings(),
            memory: relay.memory(),
            max_memory: relay.max_memory(),
            open_transactions: relay.open_transactions(),
            open_lookups: relay.open_lookups(),
            draining: relay.is_draining(),
        }
    }

    fn merge(mut self, other: &Self) -> Self {
        self.stats += &other.stats;
        self.server += &other.server;
        self.shards += other.shards;
        self.connections += other.connections;
        self.hops += other.hops;
        self.pipes += other.pipes;
        self.sessions += other.sessions;
        self.memory += other.memory;
        self.max_memory += other.max_memory;
        self.open_transactions += other.open_transactions;
        self.open_lookups += other.open_lookups;
        self.draining |= other.draining;
        self
    }
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Refusal> {
    let samples = admin.shards.ask_all(|server, _| Sample::take(server)).await?;
    let none = Sample {
        listeners: admin.listeners.clone(),
        ..Sample::default()
    };
    let sample = samples.iter().fold(none, Sample::merge);
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
        self.connections(&mut page)?;
        self.sessions(&mut page)?;
        self.messages(&mut page)?;
        self.failures(&mut page)?;
        self.process(&mut page)
    }
}

impl Sample {
    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let (stats, server) = (&self.stats, &self.server);
        page.gauge("connections", "Connections that are open", self.connections)?;
        page.gauge(
            "hop_connections",
            "Of these, to next hops, opened by us",
            self.hops,
        )?;
        page.counter(
            "connections_accepted",
            "Connections of peers that were let in",
            stats.accepted,
        )?;
        let full: u64 = server.listeners.iter().map(|at| at.refused_full).sum();
        page.counters(
            "connections_refused",
            "Connections of peers that were not let in",
            "reason",
            [
                ("full", stats.refused_full + full),
                ("admission", stats.refused_by_admission),
                ("address", stats.refused_by_address),
                ("draining", stats.refused_draining),
            ],
        )?;
        page.counters(
            "connections_closed",
            "Connections that ended",
            "reason",
            stats.closed_by.iter(),
        )?;
        page.counter(
            "connections_evicted",
            "Idle connections closed to make room",
            stats.evicted,
        )?;
        page.counter("connects", "Connections asked for to next hops", server.connects)?;
        page.counter("connect_failures", "Of these, failed", server.connect_failures)?;
        let urls = self.listeners.iter().map(String::as_str);
        let at: Vec<_> = urls.zip(&server.listeners).collect();
        page.counters(
            "listener_accepted",
            "Connections taken from the operating system",
            "listener",
            at.iter().map(|(url, at)| (*url, at.accepted)),
        )?;
        page.counters(
            "listener_refused",
            "Of these, not let in",
            "listener",
            at.iter()
                .map(|(url, at)| (*url, at.refused_full + at.refused_by_node)),
        )?;
        page.counters(
            "handshake_failures",
            "Handshakes of TLS or WebSocket that failed or took too long",
            "listener",
            at.iter().map(|(url, at)| (*url, at.handshake_failures)),
        )?;
        page.counter(
            "accept_errors",
            "Times that accepting failed, most likely for want of file descriptors",
            server.accept_errors,
        )?;
        page.counters(
            "transport_octets",
            "MSRP octets over all connections, heads included, above TLS",
            "direction",
            [("received", server.octets_in), ("sent", server.octets_out)],
        )
    }

    fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        page.gauge("sessions", "Use-Path URIs that are valid", self.sessions)?;
        page.counter(
            "sessions_ended",
            "Sessions ended by the operator",
            stats.sessions_ended,
        )?;
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
                ("too_many_sessions", stats.auth_too_many_sessions),
                ("out_of_bounds", stats.auth_out_of_bounds),
            ],
        )?;
        page.counter(
            "auth_remote_failures",
            "AUTH requests that were passed on with credentials, and refused by a relay further on",
            stats.auth_remote_failures,
        )
    }

    fn messages(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        let ways = |count: fn(&Traffic) -> u64| {
            [
                ("here", count(&stats.passed_here)),
                ("out", count(&stats.passed_out)),
                ("in", count(&stats.passed_in)),
                ("anchored", count(&stats.passed_anchored)),
            ]
        };
        page.counters(
            "messages",
            "Messages passed on to their end: between clients, out to other hosts, in from them, anchored",
            "way",
            ways(|passed| passed.messages),
        )?;
        page.counters(
            "chunks",
            "SEND chunks passed on",
            "way",
            ways(|passed| passed.chunks),
        )?;
        page.counters(
            "body_octets",
            "Octets of bodies passed on",
            "way",
            ways(|passed| passed.octets),
        )?;
        page.counters(
            "reports",
            "REPORTs passed on",
            "way",
            ways(|passed| passed.reports),
        )?;
        page.counters(
            "reports_by_code",
            "REPORTs passed on, by the code in their Status",
            "code",
            stats.reports_by_code.iter(),
        )?;
        page.counter(
            "requests_forwarded",
            "Requests other than SEND and REPORT passed on",
            stats.others_forwarded,
        )?;
        page.counter(
            "responses_forwarded",
            "Responses passed back",
            stats.responses_forwarded,
        )?;
        page.counter(
            "messages_streamed",
            "Messages passed on bit by bit, not chunk by chunk",
            stats.lanes_opened,
        )?;
        page.counter(
            "chunks_parked",
            "Chunks kept until their next hop was connected",
            stats.chunks_parked,
        )?;
        page.counter(
            "rate_pauses",
            "Times that a connection was not read for a while, as its user had sent too much",
            stats.paused_for_rate,
        )?;
        page.times(
            "held_seconds",
            "How long SENDs were here before their last octet was handed to the next connection",
            &stats.held,
        )?;
        page.times(
            "hop_answer_seconds",
            "How long next hops took to answer",
            &stats.hop_answers,
        )?;
        page.octets(
            "waiting_octets",
            "Octets that waited on a connection, when it was looked at",
            &stats.waiting,
        )
    }

    fn failures(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = &self.stats;
        page.counters(
            "requests_refused",
            "Requests that were not passed on",
            "reason",
            [
                ("no_session", stats.refused_no_session),
                ("no_room", stats.refused_no_room),
                ("policy", stats.refused_by_policy),
                ("failed_before", stats.refused_poisoned),
                ("malformed", stats.refused_malformed),
                ("unreachable", stats.refused_unreachable),
            ],
        )?;
        page.counters(
            "failure_reports",
            "Failure REPORTs of our own",
            "code",
            stats.reports_sent_by_code.iter(),
        )?;
        page.counters(
            "dropped",
            "What was dropped without an answer",
            "what",
            [
                ("report_over_budget", stats.reports_over_budget),
                ("failure_report", stats.reports_dropped),
                ("response", stats.responses_dropped),
            ],
        )?;
        page.counter(
            "hop_timeouts",
            "Next hops that did not answer within 30 s",
            stats.hop_timeouts,
        )
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(
            "memory_octets",
            "Octets counted against --max-memory",
            self.memory,
        )?;
        page.gauge("memory_limit_octets", "--max-memory", self.max_memory)?;
        page.gauge(
            "open_transactions",
            "Chunks, requests and messages whose fate is open",
            self.open_transactions,
        )?;
        page.gauge(
            "open_lookups",
            "Questions to policies that have no answer yet",
            self.open_lookups,
        )?;
        page.times(
            "turn_seconds",
            "How long a turn of the loop took: what became ready together, from the first read to the last write",
            &self.server.turns,
        )?;
        page.counter(
            "connections_handed_over",
            "Connections that moved to another worker, whose URI their first request was for",
            self.stats.handed_over,
        )?;
        page.gauge("pipes", "Ends of connections between workers", self.pipes)?;
        page.gauge("workers", "Threads that relay", self.shards)?;
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

    /// A distribution of microseconds, told in seconds as the custom is.
    fn times(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        self.histogram(name, help, histogram, 1e-6)
    }

    /// A distribution of octets.
    fn octets(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        self.histogram(name, help, histogram, 1.0)
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, unit: f64) -> fmt::Result {
        // The encoder knows the bucket for all that is larger by this bound.
        let bound = |bound: Option<u64>| bound.map_or(f64::MAX, |bound| bound as f64 * unit);
        let buckets: Vec<_> = histogram
            .buckets()
            .map(|(most, count)| (bound(most), count))
            .collect();
        self.0
            .encode_descriptor(name, help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(histogram.sum() as f64 * unit, histogram.count(), &buckets, None)
    }
}
