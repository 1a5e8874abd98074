//! From settings to a user agent with its sockets and its SIP stack.

use std::time::{Duration, Instant, SystemTime};

use msrp_core::{grammar::Scheme, node::Trust};
use msrp_transport::driver::Handle;
use msrp_ua::{
    RelayAccount, UserAgent, UserAgentConfig, UserAgentEvent,
    call::CallConfig,
    sip::{
        SipParty,
        rsipstack::{RegistrationState, RsipConfig, SipCredentials, SipRegistration},
    },
};
use tokio::sync::mpsc;

use super::EndpointSettings;
use crate::{
    failure::Failure,
    reach::Material,
    signalling::{self, SipSide},
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
    let reach = &settings.reach;
    let material = Material::load(reach, None)?;
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    let mut calls = CallConfig::new()
        // The adapter has waited for the answers to BYE before.
        .with_farewell_time(Duration::from_secs(1))
        .with_fingerprints(material.fingerprints(reach))
        .with_identity(party(settings));
    if let Some(time) = settings.recovery_time {
        let attempts = if time.is_zero() {
            0
        } else {
            calls.recovery_attempts
        };
        calls = calls.with_recovery(attempts, time);
    }
    let config = UserAgentConfig::new(reach.name(), reach.msrp.address.port(), reach.accepts_tls())
        .allow_plain_auth(true)
        .calls(calls);
    let mut agent = UserAgent::new(Instant::now(), config, seed);
    agent.set_calendar(SystemTime::now());
    let (mut driver, listening) = reach.open_msrp(agent, &material)?;
    driver
        .node_mut()
        .set_authority(reach.name(), listening.address.port());
    let (mut adapter, _) = reach.open_sip(sip_config(settings), &material)?;
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

fn sip_config(settings: &EndpointSettings) -> RsipConfig {
    let mut config = RsipConfig::new(&settings.aor);
    config.aor = party(settings);
    config.outbound_proxy = settings.proxy.clone();
    if let Some((user, password)) = &settings.credentials {
        config = config.with_credentials(SipCredentials::new(user, password));
    }
    if settings.register {
        config = config.with_registration(SipRegistration::default());
    }
    config
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
