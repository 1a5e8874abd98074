//! Chat for people: lines typed are sent, lines that come are shown with sender and time, ticks tell what has arrived.

mod bar;
mod editor;
mod screen;
mod typed;

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IsTerminal},
};

use console::style;
use tokio::sync::mpsc;

pub(in crate::chat) use self::editor::{Input, is_interactive};
use self::{
    bar::Bar,
    editor::{PROMPT, Restore},
    screen::{LineId, Out, Screen, Size, harmless},
    typed::Typed,
};
use super::run::{Flow, Job, Purpose, Shared};
use crate::{
    endpoint::{Content, Event, FileEnd, FileInfo, Party, Refusal, Status},
    failure::Failure,
};

/// Own lines whose ticks may still change.
const REMEMBERED: usize = 256;

/// Characters of a file's name beside its bar.
const LABEL: usize = 16;

/// A line of our own, and what is known of it.
struct Own {
    message_id: String,
    line: LineId,
    time: String,
    text: String,
}

/// A file on its way.
struct Moving {
    line: LineId,
    bar: Bar,
}

/// What a person sees and does.
pub(super) struct Terminal {
    screen: Screen,
    /// Who types has an editor, and the terminal as it was.
    _restore: Option<Restore>,
    edits: bool,
    /// Where lines go that are typed.
    current: Option<(String, Party)>,
    /// Who waits for an answer.
    ringing: Option<String>,
    own: VecDeque<Own>,
    moving: HashMap<(String, String), Moving>,
    /// What files are called, by session and transfer.
    names: HashMap<(String, String), String>,
    /// The line that says that somebody types.
    typing: Option<LineId>,
}

/// The time of day, as people here write it.
fn now() -> String {
    jiff::Zoned::now().strftime("%H:%M").to_string()
}

fn tick(status: Status) -> String {
    match status {
        Status::Sent => style("✓").dim().to_string(),
        Status::Delivered => "✓✓".to_owned(),
        Status::Displayed => style("✓✓").cyan().to_string(),
        Status::Failed | Status::Unknown => style("✗").red().to_string(),
    }
}

impl Terminal {
    /// Shows things on standard output; nobody types on a terminal.
    pub(super) fn new() -> Self {
        let out: Box<dyn io::Write + Send> = Box::new(io::stdout());
        let out = if io::stdout().is_terminal() {
            Out::Terminal(out)
        } else {
            Out::Plain(out)
        };
        Self::on(out, None)
    }

    /// With somebody who types.
    ///
    /// # Errors
    /// [`Failure::Ran`], when the terminal cannot be used so.
    pub(super) fn with_editor(told: mpsc::Sender<Input>) -> Result<Self, Failure> {
        let (printer, restore) =
            editor::start(told).map_err(|error| Failure::Ran(format!("the terminal: {error}")))?;
        Ok(Self::on(Out::Editor(printer), Some(restore)))
    }

    fn on(out: Out, restore: Option<Restore>) -> Self {
        Self {
            screen: Screen::new(out, Size::of_terminal),
            edits: restore.is_some(),
            _restore: restore,
            current: None,
            ringing: None,
            own: VecDeque::new(),
            moving: HashMap::new(),
            names: HashMap::new(),
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
                self.current = Some((session.clone(), peer.clone()));
                let hint = if self.edits { "; /help lists commands" } else { "" };
                self.note(format!("you talk with {}{hint}", full(peer))).map(drop)
            }
            Event::Ended { session, reason, .. } => {
                self.forget_typing()?;
                self.ringing = self.ringing.take().filter(|ringing| ringing != session);
                self.current = self.current.take().filter(|(current, _)| current != session);
                self.note(format!("the session is over: {reason}")).map(drop)
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
                    Content::Text(text) => harmless(text, "        "),
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
                let why = match (code, reason) {
                    (Some(code), Some(reason)) => Some(format!("{code} {reason}")),
                    _ => None,
                };
                self.on_report(message_id, *status, why)
            }
            Event::Composing { from, active, .. } => self.on_composing(from, *active),
            Event::FileOffered {
                session,
                file,
                info,
                accepted,
            } => {
                if *accepted {
                    self.names
                        .insert((session.clone(), file.clone()), info.name.clone());
                }
                let sender = self.peer_name();
                let fate = if *accepted {
                    ""
                } else {
                    "; refused, as there is no folder for it (--save-dir), or no room"
                };
                self.note(format!("{sender} sends {}{fate}", described(info)))
                    .map(drop)
            }
            Event::FileAccepted { .. } => Ok(()),
            Event::FileProgress {
                session,
                file,
                octets,
                total,
            } => self.on_progress(session, file, *octets, *total),
            Event::File {
                session,
                file,
                info,
                outcome,
                path,
                reason,
                ..
            } => {
                self.on_progress(session, file, info.size.unwrap_or_default(), info.size)?;
                let key = (session.clone(), file.clone());
                self.names.remove(&key);
                if let Some(moving) = self.moving.remove(&key) {
                    self.screen.remove(moving.line)?;
                }
                let text = match (outcome, path) {
                    (FileEnd::Received, Some(path)) => format!("{} is saved as {path}", described(info)),
                    (FileEnd::Sent, _) => format!("{} has arrived ✓✓", described(info)),
                    _ => format!(
                        "{} ✗ {}",
                        described(info),
                        reason.as_deref().unwrap_or("it did not arrive")
                    ),
                };
                self.note(text).map(drop)
            }
        }
    }

    fn peer_name(&self) -> String {
        self.current
            .as_ref()
            .map_or("the peer", |(_, peer)| peer.short())
            .to_owned()
    }

    fn on_call(&mut self, session: &str, peer: &Party, subject: Option<&str>) -> io::Result<()> {
        self.ringing = Some(session.to_owned());
        let about = subject
            .map(|subject| format!(" about “{subject}”"))
            .unwrap_or_default();
        let hint = if self.edits { "; /accept or /refuse?" } else { "" };
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
        let text = own.text.clone();
        if over {
            self.own.remove(place);
        }
        // What cannot change any more is told once, when it counts.
        if !changed {
            match status {
                Status::Sent | Status::Displayed => {}
                Status::Delivered if self.screen.can_change() => {}
                Status::Delivered => {
                    self.screen.line(format!("✓✓ {text}"))?;
                }
                Status::Failed | Status::Unknown => {
                    let why = why.unwrap_or_else(|| "the session ended first".to_owned());
                    self.screen.line(format!("✗ {text} ({why})"))?;
                }
            }
        }
        Ok(())
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

    fn on_progress(&mut self, session: &str, file: &str, octets: u64, total: Option<u64>) -> io::Result<()> {
        if !self.screen.can_change() {
            return Ok(());
        }
        let key = (session.to_owned(), file.to_owned());
        if let Some(moving) = self.moving.get(&key) {
            if let Some(drawn) = moving.bar.position(octets) {
                let line = moving.line;
                let shown = format!("{}{drawn}", self.label(&key));
                self.screen.change(line, shown)?;
            }
            return Ok(());
        }
        if total.is_some_and(|total| octets >= total) {
            return Ok(());
        }
        let columns = self.screen.size().columns;
        let label = self.label(&key);
        let bar = Bar::new(total, columns.saturating_sub(label.chars().count() + 1));
        let drawn = bar.position(octets).unwrap_or_default();
        let line = self.screen.line(format!("{label}{drawn}"))?;
        self.moving.insert(key, Moving { line, bar });
        Ok(())
    }

    /// What stands in front of the bar of a file.
    fn label(&self, key: &(String, String)) -> String {
        let name = self.names.get(key).map_or("", String::as_str);
        let short: String = name.chars().take(LABEL).collect();
        format!("      {short:LABEL$} ")
    }

    /// Something is typed.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) async fn input(&mut self, input: Input, shared: &mut Shared) -> io::Result<Flow> {
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
            Input::End => return Ok(Flow::Go),
        };
        let typed = Typed::parse(&line);
        if !matches!(typed, Typed::Text(_)) {
            self.screen.keep_typed(&format!("{PROMPT}{line}"));
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
                    self.screen.keep_typed(&format!("{PROMPT}{line}"));
                    Err(Refusal::Conflict(
                        "nobody is there; /call SIPURI calls".to_owned(),
                    ))
                }
            },
            Typed::Call(to) => match &self.current {
                Some((_, peer)) => Err(Refusal::Conflict(format!(
                    "you talk with {}; /bye first",
                    peer.short()
                ))),
                None => shared.endpoint.call(&to, None).await.map(|session| {
                    self.current = None;
                    self.ringing = Some(session);
                }),
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
                None => Err(Refusal::Conflict(
                    "nobody is there; /call SIPURI calls".to_owned(),
                )),
            },
            Typed::Cancel => self.cancel(shared).await,
            Typed::Bye => match self
                .current
                .clone()
                .map(|(session, _)| session)
                .or(self.ringing.clone())
            {
                Some(session) => shared.endpoint.end(&session).await,
                None => Err(Refusal::Conflict("there is no session".to_owned())),
            },
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
            Ok(message_id) => {
                let time = now();
                let shown = own_line(&time, text, None);
                // Where nobody sees what he types, it needs no repetition either.
                let line = if self.edits {
                    self.screen.line_for_typed(&format!("{PROMPT}{typed}"), shown)?
                } else if self.screen.can_change() {
                    self.screen.line(shown)?
                } else {
                    LineId::default()
                };
                self.remember(message_id, line, time, text);
                Ok(())
            }
            Err(error) => {
                self.screen.keep_typed(&format!("{PROMPT}{typed}"));
                self.note(format!("not sent: {error}")).map(drop)
            }
        }
    }

    /// Something that an option asks for has been sent, or not.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn sent(&mut self, text: &str, sent: Result<String, Refusal>) -> io::Result<()> {
        match sent {
            Ok(message_id) => {
                let time = now();
                let line = self.screen.line(own_line(&time, text, None))?;
                self.remember(message_id, line, time, text);
                Ok(())
            }
            Err(error) => self.note(format!("not sent: {error}")).map(drop),
        }
    }

    fn remember(&mut self, message_id: String, line: LineId, time: String, text: &str) {
        if self.own.len() >= REMEMBERED {
            self.own.pop_front();
        }
        self.own.push_back(Own {
            message_id,
            line,
            time,
            text: harmless(text, "        "),
        });
    }

    /// A file has been offered, or not.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn offered(
        &mut self,
        session: &str,
        info: Option<FileInfo>,
        offered: Result<String, Refusal>,
    ) -> io::Result<()> {
        match (offered, info) {
            (Ok(file), Some(info)) => {
                self.names.insert((session.to_owned(), file), info.name.clone());
                self.note(format!("you send {}", described(&info))).map(drop)
            }
            (Ok(_), None) => Ok(()),
            (Err(error), _) => self.note(format!("not sent: {error}")).map(drop),
        }
    }
}

fn own_line(time: &str, text: &str, status: Option<Status>) -> String {
    let ticks = status.map(tick).unwrap_or_default();
    format!(
        "{} {} {} {ticks}",
        style(time).dim(),
        style("me:").bold(),
        harmless(text, "        ")
    )
}

/// Somebody, by name and address.
fn full(party: &Party) -> String {
    match &party.name {
        Some(name) => format!("{name} <{}>", party.uri),
        None => party.uri.clone(),
    }
}

/// A file, by name and size.
fn described(info: &FileInfo) -> String {
    match info.size {
        Some(size) => format!("{} ({})", info.name, indicatif::BinaryBytes(size)),
        None => info.name.clone(),
    }
}
