//! Answers to MESSAGEs.

use std::time::Duration;

use msrp_ua::sip::{PageId, SipReply};

use super::Gateway;

/// 503 for now.
pub(super) fn busy(after: Duration) -> SipReply {
    // Whole seconds, and at least one: zero would be an invitation.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    SipReply::new(503).with_retry_after(Duration::from_secs(seconds.max(1)))
}

impl Gateway {
    /// Answers a MESSAGE, once: whoever calls this forgets the name of the page.
    pub(super) fn answer(&mut self, page: PageId, reply: SipReply) {
        self.stats.answered(reply.code);
        self.agent.answer_page(page, reply);
    }
}
