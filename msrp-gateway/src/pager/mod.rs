//! MESSAGEs that go out: one after another to each target (RFC 3428 §8), in the order in which they were given.
//!
//! ```text
//!   push ─▶ lane of its target: │ job │ job │ job ─▶ next ─▶ one MESSAGE at a time ─▶ answered ─▶ what became of the job
//!                                             ▲                                          │
//!                                             └── its next part; again after Retry-After; unwrapped after 415
//! ```
//!
//! A lane serves everybody who writes to its target, because the RFC counts by target; lanes do not wait for each other.

mod size;
pub(crate) mod split;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use msrp_ua::sip::{PageId, SipAnswer, SipPage};

pub use self::size::{UDP_LIMIT, wire_size};

/// Names a job; never reused.
pub(crate) type JobId = u64;

/// What is to be sent: one MESSAGE, or the parts of a text.
#[derive(Debug)]
pub(crate) struct Job<O> {
    /// What it is sent for.
    pub(crate) origin: O,
    /// The parts, that at the front being sent or next.
    pub(crate) parts: VecDeque<SipPage>,
    /// What is sent instead, once, where the first form gets 415.
    pub(crate) instead: Option<Box<SipPage>>,
    /// The Request-URI that is tried where nobody is at that of the parts.
    pub(crate) fallback: Option<String>,
    /// When it has waited for too long. What is being sent has no such time.
    pub(crate) expires_at: Instant,
    /// How often it may be sent again after an answer with `Retry-After`.
    pub(crate) retries: u8,
}

/// What an answer means for a job.
#[derive(Debug)]
pub(crate) enum Answered<O> {
    /// Nobody asked.
    Unknown,
    /// The job goes on: with its next part, or once more later.
    GoesOn,
    /// The first form was refused by 415, the other is sent: the target does not take that type.
    Unwrapped(JobId),
    /// Nobody is at the first Request-URI; it goes to the other.
    Elsewhere(JobId),
    /// The job is over, this being the answer to its last part, or to the one that failed.
    Over(JobId, Box<Job<O>>),
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<JobId>,
    /// A MESSAGE waits for its answer.
    busy: bool,
    /// Until then the target wants to be left alone.
    rests_until: Option<Instant>,
    /// It stands in the queue of lanes that have something to send.
    is_ready: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expiry(JobId),
    Rest(Arc<str>),
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Pager<O> {
    lanes: HashMap<Arc<str>, Lane, foldhash::fast::RandomState>,
    jobs: HashMap<JobId, (Arc<str>, Job<O>), foldhash::fast::RandomState>,
    under_way: HashMap<PageId, JobId, foldhash::fast::RandomState>,
    ready: VecDeque<Arc<str>>,
    due: BTreeSet<(Instant, Due)>,
    /// The longest `Retry-After` that is waited for.
    max_rest: Duration,
    next: JobId,
}

impl<O> Pager<O> {
    pub(crate) fn new(max_rest: Duration) -> Self {
        Self {
            lanes: HashMap::default(),
            jobs: HashMap::default(),
            under_way: HashMap::default(),
            ready: VecDeque::new(),
            due: BTreeSet::new(),
            max_rest,
            next: 0,
        }
    }

    /// How many jobs there are.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// How many lanes there are.
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Takes a job; its parts go to this target.
    pub(crate) fn push(&mut self, target: &str, job: Job<O>) -> JobId {
        self.next += 1;
        let id = self.next;
        let target = match self.lanes.get_key_value(target) {
            Some((target, _)) => target.clone(),
            None => Arc::from(target),
        };
        self.due.insert((job.expires_at, Due::Expiry(id)));
        self.lanes.entry(target.clone()).or_default().queue.push_back(id);
        self.jobs.insert(id, (target.clone(), job));
        self.mark(&target);
        id
    }

    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut Job<O>> {
        self.jobs.get_mut(&id).map(|(_, job)| job)
    }

    /// Takes back a job of which nothing has been sent.
    pub(crate) fn withdraw(&mut self, id: JobId) -> Option<Job<O>> {
        let (target, _) = self.jobs.get(&id)?;
        let lane = self.lanes.get(target)?;
        if lane.busy && lane.queue.front() == Some(&id) {
            return None;
        }
        self.remove(id)
    }

    fn remove(&mut self, id: JobId) -> Option<Job<O>> {
        let (target, job) = self.jobs.remove(&id)?;
        self.due.remove(&(job.expires_at, Due::Expiry(id)));
        if let Some(lane) = self.lanes.get_mut(&target) {
            match lane.queue.front() {
                Some(&front) if front == id => {
                    lane.queue.pop_front();
                }
                _ => lane.queue.retain(|&other| other != id),
            }
        }
        self.tidy(&target);
        Some(job)
    }

    /// Forgets a lane that has nothing to do and need not rest.
    fn tidy(&mut self, target: &Arc<str>) {
        let idle = self
            .lanes
            .get(target)
            .is_some_and(|lane| lane.queue.is_empty() && !lane.busy && lane.rests_until.is_none());
        if idle {
            self.lanes.remove(target);
        } else {
            self.mark(target);
        }
    }

    fn mark(&mut self, target: &Arc<str>) {
        if let Some(lane) = self.lanes.get_mut(target)
            && !lane.busy
            && lane.rests_until.is_none()
            && !lane.queue.is_empty()
            && !std::mem::replace(&mut lane.is_ready, true)
        {
            self.ready.push_back(target.clone());
        }
    }

    /// The next MESSAGE to be sent; [`sent`](Self::sent) has to follow.
    pub(crate) fn next(&mut self) -> Option<(JobId, SipPage)> {
        while let Some(target) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&target) else {
                continue;
            };
            lane.is_ready = false;
            if lane.busy || lane.rests_until.is_some() {
                continue;
            }
            let part = lane.queue.front().and_then(|id| {
                let (_, job) = self.jobs.get(id)?;
                Some((*id, job.parts.front()?.clone()))
            });
            if let Some(part) = part {
                lane.busy = true;
                return Some(part);
            }
        }
        None
    }

    /// A part has gone out under this name.
    pub(crate) fn sent(&mut self, id: JobId, page: PageId) {
        if let Some((_, job)) = self.jobs.get(&id) {
            self.due.remove(&(job.expires_at, Due::Expiry(id)));
            self.under_way.insert(page, id);
        }
    }

    /// A MESSAGE has got its final answer.
    pub(crate) fn answered(&mut self, now: Instant, page: PageId, answer: &SipAnswer) -> Answered<O> {
        let Some(id) = self.under_way.remove(&page) else {
            return Answered::Unknown;
        };
        let Some((target, job)) = self.jobs.get_mut(&id) else {
            return Answered::Unknown;
        };
        let target = target.clone();
        if let Some(lane) = self.lanes.get_mut(&target) {
            lane.busy = false;
        }
        if answer.is_success() && job.parts.len() > 1 {
            job.parts.pop_front();
        } else if answer.code == 415
            && let Some(instead) = job.instead.take()
        {
            job.parts = VecDeque::from([*instead]);
            self.due.insert((job.expires_at, Due::Expiry(id)));
            self.mark(&target);
            return Answered::Unwrapped(id);
        } else if matches!(answer.code, 404 | 410 | 480)
            && let Some(uri) = job.fallback.take()
        {
            for part in job.parts.iter_mut().chain(job.instead.as_deref_mut()) {
                part.request_uri.clone_from(&uri);
            }
            self.due.insert((job.expires_at, Due::Expiry(id)));
            self.mark(&target);
            return Answered::Elsewhere(id);
        } else if let Some(rest) = answer.retry_after
            && may_retry(answer.code)
            && job.retries > 0
            && rest <= self.max_rest
            && now + rest < job.expires_at
        {
            job.retries -= 1;
            let until = now + rest;
            self.due.insert((job.expires_at, Due::Expiry(id)));
            if let Some(lane) = self.lanes.get_mut(&target) {
                lane.rests_until = Some(until);
                self.due.insert((until, Due::Rest(target)));
            }
            return Answered::GoesOn;
        } else {
            return match self.remove(id) {
                Some(job) => Answered::Over(id, Box::new(job)),
                None => Answered::Unknown,
            };
        }
        // The rest of a message that has begun goes out, however long it has waited.
        self.mark(&target);
        Answered::GoesOn
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// The time is `now`. Returns a job that has waited for too long; to be called until there is none.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Job<O>> {
        while let Some((at, _)) = self.due.first()
            && *at <= now
        {
            match self.due.pop_first()?.1 {
                Due::Rest(target) => {
                    if let Some(lane) = self.lanes.get_mut(&target) {
                        lane.rests_until = None;
                    }
                    self.tidy(&target);
                }
                Due::Expiry(id) => {
                    if let Some(job) = self.remove(id) {
                        return Some(job);
                    }
                }
            }
        }
        None
    }

    /// Gives up everything. Answers to what is under way come too late.
    pub(crate) fn give_up(&mut self) -> Vec<Job<O>> {
        self.under_way.clear();
        self.ready.clear();
        self.due.clear();
        self.lanes.clear();
        let mut jobs: Vec<_> = self.jobs.drain().collect();
        jobs.sort_unstable_by_key(|&(id, _)| id);
        jobs.into_iter().map(|(_, (_, job))| job).collect()
    }
}

/// Answers that say that the message was not taken now, and may be later (RFC 3428 §9, row 3428-9-05).
fn may_retry(code: u16) -> bool {
    matches!(code, 480 | 486 | 500 | 503 | 600)
}

#[cfg(test)]
mod tests;
