//! Threads for what blocks: the lookups of names.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Threads at the same time. One name that takes long, which a peer can bring about, must not hold up all others.
const MOST: usize = 16;
/// How long a thread waits for something to do before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs on threads that begin when they are needed and end when they are not.
#[derive(Debug)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    /// Jobs that may wait.
    bound: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until there is nothing left for it.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else if state.closed {
                break;
            } else {
                state.idle += 1;
                let (woken, timeout) = self
                    .changed
                    .wait_timeout(state, IDLE)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle -= 1;
                if timeout.timed_out() && state.jobs.is_empty() {
                    break;
                }
            }
        }
        state.threads -= 1;
    }
}

impl Threads {
    /// As many jobs may wait for a thread.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            shared: Arc::default(),
            bound,
        }
    }

    /// Has a thread do this.
    ///
    /// # Errors
    /// When too much waits already, or there can be no thread.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.jobs.len() >= self.bound {
            return Err(io::Error::other("too many names wait to be looked up"));
        }
        if state.jobs.len() >= state.idle && state.threads < MOST {
            let shared = self.shared.clone();
            let spawned = std::thread::Builder::new()
                .name("msrp-resolver".to_owned())
                .spawn(move || shared.work());
            match spawned {
                Ok(_detached) => state.threads += 1,
                // Those that there are will have to do.
                Err(error) if state.threads == 0 => return Err(error),
                Err(_) => {}
            }
        }
        state.jobs.push_back(Box::new(job));
        self.shared.changed.notify_one();
        Ok(())
    }
}

/// Jobs that have not begun are not done any more.
impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.jobs.clear();
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_job_that_takes_long_holds_up_no_other() {
        let threads = Threads::new(8);
        let (end, wait) = channel::<()>();
        let (tell, told) = channel();
        threads
            .run(move || {
                let _ended = wait.recv();
            })
            .unwrap();
        for number in 0..100 {
            let tell = tell.clone();
            threads.run(move || tell.send(number).unwrap()).unwrap();
            assert_eq!(told.recv().unwrap(), number);
        }
        drop(end);
    }

    #[test]
    fn threads_and_waiting_jobs_are_bounded_and_end_with_their_owner() {
        let threads = Threads::new(5);
        let shared = Arc::downgrade(&threads.shared);
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let mut taken = 0;
        for _ in 0..100 {
            let gate = gate.clone();
            let outcome = threads.run(move || {
                let open = gate.0.lock().unwrap();
                drop(gate.1.wait_while(open, |open| !*open).unwrap());
            });
            taken += usize::from(outcome.is_ok());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(threads.shared.lock().threads, MOST);
        assert!((MOST..=MOST + 5).contains(&taken), "{taken}");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        drop(threads);
        while shared.upgrade().is_some() {
            std::thread::yield_now();
        }
    }
}
