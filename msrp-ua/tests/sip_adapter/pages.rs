//! MESSAGE.

use msrp_ua::sip::{PageId, SipAction, SipInput, SipPage, SipReply};

use crate::side::Side;

#[tokio::test]
async fn a_message_is_answered_once_in_each_direction() {
    for transport in ["udp", "tcp"] {
        let (mut alice, mut bob) = (Side::new("alice", transport), Side::new("bob", transport));
        for turn in 0..4 {
            let (from, to) = if turn % 2 == 0 {
                (&mut alice, &mut bob)
            } else {
                (&mut bob, &mut alice)
            };
            let name = PageId::outgoing(turn);
            let page = SipPage::new(
                name,
                from.party(),
                to.party(),
                "text/plain",
                format!("hello {turn}"),
            )
            .with_header("Subject", "greeting");
            from.perform(SipAction::Page(Box::new(page))).await;
            let SipInput::Page(page) = to.next().await else {
                panic!()
            };
            assert_eq!(page.body, format!("hello {turn}"));
            assert_eq!(page.content_type.as_deref(), Some("text/plain"));
            assert_eq!(page.header("Subject"), Some("greeting"));
            assert_eq!(page.request_uri, to.uri());
            let code = [200, 202, 415, 603][turn as usize];
            let reply = SipReply::new(code);
            to.perform(SipAction::AnswerPage {
                page: page.page,
                reply: reply.clone(),
            })
            .await;
            let again = to.adapter_answer_again(page.page, reply).await;
            assert!(again, "an answer is given once");
            let SipInput::PageAnswered { page, answer } = from.next().await else {
                panic!()
            };
            assert_eq!((page, answer.code), (name, code));
        }
        alice.silent().await;
        bob.silent().await;
    }
}

impl Side {
    /// Whether a second answer is refused.
    async fn adapter_answer_again(&mut self, page: PageId, reply: SipReply) -> bool {
        use msrp_ua::sip::{SipAdapter, SipError};
        let again = self.adapter.perform(SipAction::AnswerPage { page, reply }).await;
        again == Err(SipError::UnknownPage)
    }
}
