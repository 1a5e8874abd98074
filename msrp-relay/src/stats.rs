//! Counters of a relay.

use std::ops::AddAssign;

use msrp_core::histogram::Histogram;

use crate::{
    session::Traffic,
    tally::{CloseCounts, StatusCounts},
};

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
    /// Of these, for lack of room.
    pub refused_full: u64,
    /// Of these, by [`admit`](crate::policy::RelayPolicy::admit).
    pub refused_by_admission: u64,
    /// Of these, as their address had as many as it may.
    pub refused_by_address: u64,
    /// Of these, while draining.
    pub refused_draining: u64,
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
    /// Of these, for which reason.
    pub closed_by: CloseCounts,
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
    /// AUTH refused by 403, as the user had as many sessions as he may.
    pub auth_too_many_sessions: u64,
    /// AUTH refused by 423.
    pub auth_out_of_bounds: u64,
    /// What has been passed on between two clients of this relay.
    pub passed_here: Traffic,
    /// What has been passed on from clients to other hosts: relays, and peers without one.
    pub passed_out: Traffic,
    /// What has been passed on from other hosts to clients.
    pub passed_in: Traffic,
    /// What has been passed on in anchored sessions.
    pub passed_anchored: Traffic,
    /// REPORTs passed on, by the code in their Status.
    pub reports_by_code: StatusCounts,
    /// Failure REPORTs of our own, by code.
    pub reports_sent_by_code: StatusCounts,
    /// Times that a connection was not read for a while, as its user had sent more than his rate allows.
    pub paused_for_rate: u64,
    /// SENDs refused for that reason, as their user comes by way of another relay. They are in
    /// [`refused_no_room`](Self::refused_no_room), too.
    pub refused_over_rate: u64,
    /// How long SENDs were here, in microseconds: from the arrival of the head to the moment at which the last octet was
    /// handed to the next connection. With the clock of the driver, which stands still during a turn of its loop: 0 is the
    /// rule, more is a sender that takes its time, a full receiver, a next hop that was connected or a question to a policy.
    pub held: Histogram,
    /// How long next hops took to answer, in microseconds.
    pub hop_answers: Histogram,
    /// Octets that waited to be sent or looked at on a connection, each time that it was looked at and there were any.
    pub waiting: Histogram,
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
    /// Requests refused because they were malformed.
    pub refused_malformed: u64,
    /// Requests refused because their next hop could not be reached.
    pub refused_unreachable: u64,
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
