//! The story that `quickstart` tells: a relay, two endpoints, a chat, a file, and somebody who disappears.

mod endpoint;
mod file;

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use msrp_core::{
    grammar::{Path, Scheme, Uri},
    node::ListenerId,
    redact,
};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig, RelayEvent, RelayStats};
use msrp_transport::{
    DriverConfig,
    listen::{ListenAddress, ListenOptions, bind},
    mio_driver::{Handle, Host, Server},
    tls_config::{ClientCertificates, ClientTls, format_fingerprint, roots_from_pem, server_config},
};
use msrp_ua::{OutgoingMessage, Receive, Role, SessionId, SessionParams, UserAgentCommand, UserAgentEvent};

use self::{
    endpoint::Endpoint,
    file::{MadeUpFile, Meter},
};
use crate::identity::self_signed;

/// The relay's name in this story; it resolves on every machine.
const HOST: &str = "localhost";
const FILE_SIZE: u64 = 10_000_000;

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

fn password_of(name: &str) -> String {
    format!("{name}'s secret")
}

/// Tells the story on `out`.
///
/// # Errors
/// [`Trouble`], when anything in it did not happen.
pub fn tell(out: &mut impl Write) -> Result<(), Trouble> {
    let begun = Instant::now();
    let mut relay = RunningRelay::start()?;
    writeln!(
        out,
        "relay   listens on msrps://{HOST}:{} (TLS, certificate {}…)",
        relay.port, relay.fingerprint
    )?;

    let mut alice = Endpoint::start("alice", relay.client_tls()?)?;
    let mut bob = Endpoint::start("bob", relay.client_tls()?)?;
    let relay_uri = Uri::build(Scheme::Msrps, HOST, relay.port, None, "tcp")?;
    let (alice_relay, alice_uri, alice_path) = alice.register(&relay_uri)?;
    let (bob_relay, bob_uri, bob_path) = bob.register(&relay_uri)?;
    for (name, path) in [("alice", &alice_path), ("bob", &bob_path)] {
        writeln!(
            out,
            "{name:7} proved who it is (AUTH) and is reached by {}",
            redact::Uri(path.first().as_bytes())
        )?;
    }

    // What an SDP offer and answer would carry goes from one to the other in this process.
    let params = |own: &Uri, remote: &Path, role, registration| {
        let mut params = SessionParams::new(own.clone(), remote.clone(), role)
            .with_relay(registration)
            .with_receive(Receive::Ask);
        params.max_size = 64 * 1024 * 1024;
        Box::new(params)
    };
    bob.command(UserAgentCommand::OpenSession(params(
        &bob_uri,
        &alice_path,
        Role::Passive,
        bob_relay,
    )))?;
    alice.command(UserAgentCommand::OpenSession(params(
        &alice_uri,
        &bob_path,
        Role::Active,
        alice_relay,
    )))?;
    let ready = |event| match event {
        UserAgentEvent::SessionReady { session } => Some(session),
        _ => None,
    };
    let alice_session = alice.wait_for_event("her session", ready)?;
    let bob_session = bob.wait_for_event("his session", ready)?;
    writeln!(out, "session alice ── {HOST} ── bob is up\n")?;

    say(
        out,
        &alice,
        alice_session,
        &bob,
        "Hi Bob! This goes through the relay.",
    )?;
    say(
        out,
        &bob,
        bob_session,
        &alice,
        "Hi Alice! I can see it. Does it take umlauts, äöü, and 👋?",
    )?;
    say(
        out,
        &alice,
        alice_session,
        &bob,
        "It does. Here is the file I promised.",
    )?;
    let (sent, took) = send_file(out, &alice, alice_session, &bob)?;
    say(
        out,
        &bob,
        bob_session,
        &alice,
        "Got it, thank you. I am in a tunnel soon, so",
    )?;
    bob.vanish()?;
    writeln!(
        out,
        "\nbob     has disappeared: no BYE, no goodbye, the connection is gone"
    )?;
    // The relay hears of it from the operating system; a message before that would be reported as lost all the same.
    relay.wait_for_goodbye()?;
    let code = say_in_vain(out, &alice, alice_session, "Bob? Are you still there?")?;

    alice.vanish()?;
    let stats = relay.stop()?;
    writeln!(
        out,
        "\nDone in {:.1} s: {} chunks through the relay, {} reports, {:.1} MB at {:.0} MB/s over TLS; the last message was\n\
         refused with {code}, as it should be. sha256 {sent} on both sides.",
        begun.elapsed().as_secs_f64(),
        stats.chunks_in,
        stats.reports_forwarded,
        FILE_SIZE as f64 / 1e6,
        FILE_SIZE as f64 / 1e6 / took.as_secs_f64(),
    )?;
    Ok(())
}

/// One says something; the other hears it, and the report of that comes back.
fn say(
    out: &mut impl Write,
    from: &Endpoint,
    session: SessionId,
    to: &Endpoint,
    text: &str,
) -> Result<(), Trouble> {
    let message = OutgoingMessage::text(text).with_success_report();
    from.command(UserAgentCommand::Send(session, Box::new(message)))?;
    let heard = to.wait_for_event("a message", |event| match event {
        UserAgentEvent::Message { body: Some(body), .. } => Some(body),
        _ => None,
    })?;
    if heard != text.as_bytes() {
        return Err(Trouble(format!(
            "{} heard something else than {} said",
            to.name, from.name
        )));
    }
    from.wait_for_event("a success report", |event| match event {
        UserAgentEvent::Delivered { complete: true, .. } => Some(()),
        _ => None,
    })?;
    writeln!(out, "{:7} → {:5} {text}  ✓✓", from.name, to.name)?;
    Ok(())
}

/// One sends a file; both have the same hash of it in the end.
fn send_file(
    out: &mut impl Write,
    from: &Endpoint,
    session: SessionId,
    to: &Endpoint,
) -> Result<(String, Duration), Trouble> {
    let meter = Meter::default();
    let file = MadeUpFile::new(FILE_SIZE, meter.clone());
    let message = OutgoingMessage::new("application/octet-stream", file)
        .with_header("Content-Disposition", "attachment; filename=\"holiday.bin\"")
        .with_success_report();
    let begun = Instant::now();
    let bar = ProgressBar::new(FILE_SIZE);
    if let Ok(style) =
        ProgressStyle::with_template("        holiday.bin {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
    {
        bar.set_style(style);
    }
    from.command(UserAgentCommand::Send(session, Box::new(message)))?;
    from.wait_for_event("the file's success report", |event| match event {
        UserAgentEvent::Progress { sent, .. } => {
            bar.set_position(sent);
            None
        }
        UserAgentEvent::Delivered { complete: true, .. } => Some(Ok(())),
        UserAgentEvent::Failed { code, .. } => {
            Some(Err(Trouble(format!("the file was refused with {code}"))))
        }
        _ => None,
    })??;
    bar.finish_and_clear();
    let took = begun.elapsed();
    let (sent, received) = (meter.sha256(), to.incoming_file.sha256());
    if meter.octets() != FILE_SIZE || to.incoming_file.octets() != FILE_SIZE || sent != received {
        return Err(Trouble("the file arrived damaged".to_owned()));
    }
    writeln!(
        out,
        "{:7} → {:5} [file holiday.bin, {FILE_SIZE} octets]  ✓✓",
        from.name, to.name
    )?;
    writeln!(out, "                sha256 at {:5} {sent}", from.name)?;
    writeln!(out, "                sha256 at {:5} {received}", to.name)?;
    let short = sent.chars().take(12).collect::<String>() + "…";
    Ok((short, took))
}

/// One says something that nobody hears, and learns it.
fn say_in_vain(
    out: &mut impl Write,
    from: &Endpoint,
    session: SessionId,
    text: &str,
) -> Result<String, Trouble> {
    let message = OutgoingMessage::text(text).with_success_report();
    from.command(UserAgentCommand::Send(session, Box::new(message)))?;
    let code = from.wait_for_event("a failure report", |event| match event {
        UserAgentEvent::Failed { code, .. } => Some(code),
        _ => None,
    })?;
    writeln!(
        out,
        "{:7} → {:5} {text}  ✗ {code} {}",
        from.name,
        "bob",
        code.phrase()
    )?;
    Ok(code.to_string())
}

/// The relay on a thread of its own.
struct RunningRelay {
    port: u16,
    fingerprint: String,
    certificate: String,
    handle: Handle<Relay>,
    events: Receiver<RelayEvent>,
    thread: Option<JoinHandle<Option<RelayStats>>>,
}

impl RunningRelay {
    fn start() -> Result<Self, Trouble> {
        let (identity, certificate) = self_signed(&[HOST.to_owned()])?;
        let fingerprint: String = format_fingerprint(&identity.fingerprint())
            .chars()
            .take(19)
            .collect();
        // Both families of addresses, as `localhost` may mean either.
        let address: ListenAddress = "msrps://127.0.0.1:0".parse()?;
        let first = bind(address.address, ListenOptions::default())?;
        let port = first.local_addr()?.port();
        let second = bind(([0, 0, 0, 0, 0, 0, 0, 1], port).into(), ListenOptions::default()).ok();
        let users = MemoryAuthStore::new()
            .with_password("alice", HOST, &password_of("alice"))
            .with_password("bob", HOST, &password_of("bob"));
        let mut config =
            RelayConfig::new(HOST)
                .auth_store(users)
                .listener(ListenerId(0), Scheme::Msrps, port);
        if second.is_some() {
            config = config.listener(ListenerId(1), Scheme::Msrps, port);
        }
        let relay = Relay::new(Instant::now(), config, crate::seed()?)?;
        let mut server = Server::new(relay, DriverConfig::new())?;
        let tls = server_config(&identity, ClientCertificates::Ignored)?;
        for socket in [Some(first), second].into_iter().flatten() {
            server.listen_on(socket, Scheme::Msrps, Some(tls.clone()))?;
        }
        let handle = server.handle();
        let (told, events) = channel();
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                let mut host = Told(told);
                server.run(&mut host).ok().map(|()| *server.node().stats())
            })?;
        Ok(Self {
            port,
            fingerprint,
            certificate,
            handle,
            events,
            thread: Some(thread),
        })
    }

    fn client_tls(&self) -> Result<ClientTls, Trouble> {
        Ok(ClientTls::new(
            roots_from_pem(self.certificate.as_bytes())?,
            None,
        )?)
    }

    fn wait_for_goodbye(&self) -> Result<(), Trouble> {
        loop {
            let event = self.events.recv_timeout(Duration::from_secs(10))?;
            if matches!(event, RelayEvent::ConnectionClosed { .. }) {
                return Ok(());
            }
        }
    }

    fn stop(&mut self) -> Result<RelayStats, Trouble> {
        self.handle.shutdown(Duration::from_secs(2))?;
        let ended = self.thread.take().and_then(|thread| thread.join().ok()).flatten();
        ended.ok_or_else(|| Trouble("the relay ended badly".to_owned()))
    }
}

struct Told(std::sync::mpsc::Sender<RelayEvent>);

impl Host<Relay> for Told {
    fn event(&mut self, _relay: &mut Relay, event: RelayEvent) {
        let _listener_may_be_gone = self.0.send(event);
    }
}

/// Tells the story on standard output.
///
/// # Errors
/// As [`tell`].
pub fn run() -> Result<(), Trouble> {
    tell(&mut io::stdout().lock())
}
