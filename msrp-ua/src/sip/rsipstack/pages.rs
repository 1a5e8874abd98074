//! MESSAGE of ours, and answers to those of others (RFC 3428).

use rsipstack::sip::Method;

use super::{clients::Purpose, compose, core::Core, fields};
use crate::sip::{PageId, SipError, SipPage, SipReply};

impl Core {
    pub(super) fn page(&mut self, page: &SipPage) -> Result<(), SipError> {
        let from = format!("{};tag={}", fields::name_addr(&page.from)?, compose::token());
        let to = fields::name_addr(&page.to)?;
        // Call-ID and CSeq of the page are those of another MESSAGE, when it was told of that; ours has its own.
        let theirs: Vec<_> = page
            .headers
            .iter()
            .filter(|header| {
                !["Call-ID", "CSeq"]
                    .iter()
                    .any(|name| header.name.eq_ignore_ascii_case(name))
            })
            .cloned()
            .collect();
        let headers = fields::outgoing(&theirs)?;
        let (hop, route) = self.way(&page.request_uri, page.route.as_deref())?;
        let mut request = compose::Outside {
            method: Method::Message,
            uri: fields::uri(&page.request_uri)?,
            from: &from,
            to: &to,
            call_id: &compose::token(),
            seq: 1,
            route: route.as_deref(),
        }
        .request(&self.config);
        for (name, value) in headers {
            fields::put(&mut request.headers, &name, &value);
        }
        if page.content_type.is_none() && !page.body.is_empty() {
            return Err(SipError::Invalid("a body without a Content-Type".to_owned()));
        }
        if let Some(content_type) = &page.content_type {
            if content_type.chars().any(char::is_control) {
                return Err(SipError::Invalid("a Content-Type".to_owned()));
            }
            compose::with_body(&mut request.headers, &mut request.body, content_type, &page.body);
        }
        self.send(Purpose::Page(page.page), request, hop);
        Ok(())
    }

    pub(super) fn answer_page(&mut self, page: PageId, reply: &SipReply) -> Result<(), SipError> {
        let Some(server) = self.pages.get(&page).copied() else {
            return Err(SipError::UnknownPage);
        };
        self.reply(server, reply, None)?;
        self.pages.remove(&page);
        Ok(())
    }
}
