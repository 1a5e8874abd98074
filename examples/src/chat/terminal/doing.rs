//! What a person at the terminal says and asks for.

use std::io;

use super::{
    Input, Terminal,
    editor::PROMPT,
    screen::{LineId, harmless},
    typed::{self, Typed},
    words::{now, short},
};
use crate::{
    chat::run::{Flow, Job, Purpose, Shared},
    endpoint::{Phase, Refusal},
};

impl Terminal {
    /// Something is typed.
    ///
    /// # Errors
    /// Those of standard output.
    pub(in crate::chat) async fn input(&mut self, input: Input, shared: &mut Shared) -> io::Result<Flow> {
        let line = match input {
            Input::Line(line) => line,
            Input::Typing(active) => {
                if let Some((session, _)) = &self.current
                    && let Err(error) = shared.endpoint.composing(session, active).await
                {
                    tracing::debug!(%error, "not told that somebody types");
                }
                return Ok(Flow::Go);
            }
            Input::NoText => {
                self.screen.forget();
                return self
                    .note("what was typed is not UTF-8 and was dropped")
                    .map(|_| Flow::Go);
            }
            Input::End => return Ok(Flow::Go),
        };
        let typed = Typed::parse(&line);
        if !matches!(typed, Typed::Text(_) | Typed::Nothing) {
            self.echo(&line)?;
        }
        let said = match typed {
            Typed::Nothing => return Ok(Flow::Go),
            Typed::Quit => return Ok(Flow::Quit),
            Typed::Help => return self.screen.line(typed::help()).map(|_| Flow::Go),
            Typed::Mistake(what) => Err(Refusal::Invalid(what)),
            Typed::Text(text) => match self.current.clone() {
                Some((session, _)) => {
                    let sent = shared
                        .endpoint
                        .send(&session, "text/plain;charset=UTF-8", text.clone().into_bytes())
                        .await;
                    if let Ok(message_id) = &sent {
                        shared.errand.sent(&session, message_id.clone());
                    }
                    self.said(&line, &text, sent)?;
                    return Ok(Flow::Go);
                }
                None => {
                    self.echo(&line)?;
                    Err(nobody(shared))
                }
            },
            Typed::Call(to) => match shared.endpoint.sessions().first() {
                Some(session) if self.edits => Err(Refusal::Conflict(match session.phase {
                    Phase::Established => format!("you talk with {}; /bye first", session.peer.short()),
                    Phase::Calling => format!("you call {} already; /bye first", session.peer.short()),
                    _ => format!("{} calls; /accept or /refuse first", session.peer.short()),
                })),
                _ => match shared.endpoint.call(&to, None).await {
                    Ok(_) => return self.calling(&to).map(|()| Flow::Go),
                    Err(error) => Err(error),
                },
            },
            Typed::Accept => match self.ringing.clone() {
                Some(session) => match shared.endpoint.accept(&session).await {
                    Ok(events) => {
                        for event in events {
                            Box::pin(self.event(&event, shared)).await?;
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                None => Err(Refusal::Conflict("nobody calls".to_owned())),
            },
            Typed::Refuse(code) => match self.ringing.clone() {
                Some(session) => shared.endpoint.refuse(&session, code).await,
                None => Err(Refusal::Conflict("nobody calls".to_owned())),
            },
            Typed::Send(path) => match self.current.clone() {
                Some((session, _)) => {
                    let job = Job {
                        session,
                        purpose: Purpose::Typed,
                    };
                    shared.prepare(job, path.into(), None, None);
                    Ok(())
                }
                None => Err(nobody(shared)),
            },
            Typed::Cancel => self.cancel(shared).await,
            Typed::Bye => {
                let current = self.current.as_ref().map(|(session, _)| session.clone());
                let any = || shared.endpoint.sessions().pop().map(|session| session.session);
                match current.or_else(any) {
                    Some(session) => shared.endpoint.end(&session).await,
                    None => Err(Refusal::Conflict("there is no session".to_owned())),
                }
            }
        };
        if let Err(error) = said {
            self.note(error)?;
        }
        Ok(Flow::Go)
    }

    /// Gives up the files that are on their way.
    async fn cancel(&mut self, shared: &mut Shared) -> Result<(), Refusal> {
        let mut any = false;
        for session in shared.endpoint.sessions() {
            for file in &session.files {
                shared.endpoint.cancel_file(&session.session, file).await?;
                any = true;
            }
        }
        if any {
            Ok(())
        } else {
            Err(Refusal::Conflict("no file is on its way".to_owned()))
        }
    }

    /// A line that was typed has been sent, or not.
    fn said(&mut self, typed: &str, text: &str, sent: Result<String, Refusal>) -> io::Result<()> {
        match sent {
            // Where nobody sees what he types, it needs no repetition either.
            Ok(message_id) if !self.screen.can_change() => {
                self.remember(message_id, LineId::default(), now(), text);
                Ok(())
            }
            Ok(message_id) => self.show_own(message_id, text),
            Err(error) => {
                self.echo(&short(typed, self.screen.size().columns))?;
                self.note(format!("not sent: {error}")).map(drop)
            }
        }
    }

    /// Shows what was typed, as it was.
    fn echo(&mut self, line: &str) -> io::Result<()> {
        match self.edits {
            true => self
                .screen
                .line(format!("{PROMPT}{}", harmless(line, "  ")))
                .map(drop),
            false => Ok(()),
        }
    }
}

/// Why nothing can be said, and what helps.
fn nobody(shared: &Shared) -> Refusal {
    let sessions = shared.endpoint.sessions();
    Refusal::Conflict(match sessions.first() {
        Some(session) => match session.phase {
            Phase::Ringing => format!("{} calls; /accept first", session.peer.short()),
            _ => format!("{} has not answered yet", session.peer.short()),
        },
        None => "nobody is there; /call SIPURI calls".to_owned(),
    })
}
