//! What `--call`, `--send` and `--send-file` ask for, and when it is done.

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
};

use super::Settings;
use crate::endpoint::{Event, FileEnd, Status};

/// Something that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    File(PathBuf),
}

/// Something to be done in one session: in that which is called, or in the first that there is.
#[derive(Debug, Default)]
pub(super) struct Errand {
    items: VecDeque<Item>,
    /// The program ends when the session does.
    ends_with_session: bool,
    /// The program ends when all is delivered.
    ends_when_delivered: bool,
    session: Option<String>,
    established: bool,
    over: bool,
    /// What is under way: a file that is being looked at, messages, files.
    preparing: bool,
    messages: BTreeSet<String>,
    files: BTreeSet<String>,
    trouble: Option<String>,
}

impl Errand {
    /// What the options ask for. A person who calls without anything to send stays.
    pub(super) fn new(settings: &Settings, person: bool) -> Self {
        let texts = settings.send.iter().cloned().map(Item::Text);
        let files = settings.send_file.iter().cloned().map(Item::File);
        let delivers = settings.has_errand() && !settings.stay;
        Self {
            items: texts.chain(files).collect(),
            ends_with_session: delivers || (settings.call.is_some() && !person && !settings.stay),
            ends_when_delivered: delivers,
            ..Self::default()
        }
    }

    /// The session that it is done in.
    pub(super) fn called(&mut self, session: String) {
        self.session = Some(session);
    }

    /// Nobody will say anything more: where we have called, that is all there was.
    pub(super) fn input_ended(&mut self) {
        self.ends_when_delivered |= self.ends_with_session;
    }

    /// Whether there is a session, or has been.
    pub(super) fn has_begun(&self) -> bool {
        self.established || self.over
    }

    /// What is to be sent next, if it is time. A file has to be told of by [`offered`](Self::offered) or
    /// [`not_sent`](Self::not_sent).
    pub(super) fn next(&mut self) -> Option<(String, Item)> {
        let session = self
            .session
            .clone()
            .filter(|_| self.established && !self.preparing)?;
        let item = self.items.pop_front()?;
        self.preparing = matches!(item, Item::File(_));
        Some((session, item))
    }

    /// A message has been sent in a session; what becomes of it counts.
    pub(super) fn sent(&mut self, session: &str, message_id: String) {
        if self.session.as_deref() == Some(session) && !self.over {
            self.messages.insert(message_id);
        }
    }

    /// A file has been offered in a session; what becomes of it counts.
    pub(super) fn offered(&mut self, session: &str, file: String) {
        self.preparing = false;
        if self.session.as_deref() == Some(session) && !self.over {
            self.files.insert(file);
        }
    }

    /// Something could not be sent.
    pub(super) fn not_sent(&mut self, why: String) {
        self.preparing = false;
        self.trouble.get_or_insert(why);
    }

    /// Something has happened.
    pub(super) fn hear(&mut self, event: &Event) {
        if let Event::Session { session, .. } = event
            && self.session.as_ref().is_none_or(|ours| ours == session)
        {
            self.session = Some(session.clone());
            self.established = true;
        }
        if event.session().is_none() || event.session() != self.session.as_deref() {
            return;
        }
        match event {
            Event::Report {
                message_id,
                status: Status::Delivered | Status::Displayed,
                ..
            } => {
                self.messages.remove(message_id);
            }
            Event::Report {
                message_id,
                status: Status::Failed | Status::Unknown,
                code,
                reason,
                ..
            } if self.messages.remove(message_id) => {
                let why = match (code, reason) {
                    (Some(code), Some(reason)) => format!("{code} {reason}"),
                    _ => "the session ended first".to_owned(),
                };
                self.not_sent(format!("a message was not delivered: {why}"));
            }
            Event::File {
                file,
                outcome,
                info,
                reason,
                ..
            } if self.files.remove(file) && *outcome != FileEnd::Sent => {
                let why = reason.as_deref().unwrap_or("it did not arrive");
                self.not_sent(format!("{} was not delivered: {why}", info.name));
            }
            Event::Ended { reason, regular, .. } => self.on_ended(reason, *regular),
            _ => {}
        }
    }

    fn on_ended(&mut self, reason: &str, regular: bool) {
        let unfinished =
            !self.items.is_empty() || self.preparing || !self.messages.is_empty() || !self.files.is_empty();
        if !regular {
            self.not_sent(format!("the call is over: {reason}"));
        } else if unfinished {
            self.not_sent(format!("the call ended before all was delivered: {reason}"));
        }
        self.over = true;
    }

    /// Whether it is done: well, or with what trouble.
    pub(super) fn done(&self) -> Option<Result<(), String>> {
        let delivered = self.items.is_empty()
            && !self.preparing
            && self.messages.is_empty()
            && self.files.is_empty()
            && self.established;
        let done = (self.over && self.ends_with_session) || (delivered && self.ends_when_delivered);
        done.then(|| self.trouble.clone().map_or(Ok(()), Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Direction, FileInfo, Party};

    fn errand(items: &[Item], called: bool) -> Errand {
        let mut errand = Errand {
            items: items.iter().cloned().collect(),
            ends_with_session: true,
            ends_when_delivered: !items.is_empty(),
            ..Errand::default()
        };
        if called {
            errand.called("out-1".to_owned());
        }
        errand
    }

    fn established(session: &str) -> Event {
        Event::Session {
            session: session.to_owned(),
            peer: Party {
                uri: "sip:bob@example.com".to_owned(),
                name: None,
            },
            direction: Direction::Out,
        }
    }

    fn report(message_id: &str, status: Status) -> Event {
        Event::Report {
            session: "out-1".to_owned(),
            message_id: message_id.to_owned(),
            status,
            code: None,
            reason: None,
        }
    }

    fn ended(regular: bool) -> Event {
        Event::Ended {
            session: "out-1".to_owned(),
            reason: "why".to_owned(),
            code: None,
            regular,
        }
    }

    fn file(outcome: FileEnd) -> Event {
        Event::File {
            session: "out-1".to_owned(),
            file: "1".to_owned(),
            info: FileInfo::default(),
            outcome,
            path: None,
            reason: None,
            message_id: None,
        }
    }

    #[test]
    fn it_is_done_when_all_is_delivered() {
        let mut errand = errand(&[Item::Text("hi".to_owned()), Item::File("f".into())], true);
        assert_eq!(errand.next(), None);
        errand.hear(&established("in-1"));
        assert_eq!(errand.next(), None, "another session");
        errand.hear(&established("out-1"));
        assert_eq!(
            errand.next(),
            Some(("out-1".to_owned(), Item::Text("hi".to_owned())))
        );
        errand.sent("out-1", "m1".to_owned());
        assert!(matches!(errand.next(), Some((_, Item::File(_)))));
        errand.hear(&report("m1", Status::Sent));
        errand.hear(&report("m1", Status::Delivered));
        assert_eq!(errand.done(), None, "the file is being looked at");
        errand.offered("out-1", "1".to_owned());
        assert_eq!(errand.done(), None);
        errand.hear(&file(FileEnd::Sent));
        assert_eq!(errand.done(), Some(Ok(())));
    }

    #[test]
    fn what_is_not_delivered_is_trouble() {
        for event in [
            report("m1", Status::Failed),
            report("m1", Status::Unknown),
            file(FileEnd::Refused),
            ended(true),
            ended(false),
        ] {
            let mut errand = errand(&[], true);
            errand.ends_when_delivered = true;
            errand.hear(&established("out-1"));
            errand.sent("out-1", "m1".to_owned());
            errand.offered("out-1", "1".to_owned());
            errand.hear(&event);
            errand.hear(&report("m1", Status::Delivered));
            errand.hear(&file(FileEnd::Sent));
            assert!(matches!(errand.done(), Some(Err(_))), "{event:?}");
        }
    }

    #[test]
    fn a_call_that_fails_is_trouble_and_one_that_ends_is_none() {
        let mut refused = errand(&[Item::Text("hi".to_owned())], true);
        refused.hear(&ended(false));
        assert!(matches!(refused.done(), Some(Err(_))));
        let mut only_called = errand(&[], true);
        only_called.hear(&established("out-1"));
        assert_eq!(only_called.done(), None);
        only_called.hear(&ended(true));
        assert_eq!(only_called.done(), Some(Ok(())));
    }

    #[test]
    fn the_end_of_input_ends_a_call_when_all_is_delivered() {
        let mut errand = errand(&[], true);
        errand.input_ended();
        assert_eq!(errand.done(), None, "not before there is a session");
        errand.hear(&established("out-1"));
        errand.sent("out-1", "m1".to_owned());
        assert_eq!(errand.done(), None);
        errand.hear(&report("m1", Status::Delivered));
        assert_eq!(errand.done(), Some(Ok(())));
        let mut waiting = Errand::default();
        waiting.input_ended();
        waiting.hear(&established("in-1"));
        waiting.hear(&Event::Ended {
            session: "in-1".to_owned(),
            reason: String::new(),
            code: None,
            regular: true,
        });
        assert_eq!(waiting.done(), None, "who waits for calls goes on");
    }
}
