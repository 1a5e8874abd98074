//! `--json`: commands as JSON objects, one a line.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// What a script wants done. `session` may be left out where there is one only.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Command {
    /// Call somebody.
    Call {
        to: String,
        #[serde(default)]
        subject: Option<String>,
    },
    /// Answer a call.
    Accept {
        #[serde(default)]
        session: Option<String>,
    },
    /// Refuse a call.
    Refuse {
        #[serde(default)]
        session: Option<String>,
        #[serde(default)]
        code: Option<u16>,
    },
    /// Say something: `text`, or `base64` of the type `content_type`.
    Send {
        #[serde(default)]
        session: Option<String>,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        base64: Option<String>,
        #[serde(default)]
        content_type: Option<String>,
    },
    /// Send a file.
    SendFile {
        #[serde(default)]
        session: Option<String>,
        path: String,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        content_type: Option<String>,
    },
    /// Give a file up that is being sent or received.
    CancelFile {
        #[serde(default)]
        session: Option<String>,
        file: String,
    },
    /// Tell the peer that somebody types here, or has stopped.
    Composing {
        #[serde(default)]
        session: Option<String>,
        active: bool,
    },
    /// Tell the sender that its message has been looked at.
    Displayed {
        #[serde(default)]
        session: Option<String>,
        message_id: String,
    },
    /// What sessions are there?
    Sessions {},
    /// End a session.
    Bye {
        #[serde(default)]
        session: Option<String>,
    },
    /// End the program.
    Quit {},
}

/// A line of a script: the command, and a name for its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) reference: Option<serde_json::Value>,
    pub(super) command: Result<Command, String>,
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Self {
        let mut object: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) => {
                return Self {
                    reference: None,
                    command: Err(format!("a JSON object is wanted: {error}")),
                };
            }
        };
        let reference = object.remove("ref");
        let command = serde_json::from_value(object.into()).map_err(|error| error.to_string());
        Self { reference, command }
    }
}

/// The media type and octets of a message that is to be sent.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn content(
    text: Option<String>,
    base64: Option<String>,
    content_type: Option<String>,
) -> Result<(String, Vec<u8>), String> {
    match (text, base64) {
        (Some(text), None) => Ok((
            content_type.unwrap_or_else(|| "text/plain;charset=UTF-8".to_owned()),
            text.into_bytes(),
        )),
        (None, Some(base64)) => {
            let octets = STANDARD
                .decode(base64.trim())
                .map_err(|error| format!("base64: {error}"))?;
            let content_type = content_type.ok_or("with base64 goes a content_type")?;
            Ok((content_type, octets))
        }
        _ => Err("text or base64 is wanted, one of them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_objects_named_by_command() {
        let line = Line::parse(r#"{"command": "send", "ref": 7, "text": "hello"}"#);
        assert_eq!(line.reference, Some(7.into()));
        assert_eq!(
            line.command,
            Ok(Command::Send {
                session: None,
                text: Some("hello".to_owned()),
                base64: None,
                content_type: None
            })
        );
        let line = Line::parse(r#"{"command": "send-file", "session": "in-1", "path": "/tmp/a"}"#);
        assert!(matches!(line.command, Ok(Command::SendFile { .. })), "{line:?}");
        assert_eq!(
            Line::parse(r#"{"command": "quit"}"#).command,
            Ok(Command::Quit {})
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, wanted) in [
            ("hello", "a JSON object is wanted"),
            ("[1]", "a JSON object is wanted"),
            (r#"{"command": "sned"}"#, "sned"),
            (r#"{"command": "send", "txet": "hello"}"#, "txet"),
            (r#"{"command": "call"}"#, "to"),
            (r#"{"text": "hello"}"#, "command"),
        ] {
            let error = Line::parse(line).command.unwrap_err();
            assert!(error.contains(wanted), "{line}: {error}");
        }
        let line = Line::parse(r#"{"command": "sned", "ref": "a"}"#);
        assert_eq!(line.reference, Some("a".into()));
    }

    #[test]
    fn a_message_is_text_or_octets_of_a_type() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            content(some("hi"), None, None),
            Ok(("text/plain;charset=UTF-8".to_owned(), b"hi".to_vec()))
        );
        assert_eq!(
            content(None, some("/wA="), some("application/x")),
            Ok(("application/x".to_owned(), vec![255, 0]))
        );
        for (text, base64, content_type) in [
            (None, None, None),
            (some("a"), some("YQ=="), some("a/b")),
            (None, some("?"), some("a/b")),
            (None, some("YQ=="), None),
        ] {
            content(text, base64, content_type).unwrap_err();
        }
    }
}
