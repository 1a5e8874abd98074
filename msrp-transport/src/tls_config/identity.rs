//! Certificates and keys from PEM text.

use std::fmt;

use msrp_core::node::Fingerprint;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{TlsConfigError, sha256_fingerprint};

/// A certificate chain with its key.
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a chain (own certificate first) and a key from PEM text.
    ///
    /// # Errors
    /// [`TlsConfigError`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let chain = certificates_from_pem(certificates)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsConfigError::Key(error.to_string()))?;
        Ok(Self { chain, key })
    }

    /// The SHA-256 fingerprint of the own certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        sha256_fingerprint(self.chain.first().map_or(&[], |certificate| certificate.as_ref()))
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// Keys are nobody's business.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

fn certificates_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(TlsConfigError::Certificate("there is none".to_owned())),
        Err(error) => Err(TlsConfigError::Certificate(error.to_string())),
    }
}

/// Roots from PEM text.
///
/// # Errors
/// [`TlsConfigError::Certificate`].
pub fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_from_pem(pem)? {
        roots
            .add(certificate)
            .map_err(|error| TlsConfigError::Certificate(error.to_string()))?;
    }
    Ok(roots)
}
