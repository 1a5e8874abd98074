//! A browser talks with a TCP client through the relay: Debian's Chromium, the page of `examples/browser`, a `wss` listener and
//! an `msrp` one. What the page does is seen by what it sends.
//!
//! Where there is no Chromium the test says so and passes, unless `MSRP_CHROMIUM=required`.
#![cfg(unix)]
#![allow(
    dead_code,
    reason = "the parts shared with the other tests have more than is needed here"
)]

mod chromium;
mod page;
#[path = "../programs/running.rs"]
mod running;
mod tcp;

use std::io::Write as _;

use chromium::Chromium;
use page::PageServer;
use running::Running;
use tcp::Client;

/// Characters of one to four octets.
const TEXT: &str = "Grüße, 世界 🌍!";

// shows: 7977-4.1-01, 7977-4.1-02, 7977-4.2-02, 7977-5.1-01, 7977-5.1-03, 7977-5.2.2-03, 7977-7-07, 7977-A-01, 7977-A-03
// shows: 7977-5.2.1-01
#[test]
fn a_page_chats_with_a_tcp_client() {
    let Some(program) = chromium::find() else {
        let said =
            "skipped: a browser is needed, and /usr/bin/chromium is not there (apt-get install chromium)";
        assert!(
            std::env::var_os("MSRP_CHROMIUM").is_none_or(|value| value != "required"),
            "{said}"
        );
        // Not by a macro, whose output is only shown of tests that fail.
        let _best_effort = writeln!(std::io::stderr(), "\na_page_chats_with_a_tcp_client: {said}");
        return;
    };
    let relay = Running::start(
        2,
        &[
            "--listen",
            "msrp://127.0.0.1:0",
            "--listen",
            "wss://127.0.0.1:0",
            "--user",
            "alice:secret",
            "--user",
            "bob:hidden",
            "--allow-plain-auth",
            "--offer-sha256",
        ],
    );
    let [(_, tcp), (scheme, wss)] = &relay.listeners[..] else {
        panic!("two listeners")
    };
    assert_eq!(scheme, "wss");
    let mut alice = Client::new(*tcp);
    alice.authenticate(&format!("msrp://{tcp};tcp"), "alice", "secret");

    let pages = PageServer::start();
    let peer = format!("{} {}", alice.use_path, alice.uri).replace(' ', "+");
    let url = format!(
        "http://{}/#url=wss://{wss}&user=bob&password=hidden&peer={}&echo&go",
        pages.address,
        peer.replace(';', "%3B")
    );
    let browser = Chromium::start(&program, &url);
    alice.on_silence(move || browser.log());

    // The page has authenticated, and greets: that tells its path.
    let greeting = alice.next_message();
    assert_eq!(greeting.body, b"");
    let path = greeting.from;
    let [_, page_relay, page_uri] = &path.split(' ').collect::<Vec<_>>()[..] else {
        panic!("relay, relay, page: {path}")
    };
    assert!(
        page_uri.contains(".invalid:2855/") && page_uri.ends_with(";ws"),
        "{path}"
    );
    // The name by which others reach the relay, not the port for WebSocket.
    assert!(
        page_relay.starts_with(&format!("msrp://{tcp}/")) && page_relay.ends_with(";tcp"),
        "{path}"
    );

    // Text with characters of several octets, there and back.
    alice.send(&path, "text/plain", TEXT.as_bytes(), usize::MAX);
    let echo = alice.next_message();
    assert_eq!(String::from_utf8_lossy(&echo.body), TEXT);
    assert_eq!(echo.total, TEXT.len(), "octets are counted, not characters");
    assert!(alice.is_reported());

    // A message of many chunks, cut within characters; the page sends it back in chunks of its own.
    let long = TEXT.repeat(12_000);
    alice.send(&path, "text/plain", long.as_bytes(), 10_007);
    let echo = alice.next_message();
    assert!(echo.body == long.as_bytes());
    assert!(echo.chunks > 100, "{}", echo.chunks);
    assert!(alice.is_reported());
    // One chunk without an end in sight, which the relay cuts for the browser.
    alice.send(&path, "text/plain", long.as_bytes(), usize::MAX);
    assert!(alice.next_message().body == long.as_bytes());

    // Octets that are no text in any encoding.
    let binary: Vec<u8> = (0..10_240_u32).map(|n| (n * n % 257) as u8).collect();
    alice.send(&path, "application/octet-stream", &binary, 5_000);
    let echo = alice.next_message();
    assert!(echo.body == binary && echo.content_type == "application/octet-stream");

    // What the page has counted, and shown.
    alice.send(&path, "text/plain", TEXT.as_bytes(), usize::MAX);
    alice.next_message();
    alice.send(&path, "text/plain", b"/stat", usize::MAX);
    let said = String::from_utf8(alice.next_message().body).unwrap();
    let octets = 2 * TEXT.len() + 2 * long.len() + binary.len() + "/stat".len();
    assert!(
        said.contains(&format!(
            "\"received\":6,\"octets\":{octets},\"sent\":5,\"delivered\":5,\"failed\":0"
        )),
        "{said}"
    );
}
