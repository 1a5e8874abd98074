//! Counters of a connection.

/// What has passed over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Octets received.
    pub octets_in: u64,
    /// Octets handed to the transport.
    pub octets_out: u64,
    /// Requests received that follow the rules.
    pub requests_in: u64,
    /// Responses received, expected or not.
    pub responses_in: u64,
    /// Responses that matched no transaction.
    pub stray_responses: u64,
    /// Octets of bodies received.
    pub body_octets_in: u64,
    /// Requests and chunks begun.
    pub requests_out: u64,
    /// Responses queued.
    pub responses_out: u64,
    /// Requests of the peer that broke a rule.
    pub protocol_errors: u64,
    /// Transactions that timed out.
    pub timeouts: u64,
}
