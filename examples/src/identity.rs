//! Certificates for trying out.

use msrp_transport::tls_config::{Identity, TlsConfigError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate that this process signs itself, for these host names and addresses, and the PEM text of it for those who
/// have to trust it.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub fn self_signed(names: &[String]) -> Result<(Identity, String), SelfSignedError> {
    let certified = rcgen::generate_simple_self_signed(names.to_vec())?;
    let certificate = certified.cert.pem();
    let key = certified.signing_key.serialize_pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
    Ok((identity, certificate))
}

/// An authority that vouches for several parties, so that they can trust each other.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate and its key, as PEM text.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key, a secret.
    pub key: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

impl Issued {
    /// For a configuration of TLS.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn identity(&self) -> Result<Identity, TlsConfigError> {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes())
    }
}

impl Authority {
    /// An authority with a key of its own.
    ///
    /// # Errors
    /// When there is no randomness for it.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "trial authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// Its own certificate, for those who trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these host names.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue(&self, names: &[String]) -> Result<Issued, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names.to_vec())?.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Why there is no self-signed certificate.
#[derive(Debug)]
pub enum SelfSignedError {
    /// It could not be made.
    Made(rcgen::Error),
    /// It could not be used.
    Used(TlsConfigError),
}

impl std::fmt::Display for SelfSignedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Made(error) => write!(f, "cannot make a certificate: {error}"),
            Self::Used(error) => write!(f, "cannot use the certificate made: {error}"),
        }
    }
}

impl std::error::Error for SelfSignedError {}

impl From<rcgen::Error> for SelfSignedError {
    fn from(error: rcgen::Error) -> Self {
        Self::Made(error)
    }
}

impl From<TlsConfigError> for SelfSignedError {
    fn from(error: TlsConfigError) -> Self {
        Self::Used(error)
    }
}
