//! SDP (RFC 8866) as far as MSRP has to know it: a session description whose `m=message` sections are types.
//!
//! The lines are read and written by the crate `sdp-types`; here stands what they mean. What nobody here understands
//! (other media, unknown attributes) is kept as it came and in its order, so that it can be answered in place.
//!
//! ```
//! use msrp_ua::sdp::{SdpLimits, SessionDescription};
//!
//! let offer = "v=0\r\no=alice 2890844526 2890844527 IN IP4 alice.example.com\r\ns=-\r\nc=IN IP4 alice.example.com\r\n\
//!     t=0 0\r\nm=message 7394 TCP/MSRP *\r\na=accept-types:text/plain\r\n\
//!     a=path:msrp://alice.example.com:7394/2s93i9ek2a;tcp\r\na=chatroom:nickname\r\n";
//! let description = SessionDescription::parse(offer.as_bytes(), &SdpLimits::default())?;
//! let chat = description.sections()[0].message().expect("it is one");
//! assert_eq!(chat.path.as_ref().expect("not refused").first().port(), Some(7394));
//! assert_eq!(chat.attribute("chatroom"), Some(Some("nickname")));
//! # Ok::<(), msrp_ua::sdp::SdpError>(())
//! ```

mod address;
mod attribute;
mod description;
mod error;
mod file;
mod fingerprint;
mod origin;
mod section;

pub use self::{
    address::Address,
    attribute::{Attribute, Direction, Protocol, Setup},
    description::{OtherSection, Section, SessionDescription},
    error::{FileAttributeError, SdpError, SectionError},
    file::{FileAttributes, FileDates, FileHash, FileRange, FileSelector},
    origin::Origin,
    section::MessageSection,
};

/// How much of a peer's SDP is looked at; what exceeds it is refused whole.
///
/// A description that is kept takes about twice its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdpLimits {
    /// Octets of a body. Default 64 KiB.
    pub max_octets: usize,
    /// `m=` lines. Default 16.
    pub max_sections: usize,
    /// `a=` lines, those of all sections together. Default 512.
    pub max_attributes: usize,
    /// URIs of one path. Default [`MAX_PATH_URIS`](msrp_core::grammar::MAX_PATH_URIS).
    pub max_path_uris: usize,
    /// Octets of one path: each request carries two, and a head has 16 KiB. Default 4 KiB.
    pub max_path_octets: usize,
}

impl Default for SdpLimits {
    fn default() -> Self {
        Self {
            max_octets: 64 * 1024,
            max_sections: 16,
            max_attributes: 512,
            max_path_uris: msrp_core::grammar::MAX_PATH_URIS,
            max_path_octets: 4 * 1024,
        }
    }
}
