//! Answers that may come later.

/// What a policy answers: at once, or later by a [`Ticket`](crate::node::Ticket).
///
/// A policy that has to ask a database says [`Pending`](Lookup::Pending); the node then emits
/// [`Action::Lookup`](crate::node::Action::Lookup), parks the request that asked (its body is not pulled, so it costs
/// nothing), and goes on when [`Node::handle_answer`](crate::node::Node::handle_answer) brings the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The answer.
    Ready(T),
    /// It has to be looked up outside.
    Pending,
}
