//! Listeners, as the driver and the relay want them.

use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, TransportKind},
};
use msrp_relay::RelayListener;
use msrp_transport::{
    layer::{Incoming, WebSocketConfig},
    listen::ListenAddress,
    tls_config::ServerTls,
};

/// What stands above the connections of a listener.
pub(super) fn incoming(address: &ListenAddress, tls: Option<&ServerTls>) -> Incoming {
    let incoming = Incoming::from(tls.filter(|_| address.scheme == Scheme::Msrps).cloned());
    match address.transport {
        TransportKind::WebSocket => incoming.with_websocket(WebSocketConfig::new()),
        _ => incoming,
    }
}

/// The listener with this number, as URIs name it: one for WebSocket is named as one for TLS or TCP, where the peers of
/// browsers reach the relay (RFC 7977 §5.3), if there is one.
pub(super) fn named(all: &[ListenAddress], index: usize) -> Option<RelayListener> {
    let address = all.get(index)?;
    let named = RelayListener::new(ListenerId(index as u16), address.scheme, address.address.port());
    if address.transport != TransportKind::WebSocket {
        return Some(named);
    }
    let stream = |scheme: Option<Scheme>| {
        all.iter().position(|other| {
            other.transport == TransportKind::Tcp && scheme.is_none_or(|scheme| other.scheme == scheme)
        })
    };
    Some(match stream(Some(address.scheme)).or_else(|| stream(None)) {
        Some(other) => named.named_as(ListenerId(other as u16)),
        None => named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listeners: &[&str]) -> Vec<Option<RelayListener>> {
        let all: Vec<ListenAddress> = listeners.iter().map(|text| text.parse().unwrap()).collect();
        (0..=all.len()).map(|index| named(&all, index)).collect()
    }

    #[test]
    fn websocket_listeners_are_named_as_others() {
        let own = |id, scheme, port| RelayListener::new(ListenerId(id), scheme, port);
        let (tcp, tls) = (Scheme::Msrp, Scheme::Msrps);
        assert_eq!(
            names(&[
                "ws://127.0.0.1:80",
                "msrp://127.0.0.1:2855",
                "wss://127.0.0.1:443",
                "msrps://127.0.0.1:2856"
            ]),
            [
                Some(own(0, tcp, 80).named_as(ListenerId(1))),
                Some(own(1, tcp, 2855)),
                Some(own(2, tls, 443).named_as(ListenerId(3))),
                Some(own(3, tls, 2856)),
                None
            ]
        );
        assert_eq!(
            names(&["wss://127.0.0.1:443", "msrp://127.0.0.1:2855"])[0],
            Some(own(0, tls, 443).named_as(ListenerId(1)))
        );
        assert_eq!(names(&["wss://127.0.0.1:443"])[0], Some(own(0, tls, 443)));
    }
}
