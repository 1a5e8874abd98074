//! Who may use an HTTP API.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use super::Refusal;

/// Lets those in who know the token; without a token, whoever can connect.
#[derive(Clone)]
pub struct Guard {
    token: Option<String>,
    /// The flag that sets the token, to be named.
    flag: &'static str,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("token", &self.token.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// For whoever shows this token, which `flag` has set.
    pub fn new(token: Option<String>, flag: &'static str) -> Self {
        Self { token, flag }
    }

    fn admits(&self, request: &Request) -> bool {
        let header = |name| request.headers().get(name).map(|value| value.as_bytes());
        match &self.token {
            Some(token) => header(header::AUTHORIZATION)
                .and_then(|value| {
                    let (scheme, given) = value.split_at_checked(7)?;
                    scheme.eq_ignore_ascii_case(b"bearer ").then_some(given)
                })
                .is_some_and(|given| bool::from(given.ct_eq(token.as_bytes()))),
            // A page in a browser can reach us under a name of its own; under an address, or as localhost, it cannot.
            None => header(header::HOST).is_none_or(names_no_domain),
        }
    }
}

/// Whether a Host header is an address, or `localhost`.
fn names_no_domain(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.admits(&request) {
        return next.run(request).await;
    }
    if guard.token.is_none() {
        let error = format!(
            "without {} the API is used under an address or as localhost",
            guard.flag
        );
        return Refusal::new(StatusCode::FORBIDDEN, error).into_response();
    }
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "a bearer token is wanted");
    ([(header::WWW_AUTHENTICATE, "Bearer")], refusal).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(name: header::HeaderName, value: &str) -> Request {
        Request::builder()
            .header(name, value)
            .body(Body::empty())
            .unwrap_or_default()
    }

    #[test]
    fn only_the_token_opens() {
        let guard = Guard::new(Some("sesame".to_owned()), "--token");
        for (value, good) in [
            ("Bearer sesame", true),
            ("bearer sesame", true),
            ("Bearer sesam", false),
            ("Bearer sesame2", false),
            ("Bearer ", false),
            ("Basic sesame", false),
            ("sesame", false),
        ] {
            assert_eq!(
                guard.admits(&request(header::AUTHORIZATION, value)),
                good,
                "{value}"
            );
        }
        assert!(!guard.admits(&request(header::HOST, "localhost")));
    }

    #[test]
    fn without_a_token_no_page_of_another_name_gets_in() {
        let guard = Guard::new(None, "--token");
        for (host, good) in [
            ("localhost", true),
            ("localhost:9090", true),
            ("127.0.0.1:9090", true),
            ("[::1]:9090", true),
            ("[::1]", true),
            ("evil.example.com", false),
            ("evil.example.com:9090", false),
            ("127.0.0.1.evil.example.com", false),
        ] {
            assert_eq!(guard.admits(&request(header::HOST, host)), good, "{host}");
        }
    }
}
