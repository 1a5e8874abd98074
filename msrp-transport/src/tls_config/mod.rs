//! Certificates, roots and fingerprints (RFC 4975 §5.4 and §14, RFC 4976 §9.2, RFC 8122).

mod by_fingerprint;
mod client;
mod fingerprint;
mod identity;
mod server;

use std::{fmt, sync::Arc};

use rustls::crypto::{CryptoProvider, ring};
pub use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use self::{
    client::ClientTls,
    fingerprint::{format_fingerprint, matches_fingerprint, parse_fingerprint, sha256_fingerprint},
    identity::{Identity, roots_from_pem},
    server::{ClientCertificates, ServerTls, server_config},
};

/// What is wrong with TLS material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The PEM text holds no certificate, or a damaged one.
    #[error("no usable certificate in the PEM text: {0}")]
    Certificate(String),
    /// The PEM text holds no private key, or a damaged one.
    #[error("no usable private key in the PEM text: {0}")]
    Key(String),
    /// Certificate and key do not belong together, or rustls refuses them.
    #[error("certificate or key refused: {0}")]
    Refused(String),
    /// The time of the certificate is over: it was good until so many seconds after the beginning of 1970.
    #[error("the certificate has expired")]
    Expired(u64),
    /// The time of the certificate has not come: it is good from so many seconds after the beginning of 1970 on.
    #[error("the certificate is not valid yet")]
    NotYetValid(u64),
    /// A fingerprint with a hash that proves nothing (MD2, MD5, SHA-1), or that is not known.
    #[error("fingerprint hash {0} is not acceptable")]
    FingerprintHash(String),
    /// A fingerprint that is not pairs of hexadecimal digits joined by colons, or of the wrong length.
    #[error("malformed fingerprint")]
    FingerprintSyntax,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn refused(error: impl fmt::Display) -> TlsConfigError {
    TlsConfigError::Refused(error.to_string())
}
