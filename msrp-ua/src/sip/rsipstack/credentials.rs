//! Answers to 401 and 407 (RFC 3261 §22, RFC 8760).

use msrp_core::{
    digest::{Algorithm, Ha1, response, response_without_qop},
    grammar::Challenge,
};
use rsipstack::sip::{Request, Response};

use super::{compose::token, config::SipCredentials, fields};

/// How often one request is sent again for a challenge: one with another nonce (`stale`), and one of a proxy behind
/// another.
pub(super) const ATTEMPTS: u8 = 3;

/// Puts what answers a challenge into a request. `false`: nothing does.
pub(super) fn answer(request: &mut Request, challenged: &Response, credentials: &[SipCredentials]) -> bool {
    let (asks, says) = if challenged.status_code.code() == 407 {
        ("Proxy-Authenticate", "Proxy-Authorization")
    } else {
        ("WWW-Authenticate", "Authorization")
    };
    let mut answered = false;
    let mut realms: Vec<String> = Vec::new();
    for value in fields::values(&challenged.headers, asks) {
        let Ok(challenge) = Challenge::parse(value.as_bytes()) else {
            continue;
        };
        // Of one realm the first that we can answer is the one that the server likes most (RFC 8760 §2.4).
        if realms.iter().any(|realm| *realm == challenge.realm) {
            continue;
        }
        let Some(algorithm) = challenge.digest_algorithm() else {
            continue;
        };
        let suits = |credentials: &&SipCredentials| {
            credentials
                .realm
                .as_ref()
                .is_none_or(|realm| *realm == challenge.realm)
        };
        let Some(credentials) = credentials.iter().find(suits) else {
            continue;
        };
        let refused = drop_realm(request, says, &challenge.realm);
        if refused && !challenge.stale {
            // It is these credentials that were refused.
            return false;
        }
        let Some(value) = authorization(request, &challenge, algorithm, credentials) else {
            continue;
        };
        realms.push(challenge.realm.into_owned());
        fields::push(&mut request.headers, says, value);
        answered = true;
    }
    answered
}

/// Takes out what was said to this realm. Whether anything was.
fn drop_realm(request: &mut Request, says: &str, realm: &str) -> bool {
    let said = format!("realm={},", quoted(realm));
    let is_for = |value: &str| value.contains(&said);
    let before = request.headers.len();
    request
        .headers
        .retain(|header| !(header.name().eq_ignore_ascii_case(says) && is_for(header.value())));
    request.headers.len() < before
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn authorization(
    request: &Request,
    challenge: &Challenge<'_>,
    algorithm: Algorithm,
    credentials: &SipCredentials,
) -> Option<String> {
    if challenge.qop.is_some() && !challenge.offers_auth() {
        return None;
    }
    let ha1 = Ha1::compute(
        algorithm,
        &credentials.user,
        &challenge.realm,
        &credentials.password,
    );
    let (method, uri) = (request.method.to_string(), request.uri.to_string());
    let nonce = &*challenge.nonce;
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri=\"{uri}\"",
        quoted(&credentials.user),
        quoted(&challenge.realm),
        quoted(nonce),
    );
    if challenge.qop.is_some() {
        let cnonce = token();
        let digest = response(
            algorithm,
            &ha1,
            nonce,
            1,
            &cnonce,
            "auth",
            &method,
            uri.as_bytes(),
        );
        value += &format!(", response=\"{digest}\", cnonce=\"{cnonce}\", nc=00000001, qop=auth");
    } else {
        let digest = response_without_qop(algorithm, &ha1, nonce, &method, uri.as_bytes());
        value += &format!(", response=\"{digest}\"");
    }
    if challenge.algorithm.is_some() {
        value += &format!(", algorithm={algorithm}");
    }
    if let Some(opaque) = &challenge.opaque {
        value += &format!(", opaque={}", quoted(opaque));
    }
    if value.chars().any(char::is_control) {
        return None;
    }
    Some(value)
}
