//! `msrp-gateway` as an operator uses it: options and files, TLS, relays, the admin port, signals.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use msrp_examples::identity::Authority;
use serde_json::{Value, json};

use crate::{
    agents::Agent,
    exposition,
    http::{ask, get},
    page_phone::{PagePhone, Sip, code},
    refusing::refuses,
    relay_signals::presented_certificate,
    running::{Folder, PATIENCE, Running, relay},
};

/// The program, with these options.
fn gateway(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msrp-gateway"));
    command.args(options).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A gateway process that believes everybody, with so many listeners beside those for SIP by UDP and MSRP; and a phone.
fn start(more_listeners: usize, log: &str, routes: &[String], options: &[&str]) -> (Running, PagePhone) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to_phone = format!("alice@*=sip:{}", socket.local_addr().unwrap());
    let mut command = gateway(&["--sip", "udp://127.0.0.1:0", "--trust-from", "--route", &to_phone]);
    for route in routes {
        command.args(["--route", route]);
    }
    command.args(options).env("RUST_LOG", log);
    let running = Running::spawn(2 + more_listeners, command);
    let phone = PagePhone::on(socket, "alice", running.address());
    (running, phone)
}

fn bob() -> (Agent, String) {
    let bob = Agent::start("bob", "udp://127.0.0.1:0", &["--auto-answer"]);
    let route = format!("bob@*={}", bob.uri("bob"));
    (bob, route)
}

const BOB: &str = "sip:bob@127.0.0.1";

/// What somebody is told who says something.
#[track_caller]
fn says(agent: &mut Agent, session: &Value, text: &str) -> Value {
    let sent = agent.command(json!({"command": "send", "session": session, "text": text}));
    let id = sent["message_id"].clone();
    assert!(id.is_string(), "{sent}");
    id
}

#[track_caller]
fn report(agent: &mut Agent, id: &Value, status: &str) -> Value {
    agent.wait_for(&format!("{status} {id}"), |event| {
        event["event"] == "report" && event["message_id"] == *id && event["status"] == status
    })
}

/// What goes into an open session is answered with what becomes of it, or with 202 where that takes long.
fn is_taken(answer: &Sip) -> bool {
    matches!(code(answer), 200 | 202)
}

fn listener(running: &Running, scheme: &str) -> SocketAddr {
    let found = running.listeners.iter().find(|(it, _)| it == scheme);
    found
        .unwrap_or_else(|| panic!("no {scheme}: {:?}", running.listeners))
        .1
}

// shows: GW-119, GW-121, GW-123
#[test]
fn a_file_says_everything_and_an_operator_sees_and_ends_what_there_is() {
    const SECRET: &str = "the-gist-of-what-is-said";
    let folder = Folder::new();
    let (mut bob, to_bob) = bob();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let token = folder.file("token", "let-me-in\n");
    let file = folder.file(
        "gateway.toml",
        &format!(
            "sip = [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]\nmsrp = \"msrp://127.0.0.1:0\"\nhost = \"127.0.0.1\"\n\
             route = [\"{to_bob}\", \"*=sip:{}\"]\ntrust-from = true\nname = \"gw.test\"\nnotices = \"sip:gw@127.0.0.1\"\n\
             long = \"split\"\nsession-timeout = 900\nmessage-timeout = 120\nsetup-timeout = 30\nqueue = 7\n\
             sender-rate = 60\npair-rate = 30\nrate = 1000\nadmin = \"http://127.0.0.1:0\"\nadmin-token = \"@{token}\"\n\
             drain = 3\n",
            socket.local_addr().unwrap()
        ),
    );
    let mut command = gateway(&["--config", &file]);
    command.env("RUST_LOG", "trace");
    let mut running = Running::spawn(4, command);
    let schemes: Vec<_> = running.listeners.iter().map(|(scheme, _)| &**scheme).collect();
    assert_eq!(schemes, ["udp", "tcp", "msrp", "http"]);
    let admin = listener(&running, "http");
    let mut alice = PagePhone::on(socket, "alice", running.address());

    assert_eq!(code(&alice.writes(BOB, SECRET)), 202);
    let heard = bob.event("message");
    assert_eq!(heard["text"], SECRET);
    let session = heard["session"].clone();
    let long = "0123456789 ".repeat(200);
    let id = says(&mut bob, &session, &format!("{SECRET} {long}"));
    let mut parts = String::new();
    while !parts.contains("0123456789 ".repeat(199).trim_end()) {
        let part = alice.reads();
        assert!(part.body.len() < 1_300);
        // Numbered, as (1/3).
        let text = part.body.split_once(") ").map_or(&*part.body, |(_, text)| text);
        parts.push_str(text);
        assert!(parts.len() < 3_000, "{parts}");
    }
    report(&mut bob, &id, "delivered");

    // Whoever shows no token learns that it lives, and nothing else.
    assert_eq!(get(admin, "/healthz").json(), json!({"status": "serving"}));
    for path in ["/sessions", "/metrics"] {
        assert_eq!(get(admin, path).status, 401, "{path}");
    }
    let shown = "Authorization: Bearer let-me-in\r\n";
    let listed = ask(admin, "GET", "/sessions", shown).json()["sessions"].clone();
    let [it] = &listed.as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    assert_eq!(
        (&it["page"], &it["session"]),
        (&json!("sip:alice@127.0.0.1"), &json!(BOB))
    );
    assert_eq!((&it["to_session"], &it["to_pages"]), (&json!(0), &json!(0)));
    assert_eq!(
        (&it["legs"][0]["outgoing"], &it["legs"][0]["ready"]),
        (&json!(true), &json!(true))
    );

    let page = exposition::read(&ask(admin, "GET", "/metrics", shown).body);
    for (series, value) in [
        ("msrp_gateway_conversations", 1.0),
        ("msrp_gateway_sessions", 1.0),
        ("msrp_gateway_waiting_to_sessions", 0.0),
        ("msrp_gateway_waiting_to_pages", 0.0),
        ("msrp_gateway_messages_to_sessions_total", 1.0),
        ("msrp_gateway_messages_to_pages_total", 1.0),
        ("msrp_gateway_sessions_established_total", 1.0),
        ("msrp_gateway_setups_failed_total", 0.0),
        ("msrp_gateway_answers_total{code=\"202\"}", 1.0),
    ] {
        assert_eq!(page.series.get(series), Some(&value), "{series}: {page:?}");
    }
    assert!(page.series["msrp_gateway_messages_seconds_total"] > 0.0);

    let path = format!("/sessions/{}", it["id"]);
    assert_eq!(ask(admin, "DELETE", &path, "").status, 401);
    assert_eq!(ask(admin, "DELETE", &path, shown).status, 204);
    assert_eq!(bob.event("ended")["session"], session);
    assert_eq!(ask(admin, "DELETE", &path, shown).status, 404);
    assert_eq!(ask(admin, "DELETE", "/sessions/x", shown).status, 400);
    // The next MESSAGE begins anew.
    assert_eq!(code(&alice.writes(BOB, "again")), 202);
    assert_ne!(bob.event("message")["session"], session);

    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    let log = running.stderr();
    assert!(log.contains("session established"), "{log}");
    for secret in [SECRET, "0123456789", "let-me-in"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

// shows: GW-125
#[test]
fn sighup_reads_routes_again_and_leaves_sessions_alone() {
    let folder = Folder::new();
    let (mut bob, to_bob) = bob();
    let mut carol = Agent::start("carol", "udp://127.0.0.1:0", &["--auto-answer"]);
    let to_carol = format!("carol@*={}", carol.uri("carol"));
    let write = |routes: &str| {
        folder.file(
            "gateway.toml",
            &format!("trust-from = true\nroute = [{routes}]\n"),
        )
    };
    let file = write(&format!("\"{to_bob}\""));
    let mut command = gateway(&["--config", &file, "--sip", "udp://127.0.0.1:0"]);
    command.env("RUST_LOG", "info");
    let mut running = Running::spawn(2, command);
    let mut alice = PagePhone::new("alice", running.address());
    const CAROL: &str = "sip:carol@127.0.0.1";
    assert_eq!(code(&alice.writes(BOB, "1")), 202);
    let session = bob.event("message")["session"].clone();
    assert_eq!(code(&alice.writes(CAROL, "hello?")), 404);

    write(&format!("\"{to_bob}\", \"{to_carol}\""));
    running.signal("HUP");
    running.wait_for_stderr("routes and certificates read again");
    assert_eq!(code(&alice.writes(CAROL, "hello")), 202);
    assert_eq!(carol.event("message")["text"], "hello");

    // What is broken changes nothing, and is named.
    for (text, said) in [
        ("route = [\"bob@*\"]\n".to_owned(), "no PATTERN=SIPURI"),
        (
            "trust-from = true\n\nroute = [\n".to_owned(),
            "gateway.toml: line",
        ),
        ("trsut-from = true\n".to_owned(), "trsut-from"),
        (format!("route = \"{to_bob}\"\nqueue = 0\n"), "--queue"),
        (format!("route = \"{to_bob}\"\nca = \"/nowhere\"\n"), "/nowhere"),
    ] {
        fs::write(&file, text).unwrap();
        running.signal("HUP");
        let line = running.wait_for_stderr(said);
        assert!(line.contains("the old ones stay"), "{line}");
    }
    fs::remove_file(&file).unwrap();
    running.signal("HUP");
    running.wait_for_stderr("cannot read");
    assert!(is_taken(&alice.writes(CAROL, "still")));
    assert_eq!(carol.event("message")["text"], "still");
    assert!(is_taken(&alice.writes(BOB, "2")));
    let heard = bob.event("message");
    assert_eq!((&heard["text"], &heard["session"]), (&json!("2"), &session));

    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

/// A certificate for this host by an authority, as files; and the certificate.
fn certificate(authority: &Authority, folder: &Folder) -> [String; 2] {
    let issued = authority.issue(&["127.0.0.1".to_owned()]).unwrap();
    [
        folder.file("cert.pem", &issued.certificate),
        folder.file("key.pem", &issued.key),
    ]
}

#[test]
fn both_sides_may_be_encrypted_and_certificates_are_read_again() {
    let (folder, authority) = (Folder::new(), Authority::new().unwrap());
    let ca = folder.file("ca.pem", authority.pem());
    let [cert, key] = certificate(&authority, &folder);
    let tls = [
        "--msrp",
        "msrps://127.0.0.1:0",
        "--ca",
        &ca,
        "--cert",
        &cert,
        "--key",
        &key,
    ];
    let mut bob = Agent::start(
        "bob",
        "tls://127.0.0.1:0",
        &[&["--auto-answer"][..], &tls].concat(),
    );
    let to_bob = format!("bob@*={}", bob.uri("bob"));
    let options = [&["--sip", "tls://127.0.0.1:0"][..], &tls].concat();
    let (mut running, mut alice) = start(1, "info", &[to_bob], &options);
    assert_eq!(code(&alice.writes(BOB, "sealed")), 202);
    let heard = bob.event("message");
    assert_eq!(heard["text"], "sealed");
    let id = says(&mut bob, &heard["session"], "sealed as well");
    assert_eq!(alice.reads().body, "sealed as well");
    report(&mut bob, &id, "delivered");

    let places = ["tls", "msrps"].map(|scheme| listener(&running, scheme));
    let before = places.map(presented_certificate);
    assert_eq!(before[0], before[1]);
    certificate(&authority, &folder);
    running.signal("HUP");
    running.wait_for_stderr("routes and certificates read again");
    let after = places.map(presented_certificate);
    assert_eq!(after[0], after[1]);
    assert_ne!(before, after);
    // The session that there is goes on, and a new one names the new certificate.
    assert!(is_taken(&alice.writes(BOB, "still sealed")));
    assert_eq!(bob.event("message")["session"], heard["session"]);
    let mut carol = Agent::start("carol", "tls://127.0.0.1:0", &tls);
    let call = format!("sip:alice@{};transport=tls", listener(&running, "tls"));
    let called = carol.command(json!({"command": "call", "to": call}));
    assert!(called["session"].is_string(), "{called}");
    let session = carol.event("session")["session"].clone();
    let id = says(&mut carol, &session, "from carol");
    assert_eq!(alice.reads().body, "from carol");
    report(&mut carol, &id, "delivered");

    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

// shows: GW-126
#[test]
fn sessions_may_go_through_a_relay() {
    let mut command = relay(&["--listen", "msrp://127.0.0.1:0", "--allow-plain-auth"]);
    command.args(["--user", "gateway:pass", "--admin", "http://127.0.0.1:0"]);
    let relay = Running::spawn(2, command);
    let uri = format!("msrp://{};tcp", relay.address());
    // Bob is found by the way of the route, whatever his domain.
    let bob = Agent::start("bob", "udp://127.0.0.1:0", &["--auto-answer"]);
    let to_bob = format!("bob@chat.example.com={}", bob.uri("bob"));
    let mut bob = bob;
    let options = ["--relay", &*uri, "--relay-password", "pass"];
    let (mut running, mut alice) = start(0, "info", &[to_bob], &options);
    assert_eq!(code(&alice.writes("sip:bob@chat.example.com", "by relay")), 202);
    let heard = bob.event("message");
    assert_eq!(heard["text"], "by relay");
    let id = says(&mut bob, &heard["session"], "and back");
    assert_eq!(alice.reads().body, "and back");
    report(&mut bob, &id, "delivered");
    let listed = get(relay.listeners[1].1, "/sessions").json()["sessions"].clone();
    assert_eq!(listed[0]["user"], "gateway", "{listed}");
    assert!(
        listed[0]["from_client"]["messages"].as_u64() >= Some(1),
        "{listed}"
    );
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    // A relay that does not let us in: the MESSAGE fails, and its sender hears of it.
    let options = [
        "--relay",
        &*uri,
        "--relay-password",
        "wrong",
        "--notices",
        "sip:gw@127.0.0.1",
    ];
    let to_bob = format!("bob@*={}", bob.uri("bob"));
    let (_running, mut alice) = start(0, "info", &[to_bob], &options);
    assert_eq!(code(&alice.writes(BOB, "by relay")), 202);
    assert!(
        alice
            .reads()
            .body
            .starts_with("Your message to sip:bob@127.0.0.1 was not delivered: ")
    );
}

#[test]
fn only_whom_somebody_vouches_for_is_carried() {
    let (mut bob, to_bob) = bob();
    for (trusted, status) in [("192.0.2.1", 403), ("127.0.0.1", 202)] {
        let options = [
            "--sip",
            "udp://127.0.0.1:0",
            "--route",
            &to_bob,
            "--trust",
            trusted,
        ];
        let running = Running::spawn(2, gateway(&options));
        let mut alice = PagePhone::new("alice", running.address());
        assert_eq!(code(&alice.writes(BOB, "x")), 403, "From alone says nothing");
        let vouched = "P-Asserted-Identity: <sip:alice@127.0.0.1>\r\n";
        assert_eq!(code(&alice.writes_with(BOB, "vouched for", vouched)), status);
        if status == 202 {
            assert_eq!(bob.event("message")["text"], "vouched for");
        }
    }
}

/// Waits until the gateway takes nothing new.
#[track_caller]
fn await_draining(admin: SocketAddr) {
    let begun = Instant::now();
    while get(admin, "/healthz").status == 200 {
        assert!(begun.elapsed() < PATIENCE, "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn sigterm_lets_what_is_under_way_come_to_its_end() {
    let (mut bob, to_bob) = bob();
    let options = ["--admin", "http://127.0.0.1:0", "--drain", "600"];
    let (mut running, mut alice) = start(1, "info", &[to_bob], &options);
    assert_eq!(code(&alice.writes(BOB, "hi")), 202);
    let session = bob.event("message")["session"].clone();
    alice.code = None;
    let id = says(&mut bob, &session, "slow");
    let slow = alice.reads();
    running.signal("TERM");
    let admin = listener(&running, "http");
    await_draining(admin);
    let refused = alice.writes(BOB, "late");
    assert_eq!(code(&refused), 503);
    assert!(refused.header("Retry-After").parse::<u32>().unwrap() > 0);
    alice.answers_late(&slow, 200);
    report(&mut bob, &id, "delivered");
    ended_well(&mut running, &mut bob, &session);
}

/// The session of bob has ended by BYE, and then the gateway.
#[track_caller]
fn ended_well(running: &mut Running, bob: &mut Agent, session: &Value) {
    let ended = bob.event("ended");
    assert_eq!(
        (&ended["session"], &ended["regular"]),
        (session, &json!(true)),
        "{ended}"
    );
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn the_time_to_drain_is_bounded_and_nobody_is_left_without_a_word() {
    let (mut bob, to_bob) = bob();
    let (mut running, mut alice) = start(0, "info", &[to_bob], &["--drain", "1"]);
    assert_eq!(code(&alice.writes(BOB, "hi")), 202);
    let session = bob.event("message")["session"].clone();
    alice.code = None;
    let id = says(&mut bob, &session, "never answered");
    alice.reads();
    running.signal("TERM");
    let told = report(&mut bob, &id, "failed");
    assert_eq!(told["code"], 413, "{told}");
    ended_well(&mut running, &mut bob, &session);
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut bob, to_bob) = bob();
    let (mut running, mut alice) = start(0, "info", &[to_bob], &["--drain", "600"]);
    assert_eq!(code(&alice.writes(BOB, "hi")), 202);
    let session = bob.event("message")["session"].clone();
    alice.code = None;
    says(&mut bob, &session, "never answered");
    alice.reads();
    running.signal("TERM");
    running.wait_for_stderr("what is under way finishes");
    running.signal("TERM");
    let ended = bob.event("ended");
    assert_eq!(ended["regular"], true, "{ended}");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_chat_that_is_gone_is_no_success() {
    let (mut bob, to_bob) = bob();
    let options = ["--notices", "sip:gw@127.0.0.1", "--setup-timeout", "2"];
    let (_running, mut alice) = start(0, "info", &[to_bob], &options);
    assert_eq!(code(&alice.writes(BOB, "hi")), 202);
    bob.event("message");
    bob.signal("TERM");
    assert_eq!(bob.wait().code(), Some(0));
    // Nobody is there any more: it is taken, and then told to have failed.
    assert_eq!(code(&alice.writes(BOB, "lost")), 202);
    let notice = alice.reads();
    assert!(
        notice
            .body
            .starts_with("Your message to sip:bob@127.0.0.1 was not delivered: "),
        "{notice:?}"
    );
    assert!(!notice.body.contains("lost"));
}

#[track_caller]
fn refused(options: &[&str], texts: &[&str]) {
    refuses(gateway(options), texts);
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = Folder::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = format!("udp://{}", taken.local_addr().unwrap());
    refused(&[], &["--route", "*@chat.example.com=sip:192.0.2.9"]);
    refused(
        &["--route", "*=sip:192.0.2.9"],
        &["--sip", "udp://127.0.0.1:5060"],
    );
    let good = ["--sip", "udp://127.0.0.1:0", "--route", "*=sip:192.0.2.9"];
    for (options, texts) in [
        (
            &["--route", "bob@*"][..],
            &["--route", "\"bob@*\" is no PATTERN=SIPURI"][..],
        ),
        (&["--route", "=sip:x"], &["--route", "no pattern"]),
        (&["--route", "*=http://x"], &["--route", "http://x"]),
        (&["--route", "*=tel:+1"], &["--route", "sip or sips URI"]),
        (
            &["--sip", "sip:127.0.0.1"],
            &["--sip sip:127.0.0.1", "udp://IP:PORT"],
        ),
        (&["--sip", &taken], &["--sip", &taken, "in use"]),
        (&["--sip", "udp://0.0.0.0:0"], &["--host"]),
        (&["--msrp", "msrp://0.0.0.0:0"], &["--msrp", "--host"]),
        (&["--msrp", "wss://127.0.0.1:0"], &["--msrp", "msrps://"]),
        (&["--cert", "/nowhere"], &["--cert", "--key"]),
        (
            &["--cert", "/nowhere", "--key", "/nowhere"],
            &["--cert", "/nowhere"],
        ),
        (&["--ca", "/nowhere"], &["--ca", "/nowhere"]),
        (
            &["--relay", "relay", "--relay-password", "x"],
            &["--relay relay", "msrps://relay.example.com:2855;tcp"],
        ),
        (&["--relay", "msrps://relay.example.com"], &["--relay-password"]),
        (
            &["--relay-password", "@/nowhere"],
            &["--relay-password", "/nowhere"],
        ),
        (
            &["--trust", "proxy.example.com"],
            &["--trust", "proxy.example.com"],
        ),
        (&["--name", "my gateway"], &["--name my gateway"]),
        (&["--notices", "nobody"], &["--notices nobody"]),
        (&["--long", "shorten"], &["--long", "refuse", "split"]),
        (&["--queue", "0"], &["--queue", "0"]),
        (&["--rate", "0"], &["--rate", "0"]),
        (
            &["--session-timeout", "18446744073709551615"],
            &["--session-timeout"],
        ),
        (&["--message-timeout", "soon"], &["--message-timeout", "soon"]),
        (
            &["--admin", "127.0.0.1:9092"],
            &["--admin 127.0.0.1:9092", "http://"],
        ),
        (&["--admin", "http://0.0.0.0:0"], &["--admin", "--admin-token"]),
        (
            &["--admin", "http://127.0.0.1:0", "--admin-token", "a b"],
            &["--admin-token", "visible"],
        ),
        (&["--admin-token", "x"], &["--admin-token", "--admin"]),
        (&["--rout", "x"], &["--rout", "--route"]),
    ] {
        refused(&[&good[..], options].concat(), texts);
    }
    let file = folder.file("gateway.toml", "");
    for (text, said) in [
        ("route = [1", "gateway.toml: line 1"),
        (
            "queue = 5\nroutes = \"*=sip:x\"",
            "line 2: there is no setting \"routes\"",
        ),
        ("trust-from = \"yes\"", "trust-from: true or false"),
        ("queue = \"many\"", "--queue"),
        ("route = \"bob\"", "no PATTERN=SIPURI"),
    ] {
        fs::write(&file, text).unwrap();
        refused(&["--sip", "udp://127.0.0.1:0", "--config", &file], &[said]);
    }
    refused(
        &[&good[..], &["--config", "/nowhere"]].concat(),
        &["--config", "/nowhere"],
    );
}

#[test]
fn help_teaches() {
    let output = gateway(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for said in [
        "--config",
        "--sip",
        "--msrp",
        "--host",
        "--route",
        "--relay",
        "--relay-user",
        "--relay-password",
        "--trust",
        "--trust-from",
        "--name",
        "--notices",
        "--long",
        "--session-timeout",
        "--message-timeout",
        "--setup-timeout",
        "--queue",
        "--sender-rate",
        "--pair-rate",
        "--rate",
        "--cert",
        "--key",
        "--ca",
        "--admin",
        "--admin-token",
        "--drain",
        "SIGHUP",
        "SIGTERM",
        "Exit codes",
    ] {
        assert!(help.contains(said), "{said}");
    }
}
