//! The one error type of the grammar.

/// Why octets are not what a production of RFC 4975 section 9 or RFC 4976 section 7 describes.
///
/// Each variant names the production and the rule. The offending octets are never part of the error, because they
/// may hold a session-id or a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// `ident`: fewer than 4 or more than 32 characters (transact-id and Message-ID).
    #[error("ident must have 4 to 32 characters")]
    IdentLength,
    /// `ident`: an octet outside `ALPHANUM . - + % =`, or a first character that is not alphanumeric.
    #[error("ident holds a character that its grammar does not allow")]
    IdentCharacter,
    /// `MSRP-URI`: longer than this implementation accepts.
    #[error("MSRP URI is longer than {max} octets")]
    UriTooLong {
        /// The limit in octets.
        max: usize,
    },
    /// `msrp-scheme`: neither `msrp://` nor `msrps://`.
    #[error("MSRP URI does not start with msrp:// or msrps://")]
    UriScheme,
    /// `authority`: the userinfo holds an illegal character or a second `@`.
    #[error("userinfo of the MSRP URI is malformed")]
    UriUserinfo,
    /// `authority`: the userinfo holds a password (RFC 4975 section 6 forbids it).
    #[error("userinfo of the MSRP URI holds a password")]
    UriPassword,
    /// `authority`: no host, or an illegal character in it.
    #[error("host of the MSRP URI is empty or malformed")]
    UriHost,
    /// `authority`: `%` is not followed by two hexadecimal digits.
    #[error("percent-encoding in the MSRP URI's authority is malformed")]
    UriPercentEncoding,
    /// `authority`: the brackets do not hold an IPv6 address.
    #[error("the MSRP URI's brackets do not hold an IPv6 address")]
    UriAddress,
    /// `authority`: the port is not a number from 0 to 65535.
    #[error("port of the MSRP URI is not a number up to 65535")]
    UriPort,
    /// A port is missing where it is mandatory: beside a numeric IP address (RFC 4975 section 6) and in every URI
    /// but the To-Path of AUTH (RFC 4976 section 8).
    #[error("MSRP URI lacks the port")]
    UriPortMissing,
    /// `session-id`: empty, or a character outside `unreserved + = /`.
    #[error("session-id of the MSRP URI is empty or malformed")]
    UriSessionId,
    /// `transport`: missing, empty or not alphanumeric.
    #[error("transport of the MSRP URI is missing or malformed")]
    UriTransport,
    /// `URI-parameter`: not `token [= token]`.
    #[error("parameter of the MSRP URI is malformed")]
    UriParameter,
    /// To-Path, From-Path, Use-Path: no URI.
    #[error("path holds no MSRP URI")]
    PathEmpty,
    /// To-Path, From-Path, Use-Path: the URIs are not separated by exactly one space.
    #[error("URIs of the path are not separated by single spaces")]
    PathSeparator,
    /// To-Path, From-Path, Use-Path: more URIs than the limit.
    #[error("path holds more than {max} URIs")]
    PathTooLong {
        /// The limit in URIs.
        max: usize,
    },
    /// `method`: empty, or a character other than `A`-`Z` and `_`.
    #[error("method is malformed")]
    Method,
    /// `Byte-Range`: not `start-end/total`.
    #[error("Byte-Range is malformed")]
    ByteRange,
    /// `Byte-Range`: a number of more than 19 digits.
    #[error("number in Byte-Range has more than 19 digits")]
    ByteRangeTooLarge,
    /// `Byte-Range`: starts at 0, but octets are counted from 1.
    #[error("Byte-Range starts at 0")]
    ByteRangeZero,
    /// `status-code`: not exactly three digits from 100 to 999.
    #[error("status code is not three digits from 100 to 999")]
    StatusCode,
    /// `Status`: not `namespace SP status-code [SP comment]`.
    #[error("Status is malformed")]
    Status,
    /// `utf8text`: not UTF-8, or a control character other than HTAB.
    #[error("text is not UTF-8 or holds control characters")]
    Text,
    /// `Failure-Report`: none of `yes`, `no`, `partial`.
    #[error("Failure-Report is none of yes, no, partial")]
    FailureReport,
    /// `Success-Report`: neither `yes` nor `no`.
    #[error("Success-Report is neither yes nor no")]
    SuccessReport,
    /// `Expires`, `Min-Expires`, `Max-Expires`: not `1*DIGIT`.
    #[error("Expires is not a number of seconds")]
    Expires,
    /// `max-size-value` (RFC 4975 section 8.6): not `1*DIGIT`.
    #[error("max-size is not a number of octets")]
    MaxSize,
    /// `media-type`: not `type/subtype` of two tokens.
    #[error("media type is not type/subtype")]
    MediaType,
    /// `gen-param`: a parameter of a media type is not `name [= token or quoted-string]`.
    #[error("parameter of the media type is malformed")]
    MediaTypeParameter,
    /// `accept-types`: an entry is not `*`, `type/*` or a media type.
    #[error("entry of accept-types is malformed")]
    AcceptEntry,
    /// `accept-types`: more entries than the limit.
    #[error("accept-types holds more than {max} entries")]
    AcceptTypesTooLong {
        /// The limit in entries.
        max: usize,
    },
    /// `quoted-string`: not closed, an escape other than `\\` and `\"`, or an octet that is not allowed in it.
    #[error("quoted-string is malformed")]
    QuotedString,
    /// `WWW-Authenticate`, `Authorization`: the scheme is not `Digest`.
    #[error("authentication scheme is not Digest")]
    AuthScheme,
    /// `WWW-Authenticate`, `Authorization`, `Authentication-Info`: not a list of `name=value`.
    #[error("authentication parameters are malformed")]
    AuthSyntax,
    /// The same authentication parameter is there twice.
    #[error("authentication parameter {0} is there twice")]
    AuthDuplicate(&'static str),
    /// More authentication parameters than the limit.
    #[error("more than {max} authentication parameters")]
    AuthTooLong {
        /// The limit in parameters.
        max: usize,
    },
    /// A mandatory authentication parameter is not there.
    #[error("authentication parameter {0} is missing")]
    AuthMissing(&'static str),
    /// An authentication parameter has a value that its production does not allow.
    #[error("authentication parameter {0} has an illegal value")]
    AuthValue(&'static str),
    /// A digest is not 32 (MD5) or 64 (SHA-256) lower-case hexadecimal digits.
    #[error("digest is not 32 or 64 lower-case hexadecimal digits")]
    Digest,
}
