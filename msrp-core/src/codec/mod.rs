//! Octets to heads, bodies and end-lines, and back.
//!
//! The codec knows the form of RFC 4975 §9 and no transactions: [`Decoder`] turns what a transport delivers into
//! [`DecodeEvent`]s without copying a body, [`Head`] looks into a start line and its headers on demand, and
//! [`HeadTemplate`] and [`HeadEdit`] write the heads of outgoing chunks.

mod decoder;
pub(crate) mod encoder;
mod end_line;
mod error;
mod head;
mod header_name;
mod limits;

pub use decoder::{DecodeEvent, Decoder, Framing};
pub use encoder::{ChunkHead, HeadEdit, HeadTemplate, Own, SendHeaders};
pub(crate) use encoder::{put_end_line, put_response};
pub(crate) use end_line::{EndLine, Found, find_end_line_prefix};
pub use error::{DecodeError, DecodeErrorKind, EncodeError, ProtocolError};
pub use head::{Head, Headers, StartLine};
pub use header_name::HeaderName;
pub use limits::DecoderLimits;
