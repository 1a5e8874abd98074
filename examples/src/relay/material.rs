//! Certificates, as the relay's listeners and connects use them: read when it starts, and again on SIGHUP.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::Timestamp;

use msrp_core::{
    grammar::Scheme,
    node::{Fingerprint, ListenerId},
};
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
        let client = ClientTls::new(roots("--ca", settings.ca.as_deref())?, own.clone());
        let clients = match &settings.client_ca {
            Some(path) => ClientCertificates::Verified(roots("--client-ca", Some(path))?),
            None => ClientCertificates::Ignored,
        };
        let presented = own.as_ref().or(made).filter(|_| settings.needs_identity());
        let fingerprints = presented.map(Identity::fingerprint).into_iter().collect();
        let server = presented
            .map(|identity| server_config(identity, clients))
            .transpose();
        let named = |error| {
            let files = settings.certificate.as_ref();
            let path = files.map(|files| files.cert.clone()).unwrap_or_default();
            SettingsError::Tls("--cert", path, error)
        };
        if let (Some(own), Some(files)) = (&own, &settings.certificate) {
            warn_of(own, &files.cert, settings);
        }
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
fn roots(flag: &'static str, path: Option<&Path>) -> Result<RootCertStore, SettingsError> {
    let Some(path) = path else {
        return Ok(RootCertStore::empty());
    };
    roots_from_pem(settings::read(flag, path)?.as_bytes())
        .map_err(|error| SettingsError::Tls(flag, path.to_owned(), error))
}

/// Says what others will not like about a certificate. It is used all the same: clocks may be wrong, and names may be those
/// of something in front of the relay.
fn warn_of(own: &Identity, path: &Path, settings: &Settings) {
    let file = path.display();
    let date = |seconds: u64| {
        let at = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        at.map_or_else(|| "?".to_owned(), |at| at.to_string())
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    match own.check_time(now) {
        Err(TlsConfigError::Expired(until)) => {
            tracing::warn!(%file, until = date(until), "the certificate (--cert) has expired: clients will refuse it");
        }
        Err(TlsConfigError::NotYetValid(from)) => {
            tracing::warn!(%file, from = date(from), "the certificate (--cert) is not valid yet: clients will refuse it");
        }
        _ => {}
    }
    let listeners = &settings.listen;
    let hosts: BTreeSet<&str> = listeners
        .iter()
        .filter(|listener| listener.address.scheme == Scheme::Msrps)
        .filter_map(|listener| listeners.get(listener.named_as))
        .map(|named| named.host.as_deref().unwrap_or(&settings.host))
        .collect();
    for host in hosts {
        if !own.names(host.trim_matches(['[', ']'])) {
            tracing::warn!(
                %file,
                host,
                "the certificate (--cert) does not name this host, which stands in URIs: clients will refuse it"
            );
        }
    }
}

/// Certificate and key from their files, tried out together.
fn identity(files: &CertificateFiles) -> Result<Identity, SettingsError> {
    let (certificates, key) = (
        settings::read("--cert", &files.cert)?,
        settings::read("--key", &files.key)?,
    );
    Identity::from_pem(certificates.as_bytes(), key.as_bytes())
        .and_then(|identity| {
            server_config(&identity, ClientCertificates::Ignored)?;
            Ok(identity)
        })
        .map_err(|error| {
            let (flag, path) = match error {
                TlsConfigError::Key(_) => ("--key", &files.key),
                _ => ("--cert", &files.cert),
            };
            SettingsError::Tls(flag, path.clone(), error)
        })
}
