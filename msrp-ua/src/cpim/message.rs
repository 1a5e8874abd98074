//! A whole message/cpim.

use bytes::{Bytes, BytesMut};

use super::{
    CpimError,
    head::{CpimHead, HeadReader},
    rules::CpimRules,
};

/// A message/cpim as it came, or as it was built.
///
/// It cannot be changed, as signatures depend on every octet (RFC 3862 §2.2, §6): to forward it send
/// [`octets`](Self::octets), to add something wrap it in another one.
#[derive(Clone, PartialEq, Eq)]
pub struct CpimMessage {
    octets: Bytes,
    head: CpimHead,
    body: Bytes,
}

impl CpimMessage {
    /// Reads a message; its body is a slice of `octets`.
    ///
    /// # Errors
    /// [`CpimError`].
    pub fn parse(octets: impl Into<Bytes>, rules: &CpimRules) -> Result<Self, CpimError> {
        let octets = octets.into();
        let mut reader = HeadReader::new(rules.clone());
        let end = reader.read(&octets)?.ok_or(CpimError::Unfinished)?;
        let head = reader.finish(octets.slice(..end))?;
        let body = octets.slice(end..);
        Ok(Self { octets, head, body })
    }

    /// Its headers.
    pub fn head(&self) -> &CpimHead {
        &self.head
    }

    /// The content.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// All of it, octet for octet.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// Its headers and its content.
    pub fn into_parts(self) -> (CpimHead, Bytes) {
        (self.head, self.body)
    }
}

impl CpimHead {
    /// The message that this head and a body make. The body is copied; a long one is better
    /// [pulled](super::Wrapped) through.
    pub fn with_body(self, body: &[u8]) -> CpimMessage {
        let mut octets = BytesMut::with_capacity(self.octets().len() + body.len());
        octets.extend_from_slice(self.octets());
        octets.extend_from_slice(body);
        let octets = octets.freeze();
        CpimMessage {
            body: octets.slice(self.octets().len()..),
            octets,
            head: self,
        }
    }
}

impl std::fmt::Debug for CpimMessage {
    /// Leaves out what is said.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpimMessage")
            .field("content_type", &self.head.content_type())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
