//! What operators say of WebSocket listeners.

use std::time::Duration;

use msrp_core::node::OpeningHandshake;
use msrp_transport::layer::{Refusal, WebSocketConfig};

use super::{SettingsError, settings::DAY};

/// Shorter ones would not hold the head of a chunk.
const LEAST_MESSAGE: u64 = 1024;

/// What was said of WebSocket, of one listener or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct WebSocketOptions {
    pub(super) paths: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) max_message: Option<u64>,
    /// Seconds; 0 for none.
    pub(super) ping: Option<u64>,
}

impl WebSocketOptions {
    /// What is not said here is as the others say.
    pub(super) fn or(self, others: &Self) -> Self {
        let list = |own: Vec<String>, others: &[String]| if own.is_empty() { others.to_vec() } else { own };
        Self {
            paths: list(self.paths, &others.paths),
            origins: list(self.origins, &others.origins),
            max_message: self.max_message.or(others.max_message),
            ping: self.ping.or(others.ping),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.origins.is_empty() && self.max_message.is_none() && self.ping.is_none()
    }

    /// The layer's configuration.
    ///
    /// # Errors
    /// [`SettingsError::Wanted`], naming the option.
    pub(super) fn config(self) -> Result<WebSocketConfig, SettingsError> {
        let mut config = WebSocketConfig::new();
        for path in &self.paths {
            let is_path = path.starts_with('/')
                && path.bytes().all(|octet| octet.is_ascii_graphic())
                && !path.contains(['?', '#']);
            if !is_path {
                return Err(SettingsError::wanted(
                    "--websocket-path",
                    path,
                    "a path such as /msrp",
                ));
            }
        }
        if !self.paths.is_empty() {
            config = config.paths(self.paths);
        }
        for origin in &self.origins {
            if !is_origin(origin) {
                let wanted = "the origin of a page, such as https://chat.example.com";
                return Err(SettingsError::wanted("--websocket-origin", origin, wanted));
            }
        }
        if !self.origins.is_empty() {
            let origins = self.origins;
            config = config.policy(move |request: &OpeningHandshake| admit(&origins, request));
        }
        match self.max_message {
            Some(octets) if octets < LEAST_MESSAGE => {
                return Err(SettingsError::wanted(
                    "--websocket-max-message",
                    &octets.to_string(),
                    "1024 octets at least",
                ));
            }
            Some(octets) => config = config.max_message(octets),
            None => {}
        }
        if let Some(seconds) = self.ping {
            if seconds > DAY {
                let wanted = "a day at most, 86400,";
                return Err(SettingsError::wanted(
                    "--websocket-ping",
                    &seconds.to_string(),
                    wanted,
                ));
            }
            config = config.ping_interval((seconds > 0).then(|| Duration::from_secs(seconds)));
        }
        Ok(config)
    }
}

/// Scheme, host and port, as browsers write them (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty()
            && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric())
            && !host.is_empty()
            && host.bytes().all(|octet| octet.is_ascii_graphic())
            && !host.contains(['/', '?', '#', '@', '*'])
    })
}

/// A page of another origin is refused. Who is no browser has no origin, and could name any.
fn admit(origins: &[String], request: &OpeningHandshake) -> Result<(), Refusal> {
    let let_in = |origin| origins.iter().any(|one| one.eq_ignore_ascii_case(origin));
    match request.origin() {
        Some(origin) if !let_in(origin) => Err(Refusal::forbidden()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> WebSocketOptions {
        WebSocketOptions::default()
    }

    #[test]
    fn what_one_listener_says_wins() {
        let all = WebSocketOptions {
            paths: vec!["/a".to_owned(), "/b".to_owned()],
            ping: Some(7),
            ..options()
        };
        let one = WebSocketOptions {
            paths: vec!["/c".to_owned()],
            max_message: Some(2_000),
            ..options()
        };
        let both = one.or(&all);
        assert_eq!((both.paths, both.ping), (vec!["/c".to_owned()], Some(7)));
        assert_eq!(both.max_message, Some(2_000));
        assert!(options().is_empty() && !all.is_empty());
    }

    #[test]
    fn what_cannot_be_is_named() {
        let path = |path: &str| WebSocketOptions {
            paths: vec![path.to_owned()],
            ..options()
        };
        let origin = |origin: &str| WebSocketOptions {
            origins: vec![origin.to_owned()],
            ..options()
        };
        let size = |max_message| WebSocketOptions {
            max_message,
            ..options()
        };
        for (options, named) in [
            (path("msrp"), "--websocket-path msrp: "),
            (path("/a b"), "--websocket-path /a b: "),
            (path("/a?b"), "--websocket-path /a?b: "),
            (
                origin("chat.example.com"),
                "--websocket-origin chat.example.com: ",
            ),
            (origin("https://a/"), "--websocket-origin https://a/: "),
            (origin("https://*.a"), "--websocket-origin https://*.a: "),
            (size(Some(1023)), "--websocket-max-message 1023: "),
        ] {
            let error = options
                .config()
                .map_or_else(|error| error.to_string(), |_| String::new());
            assert!(error.starts_with(named), "{error:?}");
        }
        for options in [
            path("/"),
            path("/a/b"),
            origin("http://[::1]:8080"),
            size(Some(1024)),
        ] {
            assert!(options.config().is_ok());
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let origins = ["https://chat.example.com".to_owned()];
        let asks = |headers: &[(&str, &str)]| {
            let request = OpeningHandshake::new("/", headers.iter().copied());
            admit(&origins, &request).is_ok()
        };
        assert!(asks(&[("Origin", "https://Chat.example.com")]));
        assert!(asks(&[]));
        assert!(!asks(&[("Origin", "https://evil.example.com")]));
        assert!(!asks(&[("Origin", "null")]));
    }
}
