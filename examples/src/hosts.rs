//! Names whose addresses are known without asking anybody.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
};

use msrp_transport::resolve::{HostQuery, Resolve};

/// A table of host names and their addresses, as `/etc/hosts` is one; what is not in it another resolver is asked for.
/// A name in it is never looked up in DNS, so there are no SRV records for it either.
#[derive(Clone, Debug, Default)]
pub struct HostTable<R> {
    names: BTreeMap<String, Vec<IpAddr>>,
    beyond: R,
}

impl<R> HostTable<R> {
    /// An empty table.
    pub fn new(beyond: R) -> Self {
        Self {
            names: BTreeMap::new(),
            beyond,
        }
    }

    /// Adds an address of a name; several are tried in this order.
    pub fn with(mut self, name: &str, address: IpAddr) -> Self {
        self.names
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(address);
        self
    }
}

impl<R: Resolve> Resolve for HostTable<R> {
    fn resolve(&self, query: &HostQuery) -> io::Result<Vec<SocketAddr>> {
        match self.names.get(&query.host.to_ascii_lowercase()) {
            Some(addresses) => Ok(addresses
                .iter()
                .map(|&address| SocketAddr::new(address, query.port_or_default()))
                .collect()),
            None => self.beyond.resolve(query),
        }
    }
}

#[cfg(test)]
mod tests {
    use msrp_core::grammar::Scheme;

    use super::*;

    /// Knows nobody.
    struct Nobody;

    impl Resolve for Nobody {
        fn resolve(&self, _: &HostQuery) -> io::Result<Vec<SocketAddr>> {
            Err(io::Error::from(io::ErrorKind::NotFound))
        }
    }

    #[test]
    fn a_name_in_the_table_is_not_asked_for_elsewhere() -> Result<(), Box<dyn std::error::Error>> {
        let table = HostTable::new(Nobody)
            .with("Inner.Example.com", "192.0.2.1".parse()?)
            .with("inner.example.com", "2001:db8::1".parse()?);
        let found = table.resolve(&HostQuery::new(Scheme::Msrps, "inner.EXAMPLE.com", Some(7)))?;
        assert_eq!(found, ["192.0.2.1:7".parse()?, "[2001:db8::1]:7".parse()?]);
        let found = table.resolve(&HostQuery::new(Scheme::Msrps, "inner.example.com", None))?;
        assert!(found.iter().all(|address| address.port() == 2855));
        let other = HostQuery::new(Scheme::Msrps, "outer.example.com", Some(7));
        assert!(table.resolve(&other).is_err());
        Ok(())
    }
}
