//! The productions of RFC 4975 section 9 and RFC 4976 section 7 as types: what parses is valid.
//!
//! Nothing here knows messages, connections or sessions. Types named `…Ref`, and those with a lifetime, borrow the
//! text they were parsed from and allocate nothing.
//!
//! ```
//! use msrp_core::grammar::{Host, Scheme, UriRef};
//!
//! let uri = UriRef::parse(b"msrps://alice@relay.example.com:2855/s3cret;tcp")?;
//! assert_eq!(uri.scheme(), Scheme::Msrps);
//! assert_eq!(uri.host(), Host::Name("relay.example.com"));
//! assert_eq!(uri.port(), Some(2855));
//! // Comparison follows RFC 4975 section 6.1: no userinfo, no case but in the session-id.
//! assert!(uri.same_as(&UriRef::parse(b"MSRPS://Relay.Example.com:2855/s3cret;TCP")?));
//! // A session-id is a secret.
//! assert_eq!(format!("{uri:?}"), "UriRef(msrps://relay.example.com:2855/s3…;tcp)");
//! # Ok::<(), msrp_core::grammar::GrammarError>(())
//! ```

mod accept_types;
mod auth;
mod byte_range;
pub(crate) mod chars;
mod continuation;
mod error;
mod expires;
mod ident;
mod max_size;
mod method;
mod mime;
mod path;
mod report;
mod status;
pub(crate) mod text;
mod uri;

pub use accept_types::{AcceptEntry, AcceptTypes, Acceptance, MAX_ACCEPT_ENTRIES};
pub use auth::{AuthenticationInfo, Challenge, Credentials, MAX_AUTH_PARAMETERS};
pub use byte_range::ByteRange;
pub use continuation::ContinuationFlag;
pub use error::GrammarError;
pub use expires::Expires;
pub use ident::{MessageId, TransactId};
pub use max_size::MaxSize;
pub use method::Method;
pub use mime::MediaType;
pub(crate) use path::PathShape;
pub use path::{MAX_PATH_URIS, Path, PathRef};
pub use report::{FailureReport, SuccessReport};
pub use status::{Status, StatusCode};
pub use uri::{Host, MAX_URI_LEN, Scheme, Uri, UriRef};
