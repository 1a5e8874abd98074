//! Certificates of a program and whom it trusts, as its options say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use msrp_transport::tls_config::{ClientTls, Identity, RootCertStore, format_fingerprint, roots_from_pem};

use crate::{failure::Failure, identity::self_signed};

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::asked(flag, format!("cannot read {}: {error}", path.display())))
}

/// Our certificate: that of the files (`--cert`, `--key`), or where one is `needed` one that is made for the host by which
/// others reach us.
///
/// # Errors
/// [`Failure::Asked`], which names the flag.
pub fn own_identity(
    files: Option<&(PathBuf, PathBuf)>,
    host: &str,
    needed: bool,
) -> Result<Option<Identity>, Failure> {
    if let Some((cert, key)) = files {
        return Identity::from_pem(&read("--cert", cert)?, &read("--key", key)?)
            .map(Some)
            .map_err(|error| Failure::asked("--cert, --key", error));
    }
    if !needed {
        return Ok(None);
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    let (identity, _) = self_signed(&[host]).map_err(|error| Failure::asked("--host", error))?;
    let fingerprint = format_fingerprint(&identity.fingerprint());
    tracing::info!(fingerprint, "self-signed certificate");
    Ok(Some(identity))
}

/// Whom we trust where we connect by TLS: those for whom the roots in `--ca` vouch, nobody without, or with `--insecure`
/// everybody.
///
/// # Errors
/// [`Failure::Asked`], which names the flag.
pub fn client_tls(
    ca: Option<&Path>,
    insecure: bool,
    identity: Option<Identity>,
) -> Result<ClientTls, Failure> {
    if insecure {
        tracing::warn!("certificates are not checked (--insecure)");
        return ClientTls::danger_trust_anyone(identity).map_err(|error| Failure::asked("--insecure", error));
    }
    let roots = match ca {
        Some(path) => roots_from_pem(&read("--ca", path)?).map_err(|error| Failure::asked("--ca", error))?,
        None => RootCertStore::empty(),
    };
    ClientTls::new(roots, identity).map_err(|error| Failure::asked("--cert", error))
}
