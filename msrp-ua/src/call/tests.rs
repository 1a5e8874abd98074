//! What calls leave behind: nothing.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

use std::time::Instant;

use super::{CallAnswer, OutgoingCall};
use crate::{
    UserAgent, UserAgentConfig, UserAgentEvent,
    sip::{SipLoopback, SipParty},
};
use msrp_core::node::Node;

#[test]
fn a_call_leaves_nothing_behind() {
    let now = Instant::now();
    let mut a = UserAgent::new(now, UserAgentConfig::new("a.example.com", 2855, false), [1; 32]);
    let mut b = UserAgent::new(now, UserAgentConfig::new("b.example.com", 2855, false), [2; 32]);
    let mut sip = SipLoopback::new();
    let call = a
        .call(OutgoingCall::new(SipParty::new("sip:b@b.example.com")))
        .unwrap();
    sip.run(now, &mut a, &mut b);
    let Some(UserAgentEvent::IncomingCall(incoming)) = b.poll_event() else {
        panic!("no call");
    };
    b.answer_call(incoming.call, CallAnswer::new()).unwrap();
    sip.run(now, &mut a, &mut b);
    assert_eq!(a.session_count() + b.session_count(), 2);
    a.end_call(call).unwrap();
    sip.run(now, &mut a, &mut b);
    assert!(a.calls.is_empty() && b.calls.is_empty());
    assert_eq!(a.session_count() + b.session_count(), 0);
}
