//! `GET /metrics`: what a Prometheus server scrapes.

use std::fmt;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use msrp_gateway::{Gateway, GatewayStats};
use msrp_transport::driver::Handle;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::ask;
use crate::http::Refusal;

pub(super) fn routes() -> Router<Handle<Gateway>> {
    Router::new().route("/metrics", get(metrics))
}

/// What is counted.
#[derive(Clone, Debug, Default)]
struct Sample {
    stats: GatewayStats,
    conversations: usize,
    sessions: usize,
    calls: usize,
    connections: usize,
    to_sessions: usize,
    to_pages: usize,
    remembered: usize,
}

impl Sample {
    fn take(gateway: &mut Gateway) -> Self {
        let (to_sessions, to_pages) = gateway.under_way();
        Self {
            stats: gateway.stats().clone(),
            conversations: gateway.conversation_count(),
            sessions: gateway.agent().session_count(),
            calls: gateway.agent().call_count(),
            connections: gateway.agent().connection_count(),
            to_sessions,
            to_pages,
            remembered: gateway.remembered(),
        }
    }
}

async fn metrics(State(handle): State<Handle<Gateway>>) -> Result<Response, Refusal> {
    let sample = ask(&handle, Sample::take).await?;
    let mut registry = Registry::with_prefix("msrp_gateway");
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response())
}

impl Collector for Sample {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, value) in [
            ("conversations", "Conversations", self.conversations),
            ("sessions", "MSRP sessions", self.sessions),
            (
                "calls",
                "Calls, also those whose end SIP has not confirmed",
                self.calls,
            ),
            ("connections", "MSRP connections", self.connections),
            (
                "waiting_to_sessions",
                "Messages under way into sessions",
                self.to_sessions,
            ),
            (
                "waiting_to_pages",
                "Messages under way out of sessions",
                self.to_pages,
            ),
            (
                "remembered",
                "Requests, targets and rates that are remembered",
                self.remembered,
            ),
        ] {
            let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)?;
        }
        for (name, help, value) in [
            (
                "messages_to_sessions",
                "Messages delivered into sessions",
                self.stats.to_sessions,
            ),
            (
                "messages_to_pages",
                "Messages delivered as MESSAGE",
                self.stats.to_pages,
            ),
            (
                "sessions_established",
                "Sessions that were established",
                self.stats.sessions,
            ),
            (
                "setups_failed",
                "Sessions that could not be set up",
                self.stats.setups_failed,
            ),
        ] {
            let value = ConstCounter::new(value);
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)?;
        }
        let seconds = ConstCounter::new(self.stats.time_under_way.as_secs_f64());
        seconds.encode(encoder.encode_descriptor(
            "messages_seconds",
            "How long messages were under way, in all",
            None,
            seconds.metric_type(),
        )?)?;
        for (name, help, by_code) in [
            ("answers", "MESSAGEs answered, by code", &self.stats.answers),
            (
                "messages_failed",
                "Messages that have failed, by SIP code",
                &self.stats.failed,
            ),
        ] {
            if by_code.is_empty() {
                continue;
            }
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (code, count) in by_code {
                let labels = [("code", code.to_string())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
