//! Who says what to whom, and whether it arrived.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use msrp_core::grammar::{Path, Uri};
use msrp_ua::{
    OutgoingMessage, Receive, RelayAccount, Role, SessionId, SessionParams, UserAgentCommand, UserAgentEvent,
};

use super::{
    Trouble,
    endpoint::Endpoint,
    file::{MadeUpFile, Meter},
};

/// How long the file is.
pub(crate) const FILE_SIZE: u64 = 10_000_000;

/// The session of two endpoints, as each of them names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// The caller's.
    pub(crate) caller: SessionId,
    /// The other's.
    pub(crate) called: SessionId,
}

/// Two endpoints ask their relays for paths and set up a session; what an SDP offer and answer would carry goes from one
/// to the other in this process.
///
/// # Errors
/// [`Trouble`].
pub(crate) fn call(
    out: &mut impl Write,
    (caller, its_relays): (&Endpoint, Vec<RelayAccount>),
    (called, their_relays): (&Endpoint, Vec<RelayAccount>),
) -> Result<Call, Trouble> {
    let (caller_relay, caller_uri, caller_path) = caller.register(its_relays)?;
    let (called_relay, called_uri, called_path) = called.register(their_relays)?;
    for (endpoint, path) in [(caller, &caller_path), (called, &called_path)] {
        let hosts: Vec<&str> = path.uris().iter().map(Uri::host_str).collect();
        writeln!(
            out,
            "{:7} proved who it is (AUTH) and is reached by {}",
            endpoint.name,
            hosts.join(" → ")
        )?;
    }
    let params = |own: &Uri, remote: &Path, role, registration| {
        let mut params = SessionParams::new(own.clone(), remote.clone(), role)
            .with_relay(registration)
            .with_receive(Receive::Ask);
        params.max_size = 64 * 1024 * 1024;
        UserAgentCommand::OpenSession(Box::new(params))
    };
    called.command(params(&called_uri, &caller_path, Role::Passive, called_relay))?;
    caller.command(params(&caller_uri, &called_path, Role::Active, caller_relay))?;
    let ready = |event| match event {
        UserAgentEvent::SessionReady { session } => Some(session),
        _ => None,
    };
    Ok(Call {
        caller: caller.wait_for_event("its session", ready)?,
        called: called.wait_for_event("its session", ready)?,
    })
}

/// One says something; the other hears it, and the report of that comes back.
///
/// # Errors
/// [`Trouble`].
pub(crate) fn say(
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
///
/// # Errors
/// [`Trouble`].
pub(crate) fn send_file(
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
    from.command(UserAgentCommand::Send(session, Box::new(message)))?;
    from.wait_for_event("the file's success report", |event| match event {
        UserAgentEvent::Delivered { complete: true, .. } => Some(Ok(())),
        UserAgentEvent::Failed { code, .. } => {
            Some(Err(Trouble(format!("the file was refused with {code}"))))
        }
        _ => None,
    })??;
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
