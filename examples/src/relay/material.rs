//! Certificates, as the relay's listeners and connects use them: read when it starts, and again on SIGHUP.

use std::path::Path;

use msrp_core::node::{Fingerprint, ListenerId};
use msrp_relay::Relay;
use msrp_transport::{
    mio_driver::Server,
    tls_config::{
        ClientCertificates, ClientTls, Identity, RootCertStore, ServerTls, TlsConfigError, roots_from_pem,
        server_config,
    },
};

use super::{
    Settings, SettingsError,
    settings::{self, CertificateFiles},
};

/// What the relay presents, and whom it trusts.
#[derive(Clone, Debug)]
pub(super) struct Material {
    /// For listeners; none where none of them does TLS.
    pub(super) server: Option<ServerTls>,
    /// For the hosts that the relay connects to.
    pub(super) client: ClientTls,
    /// By which the clients of anchored sessions know the listeners.
    fingerprints: Vec<Fingerprint>,
}

impl Material {
    /// Reads the files. Where there is no certificate in a file, listeners present the one that was `made`.
    ///
    /// # Errors
    /// [`SettingsError`], naming the file.
    pub(super) fn load(settings: &Settings, made: Option<&Identity>) -> Result<Self, SettingsError> {
        let own = settings.certificate.as_ref().map(identity).transpose()?;
        let client = ClientTls::new(roots(settings.ca.as_deref())?, own.clone());
        let clients = match &settings.client_ca {
            Some(path) => ClientCertificates::Verified(roots(Some(path))?),
            None => ClientCertificates::Ignored,
        };
        let presented = own.as_ref().or(made).filter(|_| settings.needs_identity());
        let fingerprints = presented.map(Identity::fingerprint).into_iter().collect();
        let server = presented
            .map(|identity| server_config(identity, clients))
            .transpose();
        let named = |error| {
            let files = settings.certificate.as_ref();
            SettingsError::Tls(files.map(|files| files.cert.clone()).unwrap_or_default(), error)
        };
        Ok(Self {
            server: server.map_err(named)?,
            client: client.map_err(named)?,
            fingerprints,
        })
    }

    /// Tells a relay what its listeners present.
    pub(super) fn tell(&self, relay: &mut Relay) {
        relay.set_anchor_fingerprints(self.fingerprints.clone());
    }

    /// Has a server use it from now on; connections that exist stay as they are.
    pub(super) fn apply(&self, server: &mut Server<Relay>, listeners: usize) {
        server.set_client_tls(self.client.clone());
        self.tell(server.node_mut());
        let Some(tls) = &self.server else { return };
        for listener in 0..listeners {
            // A listener without TLS stays without.
            server.set_listener_tls(ListenerId(listener as u16), tls.clone());
        }
    }
}

/// The roots in a file; none where there is no file.
fn roots(path: Option<&Path>) -> Result<RootCertStore, SettingsError> {
    let Some(path) = path else {
        return Ok(RootCertStore::empty());
    };
    roots_from_pem(settings::read(path)?.as_bytes())
        .map_err(|error| SettingsError::Tls(path.to_owned(), error))
}

/// Certificate and key from their files, tried out together.
fn identity(files: &CertificateFiles) -> Result<Identity, SettingsError> {
    let (certificates, key) = (settings::read(&files.cert)?, settings::read(&files.key)?);
    Identity::from_pem(certificates.as_bytes(), key.as_bytes())
        .and_then(|identity| {
            server_config(&identity, ClientCertificates::Ignored)?;
            Ok(identity)
        })
        .map_err(|error| {
            let path = match error {
                TlsConfigError::Key(_) => &files.key,
                _ => &files.cert,
            };
            SettingsError::Tls(path.clone(), error)
        })
}
