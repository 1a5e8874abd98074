//! An opening handshake that is refused, in HTTP's terms.

use std::fmt::Write as _;

use super::config::is_header;

/// How a server answers an opening handshake that it does not grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
pub struct Refusal {
    status: u16,
    reason: &'static str,
    headers: Vec<(String, String)>,
    body: &'static str,
}

impl Refusal {
    const fn new(status: u16, reason: &'static str, body: &'static str) -> Self {
        Self {
            status,
            reason,
            headers: Vec::new(),
            body,
        }
    }

    /// 401: the client has to authenticate by HTTP, as this `WWW-Authenticate` says.
    pub fn unauthorized(challenge: &str) -> Self {
        Self::new(401, "Unauthorized", "This server wants HTTP authentication.\n")
            .with_header("WWW-Authenticate", challenge)
    }

    /// 403: no.
    pub const fn forbidden() -> Self {
        Self::new(403, "Forbidden", "This request is refused.\n")
    }

    /// 503: not now.
    pub const fn unavailable() -> Self {
        Self::new(503, "Service Unavailable", "Try again later.\n")
    }

    /// Adds a header, such as `Set-Cookie`; one that is none is left out.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if is_header(name, value) {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(super) const fn bad_request(body: &'static str) -> Self {
        Self::new(400, "Bad Request", body)
    }

    pub(super) const fn not_found() -> Self {
        Self::new(404, "Not Found", "There is nothing at this path.\n")
    }

    pub(super) fn method() -> Self {
        Self::new(405, "Method Not Allowed", "A WebSocket handshake is a GET.\n").with_header("Allow", "GET")
    }

    pub(super) fn upgrade_required() -> Self {
        let body = "This is an MSRP server: it speaks WebSocket, version 13, with the subprotocol msrp (RFC 7977).\n";
        Self::new(426, "Upgrade Required", body)
            .with_header("Upgrade", "websocket")
            .with_header("Sec-WebSocket-Version", "13")
            .with_header("Sec-WebSocket-Protocol", "msrp")
    }

    pub(super) const fn too_large() -> Self {
        Self::new(
            431,
            "Request Header Fields Too Large",
            "The head of the request has more octets, or headers, than are taken.\n",
        )
    }

    /// As it is sent. The connection ends after it.
    pub(super) fn response(&self) -> String {
        let mut response = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for (name, value) in &self.headers {
            let _infallible = write!(response, "{name}: {value}\r\n");
        }
        let upgrade = if self.status == 426 { "Upgrade, " } else { "" };
        let _infallible = write!(
            response,
            "Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: {upgrade}close\r\n\r\n{}",
            self.body.len(),
            self.body
        );
        response
    }
}
