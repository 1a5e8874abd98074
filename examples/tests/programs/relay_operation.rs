//! A relay as its operator has it: signals under load, logs, limits, scarcity, and a supervisor.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    foreign::{Client, dial, md5},
    http::get,
    relay_signals::presented_certificate,
    running::{Folder, PATIENCE, Running, relay, run},
};

const PLAIN: [&str; 7] = [
    "--listen",
    "msrp://127.0.0.1:0",
    "--allow-plain-auth",
    "--user",
    "alice:secret",
    "--user",
    "bob:tiger",
];

fn join(running: &Running, name: &'static str, password: &str) -> Client {
    let mut client = Client::new(name, dial(running.address()));
    client.authenticate(&format!("msrp://{};tcp", running.address()), password);
    client
}

fn message(number: usize, paths: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "MSRP t{number:06} SEND\r\n{paths}Message-ID: m{number:06}\r\nByte-Range: 1-{len}/{len}\r\n\
         Content-Type: text/plain\r\n\r\n{body}\r\n-------t{number:06}$\r\n"
    )
}

/// Numbered messages from alice to bob, one after the other, until they are stopped or the relay takes no more.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    alice: JoinHandle<Vec<String>>,
    bob: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(mut alice: Client, mut bob: Client) -> Self {
        let paths = alice.paths_to(&bob);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (stop.clone(), sent.clone());
        let alice = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            for number in 1.. {
                let last = stopped.load(Ordering::Relaxed);
                let body = if last { "the end" } else { "and on" };
                let answer = alice
                    .try_write(message(number, &paths, body))
                    .then(|| alice.try_read())
                    .flatten();
                let Some(answer) = answer else { break };
                if answer.start() != format!("MSRP t{number:06} 200 OK") {
                    break;
                }
                acknowledged.push(format!("m{number:06}"));
                count.fetch_add(1, Ordering::Relaxed);
                if last {
                    break;
                }
            }
            acknowledged
        });
        let bob = std::thread::spawn(move || {
            let mut got = Vec::new();
            while let Some(frame) = bob.try_read() {
                got.push(frame.header("Message-ID").unwrap().to_owned());
                if !bob.try_answer_200(&frame) || frame.body().0 == "the end" {
                    break;
                }
            }
            got
        });
        Self {
            stop,
            sent,
            alice,
            bob,
        }
    }

    /// Waits until so many more have been acknowledged.
    fn go_on(&self, more: usize) {
        let until = self.sent.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.sent.load(Ordering::Relaxed) < until {
            assert!(begun.elapsed() < PATIENCE, "the messages stand still");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was acknowledged to alice, and what bob got.
    fn end(self) -> (Vec<String>, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        (self.alice.join().unwrap(), self.bob.join().unwrap())
    }
}

fn times(running: &Running, text: &str) -> usize {
    running.stderr().matches(text).count()
}

fn wait_for_times(running: &Running, text: &str, wanted: usize) {
    let begun = Instant::now();
    while times(running, text) < wanted {
        assert!(begun.elapsed() < PATIENCE, "{text:?}:\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn sighup_under_load_loses_nothing_and_new_connections_see_the_new_certificate() {
    let folder = Folder::new();
    let (cert, key, first) = folder.identity("h");
    let ha1 = |name: &str, password: &str| md5(&format!("{name}:r:{password}"));
    let both = format!(
        "alice:r:{}\nbob:r:{}\n",
        ha1("alice", "secret"),
        ha1("bob", "tiger")
    );
    let users = folder.file("users", &both);
    let mut command = relay(&[
        "--listen",
        "msrp://127.0.0.1:0",
        "--listen",
        "msrps://127.0.0.1:0",
        "--allow-plain-auth",
        "--realm",
        "r",
        "--users",
        &users,
        "--cert",
        &cert,
        "--key",
        &key,
    ]);
    command.env("RUST_LOG", "info");
    let running = Running::spawn(2, command);
    let tls = running.listeners[1].1;
    assert_eq!(presented_certificate(tls), first.cert.der().to_vec());
    let (alice, bob) = (join(&running, "alice", "secret"), join(&running, "bob", "tiger"));
    let load = Load::start(alice, bob);
    for round in 1..=5 {
        load.go_on(20);
        let (_, _, made) = folder.identity("h");
        // Alice is a user no more, which does not touch the session that she has.
        fs::write(&users, format!("carol:r:{}\n", ha1("carol", &round.to_string()))).unwrap();
        running.signal("HUP");
        wait_for_times(&running, "certificates read again", round);
        // The loop takes it before what came later.
        assert_eq!(
            presented_certificate(tls),
            made.cert.der().to_vec(),
            "round {round}"
        );
    }
    // What is broken stays as it was, and the file is named.
    let before = presented_certificate(tls);
    fs::write(&cert, "no certificate\n").unwrap();
    running.signal("HUP");
    let told = running.wait_for_stderr("certificates not read again; the old ones stay");
    assert!(told.contains(&cert), "{told}");
    assert_eq!(presented_certificate(tls), before);
    load.go_on(20);
    let (acknowledged, got) = load.end();
    assert!(acknowledged.len() > 120);
    assert_eq!(acknowledged, got);
}

#[test]
fn sigterm_under_load_ends_in_time_and_loses_nothing_that_was_acknowledged() {
    let mut options = PLAIN.to_vec();
    // Far longer than is waited for its end.
    options.extend(["--drain", "600"]);
    let mut running = Running::start(1, &options);
    let (alice, bob) = (join(&running, "alice", "secret"), join(&running, "bob", "tiger"));
    let load = Load::start(alice, bob);
    load.go_on(100);
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    let (acknowledged, got) = load.end();
    assert!(acknowledged.len() >= 100);
    for number in &acknowledged {
        assert!(got.contains(number), "{number} was acknowledged and is lost");
    }
}

#[test]
fn a_relay_that_drains_is_not_healthy() {
    let mut options = PLAIN.to_vec();
    options.extend(["--admin", "http://127.0.0.1:0", "--drain", "600"]);
    let mut command = relay(&options);
    command.env("RUST_LOG", "info");
    let mut running = Running::spawn(2, command);
    let admin = running.listeners[1].1;
    let (mut alice, mut bob) = (join(&running, "alice", "secret"), join(&running, "bob", "tiger"));
    let whole = message(1, &alice.paths_to(&bob), &"x".repeat(5_000));
    let (half, rest) = whole.split_at(whole.len() - 1_000);
    alice.write(half);
    // What is under way is what bob has seen the beginning of.
    assert!(bob.skim(b'x') < 5_000);
    assert_eq!(get(admin, "/healthz").status, 200);
    running.signal("TERM");
    running.wait_for_stderr("draining");
    let begun = Instant::now();
    let answer = loop {
        let answer = get(admin, "/healthz");
        if answer.status != 200 || begun.elapsed() > PATIENCE {
            break answer;
        }
    };
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (503, &Value::from("draining"))
    );
    assert!(get(admin, "/metrics").body.contains("\nmsrp_relay_draining 1\n"));
    alice.write(rest);
    assert!(alice.read().start().ends_with(" 200 OK"));
    // Bob says nothing more, so the relay waits for his answer; the operator does not.
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn logs_name_connections_and_users_and_no_secrets() {
    let mut options = PLAIN.to_vec();
    options.extend(["--log-format", "json"]);
    let mut command = relay(&options);
    command.env("RUST_LOG", "trace");
    let mut running = Running::spawn(1, command);
    let mut alice = join(&running, "alice", "secret");
    let mut bob = join(&running, "bob", "tiger");
    let relay_uri = format!("msrp://{};tcp", running.address());
    let challenge = alice.auth_bare(&relay_uri);
    let refused = alice.auth_with(&relay_uri, &challenge, "hunter2");
    assert!(refused.start().contains("401"));
    for (number, body) in [(1, "an open secret".to_owned()), (2, "filler ".repeat(1_000))] {
        alice.write(message(number, &alice.paths_to(&bob), &body));
        assert!(alice.read().start().ends_with("200 OK"));
    }
    let got = bob.read();
    bob.answer_200(&got);
    // A session that is none of the relay's, and no MSRP at all.
    let wrong = alice.use_path.replace(&alice.use_path[30..40], "aaaaaaaaaa");
    alice.write(message(
        3,
        &format!("To-Path: {wrong} {}\r\nFrom-Path: {}\r\n", bob.uri, alice.uri),
        "x",
    ));
    assert!(alice.read().start().contains("481"));
    bob.write("GET / HTTP/1.1\r\n\r\n");
    running.signal("TERM");
    drop((alice, bob));
    running.wait();
    let log = running.stderr();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let said = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message)
            .unwrap_or_else(|| panic!("no {message:?} in\n{log}"))
    };
    // Workers write their lines in any order.
    let is_alice = |line: &&Value| line["message"] == "authenticated" && line["user"] == "alice";
    let authenticated = lines.iter().find(is_alice).unwrap();
    assert_eq!(authenticated["connection"], "0.1");
    assert!(authenticated["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(authenticated["session"].is_string());
    assert_eq!(said("AUTH failed")["user"], "alice");
    assert!(said("connection closed")["peer"].is_string());
    let ha1 = |name: &str, password: &str| md5(&format!("{name}:127.0.0.1:{password}"));
    let mut secrets: Vec<String> = [
        "secret\"",
        "tiger",
        "hunter2",
        "an open secret",
        "filler filler",
        "98cjsalice",
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.extend([
        ha1("alice", "secret"),
        ha1("bob", "tiger"),
        ha1("alice", "hunter2"),
    ]);
    secrets.push(
        challenge
            .parameter("WWW-Authenticate", "nonce")
            .unwrap()
            .to_owned(),
    );
    for line in got.header("From-Path").unwrap().split(' ') {
        if let Some(token) = line.rsplit('/').next().and_then(|end| end.strip_suffix(";tcp")) {
            secrets.push(token.to_owned());
        }
    }
    for secret in &secrets {
        assert!(!log.contains(&**secret), "{secret} is in the log:\n{log}");
    }
    // No digest of any kind.
    let digits = |run: &str| run.len() >= 32 && run.bytes().all(|octet| octet.is_ascii_hexdigit());
    assert!(
        !log.split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(digits),
        "{log}"
    );
}

/// The program, begun by a shell that runs this first.
fn after(first: &str, options: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{first}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_msrp-relay"))
        .args(options)
        .env_remove("RUST_LOG");
    command
}

#[test]
fn out_of_descriptors_the_sessions_go_on_and_it_recovers() {
    let mut options = PLAIN.to_vec();
    options.extend(["--workers", "1"]);
    let mut command = after("ulimit -n 40", &options);
    command.stdin(Stdio::null());
    let running = Running::spawn(1, command);
    let (alice, bob) = (join(&running, "alice", "secret"), join(&running, "bob", "tiger"));
    let load = Load::start(alice, bob);
    let begun = Instant::now();
    let crowd: Vec<_> = (0..60).map(|_| dial(running.address())).collect();
    running.wait_for_stderr("cannot accept");
    load.go_on(200);
    let written = times(&running, "cannot accept");
    let most = begun.elapsed().as_secs() as usize + 1;
    assert!(
        written <= most,
        "{written} lines in {most} s:\n{}",
        running.stderr()
    );
    drop(crowd);
    // The relay finds out that they are gone, and lets others in.
    join(&running, "alice", "secret");
    let (acknowledged, got) = load.end();
    assert_eq!(acknowledged, got);
}

#[test]
fn limits_of_users_and_addresses_can_be_set() {
    let mut options = PLAIN.to_vec();
    // Workers count together.
    options.extend(["--workers", "2", "--max-user-sessions", "1"]);
    options.extend(["--max-user-octets", "1", "--user-burst", "1"]);
    options.extend(["--admin", "http://127.0.0.1:0"]);
    let running = Running::start(2, &options);
    let admin = running.listeners[1].1;
    let (mut alice, mut bob) = (join(&running, "alice", "secret"), join(&running, "bob", "tiger"));
    let relay_uri = format!("msrp://{};tcp", running.address());
    let challenge = alice.auth_bare(&relay_uri);
    let refused = alice.auth_with(&relay_uri, &challenge, "secret");
    assert_eq!(refused.start(), "MSRP 49fi 403 Too Many Sessions");
    // What takes a quarter of an hour to be paid for; it is taken, and nothing more is read from who has sent it.
    alice.write(message(1, &alice.paths_to(&bob), &"x".repeat(900)));
    assert!(alice.read().start().ends_with("200 OK"));
    bob.read();
    let begun = Instant::now();
    while !get(admin, "/metrics")
        .body
        .contains("\nmsrp_relay_rate_pauses_total 1\n")
    {
        assert!(begun.elapsed() < PATIENCE, "{}", get(admin, "/metrics").body);
    }

    let mut options = PLAIN.to_vec();
    options.extend(["--workers", "2", "--max-address-connections", "1"]);
    let running = Running::start(1, &options);
    let _alice = join(&running, "alice", "secret");
    let mut second = Client::new("bob", dial(running.address()));
    assert!(second.try_read().is_none(), "closed at once");
}

#[test]
fn a_configuration_can_be_checked_without_running_it() {
    let folder = Folder::new();
    let users = folder.file("users", &format!("alice:r:{}\n", md5("x")));
    // Somebody listens there already, which a running relay would do.
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("msrp://{}", busy.local_addr().unwrap());
    let output = run(&[
        "--check-config",
        "--listen",
        &url,
        "--realm",
        "r",
        "--users",
        &users,
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"the configuration is good\n");
    let output = run(&["--check-config", "--listen", "msrps://127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let broken = folder.file("broken", "alice:r:x\n");
    let file = folder.file("relay.toml", "listen = \"msrp://127.0.0.1:0\"\nrelam = \"r\"\n");
    for (options, text) in [
        (&["--listen", &url, "--users", &broken][..], "line 1"),
        (&["--listen", &url, "--host", "a b"], "--host"),
        (
            &["--listen", &url, "--max-user-chunks", "0"],
            "--max-user-chunks 0",
        ),
        (&["--listen", &url, "--log-format", "xml"], "--log-format"),
        (&["--config", &file], "line 2"),
        (
            &[
                "--listen",
                "msrps://127.0.0.1:0",
                "--cert",
                &users,
                "--key",
                &users,
            ],
            "users",
        ),
    ] {
        let output = run(&[&["--check-config"], options].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {message}");
        assert!(message.contains(text), "{options:?}: {message}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_supervisor_is_told_how_it_stands() {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut room = [0; 512];
        let len = supervisor.recv(&mut room).unwrap();
        String::from_utf8_lossy(&room[..len]).into_owned()
    };
    let mut command = relay(&PLAIN);
    command.env("NOTIFY_SOCKET", &path);
    let mut running = Running::spawn(1, command);
    assert_eq!(told().trim(), "READY=1");
    running.signal("HUP");
    let reloading = told();
    assert!(
        reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told().trim(), "READY=1");
    running.signal("TERM");
    assert_eq!(told().trim(), "STOPPING=1");
    assert_eq!(running.wait().code(), Some(0));
}

/// A relay to which this socket is handed over as systemd does it.
fn activated(socket: TcpListener, options: &[&str]) -> Command {
    let mut command = after("exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$", options);
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    command
}

#[test]
fn a_socket_of_the_supervisor_is_taken_where_it_is_asked_for() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = socket.local_addr().unwrap();
    let url = format!("msrp://{address}");
    let mut options = PLAIN.to_vec();
    options[1] = &url;
    let running = Running::spawn(1, activated(socket, &options));
    assert_eq!(running.address(), address);
    join(&running, "alice", "secret");
    drop(running);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = activated(other, &PLAIN).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("LISTEN_FDS"), "{message}");
}
