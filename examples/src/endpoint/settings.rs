//! Options, checked.

use std::{fs, path::PathBuf, time::Duration};

use msrp_core::{grammar::Uri, node::Fingerprint};
use msrp_transport::tls_config::parse_fingerprint;

use super::EndpointOptions;
use crate::{
    config_file::secret,
    failure::Failure,
    reach::{self, Reach},
};

/// What a user agent runs with.
#[derive(Clone)]
pub struct EndpointSettings {
    /// The address of record.
    pub aor: String,
    /// The name for people.
    pub display_name: Option<String>,
    /// Where it is reached, and whom it trusts.
    pub reach: Reach,
    /// The outbound proxy.
    pub proxy: Option<String>,
    /// Whether to register.
    pub register: bool,
    /// User and password for SIP servers.
    pub credentials: Option<(String, String)>,
    /// The relays, the nearest first.
    pub relays: Vec<Uri>,
    /// User and password for the relays.
    pub relay_credentials: Option<(String, String)>,
    /// How long a session that has lost its connection is tried to be had again.
    pub recovery_time: Option<Duration>,
    /// Where accepted files go.
    pub save_dir: Option<PathBuf>,
    /// The largest file that is accepted.
    pub max_file: Option<u64>,
    /// The relay's certificate.
    pub fingerprint: Option<Fingerprint>,
}

/// Prints no password.
impl std::fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSettings")
            .field("aor", &self.aor)
            .field("reach", &self.reach)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

fn asked<T>(text: String) -> Result<T, Failure> {
    Err(Failure::Asked(text))
}

impl EndpointSettings {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: EndpointOptions) -> Result<Self, Failure> {
        let Some(aor) = options.aor else {
            return asked("--aor: who am I? For example --aor sip:alice@example.com".to_owned());
        };
        let user = user_of(&aor)
            .ok_or_else(|| Failure::Asked(format!("--aor {aor}: sip:USER@HOST is wanted")))?
            .to_owned();
        let mut reach = Reach::new(options.reach)?;
        reach.insecure = options.insecure;
        let relays = options
            .relay
            .iter()
            .map(|text| reach::relay(text))
            .collect::<Result<Vec<_>, _>>()?;
        let password = options
            .password
            .as_deref()
            .map(|text| secret("--password", text))
            .transpose()?;
        let relay_password = match options.relay_password.as_deref() {
            Some(text) => Some(secret("--relay-password", text)?),
            None => password.clone(),
        };
        if relay_password.is_none() && !relays.is_empty() {
            return asked(
                "--relay: the relay wants to know who I am; --relay-password (and --relay-user) tells it"
                    .to_owned(),
            );
        }
        let relay_user = options.relay_user.unwrap_or_else(|| user.clone());
        for (flag, uri) in [("--proxy", &options.proxy)] {
            if let Some(uri) = uri.as_deref().filter(|uri| !is_sip_uri(uri)) {
                return asked(format!(
                    "{flag} {uri}: a SIP URI is wanted, such as sip:proxy.example.com"
                ));
            }
        }
        let fingerprint = options.fingerprint.as_deref().map(fingerprint).transpose()?;
        if let Some(folder) = &options.save_dir {
            // A folder into which nothing can be written would make every file a disappointment.
            fs::create_dir_all(folder)
                .and_then(|()| tempfile::tempfile_in(folder))
                .map_err(|error| Failure::Asked(format!("--save-dir {}: {error}", folder.display())))?;
        }
        Ok(Self {
            credentials: password.map(|password| (options.user.unwrap_or(user), password)),
            aor,
            display_name: options.display_name,
            reach,
            proxy: options.proxy,
            register: options.register,
            relay_credentials: relay_password.map(|password| (relay_user, password)),
            relays,
            recovery_time: options
                .recovery_time
                .map(|seconds| Duration::from_secs(seconds.into())),
            save_dir: options.save_dir,
            max_file: options.max_file,
            fingerprint,
        })
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    let whole = match text.trim().contains(' ') {
        true => text.to_owned(),
        false => format!("sha-256 {}", text.trim()),
    };
    parse_fingerprint(&whole).map_err(|error| Failure::Asked(format!("--fingerprint {text}: {error}")))
}

/// Whether this may be a SIP URI: whether it is one in every detail the SIP stack finds out.
pub(crate) fn is_sip_uri(text: &str) -> bool {
    let rest = text
        .split_once(':')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips"));
    rest.is_some_and(|(_, rest)| {
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        !host.is_empty() && !rest.contains(char::is_whitespace) && !rest.contains(['<', '>', '"'])
    })
}

/// The user in a SIP URI.
pub(crate) fn user_of(uri: &str) -> Option<&str> {
    if !is_sip_uri(uri) {
        return None;
    }
    let (user, _) = uri.split_once(':')?.1.split_once('@')?;
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    (!user.is_empty()).then_some(user)
}
