//! An adapter without a SIP stack: what comes by SIP is said by a test, and what is wanted of SIP is heard by it.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use async_trait::async_trait;

use super::{SipAction, SipAdapter, SipError, SipInput};

/// What both ends of a script share.
#[derive(Debug, Default)]
struct Shared {
    inputs: VecDeque<SipInput>,
    actions: VecDeque<SipAction>,
    failures: VecDeque<SipError>,
    /// Who waits for an input, and who for an action.
    wakers: [Option<Waker>; 2],
    /// The script has ended, or the adapter has been dropped.
    ended: bool,
}

impl Shared {
    fn wake(&mut self, which: usize) {
        if let Some(waker) = self.wakers[which].take() {
            waker.wake();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A [`SipAdapter`] for the tests of applications; its other end is a [`SipScript`].
///
/// ```
/// use msrp_ua::sip::{CallId, ScriptedAdapter, SipAction, SipAdapter, SipInput};
/// # async fn run() -> Result<(), msrp_ua::sip::SipError> {
/// let (mut adapter, script) = ScriptedAdapter::new();
/// let call = CallId::outgoing(1);
/// adapter.perform(SipAction::Cancel { call }).await?;
/// assert!(matches!(script.heard(), Some(SipAction::Cancel { .. })));
/// script.say(SipInput::Progress { call, code: 180 });
/// assert!(matches!(adapter.next().await, Some(SipInput::Progress { code: 180, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ScriptedAdapter(Arc<Mutex<Shared>>);

/// The other end of a [`ScriptedAdapter`]; clones are the same end.
#[derive(Clone, Debug)]
pub struct SipScript(Arc<Mutex<Shared>>);

impl ScriptedAdapter {
    /// An adapter and its script.
    #[allow(clippy::new_ret_no_self, reason = "neither is of use without the other")]
    pub fn new() -> (Self, SipScript) {
        let shared = Arc::new(Mutex::new(Shared::default()));
        (Self(shared.clone()), SipScript(shared))
    }
}

impl Drop for ScriptedAdapter {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.ended = true;
        shared.wake(1);
    }
}

impl SipScript {
    /// Something comes by SIP.
    pub fn say(&self, input: SipInput) {
        let mut shared = lock(&self.0);
        shared.inputs.push_back(input);
        shared.wake(0);
    }

    /// What the user agent has wanted next, if anything.
    pub fn heard(&self) -> Option<SipAction> {
        lock(&self.0).actions.pop_front()
    }

    /// Waits for what the user agent wants next. None: the adapter has been dropped.
    pub async fn action(&self) -> Option<SipAction> {
        poll_fn(|context| {
            let mut shared = lock(&self.0);
            match shared.actions.pop_front() {
                Some(action) => Poll::Ready(Some(action)),
                None if shared.ended => Poll::Ready(None),
                None => {
                    shared.wakers[1] = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next action that is not refused already fails like this.
    pub fn fail_next(&self, error: SipError) {
        lock(&self.0).failures.push_back(error);
    }

    /// The stack ends: the adapter's `next` says so after what has been said.
    pub fn end(&self) {
        let mut shared = lock(&self.0);
        shared.ended = true;
        shared.wake(0);
    }
}

#[async_trait]
impl SipAdapter for ScriptedAdapter {
    async fn perform(&mut self, action: SipAction) -> Result<(), SipError> {
        let mut shared = lock(&self.0);
        if let Some(failure) = shared.failures.pop_front() {
            return Err(failure);
        }
        shared.actions.push_back(action);
        shared.wake(1);
        Ok(())
    }

    async fn next(&mut self) -> Option<SipInput> {
        poll_fn(|context| {
            let mut shared = lock(&self.0);
            match shared.inputs.pop_front() {
                Some(input) => Poll::Ready(Some(input)),
                None if shared.ended => Poll::Ready(None),
                None => {
                    shared.wakers[0] = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
