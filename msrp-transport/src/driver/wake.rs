//! Which of many sockets woke the one task that owns them all.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures::task::AtomicWaker;

/// What can wake the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The socket of this key may be read.
    Read(usize),
    /// The socket of this key may be written.
    Write(usize),
    /// The listener of this index may accept.
    Listener(usize),
    /// The timer may have gone off.
    Timer,
    /// A connect may have come to its end.
    Connects,
    /// A lookup may have been answered.
    Lookups,
}

/// The sources that have called since the driver looked last, each of them once.
#[derive(Debug, Default)]
pub(super) struct Woken {
    called: Mutex<Vec<Arc<SourceWaker>>>,
    task: AtomicWaker,
}

/// The waker of one source.
#[derive(Debug)]
pub(super) struct SourceWaker {
    source: Source,
    /// It stands among those that have called.
    noted: AtomicBool,
    woken: Arc<Woken>,
}

impl Woken {
    /// A waker that notes `source` and wakes the task.
    pub(super) fn waker(self: &Arc<Self>, source: Source) -> Waker {
        Arc::new(SourceWaker {
            source,
            noted: AtomicBool::new(false),
            woken: self.clone(),
        })
        .into()
    }

    /// From now on it is this task that is to be woken.
    pub(super) fn register(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Moves those that have called into `into`, which is empty. Call [`register`](Self::register) before: whoever calls
    /// in between is then either among them or wakes the task.
    pub(super) fn take(&self, into: &mut Vec<Arc<SourceWaker>>) {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut *called, into);
    }
}

impl SourceWaker {
    /// Who called. What the source had to say before this is seen by whoever polls it after this; what it says later
    /// calls again.
    pub(super) fn answer(&self) -> Source {
        self.noted.swap(false, Ordering::AcqRel);
        self.source
    }
}

impl Wake for SourceWaker {
    fn wake(self: Arc<Self>) {
        if self.noted.swap(true, Ordering::AcqRel) {
            return;
        }
        let woken = self.woken.clone();
        woken
            .called
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self);
        woken.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn taken(woken: &Woken) -> Vec<Source> {
        let mut called = Vec::new();
        woken.take(&mut called);
        called.iter().map(|waker| waker.answer()).collect()
    }

    #[test]
    fn a_source_is_noted_once_and_wakes_the_task() {
        let woken = Arc::new(Woken::default());
        let task = Arc::new(Counting::default());
        woken.register(&task.clone().into());
        let (one, other) = (woken.waker(Source::Read(1)), woken.waker(Source::Write(7)));
        one.wake_by_ref();
        one.wake_by_ref();
        other.wake_by_ref();
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert_eq!(taken(&woken), [Source::Read(1), Source::Write(7)]);
        assert!(taken(&woken).is_empty());
    }

    #[test]
    fn a_source_that_calls_while_it_is_being_answered_calls_again() {
        let woken = Arc::new(Woken::default());
        let task = Arc::new(Counting::default());
        let one = woken.waker(Source::Read(1));
        woken.register(&task.clone().into());
        one.wake_by_ref();
        woken.register(&task.clone().into());
        assert_eq!(taken(&woken), [Source::Read(1)]);
        one.wake_by_ref();
        assert_eq!(task.0.load(Ordering::SeqCst), 2);
        assert_eq!(taken(&woken), [Source::Read(1)]);
    }

    #[test]
    fn no_call_is_lost_between_threads() {
        const CALLS: usize = 20_000;
        let woken = Arc::new(Woken::default());
        let said = Arc::new(AtomicUsize::new(0));
        let waker = woken.waker(Source::Timer);
        let thread = {
            let said = said.clone();
            std::thread::spawn(move || {
                for _ in 0..CALLS {
                    said.fetch_add(1, Ordering::SeqCst);
                    waker.wake_by_ref();
                }
            })
        };
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let task: Waker = Arc::new(Unpark(std::thread::current())).into();
        let mut seen = 0;
        // A lost call would leave this waiting for ever.
        while seen < CALLS {
            woken.register(&task);
            if taken(&woken).is_empty() {
                std::thread::park();
            } else {
                seen = said.load(Ordering::SeqCst);
            }
        }
        thread.join().unwrap();
    }
}
