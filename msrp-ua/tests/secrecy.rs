//! What is logged, and printed for debugging, holds no secret: no session-id, no password, no digest, nothing that was
//! said (RFC 4975 §14.1).

mod pair;
mod peer;
mod registrar;

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use msrp_core::{
    grammar::StatusCode,
    node::{Action, ConnectFailure, Node},
};
use msrp_ua::{OutgoingMessage, Receive, Role, UserAgentCommand};
use pair::Pair;
use peer::{Peer, config};
use registrar::{Client, USE_PATH, account};
use tracing::{Event, Metadata, Subscriber, field, span};

/// Keeps all that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Text<'a>(&'a mut String);

impl field::Visit for Text<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut Text(&mut self.0.lock().unwrap()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Text(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().unwrap();
        write!(log, "\n{}: ", event.metadata().target()).unwrap();
        event.record(&mut Text(&mut log));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

const SAID: &str = "the treasure lies under the oak";

fn session_id(uri: &str) -> String {
    uri.split("://")
        .nth(1)
        .unwrap()
        .split('/')
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

/// Everything that can be printed of a user agent and what it tells.
fn print(log: &Log, what: &dyn std::fmt::Debug) {
    write!(log.0.lock().unwrap(), "\nprinted: {what:?} {what:#?}").unwrap();
}

/// A chat that goes wrong in many ways; answers what nobody may read in the log.
fn chat(log: &Log) -> Vec<String> {
    let mut secrets = vec![SAID.to_owned(), "under the".to_owned()];
    let mut pair = Pair::new();
    let (a, _) = pair.open(|_| {}, |params| params.receive = Receive::Stream);
    let message = || OutgoingMessage::text(SAID).with_success_report();
    print(log, &message());
    print(log, &UserAgentCommand::Send(a, Box::new(message())));
    pair.a.agent.send(a, message()).unwrap();
    pair.drive();
    pair.a.agent.send(a, message()).unwrap();
    pair.reset();
    pair.open(|_| {}, |_| {});
    pair.refuse = Some(ConnectFailure::Refused);
    pair.drive();
    pair.advance(Duration::from_secs(600));
    for side in [&pair.a, &pair.b] {
        print(log, &side.agent);
        print(log, &side.events);
        let sent = String::from_utf8_lossy(&side.sent).into_owned();
        secrets.extend(
            sent.lines()
                .filter(|line| line.starts_with("To-Path: ") || line.starts_with("From-Path: "))
                .map(session_id),
        );
    }
    let mut peer = Peer::bound_with(config(), |params| {
        params.accepts = "text/plain".parse().unwrap();
        params.max_size = 100;
    });
    secrets.push(session_id(&peer.to));
    secrets.push("abcdefgh".to_owned());
    print(log, &peer.agent);
    peer.chunk_with("image", "1-*/*", "", "image/png", SAID.as_bytes(), '$');
    peer.chunk("large", "1-*/999", SAID, '$');
    peer.chunk("half", "1-*/*", SAID, '+');
    print(log, &peer.agent);
    let strange = std::mem::replace(
        &mut peer.to,
        "msrp://agent.example.com:7777/guessedguessed;tcp".to_owned(),
    );
    secrets.push("guessedguessed".to_owned());
    peer.chunk("astray", "1-*/*", SAID, '$');
    peer.to = strange;
    peer.agent.send(peer.session, message()).unwrap();
    let sent = peer.read().remove(0);
    peer.answer(&sent, &format!("{} No", StatusCode::STOP_SENDING));
    let to = peer.to.clone();
    peer.write(&format!(
        "MSRP broken00 SEND\r\nTo-Path: {to}\r\nFrom-Path: {to}\r\n{SAID}\r\n\r\nMSRP"
    ));
    print(log, &peer.events);
    secrets
}

/// A registration that is challenged, used, and lost.
fn registration(log: &Log) -> Vec<String> {
    let mut client = Client::new();
    print(log, &account("secret-password"));
    print(
        log,
        &UserAgentCommand::Register(Box::new(account("secret-password"))),
    );
    client.agent.register(account("secret-password")).unwrap();
    let mut secrets = vec![
        "secret-password".to_owned(),
        session_id(USE_PATH),
        "0ncenever".to_owned(),
    ];
    let first = client.request();
    client.challenge(&first, "0ncenever", false);
    let second = client.request();
    let credentials = second.credentials();
    secrets.push(credentials.response.as_str().to_owned());
    secrets.push(credentials.cnonce.clone().into_owned());
    client.answer(
        &second,
        "200 OK",
        &format!("Use-Path: {USE_PATH}\r\nExpires: 900\r\n"),
    );
    client.turn();
    let id = client.events.iter().find_map(|event| match event {
        msrp_ua::UserAgentEvent::Registered { registration, .. } => Some(*registration),
        _ => None,
    });
    let params = client.params(id.unwrap(), Role::Active);
    secrets.push(session_id(&params.local.to_string()));
    print(log, &params);
    client.agent.open_session(params).unwrap();
    client.turn();
    print(log, &client.agent);
    client.agent.handle_eof(client.now, client.relay.unwrap());
    client.turn();
    print(log, &client.events);
    while let Some(action) = client.agent.poll_action() {
        print(log, &matches!(action, Action::Close { .. }));
    }
    secrets
}

// shows: 4975-3-03
#[test]
fn no_secret_is_logged_or_printed() {
    let log = Log::default();
    let secrets = tracing::subscriber::with_default(log.clone(), || {
        let mut secrets = chat(&log);
        secrets.extend(registration(&log));
        secrets
    });
    let text = log.0.lock().unwrap();
    // The log does say something of what happened.
    for expected in [
        "msrp_ua",
        "session lost",
        "request refused",
        "registered",
        "message failed",
    ] {
        assert!(text.contains(expected), "{expected} is not in the log");
    }
    assert!(secrets.len() > 10);
    for secret in &secrets {
        assert!(secret.len() >= 6, "{secret}");
        if let Some(at) = text.find(secret.as_str()) {
            panic!(
                "{secret}: {}",
                &text[at.saturating_sub(200)..(at + 100).min(text.len())]
            );
        }
    }
}
