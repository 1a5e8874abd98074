//! From settings to a gateway with its sockets and its SIP stack.

use std::time::{Instant, SystemTime};

use msrp_core::{grammar::Scheme, node::Target};
use msrp_gateway::{Gateway, GatewayEvent};
use msrp_transport::{
    DriverConfig,
    dns::{DnsConfig, DnsResolver},
    driver::{Driver, Handle},
    layer::Incoming,
    listen::ListenAddress,
    runtime::TokioRuntime,
    tls_config::{ClientCertificates, Identity, server_config},
};
use msrp_ua::{
    UserAgentConfig,
    call::CallConfig,
    sip::rsipstack::{RsipAdapter, RsipConfig, StartError},
};
use tokio::sync::mpsc;

use super::Settings;
use crate::{
    failure::Failure,
    signalling::{self, SipSide},
    trust,
};

/// A gateway that runs.
pub(super) struct Started {
    pub(super) handle: Handle<Gateway>,
    pub(super) events: mpsc::Receiver<GatewayEvent>,
    pub(super) sip: SipSide,
    /// Where it listens.
    pub(super) urls: Vec<String>,
}

/// Starts everything; has to be on tokio.
pub(super) fn start(settings: &Settings) -> Result<Started, Failure> {
    let identity = trust::own_identity(
        settings.certificate.as_ref(),
        &settings.reached_at(),
        settings.needs_identity(),
    )?;
    let client = trust::client_tls(settings.ca.as_deref(), false, identity.clone())?;
    let server = identity
        .as_ref()
        .map(|identity| server_config(identity, ClientCertificates::Ignored))
        .transpose()
        .map_err(|error| Failure::asked("--cert", error))?;

    let mut config = RsipConfig::new(format!("sip:msrp-gateway@{}", settings.reached_at()));
    config.listen.clone_from(&settings.sip);
    config.public_host.clone_from(&settings.host);
    config.trusted.clone_from(&settings.trust);
    config.accept = vec![
        "message/cpim".to_owned(),
        "text/plain".to_owned(),
        "*/*".to_owned(),
    ];
    // The name is checked against each host that is connected to.
    let (tls, _) = client
        .config_for(&Target::new(Scheme::Msrps, "sip.invalid", None))
        .map_err(|error| Failure::asked("--ca", error))?;
    config.tls_client = Some(tls);
    config.tls_server = server.as_ref().map(|tls| tls.config().clone());
    let adapter = RsipAdapter::start(config).map_err(|error| match error {
        StartError::Listen(..) | StartError::NoCertificate(_) => Failure::asked("--sip", error),
        error => Failure::Ran(error.to_string()),
    })?;

    let tls = settings.msrp.scheme == Scheme::Msrps;
    let fingerprints = identity
        .as_ref()
        .filter(|_| tls)
        .map(Identity::fingerprint)
        .into_iter()
        .collect();
    let agent = UserAgentConfig::new(settings.reached_at(), settings.msrp.address.port(), tls)
        .allow_plain_auth(true)
        .calls(CallConfig::new().with_fingerprints(fingerprints));
    let (config, policies) = settings.gateway(adapter.listening());
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    let (now, calendar) = (Instant::now(), SystemTime::now());
    let gateway = Gateway::new(now, calendar, config, agent, policies, seed);
    let mut driver = Driver::new(gateway, DriverConfig::new(), TokioRuntime::current());
    driver.set_client_tls(client);
    if let Ok(dns) = DnsConfig::system() {
        driver.set_resolver(DnsResolver::new(dns));
    }
    let (_, local) = driver
        .listen(settings.msrp, Incoming::from(server.filter(|_| tls)))
        .map_err(|error| Failure::asked("--msrp", error))?;
    driver
        .node_mut()
        .set_authority(settings.reached_at(), local.port());
    let listening = ListenAddress {
        address: local,
        ..settings.msrp
    };
    let mut urls: Vec<String> = adapter.listening().iter().map(ToString::to_string).collect();
    urls.push(listening.to_string());
    let (handle, events, sip) = signalling::join(driver, adapter);
    Ok(Started {
        handle,
        events,
        sip,
        urls,
    })
}
