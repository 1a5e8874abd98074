//! Certificates for tests.

use std::sync::atomic::{AtomicU32, Ordering};

use msrp_transport::tls_config::{
    ClientCertificates, ClientTls, Identity, RootCertStore, ServerTls, roots_from_pem, server_config,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An issuer of certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: String,
}

impl Made {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = format!("authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Made {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn issue_with(&self, names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Made {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Made {
            certificate: certificate.pem(),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
        }
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        roots_from_pem(self.pem.as_bytes()).unwrap()
    }

    /// A listener's configuration with a certificate for these names.
    pub(crate) fn server(&self, names: &[&str]) -> ServerTls {
        server_config(&self.issue(names).identity(), ClientCertificates::Ignored).unwrap()
    }

    /// A client that trusts this authority.
    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::new(self.roots(), None).unwrap()
    }
}

/// A certificate that nobody vouches for.
pub(crate) fn self_signed(names: &[&str]) -> Made {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    Made {
        certificate: made.cert.pem(),
        der: made.cert.der().to_vec(),
        key: made.signing_key.serialize_pem(),
    }
}

/// Roots that vouch for nobody.
pub(crate) fn no_roots() -> ClientTls {
    ClientTls::new(RootCertStore::empty(), None).unwrap()
}
