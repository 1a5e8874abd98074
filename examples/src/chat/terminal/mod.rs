//! Chat for people: lines typed are sent, lines that come are shown with sender and time, ticks tell what has arrived.

mod bar;
mod doing;
mod editor;
mod past;
mod screen;
mod transfers;
mod typed;
mod words;

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use console::style;
use tokio::sync::mpsc;

pub(in crate::chat) use self::editor::{Input, is_interactive};
use self::{
    editor::{Editing, Restore, Stopped},
    screen::{LineId, Out, Screen, Size, harmless},
    transfers::Moving,
    words::{full, now, own_line, short, trouble},
};
use super::run::Shared;
use crate::{
    endpoint::{Content, Event, Party, Phase, Refusal, Status},
    failure::Failure,
};

/// Own lines whose ticks may still change.
const REMEMBERED: usize = 256;

/// What stands before further lines of a message.
const INDENT: &str = "        ";

/// A line of our own, and what is known of it.
struct Own {
    message_id: String,
    line: LineId,
    time: String,
    text: String,
}

/// What a person sees and does.
pub(super) struct Terminal {
    screen: Screen,
    /// Who types has an editor, and the terminal as it was.
    _restore: Option<Restore>,
    stopped: Option<Stopped>,
    edits: bool,
    /// Calls are answered without asking.
    answers: bool,
    /// Where lines go that are typed.
    current: Option<(String, Party)>,
    /// Who waits for an answer.
    ringing: Option<String>,
    /// Who is at the other end of each session.
    peers: HashMap<String, Party>,
    own: VecDeque<Own>,
    /// Files, by session and transfer.
    moving: HashMap<(String, String), Moving>,
    /// The line that says that somebody types.
    typing: Option<LineId>,
}

impl Terminal {
    /// Shows things on standard output; nobody types on a terminal.
    pub(super) fn new(answers: bool) -> Self {
        let out: Box<dyn io::Write + Send> = Box::new(io::stdout());
        let out = if editor::can_draw() {
            Out::Terminal(out)
        } else {
            Out::Plain(out)
        };
        Self::on(out, None, answers)
    }

    /// With somebody who types.
    ///
    /// # Errors
    /// [`Failure::Ran`], when the terminal cannot be used so.
    pub(super) fn with_editor(told: mpsc::Sender<Input>, answers: bool) -> Result<Self, Failure> {
        let Editing {
            printer,
            rows,
            restore,
            stopped,
        } = editor::start(told).map_err(|error| Failure::Ran(format!("the terminal: {error}")))?;
        let mut terminal = Self::on(Out::Editor(printer, rows), Some(restore), answers);
        terminal.stopped = Some(stopped);
        Ok(terminal)
    }

    fn on(out: Out, restore: Option<Restore>, answers: bool) -> Self {
        Self {
            screen: Screen::new(out, Size::of_terminal),
            edits: restore.is_some(),
            _restore: restore,
            stopped: None,
            answers,
            current: None,
            ringing: None,
            peers: HashMap::new(),
            own: VecDeque::new(),
            moving: HashMap::new(),
            typing: None,
        }
    }

    /// Says something that nobody in the conversation has said.
    fn note(&mut self, text: impl std::fmt::Display) -> io::Result<LineId> {
        let text = harmless(&text.to_string(), "  ");
        self.screen.line(format!(
            "{} {}",
            style(now()).dim(),
            style(format!("— {text}")).dim()
        ))
    }

    /// Somebody is being called.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn calling(&mut self, to: &str) -> io::Result<()> {
        self.note(format!("calling {to} …")).map(drop)
    }

    /// What would have been written to standard error.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn log(&mut self, text: &str) -> io::Result<()> {
        let text = harmless(&console::strip_ansi_codes(text), "  ");
        self.screen.line(style(text).dim().to_string()).map(drop)
    }

    /// The terminal has been somebody else's for a while.
    pub(super) fn continued(&mut self) {
        self.screen.forget();
        if let Some(stopped) = &self.stopped {
            stopped.continued();
        }
    }

    /// Shows what has happened.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) async fn event(&mut self, event: &Event, shared: &mut Shared) -> io::Result<()> {
        match event {
            Event::Listening { text, .. } => self.screen.line(text.clone()).map(drop),
            Event::Call {
                session,
                peer,
                subject,
                ..
            } => self.on_call(session, peer, subject.as_deref()),
            Event::Progress { code, .. } => match code {
                180 => self.note("it rings").map(drop),
                _ => Ok(()),
            },
            Event::Session { session, peer, .. } => {
                self.ringing = self.ringing.take().filter(|ringing| ringing != session);
                self.peers.insert(session.clone(), peer.clone());
                self.current = Some((session.clone(), peer.clone()));
                let hint = if self.edits { "; /help lists commands" } else { "" };
                self.note(format!("you talk with {}{hint}", full(peer))).map(drop)
            }
            Event::Ended { session, reason, .. } => {
                self.forget_typing()?;
                self.ringing = self.ringing.take().filter(|ringing| ringing != session);
                self.current = self.current.take().filter(|(current, _)| current != session);
                self.moving.retain(|(of, _), _| of != session);
                let with = match self.peers.remove(session) {
                    Some(peer) => format!("the session with {}", peer.short()),
                    None => "the call".to_owned(),
                };
                if self.current.is_none() {
                    let other = shared.endpoint.sessions().pop();
                    self.current = other
                        .filter(|other| other.phase == Phase::Established)
                        .map(|other| (other.session, other.peer));
                }
                self.note(format!("{with} is over: {reason}")).map(drop)
            }
            Event::Message {
                session,
                message_id,
                from,
                content,
                content_type,
                size,
                duplicate,
                ..
            } => {
                self.forget_typing()?;
                let text = match content {
                    Content::Text(text) => harmless(text, INDENT),
                    Content::Base64(_) => {
                        format!("[{}, {size} octets]", harmless(content_type, ""))
                    }
                };
                let again = if *duplicate { " (again)" } else { "" };
                let name = harmless(from.short(), "");
                self.screen
                    .line(format!(
                        "{} {} {text}{again}",
                        style(now()).dim(),
                        style(format!("{name}:")).bold().cyan()
                    ))
                    .map(drop)?;
                // Only where somebody can see it, it has been seen.
                if self.edits
                    && let Err(error) = shared.endpoint.displayed(session, message_id).await
                {
                    tracing::debug!(%error, "not told that it is displayed");
                }
                Ok(())
            }
            Event::Report {
                message_id,
                status,
                code,
                reason,
                ..
            } => {
                let why = trouble(*status, *code, reason.as_deref());
                self.on_report(message_id, *status, why)
            }
            Event::Composing { from, active, .. } => self.on_composing(from, *active),
            Event::FileOffered { .. }
            | Event::FileAccepted { .. }
            | Event::FileProgress { .. }
            | Event::File { .. } => self.file_event(event),
        }
    }

    fn on_call(&mut self, session: &str, peer: &Party, subject: Option<&str>) -> io::Result<()> {
        self.ringing = Some(session.to_owned());
        self.peers.insert(session.to_owned(), peer.clone());
        let about = subject
            .map(|subject| format!(" about “{subject}”"))
            .unwrap_or_default();
        let hint = match self.edits && !self.answers {
            true => "; /accept or /refuse?",
            false => "",
        };
        self.note(format!("{} calls{about}{hint}", full(peer))).map(drop)
    }

    fn on_report(&mut self, message_id: &str, status: Status, why: Option<String>) -> io::Result<()> {
        let Some(place) = self.own.iter().position(|own| own.message_id == message_id) else {
            return Ok(());
        };
        let over = matches!(status, Status::Failed | Status::Unknown | Status::Displayed);
        let Some(own) = self.own.get(place) else {
            return Ok(());
        };
        let mut shown = own_line(&own.time, &own.text, Some(status));
        if let Some(why) = &why {
            shown = format!("{shown} {}", style(why).red());
        }
        let changed = self.screen.change(own.line, shown)?;
        // What cannot change any more is told once, when it counts.
        let text = short(&own.text, self.screen.size().columns / 2);
        if over {
            self.own.remove(place);
        }
        if changed {
            return Ok(());
        }
        match (status, why) {
            (Status::Delivered, _) if !self.screen.can_change() => {
                self.screen.line(format!("✓✓ {text}")).map(drop)
            }
            (Status::Failed | Status::Unknown, Some(why)) => {
                self.screen.line(format!("✗ {text} ({why})")).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn on_composing(&mut self, from: &Party, active: bool) -> io::Result<()> {
        if !active {
            return self.forget_typing();
        }
        if self.typing.is_none() && self.screen.can_change() {
            let text = format!("{} is typing …", harmless(from.short(), ""));
            self.typing = Some(self.screen.line(style(text).dim().to_string())?);
        }
        Ok(())
    }

    fn forget_typing(&mut self) -> io::Result<()> {
        match self.typing.take() {
            Some(line) => self.screen.remove(line),
            None => Ok(()),
        }
    }

    /// Something that an option asks for has been sent, or not.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn sent(&mut self, text: &str, sent: Result<String, Refusal>) -> io::Result<()> {
        match sent {
            Ok(message_id) => self.show_own(message_id, text),
            Err(error) => self.note(format!("not sent: {error}")).map(drop),
        }
    }

    fn show_own(&mut self, message_id: String, text: &str) -> io::Result<()> {
        let time = now();
        let line = self.screen.line(own_line(&time, &harmless(text, INDENT), None))?;
        self.remember(message_id, line, time, text);
        Ok(())
    }

    fn remember(&mut self, message_id: String, line: LineId, time: String, text: &str) {
        if self.own.len() >= REMEMBERED {
            self.own.pop_front();
        }
        self.own.push_back(Own {
            message_id,
            line,
            time,
            text: harmless(text, INDENT),
        });
    }
}
