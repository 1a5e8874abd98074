//! Anchored sessions: the relay in the path of clients that know nothing of relays.

mod harness;

use harness::*;
use msrp_core::node::ConnectionHandle;
use msrp_relay::{AnchorError, AnchorId, AnchorOptions};

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

fn value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(name))
}

struct Anchored {
    id: AnchorId,
    /// What B got, and what A got.
    for_b: String,
    for_a: String,
}

impl Anchored {
    /// The path that A, or B, sends to.
    fn path_of_a(&self) -> &str {
        value(&self.for_a, "a=path:").unwrap()
    }

    fn path_of_b(&self) -> &str {
        value(&self.for_b, "a=path:").unwrap()
    }
}

fn offer(world: &mut World, offer: &str, options: &AnchorOptions) -> Result<(AnchorId, String), AnchorError> {
    let now = world.now;
    let outcome = world.relay.anchor_offer(now, offer.as_bytes(), options);
    world.turn();
    outcome.map(|(id, sdp)| (id, String::from_utf8(sdp).unwrap()))
}

fn answer(world: &mut World, id: AnchorId, answer: &str) -> Result<String, AnchorError> {
    let now = world.now;
    let outcome = world.relay.anchor_answer(now, id, answer.as_bytes());
    world.turn();
    outcome.map(|sdp| String::from_utf8(sdp).unwrap())
}

/// Both sides on the plain listener, B active.
fn anchored_with(world: &mut World, options: &AnchorOptions, answer_setup: &str) -> Anchored {
    let (id, for_b) = offer(world, &sdp(A, ""), options).unwrap();
    let for_a = answer(world, id, &sdp(B, answer_setup)).unwrap();
    Anchored { id, for_b, for_a }
}

fn anchored(world: &mut World) -> Anchored {
    anchored_with(world, &AnchorOptions::new(), "a=setup:active\r\n")
}

fn hello(to: &str, from: &str) -> String {
    send("6aef", to, from, "", "1-5/5", "hello", '$')
}

/// Sends a message, and says how it was answered.
fn say(world: &mut World, handle: ConnectionHandle, to: &str, from: &str) -> u16 {
    world.feed(handle, hello(to, from));
    world.frames(handle).pop().expect("an answer").start_code()
}

#[test]
fn two_clients_without_relays_talk_through_it() {
    let mut world = World::new();
    let session = anchored(&mut world);
    let (to_b, to_a) = (session.path_of_a().to_owned(), session.path_of_b().to_owned());
    let (a, b) = (world.accept(plain()), world.accept(plain()));
    // A is there first: what it says is taken, and kept until B has come.
    assert_eq!(say(&mut world, a, &to_b, A), 200);
    assert_eq!(world.octets(b), b"");
    // The bodiless SEND by which an active side binds its session.
    world.feed(
        b,
        format!(
            "MSRP bind SEND\r\nTo-Path: {to_a}\r\nFrom-Path: {B}\r\nMessage-ID: bind1\r\nByte-Range: 1-0/0\r\n-------bind$\r\n"
        ),
    );
    let frames = world.frames(b);
    assert_eq!(frames.len(), 2, "{frames:?}");
    let message = frames.iter().find(|frame| frame.start == "SEND").unwrap();
    assert_eq!(message.body(), b"hello");
    assert_eq!(message.to_path(), B);
    // To B the sender is who its SDP says.
    assert_eq!(message.back_path(), to_a);
    let bind = world.frames(a).remove(0);
    assert_eq!((bind.to_path(), bind.back_path()), (A, to_b.as_str()));
    // And back.
    assert_eq!(say(&mut world, b, &to_a, B), 200);
    let frame = world.frames(a).remove(0);
    assert_eq!((frame.to_path(), frame.back_path()), (A, to_b.as_str()));
    let now = world.now;
    world.relay.anchor_end(now, session.id).unwrap();
    world.turn();
    assert!(world.closed(a) && world.closed(b));
}
