//! `msrp-chat` on a terminal, as a person sees it.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    agents::Agent,
    pty::Terminal,
    running::{Folder, PATIENCE},
};

const UDP: &str = "udp://127.0.0.1:0";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";
const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";

/// Alice at a terminal has called bob.
fn alice_and_bob(options: &[&str]) -> (Terminal, Agent) {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let uri = bob.uri("bob");
    let mut all = vec!["--call", &uri];
    all.extend(options);
    let alice = Terminal::chat("alice", &all);
    bob.event("session");
    alice.row("you talk with sip:bob@");
    (alice, bob)
}

#[test]
fn lines_are_sent_and_shown_with_ticks_and_who_types() {
    let (mut alice, mut bob) = alice_and_bob(&[]);
    alice.press("hel");
    assert_eq!(bob.event("composing")["active"], true);
    alice.last_row("> hel");
    alice.press("lo\r");
    let message = bob.event("message");
    assert_eq!(message["text"], "hello");
    alice.row("me: hello ✓✓");
    bob.command(json!({"command": "displayed", "message_id": message["message_id"]}));
    bob.command(json!({"command": "composing", "active": true}));
    alice.row("bob is typing …");
    bob.command(json!({"command": "composing", "active": false}));
    alice.no_row("is typing");
    let id =
        bob.command(json!({"command": "send", "text": "hello yourself\nand so on"}))["message_id"].clone();
    alice.row("bob: hello yourself");
    bob.wait_for("that it is seen", |event| {
        event["message_id"] == id && event["status"] == "displayed"
    });
    alice.press("bye\r");
    let rows = alice.wait_for("the last tick", |rows| {
        rows.iter().any(|row| row.ends_with("me: bye ✓✓")) && rows.last().is_some_and(|row| row == ">")
    });
    // Nothing is left of what has gone, and nothing is shown twice.
    let talk = rows.iter().position(|row| row.contains("you talk with")).unwrap();
    let said: Vec<&str> = rows[talk + 1..]
        .iter()
        .map(|row| row.get(6..).unwrap_or(row))
        .collect();
    assert_eq!(
        said,
        [
            "me: hello ✓✓",
            "bob: hello yourself",
            "  and so on",
            "me: bye ✓✓",
            ">"
        ]
    );
    alice.press("/quit\r");
    assert_eq!(alice.wait().code(), Some(0));
    assert_eq!(bob.event("ended")["reason"], "ended by the peer");
}

#[test]
fn what_was_typed_comes_back_and_ctrl_c_gives_it_up() {
    let (mut alice, mut bob) = alice_and_bob(&[]);
    for text in ["one", "two"] {
        alice.press(format!("{text}\r"));
        assert_eq!(bob.event("message")["text"], text);
    }
    alice.row("me: two ✓✓");
    alice.press("draft");
    for (key, line) in [
        (UP, "> two"),
        (UP, "> one"),
        (UP, "> one"),
        (DOWN, "> two"),
        (DOWN, "> draft"),
        (CTRL_C, ">"),
    ] {
        alice.press(key);
        alice.last_row(line);
    }
    alice.press("/he\t");
    alice.last_row("> /help");
    alice.press("\r");
    alice.row("/refuse [CODE]");
    alice.press(CTRL_C);
    assert_eq!(alice.wait().code(), Some(0));
    assert_eq!(bob.event("ended")["regular"], true);
}

#[test]
fn the_end_of_input_ends_it() {
    let (mut alice, mut bob) = alice_and_bob(&[]);
    alice.press(CTRL_D);
    assert_eq!(alice.wait().code(), Some(0));
    alice.row("the session with bob is over: ended");
    assert_eq!(bob.event("ended")["regular"], true);
}

#[test]
fn a_paste_of_many_lines_arrives_whole_and_in_order() {
    let (alice, mut bob) = alice_and_bob(&[]);
    let lines: Vec<String> = (0..600).map(|number| format!("line {number}")).collect();
    alice.press(format!("{}\r", lines.join("\r")));
    let (mut heard, begun) = (String::new(), Instant::now());
    while heard.lines().count() < lines.len() {
        let message = bob.wait_within(Duration::from_millis(200), |event| event["event"] == "message");
        match message {
            Some(message) => {
                heard.push_str(message["text"].as_str().unwrap());
                heard.push('\n');
            }
            // Where they came faster than they could be sent the last ones wait to be sent together; else it does nothing.
            None => alice.press("\r"),
        }
        assert!(begun.elapsed() < PATIENCE, "{heard}");
    }
    assert!(heard.lines().eq(lines.iter().map(String::as_str)), "{heard}");
    // What a terminal says is a paste is one message.
    alice.press("\x1b[200~first\rsecond\r\rlast\x1b[201~");
    alice.row("last");
    alice.press("\r");
    assert_eq!(bob.event("message")["text"], "first\nsecond\n\nlast");
}

#[test]
fn more_than_the_peer_takes_is_not_sent() {
    let (alice, mut bob) = alice_and_bob(&[]);
    // Terminals have little room for what is not read yet.
    let text = "x".repeat(3_000_000);
    alice.press(format!("\x1b[200~{text}\x1b[201~\r"));
    alice.row("not sent: the peer takes at most 1048576 octets");
    alice.press("less\r");
    assert_eq!(bob.event("message")["text"], "less");
}

#[test]
fn what_others_send_does_nothing_to_the_terminal() {
    let (alice, mut bob) = alice_and_bob(&[]);
    bob.command(json!({"command": "send", "text": "\u{1b}[2J\u{1b}[Hgone\u{7}\u{202e}?\u{9b}1m"}));
    // The terminal of this test shows nothing for U+FFFD.
    let row = alice.row("gone").replace('\u{fffd}', "");
    assert!(row.ends_with("bob: [2J[Hgone?1m"), "{row}");
    alice.row("listening on udp://");
    bob.command(json!({"command": "send", "base64": "AAEC", "content_type": "image/png"}));
    alice.row("bob: [image/png, 3 octets]");
}

#[test]
fn what_is_typed_and_is_not_utf_8_is_dropped() {
    let (alice, mut bob) = alice_and_bob(&[]);
    alice.press(b"caf\xe9 \r");
    alice.row("is not UTF-8");
    alice.last_row(">");
    alice.press("café\r");
    bob.wait_for("what is", |event| event["text"] == "café");
    alice.row("me: café ✓✓");
}

#[test]
fn a_window_may_change_its_size() {
    let (alice, mut bob) = alice_and_bob(&[]);
    alice.resize(12, 40);
    // It has room behind the prompt, but not behind time and name. (Until the editor has heard of the new size, which nobody sees, it
    // would count the rows of more than that by the old one.)
    alice.press(format!("{}end\r", "line ".repeat(6)));
    alice.row("end ✓✓");
    assert_eq!(bob.event("message")["text"], "line line line line line line end");
    bob.command(json!({"command": "send", "text": "word ".repeat(20)}));
    alice.row("bob: word");
    alice.resize(30, 100);
    alice.press("wide\r");
    assert_eq!(bob.event("message")["text"], "wide");
    alice.row("me: wide ✓✓");
    alice.last_row(">");
}

#[test]
fn who_calls_is_asked_about() {
    let mut alice = Terminal::chat("alice", &[]);
    let mut bob = Agent::start("bob", UDP, &["--call", &alice.address, "--stay"]);
    alice.row("sip:bob@127.0.0.1 calls; /accept or /refuse?");
    alice.press("hello\r");
    alice.row("bob calls; /accept first");
    alice.press("/call sip:carol@127.0.0.1\r");
    alice.row("bob calls; /accept or /refuse first");
    alice.press("/refuse 603\r");
    let ended = bob.event("ended");
    assert_eq!((&ended["code"], &ended["regular"]), (&json!(603), &json!(false)));
    alice.row("the session with bob is over: refused with 603");
    alice.press("hello\r");
    alice.row("nobody is there; /call SIPURI calls");
    // Now the other way round: bob lets it ring.
    alice.press(format!("/call {}\r", bob.uri("bob")));
    alice.row("calling sip:bob@");
    bob.event("call");
    alice.row("it rings");
    alice.press("hello\r");
    alice.row("bob has not answered yet");
    alice.press("/bye\r");
    bob.event("ended");
    alice.row("the call is over");
    alice.press(CTRL_D);
    assert_eq!(alice.wait().code(), Some(0));
    // Who answers without asking does not ask.
    let alice = Terminal::chat("alice", &["--auto-answer"]);
    bob.command(json!({"command": "call", "to": alice.address}));
    alice.row("you talk with sip:bob@");
    assert!(alice.row("calls").ends_with("calls"));
    // A second one who calls is told that the line is busy.
    let mut carol = Agent::start("carol", UDP, &["--call", &alice.address, "--stay"]);
    assert_eq!(carol.event("ended")["code"], 486);
}

#[test]
fn a_file_has_a_bar_while_it_passes() {
    let folder = Folder::new();
    let (long, short) = (folder.path().join("long"), folder.file("s.txt", "a few words"));
    fs::File::create(&long).unwrap().set_len(1 << 31).unwrap();
    let inbox = folder.path().join("in");
    let (alice, mut bob) = alice_and_bob(&["--save-dir", inbox.to_str().unwrap()]);
    let sending = bob.command(json!({"command": "send-file", "path": long.to_str().unwrap()}));
    alice.row("bob sends long (2.00 GiB)");
    // It is all in one row.
    let bar = alice.row(" %  ");
    assert!(
        bar.starts_with("      long ") && bar.contains("/2.00 GiB"),
        "{bar}"
    );
    // Unless it is through already it is given up.
    bob.command(json!({"command": "cancel-file", "file": sending["file"]}));
    alice.wait_for("what became of it", |rows| {
        let ended = |row: &String| row.contains("long (2.00 GiB) ✗") || row.contains("is saved as");
        rows.iter().any(ended) && !rows.iter().any(|row| row.contains(" %  "))
    });
    bob.command(json!({"command": "send-file", "path": short}));
    alice.row("s.txt (11 B) is saved as ");
    assert_eq!(fs::read(inbox.join("s.txt")).unwrap(), b"a few words");
    // Bob has no folder.
    alice.press(format!("/send {short}\r"));
    alice.row("s.txt (11 B) ✗ the other side does not want it");
    alice.press("/send /nowhere\r");
    alice.row("not sent: /nowhere: ");
    assert_eq!(
        bob.event("file-offered")["reason"],
        "there is no folder for files (--save-dir)"
    );
}

#[test]
fn a_shell_gets_the_terminal_back() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut shell = Terminal::start(24, 100, "sh", &["-i"]);
    shell.last_row("$");
    let chat = format!(
        "{} --aor sip:alice@127.0.0.1 --sip {UDP} --call {}\r",
        env!("CARGO_BIN_EXE_msrp-chat"),
        bob.uri("bob")
    );
    shell.press(chat);
    bob.event("session");
    shell.row("you talk with sip:bob@");
    shell.press("half a line");
    shell.last_row("> half a line");
    shell.press(CTRL_Z);
    shell.last_row("$");
    shell.press("echo $((6 * 7))\r");
    shell.row("42");
    bob.command(json!({"command": "send", "text": "are you asleep?"}));
    shell.press("fg\r");
    shell.row("bob: are you asleep?");
    shell.last_row("> half a line");
    // The editor has the terminal: it takes away what was typed.
    shell.press("\r");
    assert_eq!(bob.event("message")["text"], "half a line");
    shell.row("me: half a line ✓✓");
    shell.last_row(">");
    shell.press(CTRL_D);
    bob.event("ended");
    shell.last_row("$");
    shell.press("stty -a | grep -e ' -icanon' -e ' -echo ' || echo rest''ored\r");
    shell.row("restored");
    shell.press("exit\r");
    shell.wait();
}

/// Alice calls bob on a terminal of so many rows and columns, with this in the environment.
fn alice_with(variable: &str, (rows, columns): (u16, u16), bob: &Agent) -> Terminal {
    let arguments = [
        variable,
        env!("CARGO_BIN_EXE_msrp-chat"),
        "--aor",
        "sip:alice@127.0.0.1",
        "--sip",
        UDP,
        "--call",
        &bob.uri("bob"),
    ];
    Terminal::start(rows, columns, "env", &arguments)
}

#[test]
fn logs_stand_above_the_prompt() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    // Nothing scrolls away.
    let mut alice = alice_with("RUST_LOG=msrp_ua=debug,msrp_transport=debug", (100, 200), &bob);
    alice.wait_until_ready("alice");
    bob.event("session");
    alice.row("you talk with");
    alice.press("/bye\r");
    bob.event("ended");
    alice.row("is over");
    let rows = alice.last_row(">");
    let logged = |row: &&String| row.contains("msrp_ua") || row.contains("msrp_transport");
    assert!(rows.iter().any(|row| logged(&row)), "{rows:#?}");
    // Each begins a row.
    for row in rows.iter().filter(logged) {
        assert!(row.starts_with("20"), "{rows:#?}");
    }
}

/// Such as the shell of an editor has: lines go in and come out, and nothing is drawn.
#[test]
fn on_a_terminal_without_a_cursor_lines_are_said_and_shown() {
    let mut bob = Agent::start("bob", UDP, &["--auto-answer"]);
    let mut alice = alice_with("TERM=dumb", (24, 80), &bob);
    alice.row("you talk with sip:bob@");
    alice.press("hello\r");
    assert_eq!(bob.event("message")["text"], "hello");
    alice.row("✓✓ hello");
    alice.press("/quit\r");
    assert_eq!(alice.wait().code(), Some(0));
    assert_eq!(bob.event("ended")["regular"], true);
}
