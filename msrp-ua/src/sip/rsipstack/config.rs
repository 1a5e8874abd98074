//! How the adapter is set up.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use bytes::Bytes;

use super::tls::SipTls;
use crate::sip::SipParty;

/// What carries SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SipTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl SipTransport {
    /// The name in a `transport` parameter, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port where a URI has none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for SipTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where to listen; parsed from and printed as `udp://127.0.0.1:5060`, `tcp://[::1]:0`, `tls://0.0.0.0:5061`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SipListen {
    /// By what.
    pub transport: SipTransport,
    /// The address; port 0 takes a free one, see [`RsipAdapter::listening`](super::RsipAdapter::listening).
    pub address: SocketAddr,
}

impl SipListen {
    /// A place to listen at.
    pub const fn new(transport: SipTransport, address: SocketAddr) -> Self {
        Self { transport, address }
    }
}

/// A text is not the URL of a listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not udp://IP:PORT, tcp://IP:PORT or tls://IP:PORT: {0}")]
pub struct InvalidListen(String);

impl FromStr for SipListen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidListen(text.to_owned());
        let (scheme, address) = text.split_once("://").ok_or_else(invalid)?;
        let transport = match scheme {
            "udp" => SipTransport::Udp,
            "tcp" => SipTransport::Tcp,
            "tls" => SipTransport::Tls,
            _ => return Err(invalid()),
        };
        let address = address.trim_end_matches('/').parse().map_err(|_| invalid())?;
        Ok(Self { transport, address })
    }
}

impl fmt::Display for SipListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.transport, self.address)
    }
}

/// Who we are for proxies and registrars that ask (401, 407).
#[derive(Clone)]
pub struct SipCredentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// For which realm; none for any.
    pub realm: Option<String>,
}

impl SipCredentials {
    /// Credentials for whoever asks.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
            realm: None,
        }
    }
}

/// Prints no password.
impl fmt::Debug for SipCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipCredentials")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// Where the address of record is registered (RFC 3261 §10).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SipRegistration {
    /// The registrar; none for the domain of the address of record, by way of the outbound proxy.
    pub registrar: Option<String>,
    /// For how long; refreshed before it ends. The registrar may shorten it, or ask for more (423).
    pub expires: Duration,
}

impl Default for SipRegistration {
    /// The registrar of the domain, for an hour.
    fn default() -> Self {
        Self {
            registrar: None,
            expires: Duration::from_secs(3600),
        }
    }
}

/// What becomes of a MESSAGE that is too long for UDP: RFC 3428 §8 forbids more than 1300 octets there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LargePages {
    /// It goes by TCP to the same address.
    #[default]
    ByTcp,
    /// It is not sent: [`PageAnswered`](crate::sip::SipInput::PageAnswered) with this code, such as 413 or 513.
    Refuse(u16),
}

/// What the adapter holds at most.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RsipLimits {
    /// Calls at a time, in both directions; further INVITEs get 503. About 4 KiB each, and their SDP while it is open.
    pub calls: usize,
    /// MESSAGEs that have come and are unanswered; further ones get 503. Each up to `message` octets.
    pub pages: usize,
    /// Transactions; by UDP also ended ones, which are kept for 64 times T1 to answer what is sent again. What would be one
    /// more is dropped unread by UDP, and gets 503 by others. About 2 KiB each, and up to four times as many timers of
    /// 200 octets. By default this is 2,000 requests a second by UDP for ever, and 8,000 by TCP.
    pub transactions: usize,
    /// Connections by TCP and TLS at a time; further ones are closed at once. Each up to twice `message` octets.
    pub connections: usize,
    /// Challenges (401, 407) that are remembered, so that further requests need no second round trip; the one that was longest
    /// not used gives way. Each up to about 5 KiB.
    pub challenges: usize,
    /// Octets of one SIP message. A longer one by TCP or TLS gets 513 and ends the connection.
    pub message: usize,
    /// Inputs that wait for [`next`](crate::sip::SipAdapter::next), before requests that come get 503.
    pub inputs: usize,
}

impl Default for RsipLimits {
    /// 10,000 calls, 10,000 pages, 65,536 transactions, 1024 connections, 256 challenges, 64 KiB a message, 16,384 inputs.
    fn default() -> Self {
        Self {
            calls: 10_000,
            pages: 10_000,
            transactions: 65_536,
            connections: 1024,
            challenges: 256,
            message: 64 << 10,
            inputs: 16_384,
        }
    }
}

/// How long things take.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RsipTimers {
    /// T1 of RFC 3261, an estimate of the round trip; 500 ms. Timers B and F, and the wait for an ACK, are 64 times this.
    pub t1: Duration,
    /// How long an INVITE may ring, in either direction; 3 min. Then 480 goes out, or CANCEL and 408 is reported.
    pub ring: Duration,
    /// How long the user agent may take to answer a re-INVITE, an UPDATE or a MESSAGE; 30 s, then 500 goes out.
    pub answer: Duration,
    /// How long a connection may take to come about, or a peer to take what we write; 10 s.
    pub connect: Duration,
    /// How long [`shutdown`](crate::sip::SipAdapter::shutdown) waits for answers and ACKs at the most; 3 s, in which a
    /// datagram that is lost is sent twice more.
    pub ending: Duration,
    /// How long a connection may be silent; 15 min. By those that we have opened, CRLF goes out at a third of it (RFC 5626 §3.5.1).
    pub idle: Duration,
}

impl Default for RsipTimers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            ring: Duration::from_secs(180),
            answer: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            ending: Duration::from_secs(3),
            idle: Duration::from_secs(900),
        }
    }
}

const PARTS: [&str; 6] = [
    "application/pidf+xml",
    "application/EmergencyCallData.Comment+xml",
    "application/EmergencyCallData.DeviceInfo+xml",
    "application/EmergencyCallData.ProviderInfo+xml",
    "application/EmergencyCallData.ServiceInfo+xml",
    "application/EmergencyCallData.SubscriberInfo+xml",
];

/// How the adapter is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct RsipConfig {
    /// Our address of record, which stands in `From`, and our name for people.
    pub aor: SipParty,
    /// Where to listen.
    pub listen: Vec<SipListen>,
    /// Where every request outside of dialogs goes that has no route of its own, such as `sip:192.0.2.1;transport=tcp`.
    /// With the parameter `lr` it also stands in `Route`.
    pub outbound_proxy: Option<String>,
    /// The host to be written into `Contact` and `Via`; none for the listener's address, or where that is `0.0.0.0` the
    /// address from which the peer is reached.
    pub public_host: Option<String>,
    /// For 401 and 407.
    pub credentials: Vec<SipCredentials>,
    /// Whether and where to register.
    pub register: Option<SipRegistration>,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// The SDP that answers OPTIONS (RFC 3261 §11.2).
    pub capabilities: Option<Bytes>,
    /// The media types of `Accept`, beside `application/sdp`, in the answer to OPTIONS.
    pub accept: Vec<String>,
    /// The media types of parts that an INVITE may bring beside SDP, such as `application/pidf+xml` or `image/*`: they come
    /// with [`IncomingInvite::parts`](crate::sip::IncomingInvite::parts). An INVITE with other parts, or a re-INVITE with any,
    /// is refused with 415 if they are not optional. By default locations (RFC 6442) and data for emergency services (RFC 7852).
    pub parts: Vec<String>,
    /// To how many other places an INVITE or a MESSAGE goes on when it is sent there by 300, 301, 302 or 305; 5. With 0 the
    /// answer is what it comes to. A call can become dearer by going elsewhere.
    pub redirects: u8,
    /// What becomes of a MESSAGE that is too long for UDP.
    pub large_pages: LargePages,
    /// Hosts whose `P-Asserted-Identity` is believed.
    pub trusted: Vec<IpAddr>,
    /// For TLS that we begin, and for listeners of TLS.
    pub tls: SipTls,
    /// What is held at most.
    pub limits: RsipLimits,
    /// How long things take.
    pub timers: RsipTimers,
}

impl RsipConfig {
    /// An adapter for this address of record, such as `sip:alice@example.com`; it listens nowhere yet.
    pub fn new(aor: impl Into<String>) -> Self {
        Self {
            aor: SipParty::new(aor),
            listen: Vec::new(),
            outbound_proxy: None,
            public_host: None,
            credentials: Vec::new(),
            register: None,
            user_agent: concat!("msrp-ua/", env!("CARGO_PKG_VERSION")).to_owned(),
            capabilities: None,
            accept: vec!["text/plain".to_owned(), "message/cpim".to_owned()],
            parts: PARTS.map(str::to_owned).to_vec(),
            redirects: 5,
            large_pages: LargePages::default(),
            trusted: Vec::new(),
            tls: SipTls::default(),
            limits: RsipLimits::default(),
            timers: RsipTimers::default(),
        }
    }

    /// Adds a place to listen at.
    pub fn with_listen(mut self, listen: SipListen) -> Self {
        self.listen.push(listen);
        self
    }

    /// Sets the outbound proxy.
    pub fn with_outbound_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.outbound_proxy = Some(proxy.into());
        self
    }

    /// Adds credentials.
    pub fn with_credentials(mut self, credentials: SipCredentials) -> Self {
        self.credentials.push(credentials);
        self
    }

    /// Registers the address of record.
    pub fn with_registration(mut self, registration: SipRegistration) -> Self {
        self.register = Some(registration);
        self
    }
}

/// Prints no password.
impl fmt::Debug for RsipConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsipConfig")
            .field("aor", &self.aor)
            .field("listen", &self.listen)
            .field("outbound_proxy", &self.outbound_proxy)
            .field("credentials", &self.credentials)
            .field("register", &self.register)
            .finish_non_exhaustive()
    }
}
