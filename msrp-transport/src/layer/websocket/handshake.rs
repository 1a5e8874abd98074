//! Opening handshakes, of both sides (RFC 6455 §4, RFC 7977 §4.1).

use std::{fmt::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use msrp_core::node::OpeningHandshake;
use sha1::{Digest, Sha1};

use super::{
    config::{HEADERS, WebSocketConfig},
    random,
    refusal::Refusal,
};

/// The subprotocol (RFC 7977 §4.1).
const SUBPROTOCOL: &str = "msrp";

/// What every server adds to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Headers that a policy has no use for.
const MECHANICS: [&str; 6] = [
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
];

/// The peer's half of a handshake, as far as it has come.
#[derive(Debug)]
pub(super) struct Gathering {
    head: BytesMut,
    /// Up to where there is no end of the head.
    searched: usize,
    pub(super) config: Arc<WebSocketConfig>,
    pub(super) side: Side,
}

#[derive(Debug)]
pub(super) enum Side {
    /// We are asked.
    Server,
    /// We have asked; the answer has to hold this.
    Client { accept: String },
}

/// The head has come, or is too long.
pub(super) enum Gathered {
    Head(BytesMut),
    TooLong,
}

impl Gathering {
    pub(super) fn new(config: Arc<WebSocketConfig>, side: Side) -> Self {
        Self {
            head: BytesMut::new(),
            searched: 0,
            config,
            side,
        }
    }

    /// Moves octets off the front of `input`, up to the end of the head.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Option<Gathered> {
        let before = self.head.len();
        self.head.extend_from_slice(input);
        let from = self.searched.saturating_sub(3);
        match memchr::memmem::find(&self.head[from..], b"\r\n\r\n") {
            Some(at) => {
                let end = from + at + 4;
                if end > self.config.max_handshake {
                    return Some(Gathered::TooLong);
                }
                let _taken = input.split_to(end - before);
                let mut head = std::mem::take(&mut self.head);
                head.truncate(end);
                Some(Gathered::Head(head))
            }
            None => {
                input.clear();
                self.searched = self.head.len();
                (self.head.len() > self.config.max_handshake).then_some(Gathered::TooLong)
            }
        }
    }
}

/// The proof that a server has understood the key (RFC 6455 §4.2.2).
fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// A list of tokens, in all headers of this name.
fn tokens<'a>(headers: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .flat_map(|header| header.value.split(|&octet| octet == b','))
        .map(<[u8]>::trim_ascii)
}

/// The value of a header that has to be there exactly once.
fn only<'a>(headers: &'a [httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    let mut found = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = found.next()?.value.trim_ascii();
    found.next().is_none().then_some(value)
}

fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// A server's answer to a request: what to send, and what the request told.
pub(super) fn answer(
    head: &[u8],
    config: &WebSocketConfig,
) -> Result<(String, Arc<OpeningHandshake>), Refusal> {
    let mut storage = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut storage[..config.max_headers]);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::too_large()),
        Ok(httparse::Status::Partial) | Err(_) => {
            return Err(Refusal::bad_request("This is not an HTTP request.\n"));
        }
    }
    let headers = &*request.headers;
    if request.method != Some("GET") {
        return Err(Refusal::method());
    }
    if request.version != Some(1) {
        return Err(Refusal::bad_request("A WebSocket handshake needs HTTP/1.1.\n"));
    }
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    if !config.paths.iter().any(|allowed| allowed == path) {
        return Err(Refusal::not_found());
    }
    if !has_token(headers, "Upgrade", "websocket")
        || !has_token(headers, "Connection", "Upgrade")
        || only(headers, "Sec-WebSocket-Version") != Some(b"13")
    {
        return Err(Refusal::upgrade_required());
    }
    if only(headers, "Host").is_none() {
        return Err(Refusal::bad_request("There has to be one Host header.\n"));
    }
    let body = only(headers, "Content-Length").is_some_and(|length| length != b"0")
        || tokens(headers, "Transfer-Encoding").next().is_some();
    if body {
        return Err(Refusal::bad_request("A WebSocket handshake has no body.\n"));
    }
    let key = only(headers, "Sec-WebSocket-Key")
        .filter(|key| STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16))
        .ok_or(Refusal::bad_request(
            "There has to be one Sec-WebSocket-Key, of 16 octets in Base64.\n",
        ))?;
    if !tokens(headers, "Sec-WebSocket-Protocol").any(|token| token == SUBPROTOCOL.as_bytes()) {
        return Err(Refusal::bad_request(
            "The subprotocol msrp is needed (RFC 7977, section 4.1).\n",
        ));
    }
    let told: Vec<(&str, String)> = headers
        .iter()
        .filter(|header| {
            !MECHANICS
                .iter()
                .any(|name| header.name.eq_ignore_ascii_case(name))
        })
        .map(|header| {
            (
                header.name,
                String::from_utf8_lossy(header.value.trim_ascii()).into_owned(),
            )
        })
        .collect();
    let handshake = OpeningHandshake::new(target, told.iter().map(|(name, value)| (*name, &value[..])));
    if let Some(policy) = &config.policy {
        policy.admit(&handshake)?;
    }
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n",
        accept_of(key)
    );
    if let Some(origin) = handshake.origin() {
        // RFC 7977 §7: for the browser's rules about scripts of other origins.
        let _infallible = write!(response, "Access-Control-Allow-Origin: {origin}\r\n");
    }
    response.push_str("\r\n");
    Ok((response, Arc::new(handshake)))
}

/// A client's request, and what the answer to it has to hold.
pub(super) fn request(
    host: &str,
    port: Option<u16>,
    tls: bool,
    path: &str,
    config: &WebSocketConfig,
) -> std::io::Result<(String, String)> {
    let mut nonce = [0; 16];
    random::fill(&mut nonce)?;
    let key = STANDARD.encode(nonce);
    let accept = accept_of(key.as_bytes());
    Ok((request_with(&key, host, port, tls, path, config), accept))
}

fn request_with(
    key: &str,
    host: &str,
    port: Option<u16>,
    tls: bool,
    path: &str,
    config: &WebSocketConfig,
) -> String {
    let host = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let usual = if tls { 443 } else { 80 };
    let port = match port {
        Some(port) if port != usual => format!(":{port}"),
        _ => String::new(),
    };
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\nSec-WebSocket-Version: 13\r\n"
    );
    for (name, value) in &config.headers {
        let _infallible = write!(request, "{name}: {value}\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Whether a path can stand in a request line.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'#')
}

/// Why a server's answer is no consent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("the answer has too many octets or headers")]
    TooLong,
    #[error("the server answered {0}")]
    Status(u16),
    #[error("the answer lacks Upgrade or Connection")]
    NoUpgrade,
    #[error("Sec-WebSocket-Accept is not right")]
    Accept,
    #[error("the server does not agree to the subprotocol msrp")]
    Subprotocol,
    #[error("the server uses an extension that nobody asked for")]
    Extension,
}

/// Checks a server's answer (RFC 6455 §4.1, RFC 7977 §4.1).
pub(super) fn check(head: &[u8], accept: &str, config: &WebSocketConfig) -> Result<(), AnswerError> {
    let mut storage = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut storage[..config.max_headers]);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(AnswerError::TooLong),
        Ok(httparse::Status::Partial) | Err(_) => return Err(AnswerError::NotHttp),
    }
    let headers = &*response.headers;
    match response.code {
        Some(101) => {}
        code => return Err(AnswerError::Status(code.unwrap_or_default())),
    }
    if !has_token(headers, "Upgrade", "websocket") || !has_token(headers, "Connection", "Upgrade") {
        return Err(AnswerError::NoUpgrade);
    }
    if only(headers, "Sec-WebSocket-Accept") != Some(accept.as_bytes()) {
        return Err(AnswerError::Accept);
    }
    if only(headers, "Sec-WebSocket-Protocol") != Some(SUBPROTOCOL.as_bytes()) {
        return Err(AnswerError::Subprotocol);
    }
    if tokens(headers, "Sec-WebSocket-Extensions").next().is_some() {
        return Err(AnswerError::Extension);
    }
    Ok(())
}
