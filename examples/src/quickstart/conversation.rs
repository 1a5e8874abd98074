//! Who says what to whom, and whether it arrived.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Trouble,
    file::{MadeUpFile, sha256_of},
    person::Person,
    phone::Phone,
};
use crate::endpoint::{Content, Endpoint, Event, FileEnd};

/// One calls another by SIP: the name of the session at both.
pub(super) async fn call(
    out: &mut impl Write,
    caller: &mut Person,
    called: &mut Person,
) -> Result<(String, String), Trouble> {
    let mine = caller
        .endpoint
        .call(&called.uri, Some("Holidays".to_owned()))
        .await?;
    let up = |event| match event {
        Event::Session { session, .. } => Some(session),
        _ => None,
    };
    let theirs = called.hear("a call", up).await?;
    caller.hear("an answer", up).await?;
    writeln!(
        out,
        "{:7} → {:5} INVITE {} … 200 OK, both with a path from their relay",
        caller.name, called.name, called.uri
    )?;
    Ok((mine, theirs))
}

/// One says something; the other hears it, and the report of that comes back.
pub(super) async fn say(
    out: &mut impl Write,
    (from, session): (&mut Person, &str),
    to: &mut Person,
    text: &str,
) -> Result<(), Trouble> {
    let sent = from.endpoint.send(session, "text/plain", text.into()).await?;
    let heard = to
        .hear("a message", |event| match event {
            Event::Message {
                message_id,
                content: Content::Text(text),
                ..
            } if message_id == sent => Some(text),
            _ => None,
        })
        .await?;
    if heard != text {
        return Err(Trouble(format!(
            "{} heard something else than {} said",
            to.name, from.name
        )));
    }
    from.hear_delivery(&sent).await?;
    writeln!(out, "{:7} → {:5} {text}  ✓✓", from.name, to.name)?;
    Ok(())
}

/// One sends a file; both have the same hash of it in the end, which is answered, and how long it took.
pub(super) async fn send_file(
    out: &mut impl Write,
    (from, session): (&mut Person, &str),
    to: &mut Person,
    file: &MadeUpFile,
) -> Result<(String, Duration), Trouble> {
    let prepared = Endpoint::prepare_file(file.path.clone(), None, None).await?;
    let begun = Instant::now();
    let offered = from.endpoint.send_file(session, prepared).await?;
    let bar = ProgressBar::new(file.size as u64);
    if let Ok(style) =
        ProgressStyle::with_template("        holiday.bin {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
    {
        bar.set_style(style);
    }
    let outcome = from
        .hear("the fate of its file", |event| match event {
            Event::FileProgress { octets, .. } => {
                bar.set_position(octets);
                None
            }
            Event::File { file, outcome, .. } if file == offered => Some(outcome),
            _ => None,
        })
        .await?;
    bar.finish_and_clear();
    let took = begun.elapsed();
    if outcome != FileEnd::Sent {
        return Err(Trouble(format!(
            "the file of {} was not sent: {outcome:?}",
            from.name
        )));
    }
    let saved = to
        .hear("a file", |event| match event {
            Event::File {
                path: Some(path),
                outcome: FileEnd::Received,
                ..
            } => Some(path),
            _ => None,
        })
        .await?;
    let (sent, received) = (sha256_of(&file.path)?, sha256_of(saved.as_ref())?);
    if sent != received {
        return Err(Trouble("the file arrived damaged".to_owned()));
    }
    writeln!(
        out,
        "{:7} → {:5} [file holiday.bin, {} octets]  ✓✓",
        from.name, to.name, file.size
    )?;
    writeln!(out, "                sha256 at {:5} {sent}", from.name)?;
    writeln!(out, "                sha256 at {:5} {received}", to.name)?;
    Ok((sent, took))
}

/// One ends the call.
pub(super) async fn hang_up(
    out: &mut impl Write,
    (from, session): (&mut Person, &str),
    to: &mut Person,
) -> Result<(), Trouble> {
    from.endpoint.end(session).await?;
    let over = |event| matches!(event, Event::Ended { .. }).then_some(());
    from.hear("the end", over).await?;
    to.hear("the end", over).await?;
    writeln!(out, "{:7} → {:5} BYE … 200 OK", from.name, to.name)?;
    Ok(())
}

/// The phone writes to somebody who chats, who answers.
pub(super) async fn write_and_reply(
    out: &mut impl Write,
    phone: &mut Phone,
    to: &mut Person,
) -> Result<(), Trouble> {
    let (text, reply) = (
        "Hi, this is Dora on an old phone. Lunch at noon?",
        "Gladly, Dora! At noon.",
    );
    let code = phone.write(to.name, text).await?;
    if !(200..300).contains(&code) {
        return Err(Trouble(format!("the gateway answered {code}")));
    }
    let session = to
        .hear("the phone's message", |event| match event {
            Event::Message {
                session,
                content: Content::Text(heard),
                ..
            } if heard == text => Some(session),
            _ => None,
        })
        .await?;
    writeln!(
        out,
        "dora    → {:5} MESSAGE: {text}  ({code}; in a session by the gateway)",
        to.name
    )?;
    let sent = to.endpoint.send(&session, "text/plain", reply.into()).await?;
    let read = phone.read().await?;
    if read != reply {
        return Err(Trouble("the phone got something else".to_owned()));
    }
    // Success is reported when the phone has taken it, not before.
    to.hear_delivery(&sent).await?;
    writeln!(out, "{:7} → dora  {reply}  ✓✓ (as a MESSAGE)", to.name)?;
    Ok(())
}
