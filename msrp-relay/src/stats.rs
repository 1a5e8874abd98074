//! Counters of a relay.

use std::ops::AddAssign;

use crate::session::Traffic;

/// Counters, and how those of several relays come together.
macro_rules! counters {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $counter:ident: $kind:ty,)* }) => {
        $(#[$about])*
        pub struct $name { $($(#[$doc])* pub $counter: $kind,)* }

        /// What relays that serve together have counted.
        impl AddAssign<&$name> for $name {
            fn add_assign(&mut self, other: &$name) {
                $(self.$counter += other.$counter;)*
            }
        }
    };
}

counters! {
/// What has happened since the relay began. Every number only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStats {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused: too many, by policy, or while draining.
    pub refused: u64,
    /// Of those accepted, handed over to another shard because their first request was for a URI of it.
    pub handed_over: u64,
    /// Connections opened to other shards of this process.
    pub pipes_opened: u64,
    /// Connections that other shards of this process opened to this one.
    pub pipes_accepted: u64,
    /// Connections opened to other hosts.
    pub connected: u64,
    /// Connects that failed.
    pub connect_failures: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Of these, closed in probation (RFC 4976 §6.1) or for too many failures.
    pub closed_for_failures: u64,
    /// Sessions ended by [`EndSession`](crate::RelayCommand::EndSession).
    pub sessions_ended: u64,
    /// Idle connections closed for lack of room (RFC 4976 §6.5).
    pub evicted: u64,
    /// AUTH requests received.
    pub auth_requests: u64,
    /// 401 without credentials at hand: the usual first answer.
    pub auth_challenges: u64,
    /// 401 because only the nonce was old.
    pub auth_stale: u64,
    /// AUTH requests that were granted.
    pub auth_granted: u64,
    /// Wrong or unusable credentials.
    pub auth_failures: u64,
    /// Wrong credentials of our clients at relays further on.
    pub auth_remote_failures: u64,
    /// AUTH refused because user or address were locked out.
    pub auth_locked_out: u64,
    /// AUTH refused by 403.
    pub auth_forbidden: u64,
    /// AUTH refused by 423.
    pub auth_out_of_bounds: u64,
    /// What has been passed on, over all sessions.
    pub passed: Traffic,
    /// SEND chunks received that may be forwarded.
    pub chunks_in: u64,
    /// Of these, forwarded whole in one piece.
    pub chunks_whole: u64,
    /// Of these, kept until the next hop was connected.
    pub chunks_parked: u64,
    /// Messages forwarded bit by bit.
    pub lanes_opened: u64,
    /// REPORTs forwarded.
    pub reports_forwarded: u64,
    /// REPORTs dropped because their sender had sent more of them than fits what it received.
    pub reports_over_budget: u64,
    /// Requests of other methods forwarded.
    pub others_forwarded: u64,
    /// Responses passed back end to end.
    pub responses_forwarded: u64,
    /// Responses that could not be passed back.
    pub responses_dropped: u64,
    /// Failure REPORTs of our own.
    pub reports_sent: u64,
    /// Failure REPORTs of our own that had no connection, or no room, to go.
    pub reports_dropped: u64,
    /// Next hops that did not answer within 30 s.
    pub hop_timeouts: u64,
    /// Requests refused because they were not addressed to one of our URIs, or not allowed the way they took.
    pub refused_no_session: u64,
    /// Requests refused for lack of room.
    pub refused_no_room: u64,
    /// Requests refused by policy.
    pub refused_by_policy: u64,
    /// Requests refused because their message had failed before.
    pub refused_poisoned: u64,
    /// Events that nobody pulled.
    pub events_dropped: u64,
}
}
