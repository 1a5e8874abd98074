//! Where SIP comes in and goes out.

use std::time::Instant;

use super::UserAgent;
use crate::{
    event::UserAgentEvent,
    sip::{PageId, SipAction, SipInput, SipPage, SipReply},
};

impl UserAgent {
    /// Tells what has come by SIP. What is to be done about it comes as [`UserAgentEvent::Sip`].
    pub fn handle_sip(&mut self, now: Instant, input: SipInput) {
        self.tick(now);
        match input {
            SipInput::Page(page) => self.push_event(UserAgentEvent::IncomingPage(page)),
            SipInput::PageAnswered { page, answer } => {
                self.push_event(UserAgentEvent::PageAnswered { page, answer });
            }
            SipInput::Invite(invite) => self.on_invite(*invite),
            SipInput::Reinvite { call, offer } => self.on_reinvite(call, offer),
            SipInput::Progress { call, code } => self.on_progress(call, code),
            SipInput::Accepted { call, answer } => self.on_accepted(call, answer),
            SipInput::Refused { call, answer } => self.on_call_refused(call, answer),
            SipInput::Acknowledged { call, answer } => self.on_acknowledged(call, answer),
            SipInput::Cancelled { call } => self.on_cancelled(call),
            SipInput::Ended { call, answer } => self.on_ended(call, answer),
            SipInput::ByeAnswered { call } => self.on_bye_answered(call),
        }
    }

    /// Sends a MESSAGE outside of dialogs (RFC 3428). The name in `page` is replaced by the one that is returned;
    /// [`UserAgentEvent::PageAnswered`] tells what became of it.
    pub fn send_page(&mut self, mut page: SipPage) -> PageId {
        self.next_key += 1;
        page.page = PageId::outgoing(self.next_key);
        let id = page.page;
        self.perform(SipAction::Page(Box::new(page)));
        id
    }

    /// Answers a MESSAGE that has come; once.
    pub fn answer_page(&mut self, page: PageId, reply: SipReply) {
        self.perform(SipAction::AnswerPage { page, reply });
    }

    /// Has something done by SIP.
    pub(crate) fn perform(&mut self, action: SipAction) {
        self.note_bye(&action);
        self.push_event(UserAgentEvent::Sip(Box::new(action)));
    }
}
