//! Answers to 401 and 407 (RFC 3261 §22, RFC 8760), and challenges that are remembered, so that the next request is answered
//! for before anybody asks (RFC 7616 §3.4, `nc`).

use std::net::SocketAddr;

use msrp_core::{
    digest::{Algorithm, Ha1, response, response_without_qop},
    grammar::{AuthenticationInfo, Challenge},
};
use rsipstack::sip::{Method, Request, Response};

use super::{compose::token, config::SipCredentials, fields};

/// How often one request is sent again for a challenge: one with another nonce (`stale`), and one of a proxy behind
/// another.
pub(super) const ATTEMPTS: u8 = 3;

/// Realms that are remembered of one neighbour for one destination: those of proxies behind each other.
const REALMS: usize = 8;
/// Octets of one challenge that is answered.
const LONGEST: usize = 4096;

/// Who asks: a proxy (407), or the destination itself (401).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Proxy,
    Destination,
}

impl Asks {
    fn of(challenged: &Response) -> Self {
        match challenged.status_code.code() {
            407 => Self::Proxy,
            _ => Self::Destination,
        }
    }

    const fn asks(self) -> &'static str {
        match self {
            Self::Proxy => "Proxy-Authenticate",
            Self::Destination => "WWW-Authenticate",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Proxy => "Proxy-Authorization",
            Self::Destination => "Authorization",
        }
    }
}

/// A challenge to which one request was answered for.
pub(super) type Answered = (Asks, String);

/// Where a challenge holds: a proof that is made for somebody is told nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Domain {
    /// The neighbour by which requests go.
    peer: SocketAddr,
    asks: Asks,
    /// The Request-URI, where the destination asks: what proves us to a registrar is not for those who are called by way of it.
    target: Option<String>,
}

impl Domain {
    fn new(peer: SocketAddr, asks: Asks, request: &Request) -> Self {
        let target = (asks == Asks::Destination).then(|| request.uri.to_string());
        Self { peer, asks, target }
    }

    fn covers(&self, peer: SocketAddr, request: &Request) -> bool {
        *self == Self::new(peer, self.asks, request)
    }
}

/// A challenge that is remembered.
struct Known {
    domain: Domain,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the challenge names the algorithm, as the answer then has to.
    names_algorithm: bool,
    qop: bool,
    user: String,
    ha1: Ha1,
    /// How many requests have been answered for with this nonce.
    count: u32,
}

/// Challenges that are remembered; the one that was longest not used gives way.
pub(super) struct Challenges {
    /// The last that was used last.
    known: Vec<Known>,
    limit: usize,
}

impl Challenges {
    /// None; `limit` are remembered.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            known: Vec::new(),
            limit: limit.max(1),
        }
    }

    /// Puts the proofs into a request that goes to this neighbour.
    pub(super) fn answer(&mut self, request: &mut Request, peer: SocketAddr) {
        // An ACK brings those of its INVITE (RFC 3261 §22.1); a CANCEL cannot be challenged.
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return;
        }
        for asks in [Asks::Proxy, Asks::Destination] {
            fields::remove(&mut request.headers, asks.says());
        }
        let (mut used, others): (Vec<Known>, Vec<Known>) = std::mem::take(&mut self.known)
            .into_iter()
            .partition(|known| known.domain.covers(peer, request));
        self.known = others;
        for known in &mut used {
            known.count = known.count.saturating_add(1);
            let value = known.proof(request);
            fields::push(&mut request.headers, known.domain.asks.says(), value);
        }
        self.known.append(&mut used);
    }

    /// Takes what a request was answered with. `answered` are the challenges that it had answered to by then. What it answers
    /// to when it is sent again; none where nothing can be said to it.
    pub(super) fn learn(
        &mut self,
        request: &Request,
        peer: SocketAddr,
        challenged: &Response,
        credentials: &[SipCredentials],
        answered: &[Answered],
    ) -> Option<Vec<Answered>> {
        let asks = Asks::of(challenged);
        let domain = Domain::new(peer, asks, request);
        let mut now: Vec<String> = Vec::new();
        for value in fields::values(&challenged.headers, asks.asks()) {
            let Ok(challenge) = Challenge::parse(value.as_bytes()) else {
                continue;
            };
            let realm = &*challenge.realm;
            // Of one realm the first that we can answer is the one that the server likes most (RFC 8760 §2.4).
            if now.iter().any(|known| known == realm) {
                continue;
            }
            let Some(algorithm) = challenge.digest_algorithm() else {
                continue;
            };
            let suits =
                |credentials: &&SipCredentials| credentials.realm.as_ref().is_none_or(|known| known == realm);
            let Some(credentials) = credentials.iter().find(suits) else {
                continue;
            };
            self.known
                .retain(|known| known.domain != domain || known.realm != realm);
            let before = answered
                .iter()
                .any(|(asked, known)| *asked == asks && known == realm);
            if before && !challenge.stale {
                // It is these credentials that were refused. A nonce of an earlier request may just be too old, even where
                // nobody says so.
                return None;
            }
            if let Some(known) = Known::new(&domain, &challenge, algorithm, credentials) {
                now.push(known.realm.clone());
                self.remember(known);
            }
        }
        if now.is_empty() {
            return None;
        }
        let mut all = answered.to_vec();
        all.retain(|(asked, realm)| *asked != asks || !now.contains(realm));
        all.extend(now.into_iter().map(|realm| (asks, realm)));
        Some(all)
    }

    /// Takes the nonce that the answer to a request brings for the next one (RFC 7616 §3.5).
    pub(super) fn renew(&mut self, request: &Request, peer: SocketAddr, response: &Response) {
        for (asks, name) in [
            (Asks::Proxy, "Proxy-Authentication-Info"),
            (Asks::Destination, "Authentication-Info"),
        ] {
            let nonce = fields::value(&response.headers, name)
                .and_then(|value| AuthenticationInfo::parse(value.as_bytes()).ok())
                .and_then(|info| info.nextnonce)
                .filter(|nonce| nonce.len() <= LONGEST && !nonce.chars().any(char::is_control));
            let domain = Domain::new(peer, asks, request);
            let mut known = self.known.iter_mut().filter(|known| known.domain == domain);
            // It does not say for which realm it is.
            if let (Some(nonce), Some(known), None) = (nonce, known.next(), known.next()) {
                known.nonce = nonce.into_owned();
                known.count = 0;
            }
        }
    }

    fn remember(&mut self, new: Known) {
        let of_domain = |known: &&Known| known.domain == new.domain;
        if self.known.iter().filter(of_domain).count() >= REALMS
            && let Some(oldest) = self.known.iter().position(|known| known.domain == new.domain)
        {
            self.known.remove(oldest);
        }
        if self.known.len() >= self.limit {
            self.known.remove(0);
        }
        self.known.push(new);
    }
}

impl Known {
    /// A challenge that can be answered.
    fn new(
        domain: &Domain,
        challenge: &Challenge<'_>,
        algorithm: Algorithm,
        credentials: &SipCredentials,
    ) -> Option<Self> {
        let texts = [&*challenge.realm, &*challenge.nonce]
            .into_iter()
            .chain(challenge.opaque.as_deref());
        let length: usize = texts.clone().map(str::len).sum();
        if length > LONGEST
            || texts
                .chain([&*credentials.user])
                .any(|text| text.chars().any(char::is_control))
        {
            return None;
        }
        if challenge.qop.is_some() && !challenge.offers_auth() {
            return None;
        }
        Some(Self {
            domain: domain.clone(),
            realm: challenge.realm.as_ref().to_owned(),
            nonce: challenge.nonce.as_ref().to_owned(),
            opaque: challenge.opaque.as_deref().map(str::to_owned),
            algorithm,
            names_algorithm: challenge.algorithm.is_some(),
            qop: challenge.qop.is_some(),
            user: credentials.user.clone(),
            ha1: Ha1::compute(
                algorithm,
                &credentials.user,
                &challenge.realm,
                &credentials.password,
            ),
            count: 0,
        })
    }

    /// The value that proves who sends a request.
    fn proof(&self, request: &Request) -> String {
        let (method, uri) = (request.method.to_string(), request.uri.to_string());
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri=\"{uri}\"",
            quoted(&self.user),
            quoted(&self.realm),
            quoted(&self.nonce),
        );
        if self.qop {
            let cnonce = token();
            let digest = response(
                self.algorithm,
                &self.ha1,
                &self.nonce,
                self.count,
                &cnonce,
                "auth",
                &method,
                uri.as_bytes(),
            );
            value += &format!(
                ", response=\"{digest}\", cnonce=\"{cnonce}\", nc={:08x}, qop=auth",
                self.count
            );
        } else {
            let digest =
                response_without_qop(self.algorithm, &self.ha1, &self.nonce, &method, uri.as_bytes());
            value += &format!(", response=\"{digest}\"");
        }
        if self.names_algorithm {
            value += &format!(", algorithm={}", self.algorithm);
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quoted(opaque));
        }
        value
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
