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
    identity: Option<Identity>,
    /// Whether certificates have to chain to roots; else every one is trusted.
    verifies: bool,
    /// Without the identity.
    anonymous: Arc<ClientConfig>,
    /// With the identity, if there is one: made once, so that a relay's connections share it, and what it keeps of sessions.
    identified: Arc<ClientConfig>,
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
        let anonymous = client_config(roots.as_ref(), None, None)?;
        let identified = match &identity {
            Some(_) => client_config(roots.as_ref(), identity.as_ref(), None)?,
            None => anonymous.clone(),
        };
        Ok(Self {
            identity,
            verifies: roots.is_some(),
            anonymous,
            identified,
        })
    }

    /// The configuration for a target, and whether it verifies against roots.
    ///
    /// # Errors
    /// [`TlsConfigError`] for fingerprints that are not acceptable.
    pub fn config_for(&self, target: &Target) -> Result<(Arc<ClientConfig>, bool), TlsConfigError> {
        match &target.trust {
            Trust::Pki if target.client_identity => Ok((self.identified.clone(), self.verifies)),
            Trust::Pki => Ok((self.anonymous.clone(), self.verifies)),
            Trust::Fingerprints(expected) => {
                let identity = self.identity.as_ref().filter(|_| target.client_identity);
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
