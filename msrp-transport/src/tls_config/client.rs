//! TLS for the connections that a node asks for.

use std::sync::Arc;

use msrp_core::node::{Fingerprint, Target, Trust};
use rustls::{ClientConfig, RootCertStore};

use super::{
    Identity, TlsConfigError, by_fingerprint::ByFingerprint, fingerprint::strongest, provider, refused,
};

/// What a client needs for its TLS connections.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// None where every certificate is trusted.
    roots: Option<RootCertStore>,
    identity: Option<Identity>,
    chained: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts certificates that chain to `roots`; presents `identity` where a target asks for it.
    ///
    /// # Errors
    /// [`TlsConfigError::Refused`].
    pub fn new(roots: RootCertStore, identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        Self::with(Some(roots), identity)
    }

    /// Trusts every certificate where a target names no fingerprint: for trying out. Whoever is in between can read and
    /// change everything.
    ///
    /// # Errors
    /// [`TlsConfigError::Refused`].
    pub fn danger_trust_anyone(identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        Self::with(None, identity)
    }

    fn with(roots: Option<RootCertStore>, identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        let chained = client_config(roots.as_ref(), None, None)?;
        Ok(Self {
            roots,
            identity,
            chained,
        })
    }

    /// The configuration for a target, and whether it verifies against roots.
    ///
    /// # Errors
    /// [`TlsConfigError`] for fingerprints that are not acceptable.
    pub fn config_for(&self, target: &Target) -> Result<(Arc<ClientConfig>, bool), TlsConfigError> {
        let identity = self.identity.as_ref().filter(|_| target.client_identity);
        match &target.trust {
            Trust::Pki if identity.is_none() => Ok((self.chained.clone(), self.roots.is_some())),
            Trust::Pki => Ok((
                client_config(self.roots.as_ref(), identity, None)?,
                self.roots.is_some(),
            )),
            Trust::Fingerprints(expected) => {
                Ok((client_config(None, identity, Some(strongest(expected)?))?, false))
            }
            _ => Err(TlsConfigError::Refused("unknown kind of trust".to_owned())),
        }
    }
}

/// Trusts the certificates that are expected; else those that chain to roots; else all.
fn client_config(
    roots: Option<&RootCertStore>,
    identity: Option<&Identity>,
    expected: Option<Vec<Fingerprint>>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match (roots, expected) {
        (Some(roots), None) => builder.with_root_certificates(roots.clone()),
        (_, expected) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ByFingerprint::new(provider, expected))),
    };
    let config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(refused)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}
