//! The programs `msrp-chat` and `msrp-api` at a Kamailio that asks for digest: they register, and reach each other by it.

use std::fs;

use serde_json::json;

use crate::{
    agents::{Agent, chat},
    api_running::Api,
    kamailio::{Kamailio, find},
};

const UDP: &str = "udp://127.0.0.1:0";

/// Options of who registers there by this transport, with this password.
fn account<'a>(proxy: &'a str, password: &'a str) -> [&'a str; 5] {
    ["--proxy", proxy, "--register", "--password", password]
}

/// Alice calls bob by his name with these options, and says something; exit code and standard error.
fn alice_calls(sip: &str, options: &[&str]) -> (Option<i32>, String) {
    let aor = ["--aor", "sip:alice@127.0.0.1", "--sip", sip];
    let call = ["--call", "sip:bob@127.0.0.1", "--send", "hello"];
    let output = chat(&[&aor, &call, options].concat()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn chats_that_have_registered_are_reached_by_their_names() {
    if !find() {
        return;
    }
    for (transport, algorithm) in [("udp", "MD5"), ("tcp", "SHA-256")] {
        let kamailio = Kamailio::start(algorithm, "1");
        let proxy = format!("sip:127.0.0.1:{};transport={transport}", kamailio.port);
        let sip = format!("{transport}://127.0.0.1:0");
        let registered = account(&proxy, "secret");
        // Nobody has this name yet.
        let (code, errors) = alice_calls(&sip, &registered);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("refused: 404"), "{errors}");
        let mut bob = Agent::start("bob", &sip, &[&registered[..], &["--auto-answer"]].concat());
        let (code, errors) = alice_calls(&sip, &registered);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(bob.event("message")["text"], "hello");
        // Who only calls need not register; who he is is asked all the same.
        let (code, errors) = alice_calls(&sip, &["--proxy", &proxy, "--password", "secret"]);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(bob.event("message")["text"], "hello");
        let (code, errors) = alice_calls(&sip, &["--proxy", &proxy]);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("refused: 407"), "{errors}");
        // Who ends is not reached any more.
        bob.signal("TERM");
        assert_eq!(bob.wait().code(), Some(0));
        let (code, errors) = alice_calls(&sip, &registered);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains("refused: 404"), "{errors}");
    }
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    if !find() {
        return;
    }
    let kamailio = Kamailio::start("MD5", "1");
    let proxy = format!("sip:127.0.0.1:{}", kamailio.port);
    for (options, told) in [
        (
            &account(&proxy, "open sesame")[..],
            "--register: not registered: 401",
        ),
        (&["--proxy", &proxy, "--password", "open sesame"], "refused: 407"),
    ] {
        let (code, errors) = alice_calls(UDP, options);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains(told), "{errors}");
        assert!(!errors.contains("sesame"), "{errors}");
    }
}

#[test]
fn an_api_that_has_registered_calls_and_is_called() {
    if !find() {
        return;
    }
    let kamailio = Kamailio::start("SHA-256", "1");
    let proxy = format!("sip:127.0.0.1:{}", kamailio.port);
    let folder = std::env::temp_dir().join(format!("msrp-registered-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let password = folder.join("password");
    fs::write(&password, "secret\n").unwrap();
    let from_file = format!("@{}", password.display());
    let api = Api::start(&[&account(&proxy, &from_file)[..], &["--auto-answer"]].concat());
    fs::remove_dir_all(&folder).unwrap();
    let mut events = api.events("/events");
    let mut bob = Agent::start(
        "bob",
        UDP,
        &[
            &account(&proxy, "secret")[..],
            &["--auto-answer", "--call", "sip:desk@127.0.0.1", "--stay"],
        ]
        .concat(),
    );
    bob.event("session");
    let session = events.event("session").data;
    assert_eq!(session["peer"]["uri"], "sip:bob@127.0.0.1");
    let id = bob.command(json!({"command": "send", "text": "to the desk"}))["message_id"].clone();
    let message = events.event("message").data;
    assert_eq!(
        (&message["text"], &message["message_id"]),
        (&json!("to the desk"), &id)
    );
    bob.command(json!({"command": "bye"}));
    assert_eq!(events.event("ended").data["regular"], true);
    let called = api.post_json("/sessions", json!({"to": "sip:bob@127.0.0.1"}));
    assert_eq!(called.status, 201, "{called:?}");
    assert_eq!(events.event("session").data["session"], "out-1");
    let sent = api.post("/sessions/out-1/messages", "text/plain", b"from the desk");
    assert_eq!(sent.status, 202, "{sent:?}");
    assert_eq!(bob.event("message")["text"], "from the desk");
    let gone = api.post_json("/sessions", json!({"to": "sip:nobody@127.0.0.1"}));
    assert_eq!(gone.status, 201, "{gone:?}");
    assert_eq!(events.event("ended").data["code"], 404);
}
