//! What a peer says outside of a dialog, and within one.

use crate::{
    peer::{Peer, Said, Text},
    side::{OFFER, Side},
};

pub(crate) fn text(octets: &'static [u8]) -> &'static str {
    str::from_utf8(octets).unwrap()
}

pub(crate) fn udp(side: &Side) -> std::net::SocketAddr {
    side.adapter.listening()[0].address
}

/// The request of a peer outside of dialogs.
pub(crate) fn outside<'a>(method: &'a str, uri: &'a str, branch: &'a str) -> Said<'a> {
    Said {
        method,
        uri,
        branch,
        seq: 1,
        call_id: "one",
        to: "<sip:bob@127.0.0.1>",
        more: "",
        body: "",
    }
}

pub(crate) const SDP: &str = "Content-Type: application/sdp\r\n";

/// The peer calls, and the side answers with this SDP.
pub(crate) async fn called(peer: &Peer, bob: &mut Side) -> (msrp_ua::sip::CallId, Text) {
    let uri = bob.uri();
    let invite = peer.request(&Said {
        more: SDP,
        body: text(OFFER),
        ..outside("INVITE", &uri, "invite")
    });
    peer.send(udp(bob), &invite).await;
    peer.response_of(100).await;
    let call = bob.invited().await;
    bob.answer(call).await;
    let ok = peer.response_of(200).await;
    (call, ok)
}

/// A request of the peer in a dialog that it has begun.
pub(crate) fn inside<'a>(ok: &'a Text, method: &'a str, branch: &'a str, seq: u32) -> Said<'a> {
    Said {
        method,
        uri: ok.contact(),
        branch,
        seq,
        call_id: "one",
        to: ok.get("To"),
        more: "",
        body: "",
    }
}
