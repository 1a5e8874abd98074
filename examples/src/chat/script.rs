//! `--json`: events out, commands in.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{
    lines::{Command, Line, content},
    run::{Flow, Job, Purpose, Shared},
};
use crate::endpoint::{Event, Refusal};

/// Writes events, and does what commands say.
pub(super) struct Script {
    out: Box<dyn Write + Send>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            out: Box::new(io::stdout()),
        }
    }

    fn put(&mut self, object: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(object)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }

    /// # Errors
    /// Those of standard output.
    pub(super) fn event(&mut self, event: &Event) -> io::Result<()> {
        self.put(event)
    }

    /// Something that was not asked for by a command was sent, or was not.
    pub(super) fn sent(&mut self, session: &str, outcome: &Result<Value, String>) -> io::Result<()> {
        match outcome {
            Ok(what) => {
                let mut object = json!({"event": "sending", "session": session});
                merge(&mut object, what);
                self.put(&object)
            }
            Err(error) => self.put(&json!({"event": "error", "session": session, "error": error})),
        }
    }

    fn answer(
        &mut self,
        reference: Option<Value>,
        outcome: Result<Value, impl std::fmt::Display>,
    ) -> io::Result<()> {
        let mut object = match outcome {
            Ok(what) => {
                let mut object = json!({"event": "done"});
                merge(&mut object, &what);
                object
            }
            Err(error) => json!({"event": "error", "error": error.to_string()}),
        };
        if let Some(reference) = reference {
            merge(&mut object, &json!({"ref": reference}));
        }
        self.put(&object)
    }

    /// A line has come.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) async fn line(&mut self, line: &str, shared: &mut Shared) -> io::Result<Flow> {
        if line.trim().is_empty() {
            return Ok(Flow::Go);
        }
        let Line { reference, command } = Line::parse(line);
        let command = match command {
            Ok(Command::Quit {}) => {
                self.answer(reference, Ok::<_, String>(json!({})))?;
                return Ok(Flow::Quit);
            }
            Ok(command) => command,
            Err(error) => {
                self.answer(reference, Err(error))?;
                return Ok(Flow::Go);
            }
        };
        match self.perform(command, reference.clone(), shared).await {
            Ok(Some(what)) => self.answer(reference, Ok::<_, String>(what))?,
            Ok(None) => {}
            Err(error) => self.answer(reference, Err(error))?,
        }
        Ok(Flow::Go)
    }

    /// Does what a command says. What there is to answer, unless that comes later.
    async fn perform(
        &mut self,
        command: Command,
        reference: Option<Value>,
        shared: &mut Shared,
    ) -> Result<Option<Value>, Refusal> {
        let endpoint = shared.endpoint.clone();
        Ok(Some(match command {
            Command::Call { to, subject } => {
                let session = endpoint.call(&to, subject).await?;
                json!({"session": session})
            }
            Command::Accept { session } => {
                let session = shared.session(session)?;
                for event in endpoint.accept(&session).await? {
                    // What cannot be written now cannot be written next either, which ends the program.
                    let _next = self.event(&event);
                }
                json!({"session": session})
            }
            Command::Refuse { session, code } => {
                let session = shared.session(session)?;
                endpoint.refuse(&session, code.unwrap_or(486)).await?;
                json!({"session": session})
            }
            Command::Send {
                session,
                text,
                base64,
                content_type,
            } => {
                let session = shared.session(session)?;
                let (content_type, body) = content(text, base64, content_type).map_err(Refusal::Invalid)?;
                let message_id = endpoint.send(&session, &content_type, body).await?;
                shared.errand.sent(&session, message_id.clone());
                json!({"session": session, "message_id": message_id})
            }
            Command::SendFile {
                session,
                path,
                name,
                content_type,
            } => {
                let session = shared.session(session)?;
                shared.prepare(
                    Job {
                        session,
                        purpose: Purpose::Script(reference),
                    },
                    path.into(),
                    name,
                    content_type,
                );
                return Ok(None);
            }
            Command::CancelFile { session, file } => {
                let session = shared.session(session)?;
                endpoint.cancel_file(&session, &file).await?;
                json!({"session": session, "file": file})
            }
            Command::Composing { session, active } => {
                let session = shared.session(session)?;
                endpoint.composing(&session, active).await?;
                json!({"session": session})
            }
            Command::Displayed { session, message_id } => {
                let session = shared.session(session)?;
                endpoint.displayed(&session, &message_id).await?;
                json!({"session": session, "message_id": message_id})
            }
            Command::Sessions {} => json!({"sessions": endpoint.sessions()}),
            Command::Bye { session } => {
                let session = shared.session(session)?;
                endpoint.end(&session).await?;
                json!({"session": session})
            }
            Command::Quit {} => json!({}),
        }))
    }

    /// A file that a command has named has been offered, or not.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn offered(
        &mut self,
        session: &str,
        reference: Option<Value>,
        outcome: Result<String, Refusal>,
    ) -> io::Result<()> {
        let outcome = outcome.map(|file| json!({"session": session, "file": file}));
        self.answer(reference, outcome)
    }
}

/// Puts the members of an object into another.
fn merge(object: &mut Value, more: &Value) {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}
