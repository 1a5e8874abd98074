//! Files: who sends what, bars while they pass, and what became of them.

use std::io;

use console::{Alignment, measure_text_width, pad_str};

use super::{
    Terminal,
    bar::Bar,
    screen::{LineId, harmless},
    words::described,
};
use crate::endpoint::{Event, FileEnd, FileInfo, Party, Refusal};

/// Characters of a file's name beside its bar.
const LABEL: usize = 16;

/// A file on its way.
pub(super) struct Moving {
    name: String,
    bar: Bar,
    /// Where the bar stands, once something has passed.
    line: Option<LineId>,
}

impl Terminal {
    /// Shows what has happened to a file.
    pub(super) fn file_event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::FileOffered {
                session,
                file,
                info,
                accepted,
                reason,
            } => {
                if *accepted {
                    self.begin(session, file, info);
                }
                let sender = self.peers.get(session).map_or("the peer", Party::short);
                let fate = match reason {
                    Some(reason) => format!("; refused: {reason}"),
                    None => String::new(),
                };
                self.note(format!("{sender} sends {}{fate}", described(info)))
                    .map(drop)
            }
            Event::FileAccepted {
                session, file, info, ..
            } => {
                self.begin(session, file, info);
                Ok(())
            }
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
                let moving = self.moving.remove(&(session.clone(), file.clone()));
                if let Some(line) = moving.and_then(|moving| moving.line) {
                    self.screen.remove(line)?;
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
            _ => Ok(()),
        }
    }

    /// A file is on its way.
    fn begin(&mut self, session: &str, file: &str, info: &FileInfo) {
        let moving = Moving {
            name: harmless(&info.name, ""),
            bar: Bar::new(info.size),
            line: None,
        };
        self.moving
            .entry((session.to_owned(), file.to_owned()))
            .or_insert(moving);
    }

    fn on_progress(&mut self, session: &str, file: &str, octets: u64, total: Option<u64>) -> io::Result<()> {
        if !self.screen.can_change() {
            return Ok(());
        }
        let columns = self.screen.size().columns;
        let Some(moving) = self.moving.get_mut(&(session.to_owned(), file.to_owned())) else {
            return Ok(());
        };
        // What is through at once needs no bar.
        if moving.line.is_none() && total.is_some_and(|total| octets >= total) {
            return Ok(());
        }
        let name = pad_str(&moving.name, LABEL, Alignment::Left, Some("…"));
        let label = format!("      {name} ");
        let room = columns.saturating_sub(measure_text_width(&label));
        let Some(drawn) = moving.bar.position(octets, room) else {
            return Ok(());
        };
        let shown = format!("{label}{drawn}");
        // One that has scrolled away, or stands where something else has been written, is drawn anew.
        let changed = match moving.line {
            Some(line) => self.screen.change(line, shown.clone())?,
            None => false,
        };
        if !changed {
            moving.line = Some(self.screen.line(shown)?);
        }
        Ok(())
    }

    /// A file has been offered, or not.
    ///
    /// # Errors
    /// Those of standard output.
    pub(in crate::chat) fn offered(
        &mut self,
        info: Option<FileInfo>,
        offered: Result<String, Refusal>,
    ) -> io::Result<()> {
        match (offered, info) {
            (Ok(_), Some(info)) => self.note(format!("you send {}", described(&info))).map(drop),
            (Ok(_), None) => Ok(()),
            (Err(error), _) => self.note(format!("not sent: {error}")).map(drop),
        }
    }
}
