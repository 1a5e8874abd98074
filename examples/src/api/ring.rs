//! The events of late, numbered, for those who listen and for those who come back.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::endpoint::Event;

/// Events that are kept, at the most.
pub(super) const KEPT: usize = 10_000;
/// Octets of them, at the most.
pub(super) const KEPT_OCTETS: usize = 64 * 1024 * 1024;

/// An event as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its number, from 1.
    pub(super) id: u64,
    pub(super) name: &'static str,
    /// The session that it is about.
    pub(super) session: Option<Arc<str>>,
    pub(super) json: Arc<str>,
    /// What it says of a file that waits for the peer's word.
    pub(super) file: Option<FileNews>,
}

/// What has become of the offer of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileNews {
    pub(super) file: String,
    /// The identifier of the message in which it is sent, or why it is not.
    pub(super) outcome: Result<String, String>,
}

impl FileNews {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::FileAccepted { file, message_id, .. } => Some(Self {
                file: file.clone(),
                outcome: Ok(message_id.clone()),
            }),
            Event::File { file, reason, .. } => Some(Self {
                file: file.clone(),
                outcome: Err(reason.clone().unwrap_or_else(|| "it is over".to_owned())),
            }),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Events {
    kept: VecDeque<Kept>,
    octets: usize,
    next: u64,
}

/// A bounded list of the last events. Many can read it, each at its own pace; who is too slow is told what he missed.
#[derive(Debug)]
pub(super) struct Ring {
    events: Mutex<Events>,
    more: Notify,
    most: usize,
    most_octets: usize,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The next event.
    Event(Kept),
    /// The next events are gone; it goes on after this number.
    Missed(u64),
}

impl Ring {
    pub(super) fn new(most: usize, most_octets: usize) -> Self {
        Self {
            events: Mutex::new(Events {
                kept: VecDeque::new(),
                octets: 0,
                next: 1,
            }),
            more: Notify::new(),
            most: most.max(1),
            most_octets,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event.
    pub(super) fn push(&self, event: &Event) -> u64 {
        let json = serde_json::to_string(event).unwrap_or_else(|error| {
            tracing::error!(%error, "an event cannot be told");
            "{}".to_owned()
        });
        let mut events = self.lock();
        let id = events.next;
        events.next += 1;
        events.octets += json.len();
        events.kept.push_back(Kept {
            id,
            name: event.name(),
            session: event.session().map(Arc::from),
            json: json.into(),
            file: FileNews::of(event),
        });
        while events.kept.len() > self.most || (events.octets > self.most_octets && events.kept.len() > 1) {
            let gone = events.kept.pop_front().map_or(0, |kept| kept.json.len());
            events.octets -= gone;
        }
        drop(events);
        self.more.notify_waiters();
        id
    }

    /// The number of the newest event; 0 before there is any.
    pub(super) fn newest(&self) -> u64 {
        self.lock().next - 1
    }

    /// What comes after this number, if there is anything.
    fn look(&self, after: u64) -> Option<Found> {
        let events = self.lock();
        let oldest = events.kept.front()?.id;
        let wanted = after.saturating_add(1);
        if wanted >= events.next {
            return None;
        }
        if wanted < oldest {
            return Some(Found::Missed(oldest - 1));
        }
        let place = usize::try_from(wanted - oldest).ok()?;
        events.kept.get(place).cloned().map(Found::Event)
    }

    /// Waits for what comes after this number.
    pub(super) async fn next(&self, after: u64) -> Found {
        loop {
            let more = self.more.notified();
            tokio::pin!(more);
            // From here on no event is missed.
            more.as_mut().enable();
            if let Some(found) = self.look(after) {
                return found;
            }
            more.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32) -> Event {
        Event::Progress {
            session: format!("out-{number}"),
            code: 180,
        }
    }

    #[track_caller]
    fn is(found: Found, id: u64, number: u32) {
        let Found::Event(kept) = found else {
            panic!("{found:?}")
        };
        let session = format!("out-{number}");
        assert_eq!(kept.id, id);
        assert_eq!(
            (kept.name, kept.session.as_deref()),
            ("progress", Some(&*session))
        );
        assert!(kept.json.contains(&session));
    }

    #[tokio::test]
    async fn events_are_read_in_order_and_again() {
        let ring = Ring::new(10, 1000);
        assert_eq!(ring.newest(), 0);
        assert_eq!(ring.push(&event(1)), 1);
        assert_eq!(ring.push(&event(2)), 2);
        assert_eq!(ring.newest(), 2);
        for _ in 0..2 {
            is(ring.next(0).await, 1, 1);
            is(ring.next(1).await, 2, 2);
        }
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        let ring = Arc::new(Ring::new(10, 1000));
        let waiting = tokio::spawn({
            let ring = ring.clone();
            async move { ring.next(0).await }
        });
        tokio::task::yield_now().await;
        ring.push(&event(1));
        is(waiting.await.unwrap(), 1, 1);
    }

    #[tokio::test]
    async fn what_is_gone_is_told_as_missed() {
        let ring = Ring::new(2, 1000);
        for number in 0..5 {
            ring.push(&event(number));
        }
        assert_eq!(ring.next(0).await, Found::Missed(3));
        is(ring.next(3).await, 4, 3);
        // One is kept however long it is.
        let short = Ring::new(10, 4);
        short.push(&event(1));
        short.push(&event(2));
        assert_eq!(short.next(0).await, Found::Missed(1));
        is(short.next(1).await, 2, 2);
    }

    #[tokio::test]
    async fn a_number_of_the_future_waits() {
        let ring = Ring::new(2, 1000);
        ring.push(&event(1));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(1), ring.next(u64::MAX)).await;
        assert!(waits.is_err());
    }
}
