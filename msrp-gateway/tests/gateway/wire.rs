//! A peer that speaks SDP and MSRP by hand: what is offered, and what stands on the wire.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use msrp_core::node::{Action, ConnectionHandle, Node, PeerInfo};
use msrp_gateway::{Gateway, GatewayConfig, GatewayEvent, Policies};
use msrp_ua::{
    UserAgentConfig,
    sip::{CallId, IncomingInvite, SipAction, SipAnswer, SipInput, SipPage, SipParty, SipReply},
};
use proptest::prelude::*;

use crate::world::{ALICE, BOB, calendar, page, policies};

struct Wire {
    now: Instant,
    gateway: Gateway,
    connection: Option<ConnectionHandle>,
    calls: u64,
    /// Answers to our INVITEs.
    answers: Vec<(CallId, String)>,
    refusals: Vec<(CallId, SipReply)>,
    pages: Vec<SipPage>,
    acts: Vec<SipAction>,
    tid: u32,
}

const OURS: &str = "msrp://chat.example.com:7777/abc;tcp";

fn offer(lines: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}")
}

fn message_line(accept: &str, more: &str) -> String {
    format!(
        "m=message 7777 TCP/MSRP *\r\na=accept-types:{accept}\r\na=path:{OURS}\r\na=setup:active\r\n{more}"
    )
}

impl Wire {
    fn new() -> Self {
        Self::with(policies())
    }

    fn with(policies: Policies) -> Self {
        let now = Instant::now();
        let agent = UserAgentConfig::new("gw.example.com", 2855, false);
        Self {
            now,
            gateway: Gateway::new(now, calendar(), GatewayConfig::new(), agent, policies, [9; 32]),
            connection: None,
            calls: 0,
            answers: Vec::new(),
            refusals: Vec::new(),
            pages: Vec::new(),
            acts: Vec::new(),
            tid: 0,
        }
    }

    fn pump(&mut self) {
        while let Some(event) = self.gateway.poll_event() {
            let GatewayEvent::Sip(action) = event else {
                continue;
            };
            match *action {
                SipAction::Answer { call, sdp } => {
                    self.answers
                        .push((call, String::from_utf8(sdp.to_vec()).unwrap()));
                }
                SipAction::Refuse { call, reply } => self.refusals.push((call, reply)),
                SipAction::Page(page) => {
                    let name = page.page;
                    self.pages.push(*page);
                    let answer = SipAnswer::new(200, "OK");
                    let input = SipInput::PageAnswered { page: name, answer };
                    self.gateway.handle_sip(self.now, input);
                }
                other => self.acts.push(other),
            }
        }
    }

    /// An INVITE with this offer; how it was answered: the SDP, or a code.
    fn invite(&mut self, sdp: Option<String>) -> Result<String, u16> {
        self.calls += 1;
        let call = CallId::incoming(self.calls);
        let invite = IncomingInvite::new(
            call,
            SipParty::new(BOB),
            SipParty::new(ALICE),
            sdp.map(Into::into),
        );
        self.gateway
            .handle_sip(self.now, SipInput::Invite(Box::new(invite)));
        self.pump();
        if let Some((_, reply)) = self.refusals.iter().find(|(refused, _)| *refused == call) {
            return Err(reply.code);
        }
        Ok(self
            .answers
            .iter()
            .find(|(answered, _)| *answered == call)
            .unwrap()
            .1
            .clone())
    }

    /// A session, bound.
    fn bound() -> Self {
        let mut wire = Self::new();
        let sdp = wire.invite(Some(offer(&message_line("*", "")))).unwrap();
        wire.bind(&sdp);
        wire
    }

    fn bind(&mut self, sdp: &str) {
        let call = CallId::incoming(self.calls);
        self.gateway
            .handle_sip(self.now, SipInput::Acknowledged { call, answer: None });
        self.connection = Some(self.gateway.handle_accepted(self.now, PeerInfo::new()).unwrap());
        let path = path_of(sdp);
        assert!(self.send(&path, "1-0/0", None, '$', "").contains(" 200 OK"));
    }

    fn path(&self) -> String {
        path_of(&self.answers.last().unwrap().1)
    }

    /// One SEND; what comes back.
    fn send(&mut self, path: &str, range: &str, body: Option<&[u8]>, flag: char, more: &str) -> String {
        self.tid += 1;
        let tid = format!("tid{:05}", self.tid);
        let mut frame = format!(
            "MSRP {tid} SEND\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\n{more}Byte-Range: {range}\r\n"
        );
        if !more.contains("Message-ID") {
            frame.push_str("Message-ID: bind000\r\n");
        }
        let mut octets = frame.into_bytes();
        if let Some(body) = body {
            octets.extend_from_slice(b"Content-Type: text/plain\r\n\r\n");
            octets.extend_from_slice(body);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(format!("-------{tid}{flag}\r\n").as_bytes());
        self.write(&octets)
    }

    fn chunk(&mut self, id: &str, range: &str, body: &str, flag: char) -> String {
        let path = self.path();
        let more = format!("Message-ID: id-{id}\r\nSuccess-Report: yes\r\n");
        self.send(&path, range, Some(body.as_bytes()), flag, &more)
    }

    fn write(&mut self, octets: &[u8]) -> String {
        let Some(connection) = self.connection else {
            return String::new();
        };
        self.gateway
            .handle_read(self.now, connection, BytesMut::from(octets));
        self.pump();
        self.read()
    }

    fn read(&mut self) -> String {
        let mut out = Vec::new();
        while self.gateway.poll_ready().is_some() {}
        while let Some(action) = self.gateway.poll_action() {
            if let Action::Close { connection } = action
                && self.connection == Some(connection)
            {
                self.connection = None;
            }
        }
        if let Some(connection) = self.connection {
            while let Some(mut transmit) = self.gateway.poll_transmit(self.now, connection, 65_536) {
                let len = transmit.remaining();
                out.extend_from_slice(&transmit.copy_to_bytes(len));
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    fn paged(&self) -> Vec<String> {
        self.pages
            .iter()
            .map(|page| String::from_utf8_lossy(&page.body).into_owned())
            .collect()
    }
}

fn path_of(sdp: &str) -> String {
    sdp.lines()
        .find_map(|line| line.strip_prefix("a=path:"))
        .unwrap()
        .to_owned()
}

// shows: GW-24, GW-25
#[test]
fn types_have_to_be_in_common() {
    let narrow = || {
        GatewayConfig::new()
            .accept_types("message/cpim text/plain", "text/plain")
            .unwrap()
    };
    let mut wire = Wire::new();
    let agent = UserAgentConfig::new("gw.example.com", 2855, false);
    wire.gateway = Gateway::new(wire.now, calendar(), narrow(), agent, policies(), [9; 32]);
    assert_eq!(
        wire.invite(Some(offer(&message_line("application/x-foo", "")))),
        Err(488)
    );
    assert!(wire.gateway.is_idle(), "{:?}", wire.gateway);
    for accept in [
        "message/cpim text/plain *",
        "Text/Plain",
        "text/*",
        "*",
        "text/plain;charset=UTF-8 x/y",
    ] {
        assert!(
            wire.invite(Some(offer(&message_line(accept, "")))).is_ok(),
            "{accept}"
        );
    }
}

// shows: GW-26, GW-32
#[test]
fn other_media_and_files_are_refused() {
    let mut wire = Wire::new();
    let audio = "m=audio 49170 RTP/AVP 0\r\n";
    let file = format!(
        "m=message 7777 TCP/MSRP *\r\na=accept-types:*\r\na=path:{OURS}\r\na=setup:active\r\na=sendonly\r\n\
         a=file-selector:name:\"x.jpg\" type:image/jpeg size:32349\r\na=file-transfer-id:vBnG916bdberum2fF\r\n"
    );
    let sdp = wire
        .invite(Some(offer(&format!(
            "{audio}{}{}",
            message_line("*", ""),
            file.replace("/abc;", "/def;")
        ))))
        .unwrap();
    let lines: Vec<_> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines[0], "m=audio 0 RTP/AVP 0");
    assert!(!lines[1].starts_with("m=message 0 "), "{}", lines[1]);
    assert!(lines[2].starts_with("m=message 0 "), "{}", lines[2]);
    // A file alone is no chat.
    assert_eq!(wire.invite(Some(offer(&file))), Err(488));
}

// shows: GW-29
#[test]
fn refreshes_and_late_offers_are_answered() {
    let mut wire = Wire::bound();
    let call = CallId::incoming(wire.calls);
    let again = offer(&message_line("text/plain", "")).replace("o=- 1 1", "o=- 1 2");
    wire.gateway.handle_sip(
        wire.now,
        SipInput::Reinvite {
            call,
            offer: Some(again.into()),
        },
    );
    wire.pump();
    assert_eq!(wire.answers.len(), 2);
    wire.gateway
        .handle_sip(wire.now, SipInput::Acknowledged { call, answer: None });
    wire.pump();
    assert!(wire.chunk("m1", "1-5/5", "Hello", '$').contains(" 200 OK"));
    assert_eq!(wire.paged(), ["Hello"]);
    // Its types have changed with it.
    let html = SipPage::new(
        msrp_ua::sip::PageId::incoming(7),
        SipParty::new(ALICE),
        SipParty::new(BOB),
        "text/html",
        "x",
    );
    wire.gateway.handle_sip(wire.now, SipInput::Page(Box::new(html)));
    wire.pump();
    let refused = |act: &SipAction| matches!(act, SipAction::AnswerPage { reply, .. } if reply.code == 415);
    assert!(wire.acts.iter().any(refused));
    // An INVITE without an offer gets one.
    let mut wire = Wire::new();
    let sdp = wire.invite(None).unwrap();
    assert!(sdp.contains("a=accept-types:message/cpim"));
    let call = CallId::incoming(wire.calls);
    let answer = Some(offer(&message_line("*", "")).into());
    wire.gateway
        .handle_sip(wire.now, SipInput::Acknowledged { call, answer });
    wire.pump();
    assert_eq!(wire.gateway.conversations(None, 9)[0].legs.len(), 1);
}

// shows: GW-28
#[test]
fn keep_alives_and_reports_are_no_messages() {
    let mut wire = Wire::bound();
    let path = wire.path();
    assert!(
        wire.send(&path, "1-0/0", None, '$', "Message-ID: keep\r\n")
            .contains(" 200 OK")
    );
    let report = format!(
        "MSRP rep1 REPORT\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\nMessage-ID: unknown\r\nByte-Range: 1-5/5\r\n\
         Status: 000 200 OK\r\n-------rep1$\r\n"
    );
    assert_eq!(wire.write(report.as_bytes()), "", "a REPORT is not answered");
    let empty = wire.chunk("m0", "1-0/0", "", '$');
    assert!(empty.contains(" 200 OK"));
    assert!(wire.pages.is_empty());
    assert!(wire.chunk("m1", "1-2/2", "ok", '$').contains(" 200 OK"));
    assert_eq!(wire.paged(), ["ok"]);
}

// shows: GW-61, GW-65, GW-89, GW-129, 8591-8.1-01, 8591-12-02
#[test]
fn chunks_become_one_message() {
    let mut wire = Wire::bound();
    assert!(wire.chunk("m1", "1-*/15", "Hello", '+').contains(" 200 OK"));
    assert!(wire.chunk("m1", "6-10/15", "there", '+').contains(" 200 OK"));
    assert!(wire.pages.is_empty());
    let last = wire.chunk("m1", "11-15/15", "again", '$');
    assert!(last.contains(" 200 OK"));
    assert_eq!(wire.paged(), ["Hellothereagain"]);
    // One report, for all of it.
    assert_eq!(last.matches(" REPORT\r\n").count(), 1);
    assert!(last.contains("Byte-Range: 1-15/15\r\n") && last.contains("Status: 000 200 SIP 200"));
    // In any order, with overlap.
    wire.chunk("m2", "6-10/10", "WORLD", '$');
    wire.chunk("m2", "3-7/10", "llowo", '+');
    wire.chunk("m2", "1-2/10", "He", '+');
    wire.chunk("m2", "6-10/10", "world", '$');
    assert_eq!(wire.pages.len(), 2);
    assert_eq!(wire.paged()[1].len(), 10);
}

// shows: GW-63
#[test]
fn what_its_sender_gives_up_is_not_sent() {
    let mut wire = Wire::bound();
    wire.chunk("m1", "1-*/10", "Hello", '+');
    wire.chunk("m1", "6-*/10", "wo", '#');
    assert!(wire.pages.is_empty());
    assert!(wire.chunk("m2", "1-2/2", "ok", '$').contains(" 200 OK"));
    assert_eq!(wire.paged(), ["ok"]);
}

// shows: GW-62, GW-57, GW-132
#[test]
fn a_claim_takes_no_memory() {
    let mut wire = Wire::bound();
    let refused = wire.chunk("m1", "1-1/9999999999", "x", '+');
    assert!(refused.contains(" 413 "), "{refused}");
    assert!(wire.gateway.agent().buffered() < 10);
    // A size that is not told counts when it comes.
    for n in 0..200 {
        wire.chunk(&format!("open{n}"), "1-*/*", "x", '+');
    }
    assert!(wire.gateway.agent().incoming_count() <= 64);
    assert!(wire.pages.is_empty());
    wire.now += Duration::from_secs(301);
    wire.gateway.handle_timeout(wire.now);
    wire.pump();
    assert_eq!(wire.gateway.agent().incoming_count(), 0);
}

// shows: GW-85, GW-88
#[test]
fn a_failure_report_names_the_sip_code() {
    let mut wire = Wire::bound();
    let path = wire.path();
    let more = "Message-ID: id-m1\r\n";
    // Without our automatic 200 of the phone.
    wire.tid += 1;
    let frame = format!(
        "MSRP t900 SEND\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\n{more}Byte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nok\r\n-------t900$\r\n"
    );
    let connection = wire.connection.unwrap();
    wire.gateway
        .handle_read(wire.now, connection, BytesMut::from(frame.as_bytes()));
    let mut name = None;
    while let Some(event) = wire.gateway.poll_event() {
        if let GatewayEvent::Sip(action) = event
            && let SipAction::Page(page) = *action
        {
            name = Some(page.page);
        }
    }
    let answer = SipAnswer::new(486, "Busy Here");
    let input = SipInput::PageAnswered {
        page: name.unwrap(),
        answer,
    };
    wire.gateway.handle_sip(wire.now, input);
    wire.pump();
    let out = wire.read();
    assert!(out.contains("Status: 000 413 SIP 486 Busy Here\r\n"), "{out}");
    assert!(out.contains("Message-ID: id-m1\r\n") && out.contains("Byte-Range: 1-2/2\r\n"));
}

// shows: GW-16
#[test]
fn whoever_connects_speaks_at_once() {
    let mut wire = Wire::new();
    let passive = message_line("*", "").replace("setup:active", "setup:passive");
    wire.invite(Some(offer(&passive))).unwrap();
    let call = CallId::incoming(wire.calls);
    wire.gateway
        .handle_sip(wire.now, SipInput::Acknowledged { call, answer: None });
    wire.pump();
    let mut token = None;
    while let Some(action) = wire.gateway.poll_action() {
        if let Action::Connect {
            token: wanted,
            target,
        } = action
        {
            assert_eq!(
                (target.host.as_str(), target.port),
                ("chat.example.com", Some(7777))
            );
            token = Some(wanted);
        }
    }
    wire.connection = wire
        .gateway
        .handle_connected(wire.now, token.unwrap(), Ok(PeerInfo::new()));
    let first = wire.read();
    assert!(
        first.contains(" SEND\r\n") && first.contains("Byte-Range: 1-0/0\r\n"),
        "{first}"
    );
    assert!(!first.contains("Content-Type"));
}

impl Wire {
    /// A MESSAGE from the phone; what stands on the wire then.
    fn page(&mut self, content_type: &str, body: &str) -> String {
        self.tid += 1;
        let mut it = page(u64::from(self.tid), body);
        it.content_type = Some(content_type.to_owned());
        self.gateway.handle_sip(self.now, SipInput::Page(Box::new(it)));
        self.pump();
        self.read()
    }

    fn answered(&self) -> Vec<u16> {
        self.acts
            .iter()
            .filter_map(|act| match act {
                SipAction::AnswerPage { reply, .. } => Some(reply.code),
                _ => None,
            })
            .collect()
    }

    /// Answers what stands on the wire, or reports on it.
    fn respond(&mut self, frame: &str, code: &str) {
        let tid = frame.split(' ').nth(1).unwrap().to_owned();
        let path = self.path();
        let octets =
            format!("MSRP {tid} {code}\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\n-------{tid}$\r\n");
        self.write(octets.as_bytes());
    }

    fn report(&mut self, frame: &str, range: &str, status: &str) {
        let id = frame
            .lines()
            .find_map(|line| line.strip_prefix("Message-ID: "))
            .unwrap()
            .to_owned();
        self.tid += 1;
        let path = self.path();
        let octets = format!(
            "MSRP rep{n} REPORT\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\nMessage-ID: {id}\r\nByte-Range: {range}\r\n\
             Status: 000 {status}\r\n-------rep{n}$\r\n",
            n = self.tid
        );
        self.write(octets.as_bytes());
    }
}

// shows: GW-90, GW-12, GW-91, 8591-8.2-01
#[test]
fn what_is_sent_asks_to_be_told() {
    let mut wire = Wire::bound();
    let sent = wire.page("text/plain", "Hello");
    assert!(
        sent.contains(" SEND\r\n") && sent.contains("Byte-Range: 1-5/5\r\n"),
        "{sent}"
    );
    assert!(!sent.contains("Failure-Report") && !sent.contains("Success-Report"));
    assert!(wire.answered().is_empty(), "MSRP has not said what becomes of it");
    wire.respond(&sent, "200 OK");
    assert_eq!(wire.answered(), [200]);
    let refused = wire.page("text/plain", "Hello");
    wire.respond(&refused, "415 Unsupported");
    assert_eq!(wire.answered(), [200, 415]);
    // At the limit it is 202.
    let asking = "From: <sip:alice@phones.example.com>\r\nTo: <sip:bob@chats.example.com>\r\n\
        DateTime: 2027-01-15T08:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 7\r\n\
        imdn.Disposition-Notification: positive-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nHi";
    let sent = wire.page("message/cpim", asking);
    assert!(sent.contains("Success-Report: yes\r\n"), "{sent}");
    wire.now += Duration::from_millis(401);
    wire.gateway.handle_timeout(wire.now);
    wire.pump();
    assert_eq!(wire.answered(), [200, 415, 202]);
}

// shows: GW-96
#[test]
fn what_a_relay_has_is_not_delivered_before_it_is_reported() {
    let mut wire = Wire::new();
    let relayed = message_line("*", "").replace(
        &format!("a=path:{OURS}"),
        &format!("a=path:msrp://relay.example.com:2855/r;tcp {OURS}"),
    );
    let sdp = wire.invite(Some(offer(&relayed))).unwrap();
    wire.bind(&sdp);
    let sent = wire.page("text/plain", "Hello");
    assert!(sent.contains("Success-Report: yes\r\n"), "{sent}");
    wire.respond(&sent, "200 OK");
    assert!(wire.answered().is_empty());
    wire.report(&sent, "1-3/5", "200 OK");
    assert!(wire.answered().is_empty());
    wire.report("Message-ID: unknown", "1-5/5", "200 OK");
    assert!(wire.answered().is_empty());
    wire.report(&sent, "4-5/5", "200 OK");
    assert_eq!(wire.answered(), [200]);
    // Any range that has failed fails the message.
    let sent = wire.page("text/plain", "Hello");
    wire.respond(&sent, "200 OK");
    wire.report(&sent, "1-3/5", "200 OK");
    wire.report(&sent, "4-5/5", "403 No");
    assert_eq!(wire.answered(), [200, 403]);
}

// shows: GW-30
#[test]
fn who_is_on_hold_hears_later() {
    let mut wire = Wire::bound();
    let call = CallId::incoming(wire.calls);
    let mut version = 1;
    let mut reinvite = |wire: &mut Wire, direction: &str| {
        version += 1;
        let again = offer(&message_line("*", &format!("a={direction}\r\n")))
            .replace("o=- 1 1", &format!("o=- 1 {version}"));
        let offer = Some(again.into());
        wire.gateway
            .handle_sip(wire.now, SipInput::Reinvite { call, offer });
        wire.pump();
        wire.gateway
            .handle_sip(wire.now, SipInput::Acknowledged { call, answer: None });
        wire.pump();
        wire.read()
    };
    for direction in ["sendonly", "inactive"] {
        reinvite(&mut wire, direction);
        assert_eq!(wire.page("text/plain", "first"), "", "{direction}");
        assert_eq!(wire.page("text/plain", "second"), "", "{direction}");
        let sent = reinvite(&mut wire, "sendrecv");
        let places = ["first", "second"].map(|text| sent.find(text));
        assert!(places[0].is_some() && places[0] < places[1], "{sent}");
        for frame in sent.split_inclusive("$\r\n") {
            wire.respond(frame, "200 OK");
        }
    }
    assert_eq!(wire.gateway.stats().to_sessions, 4);
}

// shows: GW-112
#[test]
fn a_session_in_which_nobody_says_anything_is_kept_alive() {
    let mut wire = Wire::new();
    let agent =
        UserAgentConfig::new("gw.example.com", 2855, false).keep_alive(Some(Duration::from_secs(120)));
    wire.gateway = Gateway::new(
        wire.now,
        calendar(),
        GatewayConfig::new(),
        agent,
        policies(),
        [9; 32],
    );
    let sdp = wire.invite(Some(offer(&message_line("*", "")))).unwrap();
    wire.bind(&sdp);
    for _ in 0..3 {
        wire.now += Duration::from_secs(121);
        wire.gateway.handle_timeout(wire.now);
        wire.pump();
        let kept = wire.read();
        assert!(
            kept.contains(" SEND\r\n") && kept.contains("Byte-Range: 1-0/0\r\n"),
            "{kept}"
        );
        wire.respond(&kept, "200 OK");
    }
    // It is no content: the session ends all the same when nobody has said anything for long.
    wire.now += Duration::from_secs(600);
    wire.gateway.handle_timeout(wire.now);
    wire.pump();
    assert!(wire.acts.iter().any(|act| matches!(act, SipAction::Bye { .. })));
}

// One device has the message behind a relay, the other refuses it: it was accepted, and that is told when no report comes.
#[test]
fn what_one_device_refuses_another_may_have() {
    let mut wire = Wire::new();
    let relayed = message_line("*", "").replace(
        &format!("a=path:{OURS}"),
        &format!("a=path:msrp://relay.example.com:2855/r;tcp {OURS}"),
    );
    let first = wire.invite(Some(offer(&relayed))).unwrap();
    wire.bind(&first);
    let first = path_of(&first);
    let second = wire.invite(Some(offer(&message_line("*", "")))).unwrap();
    let second = path_of(&second);
    let call = CallId::incoming(wire.calls);
    wire.gateway
        .handle_sip(wire.now, SipInput::Acknowledged { call, answer: None });
    assert!(wire.send(&second, "1-0/0", None, '$', "").contains(" 200 OK"));
    let sent = wire.page("text/plain", "Hello");
    let frames: Vec<_> = sent.split_inclusive("$\r\n").collect();
    assert_eq!(frames.len(), 2, "{sent}");
    for frame in frames {
        let tid = frame.split(' ').nth(1).unwrap();
        let (path, code) = match frame.contains("relay.example.com") {
            true => (&first, "200 OK"),
            false => (&second, "415 Unsupported"),
        };
        let octets =
            format!("MSRP {tid} {code}\r\nTo-Path: {path}\r\nFrom-Path: {OURS}\r\n-------{tid}$\r\n");
        wire.write(octets.as_bytes());
    }
    wire.now += Duration::from_secs(31);
    wire.gateway.handle_timeout(wire.now);
    wire.pump();
    assert_eq!(wire.gateway.stats().to_sessions, 1);
    assert!(wire.gateway.stats().failed.is_empty());
}

fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        Just("sip:alice@phones.example.com".to_owned()),
        Just("message/cpim".to_owned()),
        Just("text/plain".to_owned()),
        Just("sip:bob@chats.example.com".to_owned()),
        Just("From: <sip:x>\r\n\r\nContent-Type: a/b\r\n\r\n".to_owned()),
    ]
}

proptest! {
    // shows: GW-127
    #[test]
    fn nothing_that_comes_does_harm(
        steps in proptest::collection::vec(
            (0_u8..6, odd_text(), odd_text(), odd_text(), proptest::collection::vec(any::<u8>(), 0..200)),
            1..20,
        ),
    ) {
        let mut wire = Wire::bound();
        for (n, (what, a, b, c, octets)) in steps.into_iter().enumerate() {
            match what {
                0 | 1 => {
                    let mut odd = page(n as u64, "");
                    odd.request_uri = a;
                    odd.content_type = Some(b);
                    odd.body = if what == 0 { octets.into() } else { c.clone().into() };
                    odd = odd
                        .with_header("Content-Transfer-Encoding", c.clone())
                        .with_header("Expires", c.clone())
                        .with_header("Date", c.clone())
                        .with_header("Subject", c);
                    wire.gateway.handle_sip(wire.now, SipInput::Page(Box::new(odd)));
                }
                2 => {
                    wire.calls += 1;
                    let call = CallId::incoming(wire.calls);
                    let mut invite = IncomingInvite::new(call, SipParty::new(b), SipParty::new(ALICE), Some(octets.into()));
                    invite.request_uri = a;
                    wire.gateway.handle_sip(wire.now, SipInput::Invite(Box::new(invite)));
                }
                3 => {
                    wire.write(&octets);
                }
                4 => {
                    wire.chunk("odd", "1-*/*", &c, '$');
                }
                _ => {
                    wire.now += Duration::from_secs(octets.len() as u64);
                    wire.gateway.handle_timeout(wire.now);
                }
            }
            wire.pump();
            wire.read();
        }
    }
}

// A peer that has lost its power answers nothing, by MSRP or SIP, and its connection stays. The session is given up, and what was
// said in it goes into another.
// shows: GW-92
#[test]
fn a_peer_that_says_nothing_at_all_is_called_again() {
    let mut wire = Wire::bound();
    let lost = wire.page("text/plain", "lost");
    assert!(lost.contains(" SEND\r\n"));
    let invited = |wire: &Wire| {
        let invites = wire.acts.iter().filter(|act| matches!(act, SipAction::Invite(_)));
        invites.count()
    };
    for _ in 0..100 {
        wire.now += Duration::from_secs(1);
        wire.gateway.handle_timeout(wire.now);
        wire.pump();
    }
    assert!(wire.acts.iter().any(|act| matches!(act, SipAction::Bye { .. })));
    assert_eq!(invited(&wire), 1);
    assert_eq!(wire.answered(), [202]);
    assert_eq!(wire.gateway.under_way().0, 1);
    // What comes now waits behind it, for the same call.
    assert_eq!(wire.page("text/plain", "next"), "");
    assert_eq!((invited(&wire), wire.gateway.under_way().0), (1, 2));
}
