//! What happens, as programs tell it: one JSON object for each, named by its `event`.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use msrp_ua::mime::Part;
use serde::Serialize;

/// What happens.
///
/// A session is named as it is until the end of the program, `out-1` for the first that we have begun, `in-1` for the first
/// that others have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Event {
    /// A listener is ready.
    Listening {
        /// Where, such as `udp://127.0.0.1:5060`.
        url: String,
        /// `listening on` and the URL, as programs say it that write no JSON.
        text: String,
    },
    /// Somebody calls. `accept` or `refuse` answers it, unless calls are answered without asking.
    Call {
        /// The session that comes of it if it is accepted.
        session: String,
        /// Who calls.
        peer: Party,
        /// What the call is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// What else it brings, such as the caller's location.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        parts: Vec<BodyPart>,
        /// The files in it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileInfo>,
    },
    /// A call of ours has got somewhere: 180 where the peer is being asked.
    Progress {
        /// The session that comes of it if it is accepted.
        session: String,
        /// The code of SIP.
        code: u16,
    },
    /// There is a session: messages can be sent.
    Session {
        /// The session.
        session: String,
        /// Who is at the other end.
        peer: Party,
        /// Who has called: `in` or `out`.
        direction: Direction,
    },
    /// A session is over, or has not come about.
    Ended {
        /// The session.
        session: String,
        /// Why.
        reason: String,
        /// The code with which it was refused or lost, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// What there was to be done in it has been done: it was established, and ended by one of the two.
        regular: bool,
    },
    /// A message has come.
    Message {
        /// The session.
        session: String,
        /// Its identifier.
        message_id: String,
        /// Who has sent it.
        from: Party,
        /// Its media type.
        content_type: String,
        /// How many octets it has.
        size: u64,
        /// What is in it.
        #[serde(flatten)]
        content: Content,
        /// A message with this identifier has come before.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    /// What became of a message that we have sent.
    Report {
        /// The session.
        session: String,
        /// Its identifier.
        message_id: String,
        /// How far it has got.
        status: Status,
        /// The code of a failure.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// What the code means.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The peer types, or has stopped.
    Composing {
        /// The session.
        session: String,
        /// Who.
        from: Party,
        /// Whether it types.
        active: bool,
    },
    /// The peer offers a file.
    FileOffered {
        /// The session.
        session: String,
        /// Names the transfer in its session.
        file: String,
        /// What is said of it.
        #[serde(flatten)]
        info: FileInfo,
        /// Whether it has been accepted.
        accepted: bool,
        /// Why not.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The peer wants a file that we have offered: it is on its way.
    FileAccepted {
        /// The session.
        session: String,
        /// Names the transfer in its session.
        file: String,
        /// What is said of it.
        #[serde(flatten)]
        info: FileInfo,
        /// The identifier of the message in which it is sent.
        message_id: String,
    },
    /// A file is on its way.
    FileProgress {
        /// The session.
        session: String,
        /// Names the transfer in its session.
        file: String,
        /// Octets that have passed.
        octets: u64,
        /// All of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// What became of a file.
    File {
        /// The session.
        session: String,
        /// Names the transfer in its session.
        file: String,
        /// What is said of it.
        #[serde(flatten)]
        info: FileInfo,
        /// What became of it.
        outcome: FileEnd,
        /// Where it has been saved.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Why it has failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The identifier of the message in which we have sent it.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The peer does.
    In,
    /// We do.
    Out,
}

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Party {
    /// The SIP URI.
    pub uri: String,
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Party {
    /// What people call it: its name, or the user in the URI.
    pub fn short(&self) -> &str {
        match &self.name {
            Some(name) => name,
            None => super::settings::user_of(&self.uri).unwrap_or(&self.uri),
        }
    }
}

/// What is in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Text.
    Text(String),
    /// Something else, in base64.
    Base64(String),
}

impl Content {
    /// The content of a message of this media type.
    pub fn new(content_type: &str, body: &Bytes) -> Self {
        let is_text = content_type
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("text/"));
        match std::str::from_utf8(body) {
            Ok(text) if is_text => Self::Text(text.to_owned()),
            _ => Self::Base64(STANDARD.encode(body)),
        }
    }
}

/// What a call brings beside its offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BodyPart {
    /// Its media type.
    pub content_type: String,
    /// Its Content-ID, without brackets: a `Geolocation` header field points to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// What is in it.
    #[serde(flatten)]
    pub content: Content,
}

impl BodyPart {
    pub(super) fn new(part: &Part) -> Self {
        let content_type = part.headers.get("Content-Type").unwrap_or("text/plain");
        let id = part.headers.get("Content-ID");
        Self {
            content_type: content_type.to_owned(),
            content_id: id.map(|id| id.trim_matches(['<', '>']).to_owned()),
            content: match std::str::from_utf8(&part.body) {
                // A location, mostly.
                Ok(text) if content_type.contains("xml") => Content::Text(text.to_owned()),
                _ => Content::new(content_type, &part.body),
            },
        }
    }
}

/// How far a message has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The next hop has it.
    Sent,
    /// The peer has it.
    Delivered,
    /// The peer has looked at it.
    Displayed,
    /// It has not arrived.
    Failed,
    /// The session ended before it was known whether it has arrived.
    Unknown,
}

/// What is said of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Its name.
    pub name: String,
    /// How many octets it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its hash, such as `sha-1:72:24:5F:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileEnd {
    /// The peer has it.
    Sent,
    /// We have it.
    Received,
    /// The other side does not want it.
    Refused,
    /// Somebody has given it up.
    Aborted,
    /// It has failed.
    Failed,
}

impl FileEnd {
    /// Whether it has arrived.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Sent | Self::Received)
    }
}

impl Event {
    /// A listener that is ready.
    pub fn listening(url: impl std::fmt::Display) -> Self {
        Self::Listening {
            url: url.to_string(),
            text: format!("listening on {url}"),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Listening { .. } => "listening",
            Self::Call { .. } => "call",
            Self::Progress { .. } => "progress",
            Self::Session { .. } => "session",
            Self::Ended { .. } => "ended",
            Self::Message { .. } => "message",
            Self::Report { .. } => "report",
            Self::Composing { .. } => "composing",
            Self::FileOffered { .. } => "file-offered",
            Self::FileAccepted { .. } => "file-accepted",
            Self::FileProgress { .. } => "file-progress",
            Self::File { .. } => "file",
        }
    }

    /// The session that it is about.
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::Listening { .. } => None,
            Self::Call { session, .. }
            | Self::Progress { session, .. }
            | Self::Session { session, .. }
            | Self::Ended { session, .. }
            | Self::Message { session, .. }
            | Self::Report { session, .. }
            | Self::Composing { session, .. }
            | Self::FileOffered { session, .. }
            | Self::FileAccepted { session, .. }
            | Self::FileProgress { session, .. }
            | Self::File { session, .. } => Some(session),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bob() -> Party {
        Party {
            uri: "sip:bob@example.com".to_owned(),
            name: None,
        }
    }

    #[test]
    fn events_are_flat_objects_named_by_event() {
        let event = Event::Message {
            session: "in-1".to_owned(),
            message_id: "m1".to_owned(),
            from: bob(),
            content_type: "text/plain".to_owned(),
            size: 2,
            content: Content::new("text/plain", &Bytes::from_static(b"hi")),
            duplicate: false,
        };
        let told = serde_json::to_value(&event).unwrap();
        assert_eq!(
            told,
            json!({"event": "message", "session": "in-1", "message_id": "m1", "from": {"uri": "sip:bob@example.com"},
                "content_type": "text/plain", "size": 2, "text": "hi"})
        );
        assert_eq!(told["event"], event.name());
        let event = Event::File {
            session: "out-1".to_owned(),
            file: "1".to_owned(),
            info: FileInfo {
                name: "a".to_owned(),
                ..FileInfo::default()
            },
            outcome: FileEnd::Sent,
            path: None,
            reason: None,
            message_id: None,
        };
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            json!({"event": "file", "session": "out-1", "file": "1", "name": "a", "outcome": "sent"})
        );
    }

    #[test]
    fn names_are_those_on_the_wire() {
        let file_offered = Event::FileOffered {
            session: String::new(),
            file: String::new(),
            info: FileInfo::default(),
            accepted: true,
            reason: None,
        };
        for event in [Event::listening("udp://127.0.0.1:1"), file_offered] {
            let told: Value = serde_json::to_value(&event).unwrap();
            assert_eq!(told["event"], event.name());
        }
    }

    #[test]
    fn what_is_no_text_is_base64() {
        let octets = Bytes::from_static(b"\xff\x00");
        assert_eq!(
            Content::new("text/plain", &octets),
            Content::Base64("/wA=".to_owned())
        );
        let text = Bytes::from_static(b"a");
        assert_eq!(
            Content::new("application/json", &text),
            Content::Base64("YQ==".to_owned())
        );
        assert_eq!(Content::new("TEXT/html", &text), Content::Text("a".to_owned()));
    }

    #[test]
    fn people_have_short_names() {
        assert_eq!(bob().short(), "bob");
        let party = |uri: &str| Party {
            uri: uri.to_owned(),
            name: None,
        };
        assert_eq!(party("sip:example.com").short(), "sip:example.com");
        assert_eq!(
            Party {
                name: Some("Bob B.".to_owned()),
                ..bob()
            }
            .short(),
            "Bob B."
        );
    }
}
