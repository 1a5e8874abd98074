//! The way to a SIP stack.

use async_trait::async_trait;

use msrp_core::node::Node;

use super::{SipAction, SipAnswer, SipInput};
use crate::{UserAgent, UserAgentCommand, UserAgentEvent};

/// A SIP stack cannot do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SipError {
    /// The adapter knows no such call, or it is not in a state for this.
    #[error("no such call, or not now")]
    UnknownCall,
    /// The adapter knows no such MESSAGE, or it has been answered.
    #[error("no such MESSAGE, or answered before")]
    UnknownPage,
    /// A URI or a header field cannot be sent.
    #[error("not to be sent by SIP: {0}")]
    Invalid(String),
    /// The stack says no.
    #[error("the SIP stack: {0}")]
    Stack(String),
}

/// What an application implements for its own SIP stack; an afternoon's work.
///
/// # Contract
/// - [`perform`](Self::perform) starts what is asked for and comes back without waiting for the network: outcomes come by
///   [`next`](Self::next). Actions of one call take effect in the order in which they are given.
/// - Every INVITE and re-INVITE of ours ends with exactly one [`Accepted`](SipInput::Accepted) or
///   [`Refused`](SipInput::Refused), every MESSAGE with one [`PageAnswered`](SipInput::PageAnswered). An error of
///   `perform` stands for that, see [`SipAction::failed`]; no input follows.
/// - Every call ends with exactly one [`Refused`](SipInput::Refused) (ours, before it was accepted),
///   [`Cancelled`](SipInput::Cancelled) or [`Ended`](SipInput::Ended), or with an action of ours,
///   [`Bye`](SipAction::Bye) or [`Refuse`](SipAction::Refuse) of the first INVITE; after that its name is not used but to
///   tell that the BYE has been [answered](SipInput::ByeAnswered).
/// - What the user agent does not answer, the adapter answers as its stack likes in the end (408, 500): nothing waits for
///   ever.
/// - `next` may be dropped and called again without losing anything ("cancel safe"). `None`: the stack has ended.
/// - Neither logs SDP: it holds session URIs, which are secrets.
#[async_trait]
pub trait SipAdapter: Send {
    /// Starts what the user agent asks for.
    ///
    /// # Errors
    /// [`SipError`]; the action had no effect.
    async fn perform(&mut self, action: SipAction) -> Result<(), SipError>;

    /// The next thing that has come by SIP.
    async fn next(&mut self) -> Option<SipInput>;

    /// Ends what is still open (calls, registrations), and waits until peers have answered to that, but not for ever. Then
    /// [`perform`](Self::perform) fails, and [`next`](Self::next) tells what has come before, and `None`. May be dropped and
    /// called again. By itself it does nothing, for adapters to a stack that outlives them.
    async fn shutdown(&mut self) {}
}

impl SipAction {
    /// What the user agent has to be told of an action that an adapter could not perform; none where it makes no
    /// difference to it. To be made before the action is given away.
    pub fn failed(&self) -> impl FnOnce(&SipError) -> Option<SipInput> + Send + 'static {
        enum Of {
            Call(super::CallId),
            Established(super::CallId),
            Ending(super::CallId),
            Page(super::PageId),
            Nothing,
        }
        let of = match self {
            Self::Invite(invite) => Of::Call(invite.call),
            Self::Reinvite { call, .. } => Of::Call(*call),
            Self::Answer { call, .. } => Of::Established(*call),
            Self::Bye { call, .. } => Of::Ending(*call),
            Self::Page(page) => Of::Page(page.page),
            _ => Of::Nothing,
        };
        move |error| {
            let code = match error {
                SipError::UnknownCall => 481,
                SipError::Invalid(_) => 400,
                _ => 500,
            };
            let answer = SipAnswer::new(code, error.to_string());
            match of {
                Of::Call(call) => Some(SipInput::Refused { call, answer }),
                Of::Established(call) => Some(SipInput::Ended {
                    call,
                    answer: Some(answer),
                }),
                Of::Ending(call) => Some(SipInput::ByeAnswered { call }),
                Of::Page(page) => Some(SipInput::PageAnswered { page, answer }),
                Of::Nothing => None,
            }
        }
    }
}

/// A node with a SIP side, so that one loop joins any of them with a [`SipAdapter`]: [`UserAgent`], and what is built on it.
pub trait Signalling: Node {
    /// The action in an event, if it is one.
    ///
    /// # Errors
    /// The event, where it is something else.
    fn action(event: Self::Event) -> Result<SipAction, Self::Event>;

    /// The command that tells the node what has come.
    fn input(input: SipInput) -> Self::Command;
}

impl Signalling for UserAgent {
    fn action(event: UserAgentEvent) -> Result<SipAction, UserAgentEvent> {
        match event {
            UserAgentEvent::Sip(action) => Ok(*action),
            event => Err(event),
        }
    }

    fn input(input: SipInput) -> UserAgentCommand {
        UserAgentCommand::Sip(Box::new(input))
    }
}
