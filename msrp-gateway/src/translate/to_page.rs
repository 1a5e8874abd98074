//! MSRP to MESSAGE.

use msrp_core::grammar::MediaType;
use msrp_ua::{
    cpim::{CpimMessage, CpimRules},
    imdn::pop_route,
    sip::SipHeader,
};

use crate::clock::sip_date;

use super::{
    ContentError, ForPage, FromSession, Kind, StandardContent, check_required, is_clean,
    to_session::asks_for_notifications,
};

impl StandardContent {
    pub(super) fn session_to_page(&self, message: &FromSession<'_>) -> Result<ForPage, ContentError> {
        self.check_type(message.content_type)?;
        let malformed = |error: &dyn std::fmt::Display| ContentError::Malformed(error.to_string());
        let media_type =
            MediaType::parse(message.content_type.as_bytes()).map_err(|error| malformed(&error))?;
        if !media_type.is("message", "cpim") {
            let mut headers = vec![];
            push(&mut headers, "Date", sip_date(message.now));
            push(
                &mut headers,
                "Content-Disposition",
                message.disposition.map(str::to_owned),
            );
            return Ok(ForPage {
                content_type: message.content_type.to_owned(),
                body: message.body.clone(),
                headers,
                instead: None,
            });
        }
        let rules = CpimRules::tolerant();
        let mut cpim = CpimMessage::parse(message.body.clone(), &rules).map_err(|error| malformed(&error))?;
        check_required(cpim.head())?;
        self.check_names(cpim.head(), message.sender, Some(message.target))?;
        self.check_type(cpim.head().content_type())?;
        let notification = Kind::of(message.content_type, message.body) == Kind::Notification;
        if notification
            && let Some(own) = &self.address
            && let Some(Ok((popped, _))) = pop_route(&cpim, own, &rules)
        {
            cpim = popped;
        }
        let whole = |instead| ForPage {
            content_type: message.content_type.to_owned(),
            body: cpim.octets().clone(),
            headers: Vec::new(),
            instead,
        };
        let head = cpim.head();
        // What nobody can read without its wrapping stays in it.
        if notification || !head.required().is_empty() {
            return Ok(whole(None));
        }
        let content = |name| head.content().get(name).map(str::to_owned);
        let mut headers = Vec::new();
        let sent_at = head.sent_at().unwrap_or(message.now);
        push(&mut headers, "Date", sip_date(sent_at));
        let subject = head.subjects().next().map(|subject| subject.text().into_owned());
        push(&mut headers, "Subject", subject);
        for name in ["Content-Disposition", "Content-Language", "Content-ID"] {
            push(&mut headers, name, content(name));
        }
        let plain = ForPage {
            content_type: head.content_type().to_owned(),
            body: cpim.body().clone(),
            headers,
            instead: None,
        };
        let loses = asks_for_notifications(head) || head.to().len() + head.cc().len() > 1;
        if loses && !message.no_cpim {
            return Ok(whole(Some(Box::new(plain))));
        }
        Ok(plain)
    }
}

/// A value with a line end in it would be another header field: it is left out.
fn push(headers: &mut Vec<SipHeader>, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| is_clean(value)) {
        headers.push(SipHeader::new(name, value));
    }
}
