//! Listeners: what is said of each, and how the driver and the relay want it.

use std::net::SocketAddr;

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

use super::{SettingsError, file::ListenTable, websocket::WebSocketOptions};

/// A listener, as it was asked for.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: ListenAddress,
    /// The name of this machine in the URIs of those who come in by it; none where that is the relay's.
    pub host: Option<String>,
    /// Which listener these URIs name; the listener itself in most cases.
    pub named_as: usize,
    /// Bounds and rules of WebSocket.
    pub(super) websocket: WebSocketConfig,
}

/// The listeners of these tables. `relay_host` is the name of the relay, if there is one: without it each listener is named by
/// its address. Answers the relay's name, too.
///
/// # Errors
/// [`SettingsError`].
pub(super) fn listeners(
    tables: Vec<ListenTable>,
    relay_host: Option<String>,
    websocket: &WebSocketOptions,
) -> Result<(Vec<Listener>, String), SettingsError> {
    let addresses = tables
        .iter()
        .map(|table| address(&table.url))
        .collect::<Result<Vec<_>, _>>()?;
    for (place, one) in addresses.iter().enumerate() {
        let before = addresses.iter().take(place);
        let taken = |other: &ListenAddress| other.address == one.address;
        if one.address.port() != 0 && before.into_iter().any(taken) {
            let wanted = "an address that no other listener has";
            return Err(SettingsError::wanted("--listen", &one.to_string(), wanted));
        }
    }
    let mut listeners = Vec::with_capacity(tables.len());
    for (own, (table, &address)) in tables.into_iter().zip(&addresses).enumerate() {
        let is_websocket = address.transport == TransportKind::WebSocket;
        if !is_websocket && !table.websocket().is_empty() {
            return Err(SettingsError::wanted(
                "--listen",
                &table.url,
                "a ws:// or wss:// listener, as it has settings of WebSocket",
            ));
        }
        let named_as = match &table.named_as {
            Some(_) if table.host.is_some() => {
                let wanted = "either a host or another listener that it is named as";
                return Err(SettingsError::wanted("--listen", &table.url, wanted));
            }
            Some(other) => other_listener(&addresses, own, other)?,
            // Who gives it a name of its own means that.
            None if is_websocket && table.host.is_none() => reached_as(&addresses, own),
            None => own,
        };
        let host = match &table.host {
            None if relay_host.is_none() && named_as == own => Some(address_host(address)?),
            host => host.clone(),
        };
        listeners.push(Listener {
            address,
            host,
            named_as,
            websocket: table.websocket().or(websocket).config()?,
        });
    }
    for (own, listener) in listeners.iter().enumerate() {
        if listeners
            .get(listener.named_as)
            .is_some_and(|other| other.named_as != listener.named_as)
        {
            let wanted = "another listener, which is not named as a third";
            return Err(SettingsError::wanted(
                "--listen",
                &addresses[own].to_string(),
                wanted,
            ));
        }
    }
    let first = listeners.iter().find_map(|listener| listener.host.clone());
    let host = relay_host.or(first).ok_or(SettingsError::NoListener)?;
    Ok((listeners, host))
}

pub(super) fn address(url: &str) -> Result<ListenAddress, SettingsError> {
    url.parse()
        .map_err(|error| SettingsError::Listen(url.to_owned(), error))
}

/// The name of a listener that has none but its address.
fn address_host(listener: ListenAddress) -> Result<String, SettingsError> {
    match listener.address {
        address if address.ip().is_unspecified() => Err(SettingsError::NoHost(listener)),
        SocketAddr::V4(address) => Ok(address.ip().to_string()),
        SocketAddr::V6(address) => Ok(format!("[{}]", address.ip())),
    }
}

/// The place of the listener with this URL.
fn other_listener(all: &[ListenAddress], own: usize, url: &str) -> Result<usize, SettingsError> {
    let wanted = address(url)?;
    let other = all
        .iter()
        .position(|&one| one == wanted)
        .filter(|&place| place != own);
    other.ok_or_else(|| SettingsError::wanted("--listen: as", url, "the URL of another listener"))
}

/// A listener for WebSocket is named as one for TLS or TCP, where the peers of browsers reach the relay (RFC 7977 §5.3), if
/// there is one: one with the same security, on the same network.
fn reached_as(all: &[ListenAddress], own: usize) -> usize {
    let Some(wanted) = all.get(own) else { return own };
    let unlike = |(_, other): &(usize, &ListenAddress)| {
        let (there, here) = (other.address.ip(), wanted.address.ip());
        (
            other.scheme != wanted.scheme,
            there != here,
            there.is_ipv4() != here.is_ipv4(),
        )
    };
    let streams = all
        .iter()
        .enumerate()
        .filter(|(_, other)| other.transport == TransportKind::Tcp);
    streams.min_by_key(unlike).map_or(own, |(place, _)| place)
}

/// The number by which driver and relay know the listener at this place.
pub(super) fn id(place: usize) -> ListenerId {
    ListenerId(place as u16)
}

impl Listener {
    /// What stands above its connections.
    pub(super) fn incoming(&self, tls: Option<&ServerTls>) -> Incoming {
        let incoming = Incoming::from(tls.filter(|_| self.address.scheme == Scheme::Msrps).cloned());
        match self.address.transport {
            TransportKind::WebSocket => incoming.with_websocket(self.websocket.clone()),
            _ => incoming,
        }
    }

    /// As the relay names it; `place` is its own, `port` the real one.
    pub(super) fn named(&self, place: usize, port: u16) -> RelayListener {
        let mut named = RelayListener::new(id(place), self.address.scheme, port);
        if let Some(host) = &self.host {
            named = named.host(host);
        }
        if self.named_as == place {
            named
        } else {
            named.named_as(id(self.named_as))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(tables: Vec<ListenTable>, host: Option<&str>) -> Result<Vec<RelayListener>, String> {
        let (listeners, _) = listeners(tables, host.map(str::to_owned), &WebSocketOptions::default())
            .map_err(|error| error.to_string())?;
        let named = listeners.iter().enumerate();
        Ok(named
            .map(|(place, listener)| listener.named(place, listener.address.address.port()))
            .collect())
    }

    fn urls(urls: &[&str]) -> Vec<ListenTable> {
        urls.iter().map(|&url| url.to_owned().into()).collect()
    }

    fn own(place: u16, scheme: Scheme, port: u16) -> RelayListener {
        RelayListener::new(ListenerId(place), scheme, port)
    }

    const TCP: Scheme = Scheme::Msrp;
    const TLS: Scheme = Scheme::Msrps;

    #[test]
    fn websocket_listeners_are_named_as_others() {
        let listen = urls(&[
            "ws://127.0.0.1:80",
            "msrp://127.0.0.1:2855",
            "wss://127.0.0.1:443",
            "msrps://127.0.0.1:2856",
            "msrps://[::1]:2857",
            "wss://[::1]:444",
        ]);
        assert_eq!(
            all(listen, Some("a.example")),
            Ok(vec![
                own(0, TCP, 80).named_as(ListenerId(1)),
                own(1, TCP, 2855),
                own(2, TLS, 443).named_as(ListenerId(3)),
                own(3, TLS, 2856),
                own(4, TLS, 2857),
                own(5, TLS, 444).named_as(ListenerId(4)),
            ])
        );
        let both = urls(&["wss://127.0.0.1:443", "msrp://127.0.0.1:2855"]);
        let named = own(0, TLS, 443).named_as(ListenerId(1));
        assert_eq!(all(both, Some("a.example")), Ok(vec![named, own(1, TCP, 2855)]));
        let alone = all(urls(&["wss://127.0.0.1:443"]), Some("a.example"));
        assert_eq!(alone, Ok(vec![own(0, TLS, 443)]));
    }

    #[test]
    fn without_a_name_each_is_named_by_its_address() {
        let listen = urls(&["msrp://127.0.0.1:1", "msrp://[::1]:2", "ws://[::1]:3"]);
        assert_eq!(
            all(listen, None),
            Ok(vec![
                own(0, TCP, 1).host("127.0.0.1"),
                own(1, TCP, 2).host("[::1]"),
                own(2, TCP, 3).named_as(ListenerId(1)),
            ])
        );
        let anywhere = all(urls(&["msrp://127.0.0.1:1", "msrp://[::]:2"]), None);
        assert!(anywhere.is_err_and(|error| error.starts_with("--listen msrp://[::]:2: ")));
    }

    #[test]
    fn what_a_table_says_is_checked() {
        let table = |url: &str, host: Option<&str>, named_as: Option<&str>| ListenTable {
            host: host.map(str::to_owned),
            named_as: named_as.map(str::to_owned),
            ..url.to_owned().into()
        };
        let (one, two, three) = ("msrp://[::1]:1", "msrp://[::1]:2", "ws://[::1]:3");
        let good = vec![
            table(one, Some("a.example"), None),
            table(two, None, Some(one)),
            table(three, Some("b.example"), None),
        ];
        assert_eq!(
            all(good, Some("r.example")),
            Ok(vec![
                own(0, TCP, 1).host("a.example"),
                own(1, TCP, 2).named_as(ListenerId(0)),
                own(2, TCP, 3).host("b.example"),
            ])
        );
        for (wrong, told) in [
            (vec![table(one, None, Some(one))], "--listen: as msrp://[::1]:1: "),
            (vec![table(one, None, Some(two))], "--listen: as msrp://[::1]:2: "),
            (
                vec![table(one, None, None), table(two, Some("a.example"), Some(one))],
                "--listen msrp://[::1]:2: ",
            ),
            (
                vec![table(one, None, Some(two)), table(two, None, Some(one))],
                "--listen msrp://[::1]:1: ",
            ),
            (vec![table("msrp://[::1]", None, None)], "--listen msrp://[::1]: "),
        ] {
            let error = all(wrong, Some("r.example")).err().unwrap_or_default();
            assert!(error.starts_with(told), "{error:?}");
        }
        let pinged = ListenTable {
            websocket_ping: Some(1),
            ..one.to_owned().into()
        };
        let error = all(vec![pinged], Some("r.example")).err().unwrap_or_default();
        assert!(
            error.starts_with("--listen msrp://[::1]:1: a ws:// or wss://"),
            "{error:?}"
        );
    }
}
