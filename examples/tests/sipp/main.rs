//! The SIP adapter and whole user agents against programs that others wrote. sipp plays, by the scenarios in this folder, the
//! caller, the callee, and those who refuse, ask for proofs, or lose messages. Skipped where there is no sipp, unless `MSRP_SIPP=required`.

mod agent;
#[allow(dead_code, reason = "the tests of programs need more of it")]
#[path = "../programs/agents.rs"]
mod agents;
#[allow(dead_code, reason = "the tests of programs need more of it")]
#[path = "../programs/api_running.rs"]
mod api_running;
mod gateway;
#[allow(dead_code, reason = "the tests of programs need more of it")]
#[path = "../programs/http.rs"]
mod http;
mod kamailio;
mod registered;
mod running;
mod sessions;
#[allow(dead_code, reason = "the tests of programs need more of it")]
#[path = "../programs/sse.rs"]
mod sse;
mod tshark;

use std::time::Duration;

use bytes::Bytes;
use msrp_ua::sip::{
    CallId, PageId, SipAction, SipAdapter, SipInput, SipInvite, SipPage, SipParty, SipReply,
    rsipstack::{RsipAdapter, RsipConfig, SipCredentials},
};

use crate::running::{Sipp, find, port};

const OURS: &[u8] = b"v=0\r\no=ours 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 2857 TCP/MSRP *\r\n\
    a=accept-types:message/cpim text/plain\r\na=path:msrp://127.0.0.1:2857/ours;tcp\r\n";

fn adapter(transport: &str) -> RsipAdapter {
    let listen = format!("{transport}://127.0.0.1:0").parse().unwrap();
    let mut config = RsipConfig::new("sip:alice@127.0.0.1")
        .with_listen(listen)
        .with_credentials(SipCredentials::new("alice", "secret"));
    config.capabilities = Some(Bytes::from_static(OURS));
    config.timers.t1 = Duration::from_millis(100);
    RsipAdapter::start(config).unwrap()
}

async fn next(adapter: &mut RsipAdapter) -> SipInput {
    tokio::time::timeout(running::PATIENCE, adapter.next())
        .await
        .expect("nothing has come")
        .expect("the adapter has ended")
}

/// What a user agent would do, by the name that is called.
async fn answer(adapter: &mut RsipAdapter, input: SipInput) {
    let sdp = Bytes::from_static(OURS);
    match input {
        SipInput::Invite(invite) => {
            let call = invite.call;
            if invite.request_uri.starts_with("sip:locate@") {
                assert!(invite.offer.is_some_and(|offer| offer.starts_with(b"v=0")));
                let [location] = &invite.parts[..] else { panic!() };
                assert_eq!(location.headers.get("Content-ID"), Some("<here@127.0.0.1>"));
                assert!(
                    str::from_utf8(&location.body)
                        .unwrap()
                        .contains("pres:sipp@127.0.0.1")
                );
            }
            adapter.perform(SipAction::Ring { call }).await.unwrap();
            if invite.request_uri.starts_with("sip:refuse@") {
                let reply =
                    SipReply::new(488).with_header("Warning", "304 127.0.0.1 \"Media type not available\"");
                adapter.perform(SipAction::Refuse { call, reply }).await.unwrap();
            } else if !invite.request_uri.starts_with("sip:ring@") {
                adapter.perform(SipAction::Answer { call, sdp }).await.unwrap();
            }
        }
        SipInput::Reinvite { call, offer } => {
            assert!(offer.is_some_and(|offer| offer.windows(9).any(|window| window == b"m=message")));
            adapter.perform(SipAction::Answer { call, sdp }).await.unwrap();
        }
        SipInput::Page(page) => {
            assert_eq!(page.body.trim_ascii_end(), b"hello from sipp");
            // Meanwhile sipp sends it again, and again.
            tokio::time::sleep(Duration::from_millis(900)).await;
            let reply = SipReply::new(202);
            adapter
                .perform(SipAction::AnswerPage {
                    page: page.page,
                    reply,
                })
                .await
                .unwrap();
        }
        _ => {}
    }
}

/// sipp plays a caller; the inputs that came are told by their names, so many at least.
async fn called(transport: &str, scenario: &str, user: &str, wanted: usize) -> Vec<String> {
    let mut adapter = adapter(transport);
    let address = adapter.listening()[0].address;
    let sipp = Sipp::start(
        transport,
        scenario,
        &["-key", "msrp_port", "2855", "-s", user, &address.to_string()],
        port(),
    );
    let mut told = Vec::new();
    let ended = tokio::task::spawn_blocking(move || sipp.wait());
    tokio::pin!(ended);
    let mut has_ended = false;
    // sipp may be content before we have heard the last of it.
    while !has_ended || told.len() < wanted {
        tokio::select! {
            outcome = &mut ended, if !has_ended => {
                outcome.unwrap();
                has_ended = true;
            }
            input = next(&mut adapter) => {
                let text = format!("{input:?}");
                told.push(text.split([' ', '(']).next().unwrap().to_owned());
                answer(&mut adapter, input).await;
            }
        }
    }
    told
}

#[tokio::test]
async fn sipp_calls() {
    if !find() {
        return;
    }
    let cases: [(&str, &str, &[&str]); 11] = [
        (
            "uac_call",
            "accept",
            &["Invite", "Acknowledged", "Reinvite", "Acknowledged", "Ended"],
        ),
        ("uac_offerless", "accept", &["Invite", "Acknowledged", "Ended"]),
        ("uac_late_ack", "accept", &["Invite", "Acknowledged", "Ended"]),
        ("uac_cancel", "ring", &["Invite", "Cancelled"]),
        ("uac_refused", "refuse", &["Invite"]),
        ("uac_unreadable", "accept", &[]),
        ("uac_location", "locate", &["Invite", "Acknowledged", "Ended"]),
        ("uac_part_required", "accept", &[]),
        ("uac_required", "accept", &[]),
        ("uac_message", "accept", &["Page"]),
        ("uac_options", "accept", &[]),
    ];
    for transport in ["udp", "tcp"] {
        for (scenario, user, expected) in cases {
            // By TCP sipp neither sends anything again, nor expects it of others.
            if transport == "tcp" && matches!(scenario, "uac_message" | "uac_late_ack") {
                continue;
            }
            assert_eq!(
                called(transport, scenario, user, expected.len()).await,
                expected,
                "{transport} {scenario}"
            );
        }
    }
}

/// sipp plays a callee.
struct Callee {
    adapter: RsipAdapter,
    sipp: Sipp,
    uri: String,
}

impl Callee {
    fn new(transport: &str, scenario: &str) -> Self {
        let port = port();
        let sipp = Sipp::start(transport, scenario, &[], port);
        if transport == "tcp" {
            running::wait_for_listener(port);
        }
        Self {
            adapter: adapter(transport),
            sipp,
            uri: format!("sip:sipp@127.0.0.1:{port};transport={transport}"),
        }
    }

    async fn invite(&mut self) -> CallId {
        let call = CallId::outgoing(1);
        let to = SipParty::new(self.uri.clone());
        let invite = SipInvite::new(call, to, Bytes::from_static(OURS));
        self.adapter
            .perform(SipAction::Invite(Box::new(invite)))
            .await
            .unwrap();
        call
    }

    /// The next input but progress.
    async fn outcome(&mut self) -> SipInput {
        loop {
            match next(&mut self.adapter).await {
                SipInput::Progress { .. } => {}
                other => return other,
            }
        }
    }

    async fn accepted(&mut self) {
        match self.outcome().await {
            SipInput::Accepted {
                answer: Some(answer), ..
            } => {
                assert!(
                    str::from_utf8(&answer)
                        .unwrap()
                        .contains("a=path:msrp://127.0.0.1:2856/sipp;tcp")
                );
            }
            other => panic!("{other:?}"),
        }
    }

    async fn done(self) {
        tokio::task::spawn_blocking(move || self.sipp.wait())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn sipp_is_called() {
    if !find() {
        return;
    }
    for transport in ["udp", "tcp"] {
        let mut callee = Callee::new(transport, "uas_call");
        let call = callee.invite().await;
        callee.accepted().await;
        let offer = Bytes::from_static(OURS);
        callee
            .adapter
            .perform(SipAction::Reinvite { call, offer })
            .await
            .unwrap();
        callee.accepted().await;
        callee
            .adapter
            .perform(SipAction::Bye { call, reason: None })
            .await
            .unwrap();
        callee.done().await;

        for (scenario, code) in [("uas_busy", 486), ("uas_not_acceptable", 488)] {
            let mut callee = Callee::new(transport, scenario);
            callee.invite().await;
            let SipInput::Refused { answer, .. } = callee.outcome().await else {
                panic!()
            };
            assert_eq!(answer.code, code);
            match code {
                486 => assert_eq!(answer.retry_after, Some(Duration::from_secs(30))),
                _ => assert_eq!(
                    answer.header("Warning"),
                    Some("304 sipp \"Media type not available\"")
                ),
            }
            callee.done().await;
        }

        let mut callee = Callee::new(transport, "uas_cancel");
        let call = callee.invite().await;
        assert!(matches!(
            next(&mut callee.adapter).await,
            SipInput::Progress { code: 180, .. }
        ));
        callee.adapter.perform(SipAction::Cancel { call }).await.unwrap();
        let SipInput::Refused { answer, .. } = callee.outcome().await else {
            panic!()
        };
        assert_eq!(answer.code, 487);
        callee.done().await;

        for scenario in ["uas_digest", "uas_moved"] {
            let mut callee = Callee::new(transport, scenario);
            let call = callee.invite().await;
            callee.accepted().await;
            callee
                .adapter
                .perform(SipAction::Bye { call, reason: None })
                .await
                .unwrap();
            callee.done().await;
        }
    }
    let mut callee = Callee::new("udp", "uas_message");
    let page = PageId::outgoing(1);
    let (from, to) = (
        SipParty::new("sip:alice@127.0.0.1"),
        SipParty::new(callee.uri.clone()),
    );
    let message = SipPage::new(page, from, to, "text/plain", "hello sipp");
    callee
        .adapter
        .perform(SipAction::Page(Box::new(message)))
        .await
        .unwrap();
    let SipInput::PageAnswered { answer, .. } = callee.outcome().await else {
        panic!()
    };
    assert_eq!(answer.code, 202);
    callee.done().await;
}
