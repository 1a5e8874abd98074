//! A user agent and the relay that it asks for a path; the relay is scripted, octet by octet.
#![allow(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{sync::Arc, time::Instant};

use bytes::{Buf, BytesMut};
use msrp_core::{
    digest::{Algorithm, Ha1, response, rspauth},
    grammar::{Credentials, Path, Scheme, Uri},
    node::{Action, ConnectionHandle, Node, PeerInfo, Security, TlsPeer},
};
use msrp_ua::{
    RegistrationId, RegistrationLoss, RelayAccount, Role, SessionParams, UserAgent, UserAgentConfig,
    UserAgentEvent,
};

pub(crate) const RELAY: &str = "msrps://alice@intra.example.com:2855;tcp";
pub(crate) const USE_PATH: &str = "msrps://intra.example.com:9000/jui787s2f;tcp";
pub(crate) const BOB: &str = "msrps://bob.example.com:8493/foo12;tcp";

/// A user agent, its one connection to the relay, and what it has told.
pub(crate) struct Client {
    pub(crate) agent: UserAgent,
    pub(crate) now: Instant,
    pub(crate) relay: Option<ConnectionHandle>,
    pub(crate) events: Vec<UserAgentEvent>,
    pub(crate) connects: usize,
    pub(crate) closed: bool,
}

/// A request as it was written: identifier, method, headers.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn credentials(&self) -> Credentials<'_> {
        Credentials::parse(self.header("Authorization").expect("credentials").as_bytes()).unwrap()
    }
}

/// Takes requests without bodies apart.
pub(crate) fn requests(octets: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut lines = octets.lines();
    while let Some(line) = lines.next() {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("MSRP"), "{line}");
        let (id, method) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let headers = lines
            .by_ref()
            .take_while(|line| !line.starts_with("-------"))
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        requests.push(Request { id, method, headers });
    }
    requests
}

pub(crate) fn account(password: &str) -> RelayAccount {
    RelayAccount::new(Uri::parse(RELAY.into()).unwrap(), "Alice", password)
}

impl Client {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let config = UserAgentConfig::new("alice.example.com", 9892, true);
        Self {
            agent: UserAgent::new(now, config, [7; 32]),
            now,
            relay: None,
            events: Vec::new(),
            connects: 0,
            closed: false,
        }
    }

    /// Does what the user agent asks its driver for, and gives what it wrote.
    pub(crate) fn turn(&mut self) -> String {
        let mut written = Vec::new();
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 1_000, "it never comes to rest");
            let mut rest = true;
            while let Some(action) = self.agent.poll_action() {
                rest = false;
                match action {
                    Action::Connect { token, target } => {
                        self.connects += 1;
                        let tls = PeerInfo::new().with_security(Security::Tls(Arc::new(TlsPeer::default())));
                        assert_eq!(target.scheme, Scheme::Msrps);
                        assert_eq!((&target.host[..], target.port), ("intra.example.com", Some(2855)));
                        self.relay = self.agent.handle_connected(self.now, token, Ok(tls));
                    }
                    Action::Close { .. } => self.closed = true,
                    other => panic!("{other:?}"),
                }
            }
            while let Some(handle) = self.agent.poll_ready() {
                rest = false;
                while let Some(mut transmit) = self.agent.poll_transmit(self.now, handle, 65_536) {
                    let len = transmit.remaining();
                    written.extend_from_slice(&transmit.copy_to_bytes(len));
                }
            }
            while let Some(event) = self.agent.poll_event() {
                rest = false;
                self.events.push(event);
            }
            if rest {
                break;
            }
        }
        String::from_utf8(written).unwrap()
    }

    pub(crate) fn requests(&mut self) -> Vec<Request> {
        requests(&self.turn())
    }

    /// The one request that it wrote.
    pub(crate) fn request(&mut self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    pub(crate) fn feed(&mut self, octets: &str) {
        let handle = self.relay.expect("a connection");
        self.agent.handle_read(self.now, handle, BytesMut::from(octets));
    }

    pub(crate) fn answer(&mut self, request: &Request, status: &str, headers: &str) {
        let (to, from) = (
            request.header("From-Path").unwrap(),
            request.header("To-Path").unwrap(),
        );
        let id = &request.id;
        self.feed(&format!(
            "MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n{headers}-------{id}$\r\n"
        ));
    }

    pub(crate) fn challenge(&mut self, request: &Request, nonce: &str, stale: bool) {
        self.challenge_at(request, "intra.example.com", nonce, stale);
    }

    pub(crate) fn challenge_at(&mut self, request: &Request, realm: &str, nonce: &str, stale: bool) {
        let stale = if stale { ", stale=true" } else { "" };
        let header =
            format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", qop=\"auth\"{stale}\r\n");
        self.answer(request, "401 Unauthorized", &header);
    }

    /// Grants what was asked for with the right credentials; the relay proves that it knows the password.
    pub(crate) fn grant(&mut self, request: &Request, next: &str, path: &str) {
        self.grant_at(request, ("intra.example.com", "secret"), next, path, 900);
    }

    /// As [`grant`](Self::grant), at a relay with this realm and Alice's password there, for so many seconds.
    pub(crate) fn grant_at(
        &mut self,
        request: &Request,
        (realm, password): (&str, &str),
        next: &str,
        path: &str,
        expires: u32,
    ) {
        let header = {
            let credentials = request.credentials();
            let relay = request.header("To-Path").unwrap().rsplit(' ').next().unwrap();
            let ha1 = Ha1::compute(Algorithm::Md5, "Alice", realm, password);
            let (nonce, cnonce, nc) = (&credentials.nonce, &credentials.cnonce, credentials.nc);
            let expected = response(
                Algorithm::Md5,
                &ha1,
                nonce,
                nc,
                cnonce,
                "auth",
                "AUTH",
                relay.as_bytes(),
            );
            assert_eq!(credentials.response, expected);
            let proof = rspauth(Algorithm::Md5, &ha1, nonce, nc, cnonce, "auth", relay.as_bytes());
            format!(
                "Use-Path: {path}\r\nAuthentication-Info: nextnonce=\"{next}\", qop=auth, rspauth=\"{}\", \
                 cnonce=\"{cnonce}\", nc={nc:08x}\r\nExpires: {expires}\r\n",
                proof
            )
        };
        self.answer(request, "200 OK", &header);
    }

    /// A registration with a path.
    pub(crate) fn registered(&mut self) -> RegistrationId {
        let id = self.agent.register(account("secret")).unwrap();
        let first = self.request();
        self.challenge(&first, "dcd98b7102dd2f0e", false);
        let second = self.request();
        self.grant(&second, "next0", USE_PATH);
        assert!(self.turn().is_empty());
        id
    }

    pub(crate) fn lost(&self) -> Option<&RegistrationLoss> {
        self.events.iter().find_map(|event| match event {
            UserAgentEvent::RegistrationLost { reason, .. } => Some(reason),
            _ => None,
        })
    }

    pub(crate) fn params(&self, id: RegistrationId, role: Role) -> SessionParams {
        let own = self.agent.registered_uri(id).unwrap().clone();
        SessionParams::new(own, Path::parse(BOB.into(), 16).unwrap(), role).with_relay(id)
    }
}
