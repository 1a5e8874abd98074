//! The story that `quickstart` tells: a relay, two endpoints, a chat, a file, a third one behind a chain of two relays, and
//! somebody who disappears.

mod conversation;
mod endpoint;
mod file;
mod relay;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use msrp_transport::{
    resolve::SystemResolver,
    tls_config::{ClientTls, roots_from_pem},
};

use self::{conversation::say_in_vain, relay::RunningRelay};
pub use self::{
    conversation::{Call, FILE_SIZE, call, say, send_file},
    endpoint::Endpoint,
    file::{MadeUpFile, Meter},
};
use crate::{hosts::HostTable, identity::Authority};

/// The relays of this story; their names are known to nobody else.
const HOST: &str = "relay.example.com";
const OFFICE: &str = "office.example.org";

/// Something in the story went wrong.
#[derive(Debug)]
pub struct Trouble(String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble(error.to_string())
    }
}

/// Tells the story on `out`.
///
/// # Errors
/// [`Trouble`], when anything in it did not happen.
pub fn tell(out: &mut impl Write) -> Result<(), Trouble> {
    let begun = Instant::now();
    let authority = Authority::new()?;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let hosts = HostTable::new(SystemResolver).with(HOST, here).with(OFFICE, here);
    let users = ["alice", "bob", "carol"];
    let mut relay = RunningRelay::start(&authority, HOST, &users, Some(OFFICE), hosts.clone())?;
    writeln!(
        out,
        "relay   listens on msrps://{HOST}:{} (TLS, certificate {}…)",
        relay.port, relay.fingerprint
    )?;

    let endpoint = |name| {
        let tls = ClientTls::new(roots_from_pem(authority.pem().as_bytes())?, None)?;
        Endpoint::start(name, tls, hosts.clone())
    };
    let (mut alice, mut bob) = (endpoint("alice")?, endpoint("bob")?);
    let session = call(
        out,
        (&alice, vec![relay.account("alice")?]),
        (&bob, vec![relay.account("bob")?]),
    )?;
    writeln!(out, "session alice ── {HOST} ── bob is up\n")?;
    let (from_alice, from_bob) = (session.caller, session.called);
    say(
        out,
        &alice,
        from_alice,
        &bob,
        "Hi Bob! This goes through the relay.",
    )?;
    say(
        out,
        &bob,
        from_bob,
        &alice,
        "Hi Alice! I can see it. Does it take umlauts, äöü, and 👋?",
    )?;
    say(
        out,
        &alice,
        from_alice,
        &bob,
        "It does. Here is the file I promised.",
    )?;
    let (sent, took) = send_file(out, &alice, from_alice, &bob)?;

    // An office has a relay of its own, which goes on to the other one: each has seen the certificate of the other.
    let mut office = RunningRelay::start(&authority, OFFICE, &["carol"], None, hosts.clone())?;
    writeln!(
        out,
        "\noffice  has a relay of its own, msrps://{OFFICE}:{}",
        office.port
    )?;
    let mut carol = endpoint("carol")?;
    let chain = vec![office.account("carol")?, relay.account("carol")?];
    let session = call(out, (&carol, chain), (&bob, vec![relay.account("bob")?]))?;
    writeln!(out, "session carol ── {OFFICE} ══ {HOST} ── bob is up\n")?;
    say(
        out,
        &carol,
        session.caller,
        &bob,
        "Hi Bob! Two relays are between us, and they trust each other.",
    )?;
    say(
        out,
        &bob,
        session.called,
        &carol,
        "Hi Carol! Both let me through.",
    )?;
    carol.vanish()?;
    let office = office.stop()?;

    say(
        out,
        &bob,
        from_bob,
        &alice,
        "Got the file, thank you. I am in a tunnel soon, so",
    )?;
    bob.vanish()?;
    writeln!(
        out,
        "\nbob     has disappeared: no BYE, no goodbye, the connection is gone"
    )?;
    // The relay hears of it from the operating system; a message before that would be reported as lost all the same.
    relay.wait_for_goodbye()?;
    let code = say_in_vain(out, &alice, from_alice, "Bob? Are you still there?")?;

    alice.vanish()?;
    let stats = relay.stop()?;
    writeln!(
        out,
        "\nDone in {:.1} s: {} chunks through the relay, {} of them through two, {} reports, {:.1} MB at {:.0} MB/s\n\
         over TLS; the last message was refused with {code}, as it should be. sha256 {sent} on both sides.",
        begun.elapsed().as_secs_f64(),
        stats.chunks_in,
        office.chunks_in,
        stats.reports_forwarded,
        FILE_SIZE as f64 / 1e6,
        FILE_SIZE as f64 / 1e6 / took.as_secs_f64(),
    )?;
    Ok(())
}

/// Tells the story on standard output.
///
/// # Errors
/// As [`tell`].
pub fn run() -> Result<(), Trouble> {
    tell(&mut io::stdout().lock())
}
