//! Certificates and keys from PEM text.

use std::{fmt, time::Duration};

use msrp_core::node::Fingerprint;
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use webpki::{EndEntityCert, Error, KeyUsage};

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

    /// Whether the time of the own certificate has come and is not over; `at` is counted from the beginning of 1970. Peers
    /// refuse it otherwise, which whoever presents it does not see.
    ///
    /// # Errors
    /// [`TlsConfigError::NotYetValid`] and [`TlsConfigError::Expired`].
    pub fn check_time(&self, at: Duration) -> Result<(), TlsConfigError> {
        let Some(Ok(own)) = self.chain.first().map(EndEntityCert::try_from) else {
            return Ok(());
        };
        let at = UnixTime::since_unix_epoch(at);
        // Nobody vouches for it here, which is found out after its time.
        match own.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None) {
            Err(Error::CertExpired { not_after, .. }) => Err(TlsConfigError::Expired(not_after.as_secs())),
            Err(Error::CertNotValidYet { not_before, .. }) => {
                Err(TlsConfigError::NotYetValid(not_before.as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the own certificate names this host, or address: where it does not, peers that expect the host refuse it.
    pub fn names(&self, host: &str) -> bool {
        let Some(Ok(own)) = self.chain.first().map(EndEntityCert::try_from) else {
            return false;
        };
        ServerName::try_from(host).is_ok_and(|name| own.verify_is_valid_for_subject_name(&name).is_ok())
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
