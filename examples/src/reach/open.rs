//! Sockets and certificates.

use msrp_core::{
    grammar::Scheme,
    node::{Fingerprint, ListenerId, Node, Target},
};
use msrp_transport::{
    DriverConfig,
    dns::{DnsConfig, DnsResolver},
    driver::Driver,
    layer::Incoming,
    listen::ListenAddress,
    runtime::TokioRuntime,
    tls_config::{ClientCertificates, ClientTls, Identity, ServerTls, server_config},
};
use msrp_ua::sip::rsipstack::{RsipAdapter, RsipConfig, SipTls, StartError};

use super::Reach;
use crate::{failure::Failure, trust};

/// What the program presents by TLS, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Material {
    identity: Option<Identity>,
    client: ClientTls,
    /// For listeners; none where we have no certificate.
    server: Option<ServerTls>,
}

impl Material {
    /// Reads the files. Where there is no certificate in a file and one is needed, one is `made` unless there is one already.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn load(reach: &Reach, made: Option<&Self>) -> Result<Self, Failure> {
        let kept = made.filter(|_| reach.certificate.is_none());
        let identity = match kept {
            Some(made) => made.identity.clone(),
            None => trust::own_identity(reach.certificate.as_ref(), &reach.name(), reach.needs_identity())?,
        };
        let server = identity
            .as_ref()
            .map(|identity| server_config(identity, ClientCertificates::Ignored))
            .transpose()
            .map_err(|error| Failure::asked("--cert", error))?;
        Ok(Self {
            client: trust::client_tls(reach.ca.as_deref(), reach.insecure, identity.clone())?,
            identity,
            server,
        })
    }

    /// By which peers know the certificate of the listener for MSRP; none where it has none.
    pub fn fingerprints(&self, reach: &Reach) -> Vec<Fingerprint> {
        self.identity
            .as_ref()
            .filter(|_| reach.accepts_tls())
            .map(Identity::fingerprint)
            .into_iter()
            .collect()
    }

    /// Has a SIP stack use it from now on; connections that exist stay as they are.
    ///
    /// # Errors
    /// [`Failure::Asked`].
    pub fn apply_to_sip(&self, tls: &SipTls) -> Result<(), Failure> {
        // The name is checked against each host that is connected to.
        let (client, _) = self
            .client
            .config_for(&Target::new(Scheme::Msrps, "sip.invalid", None))
            .map_err(|error| Failure::asked("--ca", error))?;
        let server = self.server.as_ref().map(|server| server.config().clone());
        tls.replace(Some(client), server);
        Ok(())
    }

    /// Has a driver use it from now on; connections that exist stay as they are.
    pub fn apply<N: Node>(&self, driver: &mut Driver<N>) {
        driver.set_client_tls(self.client.clone());
        if let Some(server) = &self.server {
            // A listener without TLS stays without.
            driver.set_listener_tls(ListenerId(0), server.clone());
        }
    }
}

impl Reach {
    /// Starts the SIP stack; its `config` says all but where it listens and how it does TLS, which can be replaced.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_sip(
        &self,
        mut config: RsipConfig,
        material: &Material,
    ) -> Result<(RsipAdapter, SipTls), Failure> {
        config.listen.clone_from(&self.sip);
        config.public_host.clone_from(&self.host);
        let tls = config.tls.clone();
        material.apply_to_sip(&tls)?;
        let adapter = RsipAdapter::start(config).map_err(|error| match error {
            StartError::Listen(..) | StartError::NoCertificate(_) => Failure::asked("--sip", error),
            StartError::Invalid(_) => Failure::asked("--aor, --proxy", error),
            error => Failure::Ran(error.to_string()),
        })?;
        Ok((adapter, tls))
    }

    /// A driver for a node that listens for MSRP; has to be on tokio. Where it listens, with the real port, which the node is
    /// to be told.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open_msrp<N: Node>(
        &self,
        node: N,
        material: &Material,
    ) -> Result<(Driver<N>, ListenAddress), Failure> {
        let mut driver = Driver::new(node, DriverConfig::new(), TokioRuntime::current());
        driver.set_client_tls(material.client.clone());
        if let Ok(dns) = DnsConfig::system() {
            driver.set_resolver(DnsResolver::new(dns));
        }
        let incoming = Incoming::from(material.server.clone().filter(|_| self.accepts_tls()));
        let (_, address) = driver
            .listen(self.msrp, incoming)
            .map_err(|error| Failure::asked("--msrp", error))?;
        Ok((driver, ListenAddress { address, ..self.msrp }))
    }
}
