//! Names of relays: those of the configuration, and those of certificates.

use msrp_core::grammar::{Host, Scheme, Uri};

/// Which relays may speak for clients behind them.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowList {
    /// DNS names, and `*.` with a domain.
    pub(crate) names: Vec<String>,
    /// Whatever a certificate proves.
    pub(crate) any: bool,
}

impl AllowList {
    /// Whether nobody may.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.any
    }

    /// Whether this relay may.
    pub(crate) fn allows(&self, host: &str) -> bool {
        self.any || self.names(host)
    }

    /// Whether this relay is named, so that nobody else may pass for it.
    pub(crate) fn names(&self, host: &str) -> bool {
        covered(&self.names, host)
    }

    /// The first name that is none.
    pub(crate) fn wrong_name(&self) -> Option<&str> {
        self.names
            .iter()
            .map(String::as_str)
            .find(|name| !is_dns_name(name.strip_prefix("*.").unwrap_or(name)))
    }
}

/// Whether any of these names is the host's: itself in any case of letters, or `*.` for one label (RFC 6125 §6.4).
pub(crate) fn covered(names: &[String], host: &str) -> bool {
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(domain) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        None => name.eq_ignore_ascii_case(host),
    })
}

fn is_dns_name(name: &str) -> bool {
    Uri::build(Scheme::Msrps, name, 2855, None, "tcp").is_ok_and(|uri| matches!(uri.host(), Host::Name(_)))
        && !name.contains(['*', '%'])
        && name.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> AllowList {
        AllowList {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            any: false,
        }
    }

    #[test]
    fn a_name_is_itself_and_a_star_is_one_label() {
        let list = list(&["Relay.example.com", "*.example.net"]);
        for host in [
            "relay.example.com",
            "RELAY.EXAMPLE.COM",
            "a.example.net",
            "b.EXAMPLE.net",
        ] {
            assert!(list.allows(host), "{host}");
        }
        for host in [
            "example.com",
            "a.relay.example.com",
            "example.net",
            ".example.net",
            "a.b.example.net",
            "aexample.net",
            "a.example.net.org",
            "",
        ] {
            assert!(!list.allows(host), "{host}");
        }
        let any = AllowList {
            any: true,
            ..AllowList::default()
        };
        assert!(any.allows("relay.example.com") && !any.names("relay.example.com"));
        assert!(!AllowList::default().allows("relay.example.com"));
    }

    #[test]
    fn what_is_no_name_is_found() {
        for name in [
            "",
            "*",
            "*.",
            "a..b",
            "*.*.example.net",
            "a b",
            "192.0.2.1",
            "[::1]",
            "a/b",
        ] {
            assert_eq!(list(&["relay.example.com", name]).wrong_name(), Some(name));
        }
        for name in [
            "relay",
            "relay.example.com",
            "*.example.com",
            "localhost",
            "r_1.example",
        ] {
            assert_eq!(list(&[name]).wrong_name(), None, "{name}");
        }
    }
}
