//! By which of the relay's networks next hops are reached.

use msrp_core::node::{ListenerId, Target};
use msrp_relay::policy::{Lookup, NextHop, RoutePolicy, RouteQuery};
use msrp_transport::listen::ListenAddress;

use super::{
    SettingsError,
    listeners::{Listener, address, id},
};

/// Next hops by their names, and the listener from whose address they are called; the first that fits counts. Others are
/// called from wherever the operating system likes.
#[derive(Clone, Debug, Default)]
pub struct Interfaces(Vec<(String, ListenerId)>);

impl Interfaces {
    /// Reads texts `NAME=URL`.
    ///
    /// # Errors
    /// [`SettingsError::Wanted`].
    pub(super) fn new(texts: Vec<String>, listeners: &[Listener]) -> Result<Self, SettingsError> {
        let interface = |text: String| {
            let listener = |wanted: ListenAddress| listeners.iter().position(|one| one.address == wanted);
            let parsed = text
                .split_once('=')
                .filter(|(name, _)| !name.trim_start_matches("*.").is_empty())
                .and_then(|(name, url)| {
                    let place = listener(address(url).ok()?)?;
                    Some((name.to_ascii_lowercase(), id(place)))
                });
            parsed.ok_or_else(|| {
                SettingsError::wanted("--interface", &text, "NAME=URL with the URL of a listener")
            })
        };
        texts
            .into_iter()
            .map(interface)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By which listener's network a host is reached, if that was said.
    fn of(&self, host: &str) -> Option<ListenerId> {
        let fits = |name: &str| match name.strip_prefix('*') {
            Some("") => true,
            // One label, as in certificates.
            Some(domain) => host
                .strip_suffix(domain)
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
            None => name == host,
        };
        let found = self.0.iter().find(|(name, _)| fits(name));
        found.map(|&(_, listener)| listener)
    }
}

impl RoutePolicy for Interfaces {
    fn next_hop(&mut self, query: &RouteQuery<'_>) -> Lookup<NextHop> {
        let next = query.next;
        let host = next.normalized_host();
        Lookup::Ready(match self.of(&host) {
            Some(listener) => {
                let target = Target::new(next.scheme(), host, next.port());
                NextHop::Via(target.with_interface(listener))
            }
            None => NextHop::Direct,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{listeners::listeners, websocket::WebSocketOptions};

    fn interfaces(texts: &[&str]) -> Result<Interfaces, SettingsError> {
        let urls = [
            "msrp://192.0.2.1:2855",
            "msrps://192.0.2.1:2856",
            "msrps://[2001:db8::1]:2855",
        ];
        let tables = urls.iter().map(|&url| url.to_owned().into()).collect();
        let (listeners, _) = listeners(tables, None, &WebSocketOptions::default())?;
        Interfaces::new(texts.iter().map(|&text| text.to_owned()).collect(), &listeners)
    }

    #[test]
    fn the_first_name_that_fits_counts() -> Result<(), SettingsError> {
        let interfaces = interfaces(&[
            "a.Office.example=msrps://192.0.2.1:2856",
            "*.office.example=msrps://[2001:db8::1]:2855",
            "*=msrp://192.0.2.1:2855",
        ])?;
        for (host, listener) in [
            ("a.office.example", 1),
            ("b.office.example", 2),
            ("office.example", 0),
            ("c.b.office.example", 0),
            ("198.51.100.7", 0),
        ] {
            assert_eq!(interfaces.of(host), Some(ListenerId(listener)), "{host}");
        }
        Ok(())
    }

    #[test]
    fn an_interface_is_a_listener() {
        for text in [
            "a.example",
            "a.example=",
            "=msrp://192.0.2.1:2855",
            "*.=msrp://192.0.2.1:2855",
            "a.example=192.0.2.1",
            "a.example=msrp://192.0.2.1:2856",
        ] {
            let error = interfaces(&[text]).err().map(|error| error.to_string());
            let told = format!("--interface {text}: ");
            assert!(error.is_some_and(|error| error.starts_with(&told)), "{text}");
        }
    }
}
