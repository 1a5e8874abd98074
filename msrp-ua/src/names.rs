//! What a user agent names: sessions, messages, registrations.

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u64);
    };
}

name! {
    /// A session of this user agent; never reused.
    SessionId
}
name! {
    /// A message that we send; never reused. It is what [`UserAgent::send`](crate::UserAgent::send) returns and what events
    /// about its fate name.
    OutgoingKey
}
name! {
    /// A message that comes in; never reused.
    IncomingKey
}
name! {
    /// A registration at a relay; never reused.
    RegistrationId
}
