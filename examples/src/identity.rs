//! Certificates for trying out.

use msrp_transport::tls_config::{Identity, TlsConfigError};

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
