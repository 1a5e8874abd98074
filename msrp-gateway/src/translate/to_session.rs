//! MESSAGE to MSRP.

use msrp_core::grammar::MediaType;
use msrp_ua::{
    cpim::{Address, CpimBuilder, CpimMessage, CpimRules, Envelope, Wrapping},
    imdn::ImdnHeaders,
    sip::{SipHeader, SipParty},
};

use super::{ContentError, CpimUse, ForSession, FromPage, Kind, StandardContent, check_required, is_clean};

/// Header fields of content, which SIP and MSRP write in the same way.
const OF_CONTENT: [&str; 4] = [
    "Content-Disposition",
    "Content-Language",
    "Content-ID",
    "Content-Description",
];

fn content_headers(headers: &[SipHeader]) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().filter_map(|header| {
        let name = OF_CONTENT
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&header.name))?;
        is_clean(&header.value).then_some((*name, header.value.as_str()))
    })
}

fn malformed(error: impl std::fmt::Display) -> ContentError {
    ContentError::Malformed(error.to_string())
}

fn address(party: &SipParty) -> Result<Address, ContentError> {
    let address = Address::new(&party.uri).map_err(malformed)?;
    Ok(match &party.display_name {
        Some(name) => address.with_name(name),
        None => address,
    })
}

impl StandardContent {
    pub(super) fn page_to_session(
        &self,
        page: &FromPage<'_>,
        peer: &Wrapping,
    ) -> Result<ForSession, ContentError> {
        self.check_type(page.content_type)?;
        let media_type = MediaType::parse(page.content_type.as_bytes()).map_err(malformed)?;
        if media_type.is("message", "cpim") {
            return self.cpim_to_session(page, peer);
        }
        let wanted = match self.cpim {
            CpimUse::Listed => peer.lists_cpim(),
            CpimUse::First => false,
            CpimUse::Always => true,
        };
        // Who writes is told in every format that it may be told in, most simply as it is (RFC 3994 §4).
        let wanted = wanted && Kind::of(page.content_type, page.body) != Kind::Composing;
        match peer.envelope(&media_type, wanted) {
            Some(Envelope::Cpim) => wrap(page),
            Some(Envelope::None) => Ok(ForSession {
                content_type: page.content_type.to_owned(),
                body: page.body.clone(),
                headers: content_headers(page.headers)
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            }),
            None => Err(ContentError::Type(page.content_type.to_owned())),
        }
    }

    fn cpim_to_session(&self, page: &FromPage<'_>, peer: &Wrapping) -> Result<ForSession, ContentError> {
        let message = CpimMessage::parse(page.body.clone(), &CpimRules::tolerant()).map_err(malformed)?;
        let head = message.head();
        check_required(head)?;
        self.check_names(head, page.sender, None)?;
        self.check_type(head.content_type())?;
        let inner = head.media_type().map_err(malformed)?;
        if peer.takes_wrapped(&inner) {
            return Ok(ForSession {
                content_type: page.content_type.to_owned(),
                // Octet for octet (RFC 3862 §6).
                body: page.body.clone(),
                headers: Vec::new(),
            });
        }
        let needs_wrapping =
            !head.required().is_empty() || Kind::of(page.content_type, page.body) == Kind::Notification;
        if needs_wrapping || !peer.takes_plain(&inner) {
            return Err(ContentError::Type(head.content_type().to_owned()));
        }
        Ok(ForSession {
            content_type: head.content_type().to_owned(),
            headers: OF_CONTENT
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), head.content().get(name)?.to_owned())))
                .collect(),
            body: message.body().clone(),
        })
    }
}

fn wrap(page: &FromPage<'_>) -> Result<ForSession, ContentError> {
    let mut builder = CpimBuilder::new(address(page.from)?, address(page.to)?).date_time(page.sent_at);
    let subject = page
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("Subject"));
    if let Some(subject) = subject {
        builder = builder.subject(&subject.value, None);
    }
    builder = builder.content_type(page.content_type);
    for (name, value) in content_headers(page.headers) {
        builder = builder.content_header(name, value);
    }
    let message = builder.body(page.body).map_err(malformed)?;
    Ok(ForSession {
        content_type: "message/cpim".to_owned(),
        body: message.octets().clone(),
        headers: Vec::new(),
    })
}

/// Whether notifications are asked for by a message/cpim.
pub(super) fn asks_for_notifications(head: &msrp_ua::cpim::CpimHead) -> bool {
    !ImdnHeaders::of(head).requests.is_empty()
}
