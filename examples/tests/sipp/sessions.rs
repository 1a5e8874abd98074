//! Whole user agents: with sipp, and with each other under tshark's eyes.

use std::io::{BufRead, BufReader, Write};

use msrp_ua::{call::CallEnd, sip::rsipstack::RsipConfig};

use crate::{
    agent::Agent,
    running::{Sipp, find, port, wait_for_listener},
    tshark,
};

fn agent(name: &str, transport: &str) -> Agent {
    let listen = format!("{transport}://127.0.0.1:0").parse().unwrap();
    Agent::start(RsipConfig::new(format!("sip:{name}@127.0.0.1")).with_listen(listen))
}

async fn wait(sipp: Sipp) {
    tokio::task::spawn_blocking(move || sipp.wait()).await.unwrap();
}

#[tokio::test]
async fn a_user_agent_answers_sipp() {
    if !find() {
        return;
    }
    for transport in ["udp", "tcp"] {
        for scenario in ["uac_call", "uac_offerless"] {
            let mut bob = agent("bob", transport);
            let address = bob.listening[0].address.to_string();
            // Where the offer is ours, so is the connection: to somebody who listens.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let msrp = listener.local_addr().unwrap().port().to_string();
            let sipp = Sipp::start(
                transport,
                scenario,
                &["-key", "msrp_port", &msrp, "-s", "bob", &address],
                port(),
            );
            bob.answer().await;
            wait(sipp).await;
            assert_eq!(bob.ended().await, CallEnd::Peer, "{transport} {scenario}");
        }
    }
}

#[tokio::test]
async fn a_user_agent_calls_sipp_and_talks_to_the_path_in_its_answer() {
    if !find() {
        return;
    }
    for transport in ["udp", "tcp"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let msrp = listener.local_addr().unwrap().port();
        // A peer of few words: it takes one SEND, and tells what was in it.
        let peer = tokio::task::spawn_blocking(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            loop {
                let start = lines.next().unwrap().unwrap();
                let transaction = start.split(' ').nth(1).unwrap().to_owned();
                let end = format!("-------{transaction}$");
                let frame: Vec<String> = lines
                    .by_ref()
                    .map(Result::unwrap)
                    .take_while(|line| *line != end)
                    .collect();
                let field = |name| {
                    frame
                        .iter()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap()
                        .trim()
                        .to_owned()
                };
                let (to, from) = (field("To-Path:"), field("From-Path:"));
                write!(
                    &stream,
                    "MSRP {transaction} 200 OK\r\nTo-Path: {from}\r\nFrom-Path: {to}\r\n{end}\r\n"
                )
                .unwrap();
                if frame.iter().any(|line| line == "hello sipp") {
                    return (to, stream);
                }
            }
        });
        let port = port();
        let sipp = Sipp::start(
            transport,
            "uas_session",
            &["-key", "msrp_port", &msrp.to_string()],
            port,
        );
        if transport == "tcp" {
            wait_for_listener(port);
        }
        let mut alice = agent("alice", transport);
        alice
            .call(format!("sip:sipp@127.0.0.1:{port};transport={transport}"))
            .await;
        let (call, stream) = alice.established().await;
        alice.say(stream.session, "hello sipp").await;
        alice.accepted().await;
        let (to, _stream) = peer.await.unwrap();
        assert_eq!(to, format!("msrp://127.0.0.1:{msrp}/sipp;tcp"));
        alice.end(call).await;
        assert_eq!(alice.ended().await, CallEnd::Local);
        wait(sipp).await;
    }
}

#[tokio::test]
async fn tshark_reads_all_that_two_user_agents_say() {
    if !tshark::find() {
        return;
    }
    let capture = tshark::Capture::start();
    let (mut sip, mut msrp) = (Vec::new(), Vec::new());
    for transport in ["udp", "tcp"] {
        let (mut alice, mut bob) = (agent("alice", transport), agent("bob", transport));
        for agent in [&alice, &bob] {
            sip.push(agent.listening[0]);
            msrp.push(agent.msrp);
        }
        alice
            .call(format!(
                "sip:bob@{};transport={transport}",
                bob.listening[0].address
            ))
            .await;
        bob.answer().await;
        let (call, ours) = alice.established().await;
        let (_, theirs) = bob.established().await;
        alice
            .say(ours.session, "Hello Bob, this is tshark listening.")
            .await;
        assert_eq!(bob.heard().await, "Hello Bob, this is tshark listening.");
        let long = "a line of text that is long enough to need several chunks\r\n".repeat(200);
        bob.say(theirs.session, &long).await;
        assert_eq!(alice.heard().await, long);
        alice.end(call).await;
        assert_eq!(bob.ended().await, CallEnd::Peer);
        assert_eq!(alice.ended().await, CallEnd::Local);
    }
    let seen = capture.read(&sip, &msrp);
    // Of each transport: INVITE, ACK and BYE of SIP; what was said, and the answers, of MSRP.
    for method in ["INVITE", "ACK", "BYE"] {
        assert!(seen.sip(method) >= 2, "{method}: {seen:?}");
    }
    assert!(seen.msrp >= 8, "{seen:?}");
    assert_eq!(seen.malformed, "", "{seen:?}");
}
