//! The story that `quickstart` tells: a relay, two people who call each other by SIP, a chat, a file, and a third one behind a
//! chain of two relays, and a phone that only knows SIP MESSAGE.

mod conversation;
mod file;
mod person;
mod phone;
mod relay;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use self::{
    conversation::{call, hang_up, say, send_file, write_and_reply},
    file::MadeUpFile,
    person::Person,
    relay::RunningRelay,
};
use crate::{failure::Failure, identity::Authority};

/// How long the file is.
const FILE_SIZE: usize = 10_000_000;
/// The relays of this story; both names lead here.
const HOST: &str = "127.0.0.1";
const OFFICE: &str = "localhost";
/// How long anything in it may take.
const PATIENCE: Duration = Duration::from_secs(60);

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

impl Trouble {
    fn from_failure(failure: &Failure) -> Self {
        Trouble(failure.to_string())
    }
}

/// Tells the story on `out`.
///
/// # Errors
/// [`Trouble`], when anything in it did not happen.
pub async fn tell(out: &mut impl Write) -> Result<(), Trouble> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let authority = Authority::new()?;
    let roots = folder.path().join("authority.pem");
    std::fs::write(&roots, authority.pem())?;
    let mut relay = RunningRelay::start(&authority, HOST, &["alice", "bob", "carol"], Some(OFFICE))?;
    writeln!(
        out,
        "relay   listens on {} (TLS, certificate {}…)",
        relay.url(),
        relay.fingerprint
    )?;
    let at_relay = [relay.uri()?];
    let mut alice = Person::start("alice", &roots, folder.path(), &at_relay).await?;
    let mut bob = Person::start("bob", &roots, folder.path(), &at_relay).await?;
    for person in [&alice, &bob] {
        writeln!(
            out,
            "{:7} listens on {}, and is behind the relay",
            person.name, person.sip
        )?;
    }
    let (from_alice, from_bob) = call(out, &mut alice, &mut bob).await?;
    writeln!(out, "session alice ── relay ── bob is up\n")?;
    say(
        out,
        (&mut alice, &from_alice),
        &mut bob,
        "Hi Bob! This goes through the relay.",
    )
    .await?;
    let text = "Hi Alice! I can see it. Does it take umlauts, äöü, and 👋?";
    say(out, (&mut bob, &from_bob), &mut alice, text).await?;
    say(
        out,
        (&mut alice, &from_alice),
        &mut bob,
        "It does. Here is the file I promised.",
    )
    .await?;
    let file = MadeUpFile::new(folder.path(), "holiday.bin", FILE_SIZE)?;
    let (sent, took) = send_file(out, (&mut alice, &from_alice), &mut bob, &file).await?;

    // An office has a relay of its own, which goes on to the other one: each has seen the certificate of the other.
    let mut office = RunningRelay::start(&authority, OFFICE, &["carol"], None)?;
    writeln!(out, "\noffice  has a relay of its own, {}", office.url())?;
    let chain = [office.uri()?, relay.uri()?];
    let mut carol = Person::start("carol", &roots, folder.path(), &chain).await?;
    let (from_carol, to_carol) = call(out, &mut carol, &mut bob).await?;
    writeln!(out, "session carol ── office ══ relay ── bob is up\n")?;
    let text = "Hi Bob! Two relays are between us, and they trust each other.";
    say(out, (&mut carol, &from_carol), &mut bob, text).await?;
    say(
        out,
        (&mut bob, &to_carol),
        &mut carol,
        "Hi Carol! Both let me through.",
    )
    .await?;
    writeln!(out)?;
    hang_up(out, (&mut carol, &from_carol), &mut bob).await?;

    // A phone that knows nothing of MSRP.
    let (gateway, mut phone) = phone::start(&authority, &bob)?;
    writeln!(
        out,
        "\ngateway listens on udp://{}; dora's phone only knows SIP MESSAGE\n",
        gateway.sip
    )?;
    write_and_reply(out, &mut phone, &mut bob).await?;
    gateway.stop().await;
    phone.stop().await;

    writeln!(out)?;
    let text = "Got the file, thank you. Talk to you later!";
    say(out, (&mut bob, &from_bob), &mut alice, text).await?;
    hang_up(out, (&mut bob, &from_bob), &mut alice).await?;
    for person in [alice, bob, carol] {
        person.leave().await;
    }
    let (office, stats) = (office.stop()?, relay.stop()?);
    writeln!(
        out,
        "\nDone in {:.1} s: {} chunks through the relay, {} of them through two, {} reports, {:.1} MB at {:.0} MB/s\n\
         over TLS, all of it set up by real SIP. sha256 {}… on both sides.",
        begun.elapsed().as_secs_f64(),
        stats.chunks_in,
        office.chunks_in,
        stats.reports_forwarded,
        FILE_SIZE as f64 / 1e6,
        FILE_SIZE as f64 / 1e6 / took.as_secs_f64(),
        sent.get(..12).unwrap_or(&sent),
    )?;
    Ok(())
}

/// Tells the story on standard output.
///
/// # Errors
/// As [`tell`].
pub fn run() -> Result<(), Trouble> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tell(&mut io::stdout()))
}
