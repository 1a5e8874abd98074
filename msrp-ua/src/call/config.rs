//! Bounds and times of calls.

use std::time::Duration;

use msrp_core::node::Fingerprint;

use super::StreamProfile;
use crate::{
    imdn::Consent,
    sdp::{SdpLimits, Setup},
    sip::SipParty,
};

/// Bounds and times of calls, and what all of them have in common; part of [`UserAgentConfig`](crate::UserAgentConfig).
///
/// A call of one session takes some 3 KiB, and the connection of that session as much again. What the peer's session
/// description says may make it more, within the bounds of [`sdp`](Self::sdp).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallConfig {
    /// Calls at the same time; further ones are refused with 486. Default 20,000.
    pub max_calls: usize,
    /// Files of a call that may wait for the peer's word. Default 8.
    pub max_waiting_files: usize,
    /// How much of a peer's session description is looked at; its
    /// [`max_sections`](SdpLimits::max_sections) bounds the streams of a call.
    pub sdp: SdpLimits,
    /// How long a peer may take to answer a call of ours. Default 60 s.
    pub setup_timeout: Duration,
    /// How long the application may take to answer a call, or an offer in one; then it is refused with 480. Default 3 min.
    pub answer_timeout: Duration,
    /// How often a session whose connection is lost is offered anew (RFC 4975 §5.4). Default 5 times.
    pub recovery_attempts: u8,
    /// How long a session may be without a connection before it is given up, whether or not the peer has answered what was
    /// offered by then: SIP by itself waits for 32 s. What was sent and is not confirmed is told then
    /// ([`DeliveryUnknown`](crate::UserAgentEvent::DeliveryUnknown)), and with its last session the call ends, because of
    /// [`SessionLoss::NotRecovered`](crate::SessionLoss::NotRecovered). Default 20 s.
    pub recovery_time: Duration,
    /// How long a user agent that [shuts down](crate::UserAgent::shut_down) waits for peers to answer its BYEs before it closes
    /// connections. Default 4 s, in which a BYE that is lost is sent three times more.
    pub farewell_time: Duration,
    /// How long a file that has been sent waits for the peer's report, and one that was received for the sender to end its
    /// stream. Default 30 s.
    pub linger: Duration,
    /// What streams of messages may carry where a call does not say otherwise.
    pub profile: StreamProfile,
    /// The largest file that is received where neither its offer nor its receiver says how large it is. Default 1 GiB.
    pub max_file_size: u64,
    /// Whether peers can connect to us ([`Setup::ActPass`]) or not ([`Setup::Active`]); see
    /// [`LocalStream::setup`](crate::negotiate::LocalStream::setup). Default that they can.
    pub setup: Setup,
    /// Whether to speak of middleboxes (RFC 6714). Default off.
    pub cema: bool,
    /// Who we are in calls that do not say so: the address of record that the SIP stack uses.
    pub identity: Option<SipParty>,
    /// What senders may know of the fate of their messages in conversations, if they ask: delivered, displayed. Default
    /// both, the latter when the application [says so](crate::UserAgent::displayed).
    pub consents: (Consent, Consent),
    /// Whether peers may know that we are writing. Default on.
    pub composing: bool,
    /// The fingerprints of our certificate, where it is our own (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            max_calls: 20_000,
            max_waiting_files: 8,
            sdp: SdpLimits::default(),
            setup_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(180),
            recovery_attempts: 5,
            recovery_time: Duration::from_secs(20),
            farewell_time: Duration::from_secs(4),
            linger: Duration::from_secs(30),
            profile: StreamProfile::default(),
            max_file_size: 1 << 30,
            setup: Setup::ActPass,
            cema: false,
            identity: None,
            consents: (Consent::Given, Consent::Given),
            composing: true,
            fingerprints: Vec::new(),
        }
    }
}

impl CallConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`max_calls`](Self::max_calls).
    pub fn with_max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls.max(1);
        self
    }

    /// Sets [`profile`](Self::profile).
    pub fn with_profile(mut self, profile: StreamProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets [`setup_timeout`](Self::setup_timeout).
    pub fn with_setup_timeout(mut self, time: Duration) -> Self {
        self.setup_timeout = time;
        self
    }

    /// Sets [`answer_timeout`](Self::answer_timeout).
    pub fn with_answer_timeout(mut self, time: Duration) -> Self {
        self.answer_timeout = time;
        self
    }

    /// Sets how often, and for how long, a lost session is offered anew ([`recovery_time`](Self::recovery_time)). With 0 it
    /// is over at once.
    pub fn with_recovery(mut self, attempts: u8, time: Duration) -> Self {
        self.recovery_attempts = attempts;
        self.recovery_time = time;
        self
    }

    /// Sets [`farewell_time`](Self::farewell_time).
    pub fn with_farewell_time(mut self, time: Duration) -> Self {
        self.farewell_time = time;
        self
    }

    /// Sets [`setup`](Self::setup).
    pub fn with_setup(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    /// Sets [`cema`](Self::cema).
    pub fn with_cema(mut self, on: bool) -> Self {
        self.cema = on;
        self
    }

    /// Sets [`identity`](Self::identity).
    pub fn with_identity(mut self, identity: SipParty) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets [`consents`](Self::consents).
    pub fn with_consents(mut self, delivered: Consent, displayed: Consent) -> Self {
        self.consents = (delivered, displayed);
        self
    }

    /// Sets [`composing`](Self::composing).
    pub fn with_composing(mut self, on: bool) -> Self {
        self.composing = on;
        self
    }

    /// Sets [`fingerprints`](Self::fingerprints).
    pub fn with_fingerprints(mut self, fingerprints: Vec<Fingerprint>) -> Self {
        self.fingerprints = fingerprints;
        self
    }

    /// Sets [`max_file_size`](Self::max_file_size).
    pub fn with_max_file_size(mut self, octets: u64) -> Self {
        self.max_file_size = octets;
        self
    }
}
