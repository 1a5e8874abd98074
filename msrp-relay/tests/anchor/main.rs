//! Anchored sessions: the relay in the path of clients that know nothing of relays. "Rows" names rows of the catalogues of
//! RFC 4145, 4975 §8, 6135 and 6714, which are for user agents, as far as a relay in the path shows them.

#[path = "../harness/mod.rs"]
mod harness;

mod dialling;
mod legs;
mod limits;
mod reoffers;
mod sdp;

use harness::*;
use msrp_core::node::ConnectionHandle;
use msrp_relay::{AnchorError, AnchorId, AnchorInfo, AnchorOptions, LegState, Side};

const A: &str = "msrp://10.0.0.5:7394/2s93i9;tcp";
const B: &str = "msrp://bob.example.com:8493/si438ds;tcp";

/// What a plain RFC 4975 client says.
fn sdp(path: &str, extra: &str) -> String {
    let tls = if path.starts_with("msrps") { "TLS/" } else { "" };
    format!(
        "v=0\r\no=- 2890844526 2890844526 IN IP4 10.0.0.5\r\ns= -\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\n\
         m=message 7394 TCP/{tls}MSRP *\r\na=accept-types:text/plain\r\n{extra}a=path:{path}\r\n"
    )
}

/// What stands behind the first line that begins so.
fn value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(name))
}

struct Anchored {
    id: AnchorId,
    for_b: String,
    for_a: String,
}

impl Anchored {
    /// To-Path of what A sends.
    fn path_of_a(&self) -> String {
        value(&self.for_a, "a=path:").unwrap().to_owned()
    }

    /// To-Path of what B sends.
    fn path_of_b(&self) -> String {
        value(&self.for_b, "a=path:").unwrap().to_owned()
    }

    fn info(&self, world: &World) -> AnchorInfo {
        world.relay.anchor(self.id).expect("the session is there")
    }

    fn state(&self, world: &World, side: Side) -> LegState {
        let info = self.info(world);
        match side {
            Side::Offerer => info.streams[0].offerer.state,
            Side::Answerer => info.streams[0].answerer.state,
        }
    }
}

fn offer(world: &mut World, offer: &str, options: &AnchorOptions) -> Result<(AnchorId, String), AnchorError> {
    let now = world.now;
    let outcome = world.relay.anchor_offer(now, offer.as_bytes(), options);
    world.turn();
    outcome.map(|(id, sdp)| (id, String::from_utf8(sdp).unwrap()))
}

fn reoffer(world: &mut World, id: AnchorId, from: Side, offer: &str) -> Result<String, AnchorError> {
    let now = world.now;
    let outcome = world.relay.anchor_reoffer(now, id, from, offer.as_bytes());
    world.turn();
    outcome.map(|sdp| String::from_utf8(sdp).unwrap())
}

fn answer(world: &mut World, id: AnchorId, answer: &str) -> Result<String, AnchorError> {
    let now = world.now;
    let outcome = world.relay.anchor_answer(now, id, answer.as_bytes());
    world.turn();
    outcome.map(|sdp| String::from_utf8(sdp).unwrap())
}

fn end(world: &mut World, id: AnchorId) -> AnchorInfo {
    let now = world.now;
    let info = world.relay.anchor_end(now, id).unwrap();
    world.turn();
    info
}

/// A and B by these paths and with these attributes.
fn anchored_with(
    world: &mut World,
    options: &AnchorOptions,
    (a, extra_a): (&str, &str),
    (b, extra_b): (&str, &str),
) -> Anchored {
    let (id, for_b) = offer(world, &sdp(a, extra_a), options).unwrap();
    let for_a = answer(world, id, &sdp(b, extra_b)).unwrap();
    Anchored { id, for_b, for_a }
}

/// Both on the plain listener, both connecting to the relay.
fn anchored(world: &mut World) -> Anchored {
    anchored_with(world, &AnchorOptions::new(), (A, ""), (B, "a=setup:active\r\n"))
}

/// As [`anchored`], with both sides there.
fn talking(world: &mut World) -> (Anchored, ConnectionHandle, ConnectionHandle) {
    let session = anchored(world);
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    world.feed(a, bind(&session.path_of_a(), A));
    world.feed(b, bind(&session.path_of_b(), B));
    assert_eq!(session.state(world, Side::Offerer), LegState::Connected);
    assert_eq!(session.state(world, Side::Answerer), LegState::Connected);
    for (handle, own) in [(a, A), (b, B)] {
        take(world, handle, own);
        world.octets(handle);
    }
    (session, a, b)
}

/// The SEND without content by which an active side tells which session its connection is for.
fn bind(to: &str, from: &str) -> String {
    format!(
        "MSRP b1nd SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: bind\r\nByte-Range: 1-0/0\r\n-------b1nd$\r\n"
    )
}

fn hello(to: &str, from: &str) -> String {
    send("6aef", to, from, "", "1-5/5", "hello", '$')
}

/// Sends a message, and tells how it was answered.
fn say(world: &mut World, handle: ConnectionHandle, to: &str, from: &str) -> u16 {
    world.feed(handle, hello(to, from));
    let frames = world.frames(handle);
    let answer = frames.iter().rfind(|frame| frame.start_code() > 0);
    answer.expect("an answer").start_code()
}

/// The messages with content among what was written.
fn messages(world: &mut World, handle: ConnectionHandle) -> Vec<Frame> {
    let frames = world.frames(handle);
    frames
        .into_iter()
        .filter(|frame| frame.start == "SEND" && frame.body.is_some())
        .collect()
}

/// The messages among what was written, which the peer says that it has.
fn take(world: &mut World, handle: ConnectionHandle, own: &str) -> Vec<Frame> {
    let frames = world.frames(handle);
    let messages: Vec<_> = frames.into_iter().filter(|frame| frame.start == "SEND").collect();
    for message in &messages {
        let (id, to) = (&message.id, message.back_path().split(' ').next().unwrap());
        world.feed(
            handle,
            format!("MSRP {id} 200 OK\r\nTo-Path: {to}\r\nFrom-Path: {own}\r\n-------{id}$\r\n"),
        );
    }
    messages
}
