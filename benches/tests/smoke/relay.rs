//! Every mode against our relay, in this process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use clap::Parser;
use msrp_benches::{
    forwarder::Forwarder,
    load::{self, LoadError, Options, report::Report},
};
use msrp_core::{grammar::Scheme, node::ListenerId};
use msrp_relay::{MemoryAuthStore, Relay, RelayConfig};
use msrp_transport::{
    DriverConfig,
    listen::{ListenOptions, bind},
    mio_driver::{Handle, Server},
};

const HOST: &str = "127.0.0.1";

/// A relay on its own thread, with the users `load`, `load0` and so on.
struct Running {
    uri: String,
    handle: Handle<Relay>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let socket = bind(([127, 0, 0, 1], 0).into(), ListenOptions::default()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut users = MemoryAuthStore::new().with_password("load", HOST, "secret");
        for index in 0..20 {
            users.set_password(&format!("load{index}"), HOST, "secret");
        }
        let config = RelayConfig::new(HOST)
            .allow_address_host(true)
            .listener(ListenerId(0), Scheme::Msrp, port)
            .allow_plain_auth(true)
            .auth_store(users);
        let relay = Relay::new(Instant::now(), config, [7; 32]).unwrap();
        let mut server = Server::new(relay, DriverConfig::new()).unwrap();
        server.listen_on(socket, Scheme::Msrp, None).unwrap();
        Self {
            uri: format!("msrp://{HOST}:{port}"),
            handle: server.handle(),
            thread: Some(thread::spawn(move || server.run(&mut ()).unwrap())),
        }
    }

    fn load(&self, flags: &[&str]) -> Result<Report, LoadError> {
        run(&self.uri, flags)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.handle.shutdown(Duration::ZERO);
        let _ = self.thread.take().unwrap().join();
    }
}

/// As the program does, for a tenth of a second, and for longer where nothing was done in it.
pub(crate) fn run(uri: &str, flags: &[&str]) -> Result<Report, LoadError> {
    for seconds in ["0.1", "2"] {
        let report = run_for(seconds, uri, flags)?;
        let idle = report.rate.as_ref().is_some_and(|rate| rate.messages == 0)
            || report
                .rate_beside_deaf
                .as_ref()
                .is_some_and(|rate| rate.messages == 0)
            || report
                .handshakes
                .as_ref()
                .is_some_and(|done| done.handshakes == 0);
        if !idle {
            return Ok(report);
        }
    }
    run_for("30", uri, flags)
}

fn run_for(seconds: &str, uri: &str, flags: &[&str]) -> Result<Report, LoadError> {
    let pid = std::process::id().to_string();
    let words = [
        "msrp-load",
        "--relay",
        uri,
        "--seconds",
        seconds,
        "--warmup",
        "0.02",
        "--server-pid",
        &pid,
    ];
    let options = Options::try_parse_from(words.iter().chain(flags)).unwrap();
    options.check()?;
    load::run(&options)
}

#[test]
fn messages_arrive_whole_and_in_order() {
    let relay = Running::start();
    for flags in [
        &["--pairs", "5"][..],
        &["--pairs", "3", "--window", "1"],
        &["--pairs", "2", "--hops", "2", "--user-prefix", "load"],
        &[
            "--pairs", "2", "--size", "100000", "--chunk", "2048", "--window", "2", "--binary",
        ],
        &["--pairs", "3", "--size", "16", "--threads", "2"],
    ] {
        let report = relay.load(flags).unwrap();
        let rate = report.rate.unwrap();
        assert!(rate.messages > 0, "{flags:?}");
        assert!(
            rate.latency_us.p50 > 0.0 && rate.latency_us.p50 <= rate.latency_us.max,
            "{flags:?}"
        );
    }
}

#[test]
fn a_wrong_password_is_told() {
    let relay = Running::start();
    match relay.load(&["--pairs", "1", "--password", "wrong"]) {
        Err(LoadError::Refused {
            what: "AUTH with credentials",
            code: 401,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn handshakes_are_counted() {
    let relay = Running::start();
    for per_connection in ["1", "3", "500"] {
        let report = relay
            .load(&[
                "--mode",
                "auth",
                "--pairs",
                "4",
                "--per-connection",
                per_connection,
            ])
            .unwrap();
        assert!(report.handshakes.unwrap().handshakes > 0);
    }
}

#[test]
fn memory_is_measured() {
    let relay = Running::start();
    let idle = relay
        .load(&["--mode", "idle", "--pairs", "50"])
        .unwrap()
        .memory
        .unwrap();
    assert!(idle.before > 0 && idle.per_connection.is_some());
    let huge = relay
        .load(&["--mode", "huge", "--pairs", "1", "--size", "8MiB"])
        .unwrap();
    assert_eq!(huge.rate.unwrap().messages, 1);
    assert!(huge.memory.unwrap().after > 0);
}

#[test]
fn the_others_go_on_beside_a_deaf_receiver() {
    let relay = Running::start();
    let report = relay.load(&["--mode", "deaf", "--pairs", "3"]).unwrap();
    assert!(report.rate.unwrap().messages > 0);
    assert!(report.rate_beside_deaf.unwrap().messages > 0);
}

#[test]
fn the_bare_forwarder_carries_messages_and_answers() {
    let mut forwarder = Forwarder::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let uri = format!("msrp://{}", forwarder.local_addr().unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&over);
    let thread = thread::spawn(move || forwarder.run_while(|| !asked.load(Ordering::Relaxed)).unwrap());
    for flags in [
        &["--pairs", "4"][..],
        &["--pairs", "2", "--size", "1MiB", "--chunk", "2048"],
    ] {
        let report = run(&uri, &[&["--mode", "bare"], flags].concat()).unwrap();
        assert!(report.rate.unwrap().messages > 0);
    }
    over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

#[test]
fn the_yardstick_answers_itself() {
    let mut forwarder = Forwarder::bind(([127, 0, 0, 1], 0).into())
        .unwrap()
        .answering(true);
    let uri = format!("msrp://{}", forwarder.local_addr().unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&over);
    let thread = thread::spawn(move || forwarder.run_while(|| !asked.load(Ordering::Relaxed)).unwrap());
    for flags in [
        &["--pairs", "4"][..],
        &["--pairs", "2", "--window", "1"],
        &["--pairs", "2", "--size", "5000", "--window", "100"],
        &["--pairs", "2", "--size", "16", "--window", "1000"],
        &["--pairs", "3", "--rate", "50000"],
    ] {
        let report = run(&uri, &[&["--mode", "yardstick"], flags].concat()).unwrap();
        assert!(report.rate.unwrap().messages > 0, "{flags:?}");
    }
    over.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}
