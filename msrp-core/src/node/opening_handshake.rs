//! What the HTTP request told that opened a WebSocket connection.

/// The most octets that an [`OpeningHandshake`] keeps; headers beyond are left out.
const MAX_OCTETS: usize = u16::MAX as usize;

/// The request of a WebSocket opening handshake (RFC 6455 §4.1), as far as it may matter to a policy: a server may decide by
/// any of its headers whom it lets in (RFC 7977 §7). Headers of the handshake's own mechanics are not here.
///
/// It is held for as long as the connection, in one piece of memory of about its octets, at most 64 KiB; the transport
/// bounds it further.
#[derive(Clone, PartialEq, Eq)]
pub struct OpeningHandshake {
    text: Box<str>,
    /// Where the request target ends.
    target: u16,
    headers: Box<[Span]>,
}

/// A header in the text: its name stands from `start` to `colon`, its value from there to `end`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u16,
    colon: u16,
    end: u16,
}

impl OpeningHandshake {
    /// A request for this target, such as `/chat?room=1`, with these headers.
    pub fn new<'a>(target: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::with_capacity(1024);
        if target.len() <= MAX_OCTETS {
            text.push_str(target);
        } else {
            // A target that no transport lets through.
            text.extend(target.chars().take(MAX_OCTETS / 4));
        }
        let end_of_target = text.len() as u16;
        let mut spans = Vec::new();
        for (name, value) in headers {
            if text.len() + name.len() + value.len() > MAX_OCTETS {
                break;
            }
            let start = text.len() as u16;
            text.push_str(name);
            let colon = text.len() as u16;
            text.push_str(value);
            let end = text.len() as u16;
            spans.push(Span { start, colon, end });
        }
        Self {
            text: text.into(),
            target: end_of_target,
            headers: spans.into(),
        }
    }

    fn part(&self, start: u16, end: u16) -> &str {
        self.text
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    /// The path that was asked for, without a query.
    pub fn path(&self) -> &str {
        let target = self.part(0, self.target);
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// What stands behind the `?` of the request target.
    pub fn query(&self) -> Option<&str> {
        self.part(0, self.target).split_once('?').map(|(_, query)| query)
    }

    /// All headers, in order, with their names as they were written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|span| (self.part(span.start, span.colon), self.part(span.colon, span.end)))
    }

    /// The value of the first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The host, and port, that the client thinks it talks to.
    pub fn host(&self) -> Option<&str> {
        self.header("Host")
    }

    /// The origin of the page whose script made the connection; browsers always tell it.
    pub fn origin(&self) -> Option<&str> {
        self.header("Origin")
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers()
            .filter(|(known, _)| known.eq_ignore_ascii_case("Cookie"))
            .flat_map(|(_, value)| value.split(';'))
            .find_map(|pair| {
                let (known, value) = pair.trim().split_once('=')?;
                (known == name).then(|| value.trim_matches('"'))
            })
    }
}

/// Cookies and credentials are secrets, and so may be a query: only the path and the names of headers are printed.
impl std::fmt::Debug for OpeningHandshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("OpeningHandshake")
            .field("path", &self.path())
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_path_query_headers_and_cookies() {
        let request = OpeningHandshake::new(
            "/chat?room=1",
            [
                ("host", "relay.example.com"),
                ("Origin", "https://www.example.com"),
                ("Cookie", "a=1; session=\"s3cret\"; b=2"),
                ("Cookie", "late=3"),
            ],
        );
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.host(), Some("relay.example.com"));
        assert_eq!(request.origin(), Some("https://www.example.com"));
        assert_eq!(request.header("ORIGIN"), request.origin());
        assert_eq!(request.header("X-None"), None);
        assert_eq!(request.cookie("session"), Some("s3cret"));
        assert_eq!(request.cookie("late"), Some("3"));
        assert_eq!(request.cookie("essio"), None);
        assert_eq!(request.headers().count(), 4);
        let printed = format!("{request:?}");
        assert!(
            printed.contains("/chat") && printed.contains("Cookie"),
            "{printed}"
        );
        assert!(
            !printed.contains("s3cret") && !printed.contains("room"),
            "{printed}"
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "ä".repeat(40_000);
        let request = OpeningHandshake::new(&long, [("A", "b")]);
        assert!(request.path().len() <= MAX_OCTETS && request.path().starts_with("ää"));
        assert_eq!(request.header("A"), Some("b"));
        let request = OpeningHandshake::new("/", [("A", "b"), ("B", &long), ("C", "d")]);
        assert_eq!(request.headers().collect::<Vec<_>>(), [("A", "b")]);
    }
}
