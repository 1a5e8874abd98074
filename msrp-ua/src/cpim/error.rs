//! What can be wrong with a message/cpim.

use msrp_core::grammar::GrammarError;

/// Why octets are not a message/cpim, or why none could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpimError {
    /// The headers do not end within the bound.
    #[error("the headers of a message/cpim are longer than {limit} octets")]
    HeadTooLong {
        /// [`CpimRules::max_head`](super::CpimRules::max_head).
        limit: usize,
    },
    /// There are more headers than the bound allows.
    #[error("a message/cpim has more than {limit} headers")]
    TooManyHeaders {
        /// [`CpimRules::max_headers`](super::CpimRules::max_headers).
        limit: usize,
    },
    /// The octets end within the headers.
    #[error("a message/cpim ends within its headers")]
    Unfinished,
    /// A line ends in something other than CRLF.
    #[error("line {line} of a message/cpim does not end in CRLF")]
    LineEnd {
        /// The line, counted from 1.
        line: usize,
    },
    /// A message header is not `Name:[;parameter] value`.
    #[error("line {line} of a message/cpim is no header")]
    Header {
        /// The line, counted from 1.
        line: usize,
    },
    /// A message header is not UTF-8, or has a control character.
    #[error("line {line} of a message/cpim is not UTF-8 text without control characters")]
    Text {
        /// The line, counted from 1.
        line: usize,
    },
    /// A header that may come once comes twice, which would let two readers see two messages.
    #[error("the header {0} comes twice")]
    Repeated(&'static str),
    /// From, To or cc is not `[name] <URI>`.
    #[error("no address: {0}")]
    Address(AddressError),
    /// NS is not `[prefix] <URI>`, or a namespace is not an absolute URI without a fragment.
    #[error("no namespace")]
    Namespace,
    /// Require is not a list of header names.
    #[error("Require is no list of names")]
    Require,
    /// A header of the content is not `Name: value`.
    #[error("line {line} of a message/cpim is no header of its content")]
    ContentHeader {
        /// The line, counted from 1.
        line: usize,
    },
    /// The content has no Content-Type, or two.
    #[error("the content of a message/cpim has to have one Content-Type")]
    ContentType,
    /// The content's type is none.
    #[error(transparent)]
    MediaType(#[from] GrammarError),
    /// A name that was given for a header is none.
    #[error("no name of a header")]
    Name,
    /// A language tag that was given is none.
    #[error("no language tag")]
    Language,
    /// A time that was given cannot be written.
    #[error("a year beyond 9999")]
    Time,
}

/// Why text is not an address of a message/cpim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no `<URI>`.
    #[error("a URI has to stand in angle brackets")]
    Brackets,
    /// What stands there is not an absolute URI.
    #[error("not an absolute URI")]
    Uri,
    /// The name before the URI is neither words nor a quoted string.
    #[error("the name is neither words nor a quoted string")]
    Name,
}

impl From<AddressError> for CpimError {
    fn from(error: AddressError) -> Self {
        CpimError::Address(error)
    }
}
