//! From settings to a user agent with its sockets and its SIP stack.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use msrp_core::{
    grammar::Scheme,
    node::{Target, Trust},
};
use msrp_transport::{
    DriverConfig,
    dns::{DnsConfig, DnsResolver},
    driver::{Driver, Handle},
    layer::Incoming,
    listen::ListenAddress,
    runtime::TokioRuntime,
    tls_config::{ClientCertificates, ClientTls, Identity, server_config},
};
use msrp_ua::{
    RelayAccount, UserAgent, UserAgentConfig, UserAgentEvent,
    call::CallConfig,
    sip::{
        SipParty,
        rsipstack::{
            RegistrationState, RsipAdapter, RsipConfig, SipCredentials, SipRegistration, StartError,
        },
    },
};
use tokio::sync::mpsc;

use super::EndpointSettings;
use crate::{
    failure::Failure,
    signalling::{self, SipSide},
    trust,
};

/// A user agent that runs.
pub(super) struct Started {
    pub(super) handle: Handle<UserAgent>,
    pub(super) events: mpsc::Receiver<UserAgentEvent>,
    pub(super) sip: SipSide,
    /// Where it listens.
    pub(super) urls: Vec<String>,
    pub(super) relays: Vec<RelayAccount>,
}

/// Starts everything; has to be on tokio.
///
/// # Errors
/// [`Failure`].
pub(super) async fn start(settings: &EndpointSettings) -> Result<Started, Failure> {
    let identity = trust::own_identity(
        settings.certificate.as_ref(),
        &settings.reached_at(),
        settings.needs_identity(),
    )?;
    let client = trust::client_tls(settings.ca.as_deref(), settings.insecure, identity.clone())?;
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    let tls = settings.msrp.scheme == Scheme::Msrps;
    let fingerprints = identity
        .as_ref()
        .filter(|_| tls)
        .map(Identity::fingerprint)
        .into_iter()
        .collect();
    let mut calls = CallConfig::new()
        // The adapter has waited for the answers to BYE before.
        .with_farewell_time(Duration::from_secs(1))
        .with_fingerprints(fingerprints)
        .with_identity(party(settings));
    if let Some(time) = settings.recovery_time {
        let attempts = if time.is_zero() {
            0
        } else {
            calls.recovery_attempts
        };
        calls = calls.with_recovery(attempts, time);
    }
    let config = UserAgentConfig::new(settings.reached_at(), settings.msrp.address.port(), tls)
        .allow_plain_auth(true)
        .calls(calls);
    let mut agent = UserAgent::new(Instant::now(), config, seed);
    agent.set_calendar(SystemTime::now());
    let mut driver = Driver::new(agent, DriverConfig::new(), TokioRuntime::current());
    driver.set_client_tls(client.clone());
    if let Ok(dns) = DnsConfig::system() {
        driver.set_resolver(DnsResolver::new(dns));
    }
    let server = identity
        .as_ref()
        .map(|identity| server_config(identity, ClientCertificates::Ignored))
        .transpose()
        .map_err(|error| Failure::asked("--cert", error))?;
    let incoming = Incoming::from(server.clone().filter(|_| tls));
    let (_, local) = driver
        .listen(settings.msrp, incoming)
        .map_err(|error| Failure::asked("--msrp", error))?;
    let host = settings.reached_at();
    driver.node_mut().set_authority(host, local.port());
    let listening = ListenAddress {
        address: local,
        ..settings.msrp
    };

    let mut adapter = RsipAdapter::start(sip_config(
        settings,
        &client,
        server.map(|tls| tls.config().clone()),
    )?)
    .map_err(|error| match error {
        StartError::Listen(..) | StartError::NoCertificate(_) => Failure::asked("--sip", error),
        StartError::Invalid(_) => Failure::asked("--aor, --proxy", error),
        error => Failure::Ran(error.to_string()),
    })?;
    let mut urls: Vec<String> = adapter.listening().iter().map(ToString::to_string).collect();
    urls.push(listening.to_string());
    if settings.register {
        match adapter.registered().await {
            RegistrationState::Registered(time) => {
                tracing::info!(seconds = time.as_secs(), "registered");
            }
            RegistrationState::Failed(answer) => {
                return Err(Failure::Ran(format!("--register: not registered: {answer}")));
            }
            state => return Err(Failure::Ran(format!("--register: {state:?}"))),
        }
    }
    let relays = relays(settings);
    let (handle, events, sip) = signalling::join(driver, adapter);
    Ok(Started {
        handle,
        events,
        sip,
        urls,
        relays,
    })
}

fn sip_config(
    settings: &EndpointSettings,
    client: &ClientTls,
    server: Option<Arc<msrp_transport::tls_config::ServerConfig>>,
) -> Result<RsipConfig, Failure> {
    let mut config = RsipConfig::new(&settings.aor);
    config.aor = party(settings);
    config.listen = settings.sip.clone();
    config.outbound_proxy = settings.proxy.clone();
    config.public_host = settings.host.clone();
    if let Some((user, password)) = &settings.credentials {
        config = config.with_credentials(SipCredentials::new(user, password));
    }
    if settings.register {
        config = config.with_registration(SipRegistration::default());
    }
    // The name is checked against each host that is connected to.
    let (tls, _) = client
        .config_for(&Target::new(Scheme::Msrps, "sip.invalid", None))
        .map_err(|error| Failure::asked("--ca", error))?;
    config.tls_client = Some(tls);
    config.tls_server = server;
    Ok(config)
}

/// Who we are.
fn party(settings: &EndpointSettings) -> SipParty {
    let party = SipParty::new(&settings.aor);
    match &settings.display_name {
        Some(name) => party.with_display_name(name),
        None => party,
    }
}

fn relays(settings: &EndpointSettings) -> Vec<RelayAccount> {
    let Some((user, password)) = &settings.relay_credentials else {
        return Vec::new();
    };
    let trust = match &settings.fingerprint {
        Some(fingerprint) => Trust::Fingerprints(vec![fingerprint.clone()]),
        None => Trust::Pki,
    };
    settings
        .relays
        .iter()
        .map(|relay| {
            if relay.scheme() == Scheme::Msrp {
                tracing::warn!(relay = relay.host_str(), "AUTH goes without encryption (msrp://)");
            }
            RelayAccount::new(relay.clone(), user, password).with_trust(trust.clone())
        })
        .collect()
}
