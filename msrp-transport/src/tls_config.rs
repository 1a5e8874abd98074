//! Certificates, roots and fingerprints (RFC 4975 §5.4 and §14, RFC 4976 §9.2, RFC 8122).

use std::{fmt, sync::Arc};

use msrp_core::node::{Fingerprint, Target, Trust};
pub use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls::{
    DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use sha2::{Digest, Sha256, Sha384, Sha512};

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
    /// A fingerprint with a hash that proves nothing (MD2, MD5, SHA-1), or that is not known.
    #[error("fingerprint hash {0} is not acceptable")]
    FingerprintHash(String),
    /// A fingerprint that is not pairs of hexadecimal digits joined by colons, or of the wrong length.
    #[error("malformed fingerprint")]
    FingerprintSyntax,
}

/// A certificate chain with its key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn refused(error: impl fmt::Display) -> TlsConfigError {
    TlsConfigError::Refused(error.to_string())
}

/// Which client certificates a server takes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Ignored,
    /// One is asked for, and may be withheld; one that is presented has to chain to these roots (RFC 4976 §6.1).
    Verified(RootCertStore),
    /// One has to be presented; its fingerprint is compared with signalling afterwards (RFC 8122 §6).
    AnyWithKey,
}

/// The configuration of a TLS listener: TLS 1.2 with forward secrecy and TLS 1.3.
///
/// # Errors
/// [`TlsConfigError::Refused`].
pub fn server_config(
    identity: &Identity,
    clients: ClientCertificates,
) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match clients {
        ClientCertificates::Ignored => builder.with_no_client_auth(),
        ClientCertificates::Verified(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(refused)?;
            builder.with_client_cert_verifier(verifier)
        }
        ClientCertificates::AnyWithKey => builder.with_client_cert_verifier(Arc::new(ByFingerprint {
            provider,
            expected: None,
        })),
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(refused)?;
    // Idle connections should be small, and the peers of a relay stay connected for long.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// What a client needs for its TLS connections.
#[derive(Clone, Debug)]
pub struct ClientTls {
    roots: RootCertStore,
    identity: Option<Identity>,
    chained: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts certificates that chain to `roots`; presents `identity` where a target asks for it.
    ///
    /// # Errors
    /// [`TlsConfigError::Refused`].
    pub fn new(roots: RootCertStore, identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        let chained = client_config(Some(&roots), None, None)?;
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
            Trust::Pki if identity.is_none() => Ok((self.chained.clone(), true)),
            Trust::Pki => Ok((client_config(Some(&self.roots), identity, None)?, true)),
            Trust::Fingerprints(expected) => {
                Ok((client_config(None, identity, Some(strongest(expected)?))?, false))
            }
            _ => Err(TlsConfigError::Refused("unknown kind of trust".to_owned())),
        }
    }
}

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
        (_, Some(expected)) => {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(ByFingerprint {
                    provider,
                    expected: Some(expected),
                }))
        }
        (Some(roots), None) => builder.with_root_certificates(roots.clone()),
        (None, None) => builder.with_root_certificates(RootCertStore::empty()),
    };
    let config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(refused)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// The fingerprints of the strongest hash among those given (RFC 8122 §5: any of them may match).
fn strongest(given: &[Fingerprint]) -> Result<Vec<Fingerprint>, TlsConfigError> {
    for hash in ["sha-512", "sha-384", "sha-256"] {
        let of_hash: Vec<_> = given
            .iter()
            .filter(|one| one.hash.eq_ignore_ascii_case(hash))
            .cloned()
            .collect();
        if !of_hash.is_empty() {
            return Ok(of_hash);
        }
    }
    let hash = given
        .first()
        .map_or_else(|| "none".to_owned(), |one| one.hash.clone());
    Err(TlsConfigError::FingerprintHash(hash))
}

/// The SHA-256 fingerprint of a certificate in DER.
pub fn sha256_fingerprint(certificate: &[u8]) -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: Sha256::digest(certificate).to_vec(),
    }
}

/// Whether a certificate has one of the fingerprints, judged by the strongest hash among them. For acceptors, who learn
/// the fingerprint from signalling that may come after the handshake.
///
/// # Errors
/// [`TlsConfigError::FingerprintHash`] when none of them has an acceptable hash.
pub fn matches_fingerprint(certificate: &[u8], expected: &[Fingerprint]) -> Result<bool, TlsConfigError> {
    Ok(strongest(expected)?.iter().any(|one| {
        let value = match &one.hash.to_ascii_lowercase()[..] {
            "sha-512" => Sha512::digest(certificate).to_vec(),
            "sha-384" => Sha384::digest(certificate).to_vec(),
            _ => Sha256::digest(certificate).to_vec(),
        };
        value == one.value
    }))
}

/// Reads the value of SDP's `a=fingerprint`, such as `SHA-256 AB:CD:…` (RFC 8122 §5).
///
/// # Errors
/// [`TlsConfigError::FingerprintSyntax`] for malformed text, [`TlsConfigError::FingerprintHash`] for hashes below
/// SHA-256.
pub fn parse_fingerprint(text: &str) -> Result<Fingerprint, TlsConfigError> {
    let (hash, digits) = text
        .trim()
        .split_once(' ')
        .ok_or(TlsConfigError::FingerprintSyntax)?;
    let hash = hash.to_ascii_lowercase();
    let length = match &hash[..] {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return Err(TlsConfigError::FingerprintHash(hash)),
    };
    let value: Option<Vec<u8>> = digits
        .trim()
        .split(':')
        .map(|pair| {
            let is_pair = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        })
        .collect();
    match value {
        Some(value) if value.len() == length => Ok(Fingerprint { hash, value }),
        _ => Err(TlsConfigError::FingerprintSyntax),
    }
}

/// Writes a fingerprint as SDP has it: the hash in upper case, pairs of upper-case digits joined by colons.
pub fn format_fingerprint(fingerprint: &Fingerprint) -> String {
    let pairs: Vec<_> = fingerprint
        .value
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect();
    format!("{} {}", fingerprint.hash.to_ascii_uppercase(), pairs.join(":"))
}

/// Accepts a certificate by its fingerprint alone: who issued it, for which name and until when does not matter
/// (RFC 4975 §14.4). The handshake still proves that the peer holds the key. Without expected fingerprints every
/// certificate passes, and whoever asked for that compares afterwards.
#[derive(Debug)]
struct ByFingerprint {
    provider: Arc<CryptoProvider>,
    expected: Option<Vec<Fingerprint>>,
}

impl ByFingerprint {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let matches = match &self.expected {
            Some(expected) => matches_fingerprint(certificate, expected).unwrap_or(false),
            None => true,
        };
        if matches {
            Ok(())
        } else {
            Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            ))
        }
    }
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl ClientCertVerifier for ByFingerprint {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
