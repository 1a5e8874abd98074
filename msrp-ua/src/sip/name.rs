//! Names of calls and pages, and who is at their ends.

use std::fmt;

/// Which side has given a name. The user agent and the adapter count on their own, and never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    UserAgent,
    Adapter,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Side, u64);

        impl $name {
            /// The name of one that came in: for adapters, which count theirs and never use a number twice.
            pub const fn incoming(number: u64) -> Self {
                Self(Side::Adapter, number)
            }

            /// The name of one of ours: for the user agent, and for tests of adapters.
            pub const fn outgoing(number: u64) -> Self {
                Self(Side::UserAgent, number)
            }

            /// Whether it came in.
            pub const fn is_incoming(self) -> bool {
                matches!(self.0, Side::Adapter)
            }

            /// The number in it.
            pub const fn number(self) -> u64 {
                self.1
            }
        }

        /// `in-7` for one that came in, `out-7` for one of ours.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let side = match self.0 {
                    Side::UserAgent => "out",
                    Side::Adapter => "in",
                };
                write!(f, "{side}-{}", self.1)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

name! {
    /// A call: an INVITE, and the dialog that comes of it. It has nothing to do with the header `Call-ID`, which is the
    /// stack's.
    CallId
}
name! {
    /// One MESSAGE outside of dialogs (RFC 3428), and its final answer.
    PageId
}

/// One end of a call or of a MESSAGE: what stands in `From` or `To`, without its tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipParty {
    /// The URI, such as `sip:alice@example.com`.
    pub uri: String,
    /// The name for people, if there is one, without its quotation marks.
    pub display_name: Option<String>,
}

impl SipParty {
    /// A party without a name for people.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            display_name: None,
        }
    }

    /// Sets the name for people.
    pub fn with_display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }
}

/// A header field beyond those that every stack writes itself, such as `Subject`; name and value without line ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipHeader {
    /// The full name, such as `Subject`.
    pub name: String,
    /// The value.
    pub value: String,
}

impl SipHeader {
    /// A header field.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// The first value among header fields of this name, whatever its case.
pub(crate) fn header<'a>(headers: &'a [SipHeader], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.as_str())
}
