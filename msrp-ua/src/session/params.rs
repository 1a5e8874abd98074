//! What signalling agreed on.

use msrp_core::{
    grammar::{AcceptTypes, Path, Uri},
    node::Trust,
};

use crate::names::RegistrationId;

/// Who connects (RFC 4975 §5.4; RFC 6135 lets signalling choose).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We do: the offerer, unless something else was agreed.
    Active,
    /// The peer does.
    Passive,
}

/// What becomes of incoming messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Receive {
    /// Each is put together in memory and told whole.
    Whole,
    /// Each is told bit by bit as it comes, in constant memory.
    Stream,
    /// The application decides for each; until it does, nothing more is read from the connection.
    Ask,
}

/// What signalling agreed on for one session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionParams {
    /// Our URI, from [`UserAgent::allocate_uri`](crate::UserAgent::allocate_uri).
    pub local: Uri,
    /// The peer's path as its SDP has it.
    pub remote: Path,
    /// Who connects.
    pub role: Role,
    /// The registration whose relay we use, if we use one.
    pub relay: Option<RegistrationId>,
    /// What the peer accepts.
    pub peer_accepts: AcceptTypes,
    /// What else the peer accepts inside of the containers that it accepts (RFC 4975 §8.6).
    pub peer_accepts_wrapped: Option<AcceptTypes>,
    /// The largest message that the peer wishes to receive.
    pub peer_max_size: Option<u64>,
    /// What we accept; `multipart/mixed` and `multipart/alternative` always are (RFC 4975 §7.3.1).
    pub accepts: AcceptTypes,
    /// The largest message that we take; larger ones are refused with 413. Default 1 MiB.
    pub max_size: u64,
    /// What becomes of incoming messages. Default [`Receive::Whole`].
    pub receive: Receive,
    /// Whether messages may be sent: what holds a call holds them too (RFC 3264 §8.4). What is said about messages, such as
    /// IMDN and isComposing, always may. Default yes.
    pub may_send: bool,
    /// The application itself tells by [`UserAgent::report`](crate::UserAgent::report) what became of each message, where
    /// otherwise success is reported as soon as all of it has come. Default off.
    pub manual_reports: bool,
    /// What makes the peer's certificate trustworthy where we connect by TLS. Default by name and issuer. Fingerprints also
    /// hold for the certificate with which the peer connects to us, if it presents one.
    pub trust: Trust,
    /// Where to connect instead of to the first URI of the peer's path: a middlebox (RFC 6714). A certificate has to name the
    /// URI's host all the same. Not used with a relay of our own.
    pub connect: Option<(String, u16)>,
    /// Whether to present our own certificate where we connect, because our SDP tells its fingerprint (RFC 8122 §6.2).
    pub client_identity: bool,
}

impl SessionParams {
    /// A session between `local` and `remote` in which everything is accepted.
    ///
    /// `remote` is what stands in the peer's `a=path`, or its URI alone where it uses no relay.
    pub fn new(local: Uri, remote: impl Into<Path>, role: Role) -> Self {
        let everything = AcceptTypes::parse(b"*").unwrap_or_default();
        Self {
            local,
            remote: remote.into(),
            role,
            relay: None,
            peer_accepts: everything.clone(),
            peer_accepts_wrapped: None,
            peer_max_size: None,
            accepts: everything,
            max_size: 1024 * 1024,
            receive: Receive::Whole,
            may_send: true,
            manual_reports: false,
            trust: Trust::Pki,
            connect: None,
            client_identity: false,
        }
    }

    /// Uses the relay of a registration.
    pub fn with_relay(mut self, registration: RegistrationId) -> Self {
        self.relay = Some(registration);
        self
    }

    /// Sets what the peer accepts, and how much.
    pub fn with_peer_limits(mut self, accepts: AcceptTypes, max_size: Option<u64>) -> Self {
        self.peer_accepts = accepts;
        self.peer_max_size = max_size;
        self
    }

    /// Sets what we accept, and how much.
    pub fn with_limits(mut self, accepts: AcceptTypes, max_size: u64) -> Self {
        self.accepts = accepts;
        self.max_size = max_size;
        self
    }

    /// Sets what becomes of incoming messages.
    pub fn with_receive(mut self, receive: Receive) -> Self {
        self.receive = receive;
        self
    }

    /// Leaves success reports to the application, which passes messages on and reports what became of them there.
    pub fn with_manual_reports(mut self) -> Self {
        self.manual_reports = true;
        self
    }

    /// Sets what makes the peer's certificate trustworthy.
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Presents our own certificate where we connect.
    pub fn with_client_identity(mut self) -> Self {
        self.client_identity = true;
        self
    }

    /// Sets where to connect instead of to the first URI of the peer's path.
    pub fn with_connect(mut self, host: impl Into<String>, port: u16) -> Self {
        self.connect = Some((host.into(), port));
        self
    }
}
