//! Transfers that were offered before.

use msrp_ua::{UserAgentEvent, call::CallAnswer, sip::SipInput};

use crate::peer::{Alone, sdp};

fn asked(agent: &Alone) -> usize {
    let is_asked = |event: &&UserAgentEvent| matches!(event, UserAgentEvent::StreamsOffered { .. });
    agent.events.iter().filter(is_asked).count()
}

// shows: 5547-8.3.2-02, 5547-8.1-05
#[test]
fn nobody_is_asked_twice_of_one_transfer() {
    let mut agent = Alone::new();
    let chat = |version: u64, files: usize| {
        let mut body = String::from_utf8(sdp(version, &["peer0001"], "")).unwrap();
        for number in 0..files {
            body.push_str(&format!(
                "m=message 7000 TCP/MSRP *\r\na=accept-types:*\r\na=sendonly\r\na=file-selector:size:9\r\n\
                 a=file-transfer-id:one\r\na=path:msrp://p.example.com:7000/file{number};tcp\r\n"
            ));
        }
        body.into_bytes()
    };
    let call = agent.invite(Some(chat(1, 0)));
    agent.agent.answer_call(call, CallAnswer::new()).unwrap();
    agent.run();
    agent.say(SipInput::Acknowledged { call, answer: None });
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(chat(2, 1).into()),
    });
    assert_eq!(asked(&agent), 1);
    // What is not accepted is declined.
    agent.agent.answer_streams(call, CallAnswer::new()).unwrap();
    agent.run();
    let first = agent.said();
    assert!(
        first.contains("m=message 0 ") && first.contains("a=file-transfer-id:one"),
        "{first}"
    );
    agent.say(SipInput::Acknowledged { call, answer: None });
    agent.say(SipInput::Reinvite {
        call,
        offer: Some(chat(3, 2).into()),
    });
    assert_eq!(asked(&agent), 1);
    let answer = agent.said();
    assert_eq!(answer.matches("m=message 0 ").count(), 2, "{answer}");
    assert_eq!(answer.matches("a=file-transfer-id:one").count(), 2);
}
