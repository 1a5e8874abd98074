//! MESSAGE outside of dialogs: page mode (RFC 3428).

use std::fmt;

use bytes::Bytes;

use super::name::{PageId, SipHeader, SipParty, header};

/// A MESSAGE, in either direction (RFC 3428).
#[derive(Clone)]
#[non_exhaustive]
pub struct SipPage {
    /// Names it; [`PageId::incoming`] is the adapter's to give.
    pub page: PageId,
    /// The Request-URI.
    pub request_uri: String,
    /// Where it goes first, as a `Route` would say, such as `sip:192.0.2.1:5060;transport=tcp`. Of one that came in: none.
    pub route: Option<String>,
    /// `From`.
    pub from: SipParty,
    /// `To`.
    pub to: SipParty,
    /// Who sends it, as the stack knows it; see [`IncomingInvite::identity`](super::IncomingInvite::identity).
    pub identity: Option<String>,
    /// The media type of the body; none where there is no body.
    pub content_type: Option<String>,
    /// The body, as it is: one of several parts too, which [`Multipart::parse`](crate::mime::Multipart::parse) takes apart.
    pub body: Bytes,
    /// Other header fields that matter: `Date`, `Expires`, `Subject`, `Call-ID`, `CSeq`, `Max-Forwards`, `Content-Disposition`,
    /// `Content-Transfer-Encoding`, `Content-Encoding`, `Content-Language`.
    pub headers: Vec<SipHeader>,
}

impl SipPage {
    /// A MESSAGE from `from` to `to`, whose URI is the Request-URI.
    pub fn new(
        page: PageId,
        from: SipParty,
        to: SipParty,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            page,
            request_uri: to.uri.clone(),
            route: None,
            from,
            to,
            identity: None,
            content_type: Some(content_type.into()),
            body: body.into(),
            headers: Vec::new(),
        }
    }

    /// Sets where it goes first.
    pub fn with_route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Adds a header field.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(SipHeader::new(name, value));
        self
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Prints how long the body is, not what is in it.
impl fmt::Debug for SipPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("page", &self.page)
            .field("request_uri", &self.request_uri)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("content_type", &self.content_type)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}
