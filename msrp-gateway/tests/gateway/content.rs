//! Content, sizes, and who is writing.

use std::collections::VecDeque;

use msrp_gateway::{
    GatewayConfig, Oversize, UDP_LIMIT,
    policy::{
        ContentError, ContentPolicy, Direction, ForPage, ForSession, FromPage, FromSession, Route, Routes,
        SplitText, StandardContent, TrustFrom,
    },
    wire_size,
};
use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    cpim::Wrapping,
    sip::{PageId, SipAnswer, SipParty},
};

use crate::world::{ALICE, Answering, BOB, Paging, SECOND, World, page, policies};

const COMPOSING: &str = "application/im-iscomposing+xml";

fn composing(state: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>{state}</state></isComposing>"
    )
}

fn word(state: &str) -> msrp_ua::sip::SipPage {
    let (from, to) = (SipParty::new(ALICE), SipParty::new(BOB));
    msrp_ua::sip::SipPage::new(PageId::incoming(0), from, to, COMPOSING, composing(state))
}

fn chat_word(state: &str) -> OutgoingMessage {
    OutgoingMessage::bytes(COMPOSING, composing(state))
}

// shows: GW-14, GW-67, GW-77
#[test]
fn nobody_is_called_because_somebody_is_writing() {
    let mut world = World::new();
    let writing = world.say_page(word("active"));
    let nothing = world.say("");
    let notification = msrp_ua::sip::SipPage::new(
        PageId::incoming(0),
        SipParty::new(ALICE),
        SipParty::new(BOB),
        "message/imdn+xml",
        "<imdn/>",
    );
    let notification = world.say_page(notification);
    for page in [writing, nothing, notification] {
        assert_eq!(world.code(page), Some(200));
    }
    assert!(world.chat.invites.is_empty());
    assert!(world.events.is_empty());
    world.assert_over();
}

// shows: GW-66, GW-67, GW-70
#[test]
fn who_is_writing_passes_where_it_is_understood() {
    let mut world = World::new();
    world.say("hi");
    let active = world.say_page(word("active"));
    assert_eq!(world.code(active), Some(200));
    assert_eq!(world.chat.heard[1].content_type, COMPOSING);
    world.chat_says(chat_word("active"));
    assert_eq!(world.phone.inbox[0].content_type.as_deref(), Some(COMPOSING));
    // A chat that takes only text hears nothing of it, and the phone nothing of that.
    let mut world = World::new();
    world.chat_takes("text/plain", "", 9_999);
    world.say("hi");
    let active = world.say_page(word("active"));
    assert_eq!(world.code(active), Some(200));
    assert_eq!(world.chat.heard.len(), 1);
    world.assert_over();
    assert_eq!(world.outcomes(Direction::ToSession).len(), 1);
}

// shows: GW-67, GW-70
#[test]
fn only_the_newest_word_goes_and_none_after_the_message() {
    let mut world = World::new();
    world.chat_calls();
    world.phone.paging = Paging::Silent;
    world.chat_says(OutgoingMessage::text("first"));
    for state in ["active", "idle", "active"] {
        world.chat_says(chat_word(state));
    }
    world.chat_says(OutgoingMessage::text("second"));
    world.chat_says(chat_word("idle"));
    world.phone.paging = Paging::All(200);
    let page = world.phone.inbox[0].page;
    let answer = SipAnswer::new(200, "OK");
    world
        .gateway
        .handle_sip(world.now, msrp_ua::sip::SipInput::PageAnswered { page, answer });
    world.run();
    let paged = world.paged();
    assert_eq!(
        paged[..2],
        ["first", "second"],
        "the word before the message is stale"
    );
    assert_eq!(paged[2..], [composing("idle")]);
    assert_eq!(world.outcomes(Direction::ToPages).len(), 2);
    world.assert_over();
}

// shows: GW-68
#[test]
fn a_phone_that_does_not_know_it_is_spared() {
    let mut world = World::new();
    world.chat_calls();
    world.chat_says(OutgoingMessage::text("first"));
    world.phone.paging = Paging::Each(VecDeque::from([SipAnswer::new(415, "")]));
    world.chat_says(chat_word("active"));
    world.chat_says(chat_word("idle"));
    world.chat_says(chat_word("active"));
    assert_eq!(world.phone.inbox.len(), 2);
    world.assert_over();
}

// shows: GW-45
#[test]
fn whoever_refuses_the_wrapping_gets_the_text() {
    let mut world = World::new();
    world.chat_calls();
    let asking = "From: <sip:bob@chats.example.com>\r\nTo: <sip:alice@phones.example.com>\r\n\
        DateTime: 2027-01-15T08:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n\
        imdn.Disposition-Notification: display\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    world.phone.paging = Paging::Each(VecDeque::from([SipAnswer::new(415, "")]));
    for _ in 0..2 {
        world.chat_says(OutgoingMessage::bytes("message/cpim", asking.to_owned()));
    }
    let types: Vec<_> = world
        .phone
        .inbox
        .iter()
        .map(|page| page.content_type.clone().unwrap())
        .collect();
    assert_eq!(
        types,
        ["message/cpim", "text/plain", "text/plain"],
        "it is remembered"
    );
    assert_eq!(world.outcome_codes(Direction::ToPages), [200, 200]);
    world.assert_over();
}

// shows: GW-43, GW-64, GW-91, 8591-7.3-01, 3428-9-02
#[test]
fn what_the_chat_does_not_take_is_refused() {
    let mut world = World::new();
    world.chat_takes("text/plain", "", 20);
    let refused = |kind: &str| {
        msrp_ua::sip::SipPage::new(
            PageId::incoming(0),
            SipParty::new(ALICE),
            SipParty::new(BOB),
            kind,
            "x",
        )
    };
    world.say("hi");
    let html = world.say_page(refused("text/html"));
    let reply = world.reply(html).unwrap();
    assert_eq!(reply.code, 415);
    assert_eq!(
        (&*reply.headers[0].name, &*reply.headers[0].value),
        ("Accept", "text/plain")
    );
    let long = world.say("more than twenty octets, surely");
    assert_eq!(world.code(long), Some(413));
    assert_eq!(world.texts(), ["hi"]);
    world.assert_over();
}

// shows: GW-56, 3428-8-02, 8591-7.1-01
#[test]
fn a_message_by_udp_has_at_most_1300_octets() {
    let mut world = World::new();
    world.chat_calls();
    world.chat_says(OutgoingMessage::text("x"));
    let used = wire_size(&world.phone.inbox[0], 400) - 1;
    let most = UDP_LIMIT - used;
    world.chat_says(OutgoingMessage::text("y".repeat(most)));
    assert_eq!(wire_size(&world.phone.inbox[1], 400), 1300);
    // What the SDP says keeps a peer from sending more; one that does so all the same is refused.
    let too_long = world.try_chat_says(OutgoingMessage::text("z".repeat(most + 1)));
    assert!(too_long.is_err());
    // Where every hop controls congestion there may be more.
    let safe = Routes::new().with_route("*", Route::by("sip:phones.example.com;transport=tcp"));
    let mut world = World::with_policies(
        GatewayConfig::new(),
        msrp_gateway::Policies::new(safe).sender(TrustFrom),
    );
    world.chat_calls();
    world.chat_says(OutgoingMessage::text("z".repeat(9_000)));
    assert_eq!(world.phone.inbox[0].body.len(), 9_000);
    // Or where the operator has said that it goes by TCP then.
    let mut world = World::with(GatewayConfig::new().oversize(Oversize::OverTcp));
    world.chat_calls();
    world.chat_says(OutgoingMessage::text("z".repeat(9_000)));
    world.chat_says(OutgoingMessage::text("z"));
    assert_eq!(
        world.phone.inbox[0].route.as_deref(),
        Some("sip:phones.example.com;transport=tcp")
    );
    assert_eq!(
        world.phone.inbox[1].route.as_deref(),
        Some("sip:phones.example.com")
    );
}

// shows: GW-60, GW-59
#[test]
fn a_long_text_is_cut_where_that_is_wanted() {
    let mut world = World::with_policies(GatewayConfig::new(), policies().split(SplitText::at_most(9)));
    world.chat_calls();
    let text = "many words ".repeat(150);
    let key = world.chat_says(OutgoingMessage::text(text.clone()).with_success_report());
    assert!(world.phone.inbox.len() >= 3);
    let joined: String = world
        .paged()
        .iter()
        .map(|part| part.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(joined, text);
    assert!(world.phone.inbox.iter().all(|page| wire_size(page, 400) <= 1300));
    assert_eq!(world.told(key), [200]);
    // They fail as one.
    world.phone.paging = Paging::Each(VecDeque::from([SipAnswer::new(200, ""), SipAnswer::new(480, "")]));
    let before = world.phone.inbox.len();
    let key = world.chat_says(OutgoingMessage::text(text).with_success_report());
    assert_eq!(world.phone.inbox.len(), before + 2);
    assert_eq!(world.told(key), [413]);
    assert_eq!(world.outcome_codes(Direction::ToPages), [200, 480]);
    world.assert_over();
}

// shows: GW-72
#[test]
fn only_the_recipient_says_that_it_has_a_message() {
    let asking = |what: &str| {
        let body = format!(
            "From: <{ALICE}>\r\nTo: <{BOB}>\r\nDateTime: 2027-01-15T08:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
             imdn.Message-ID: 7\r\nimdn.Disposition-Notification: {what}\r\n\r\nContent-Type: text/plain\r\n\r\nHi"
        );
        msrp_ua::sip::SipPage::new(
            PageId::incoming(0),
            SipParty::new(ALICE),
            SipParty::new(BOB),
            "message/cpim",
            body,
        )
    };
    // A chat that takes message/cpim answers for itself.
    let mut world = World::new();
    world.say_page(asking("positive-delivery"));
    assert!(world.phone.inbox.is_empty());
    assert_eq!(world.chat.heard[0].content_type, "message/cpim");
    // For one that does not, MSRP's own word counts.
    let mut world = World::new();
    world.chat_takes("text/plain", "", 9_999);
    world.say_page(asking("positive-delivery"));
    assert_eq!(world.texts(), ["Hi"]);
    assert_eq!(world.phone.inbox.len(), 1);
    let notification = String::from_utf8(world.phone.inbox[0].body.to_vec()).unwrap();
    assert!(notification.contains("<delivered/>"), "{notification}");
    // Never for a 2xx of SIP: here the recipient is only a phone.
    let mut world = World::new();
    world.chat.answering = Answering::No(msrp_ua::sip::SipReply::new(488));
    world.say_page(asking("positive-delivery"));
    assert_eq!(world.phone.inbox.len(), 1, "the message itself");
    assert_eq!(world.phone.inbox[0].request_uri, BOB);
    world.assert_over();
}

// shows: GW-73, GW-94, GW-97, GW-130
#[test]
fn what_fails_after_its_answer_is_told_by_a_notification() {
    let body = format!(
        "From: <{ALICE}>\r\nTo: <{BOB}>\r\nDateTime: 2027-01-15T08:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
         imdn.Message-ID: 7\r\nimdn.Disposition-Notification: negative-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nHi"
    );
    let asking = || {
        msrp_ua::sip::SipPage::new(
            PageId::incoming(0),
            SipParty::new(ALICE),
            SipParty::new(BOB),
            "message/cpim",
            body.clone(),
        )
    };
    let mut world = World::new();
    world.chat.answering = Answering::No(msrp_ua::sip::SipReply::new(480));
    let page = world.say_page(asking());
    assert_eq!(world.code(page), Some(202));
    assert_eq!(world.phone.inbox.len(), 1);
    let notification = String::from_utf8(world.phone.inbox[0].body.to_vec()).unwrap();
    assert!(notification.contains("<failed/>") && notification.contains("<message-id>7</message-id>"));
    assert_eq!(world.phone.inbox[0].request_uri, ALICE);
    world.assert_over();
    // Where the answer itself said so there is none.
    let mut world = World::with(GatewayConfig::new().setup_hold(5 * SECOND));
    world.chat.answering = Answering::No(msrp_ua::sip::SipReply::new(480));
    let page = world.say_page(asking());
    assert_eq!(world.code(page), Some(480));
    assert!(world.phone.inbox.is_empty());
    world.assert_over();
}

// shows: GW-76, GW-94, GW-120
#[test]
fn a_notice_goes_to_the_sender_and_never_about_a_notice() {
    let system = SipParty::new("sip:gateway@phones.example.com");
    let mut world = World::with(GatewayConfig::new().notices(Some(system)));
    world.chat.answering = Answering::No(msrp_ua::sip::SipReply::new(480));
    world.phone.paging = Paging::All(480);
    let page = world.say("x");
    assert_eq!(world.code(page), Some(202));
    assert_eq!(world.phone.inbox.len(), 1, "and nothing about its failure");
    let notice = world.phone.inbox[0].clone();
    assert_eq!(
        (&*notice.request_uri, &*notice.from.uri),
        (ALICE, "sip:gateway@phones.example.com")
    );
    assert!(notice.content_type.as_deref().unwrap().starts_with("text/plain"));
    assert!(world.paged()[0].contains("480"));
    // Without it the event alone tells.
    let mut world = World::new();
    world.chat.answering = Answering::No(msrp_ua::sip::SipReply::new(480));
    world.say("x");
    assert!(world.phone.inbox.is_empty());
    assert_eq!(world.outcome_codes(Direction::ToSession), [480]);
    world.assert_over();
}

// shows: GW-57, GW-132, 3428-8-03
#[test]
fn what_is_far_too_large_is_refused_at_its_first_chunk() {
    let mut world = World::new();
    // The chat does not look at our max-size.
    world.chat_calls();
    let session = *world.chat.sessions.last().unwrap();
    let refused = world.chat.agent.send(
        session,
        OutgoingMessage::bytes("text/plain", vec![b'x'; 5_000_000]),
    );
    assert!(refused.is_err(), "a chat that looks at it does not even begin");
    let unknown = OutgoingMessage::new("text/plain", Endless(0));
    let key = world.chat_says(unknown);
    world.pass(SECOND);
    assert!(world.phone.inbox.is_empty());
    let failed = |event: &&UserAgentEvent| matches!(event, UserAgentEvent::Failed { message, code, .. } if *message == key && code.as_u16() == 413);
    assert_eq!(world.chat.events.iter().filter(failed).count(), 1);
    world.assert_over();
}

/// A source that does not say how much it has.
struct Endless(usize);

impl msrp_ua::message::MessageSource for Endless {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, _most: usize) -> Result<msrp_ua::message::Pull, msrp_ua::message::SourceError> {
        self.0 += 1;
        Ok(match self.0 {
            0..=2_000 => msrp_ua::message::Pull::Octets(vec![b'x'; 2_000].into()),
            _ => msrp_ua::message::Pull::End,
        })
    }
}

// shows: GW-35
#[test]
fn what_has_expired_is_not_sent() {
    let mut world = World::with(GatewayConfig::new());
    world.chat.answering = Answering::Ring;
    let short = world.say_page(page(0, "short").with_header("Expires", "5"));
    let long = world.say_page(page(0, "long").with_header("Expires", "50"));
    let dead = page(0, "dead")
        .with_header("Expires", "50")
        .with_header("Date", "Fri, 15 Jan 2027 07:50:00 GMT");
    let dead = world.say_page(dead);
    world.pass(6 * SECOND);
    assert_eq!(world.outcome_codes(Direction::ToSession), [480, 408]);
    let call = world.chat.calls[0];
    world.chat.agent.answer_call(call, Default::default()).unwrap();
    world.run();
    assert_eq!(world.texts(), ["long"]);
    assert_eq!(
        [world.code(short), world.code(long), world.code(dead)],
        [Some(202), Some(202), Some(480)]
    );
    world.assert_over();
}

/// What an operator writes who has HTML converted for those who take only text.
struct AsText(StandardContent);

impl ContentPolicy for AsText {
    fn to_session(&mut self, page: &FromPage<'_>, peer: &Wrapping) -> Result<ForSession, ContentError> {
        let html = page.content_type.starts_with("text/html");
        match self.0.to_session(page, peer) {
            Err(ContentError::Type(_)) if html => {
                let text = String::from_utf8_lossy(page.body)
                    .replace("<b>", "")
                    .replace("</b>", "");
                let mut plain = page.clone();
                let body = text.into();
                (plain.content_type, plain.body) = ("text/plain;charset=UTF-8", &body);
                self.0.to_session(&plain, peer)
            }
            done => done,
        }
    }

    fn to_page(&mut self, message: &FromSession<'_>) -> Result<ForPage, ContentError> {
        self.0.to_page(message)
    }
}

// shows: GW-53
#[test]
fn html_goes_to_nobody_who_does_not_take_it() {
    let converting = || policies().content(AsText(StandardContent::new()));
    for (policies, accept, code, heard) in [
        (policies(), "text/plain", 415, None),
        (policies(), "text/plain text/html", 200, Some("<b>Hi</b>")),
        (converting(), "text/plain", 200, Some("Hi")),
        (converting(), "text/plain text/html", 200, Some("<b>Hi</b>")),
    ] {
        let mut world = World::with_policies(GatewayConfig::new(), policies);
        world.chat_takes(accept, "", 9_999);
        world.say("first");
        let mut html = page(0, "<b>Hi</b>");
        html.content_type = Some("text/html".to_owned());
        let html = world.say_page(html);
        assert_eq!(world.code(html), Some(code), "{accept}");
        assert_eq!(world.texts().get(1).map(String::as_str), heard, "{accept}");
        let types = world.chat.heard.iter().map(|heard| &*heard.content_type);
        assert!(types.filter(|it| *it == "text/html").count() <= accept.matches("html").count());
        world.assert_over();
    }
}

// shows: GW-69
#[test]
fn a_phone_is_told_once_in_a_while_that_somebody_writes() {
    let mut world = World::new();
    world.chat_calls();
    // Before anything was said there is no exchange.
    world.chat_says(chat_word("active"));
    assert!(world.phone.inbox.is_empty());
    world.chat_says(OutgoingMessage::text("first"));
    // Whoever tells it every 10 s is passed on once in its refresh interval, here the 120 s of the RFC.
    for _ in 0..24 {
        world.chat_says(chat_word("active"));
        world.pass(10 * SECOND);
    }
    assert_eq!(world.phone.inbox.len(), 1 + 3);
    // Who has stopped, or has said something, may begin anew.
    world.chat_says(chat_word("idle"));
    world.chat_says(chat_word("active"));
    world.chat_says(OutgoingMessage::text("second"));
    world.chat_says(chat_word("active"));
    let told: Vec<_> = world.paged().split_off(4);
    let (active, idle) = (composing("active"), composing("idle"));
    assert_eq!(told, [idle, active.clone(), "second".to_owned(), active]);
    world.assert_over();
}
