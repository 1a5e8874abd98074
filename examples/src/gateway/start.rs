//! From settings to a gateway with its sockets and its SIP stack.

use std::time::{Duration, Instant, SystemTime};

use msrp_gateway::{Gateway, GatewayEvent};
use msrp_transport::driver::Handle;
use msrp_ua::{
    UserAgentConfig,
    call::CallConfig,
    sip::rsipstack::{RsipConfig, SipTls},
};
use tokio::sync::mpsc;

use super::Settings;
use crate::{
    failure::Failure,
    reach::{Material, Reach},
    signalling::{self, SipSide},
};

/// How often something goes through sessions in which nobody says anything, so that what is between us and the peer does not
/// forget them.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

/// A gateway that runs.
pub(super) struct Started {
    pub(super) handle: Handle<Gateway>,
    pub(super) events: mpsc::Receiver<GatewayEvent>,
    pub(super) sip: SipSide,
    /// Where it listens.
    pub(super) urls: Vec<String>,
    /// Its certificates.
    material: Material,
    sip_tls: SipTls,
}

/// Starts everything; has to be on tokio.
pub(super) fn start(settings: &Settings) -> Result<Started, Failure> {
    let reach = &settings.reach;
    let material = Material::load(reach, None)?;
    let mut config = RsipConfig::new(format!("sip:msrp-gateway@{}", reach.name()));
    config.trusted.clone_from(&settings.trust);
    config.accept = vec![
        "message/cpim".to_owned(),
        "text/plain".to_owned(),
        "*/*".to_owned(),
    ];
    // A MESSAGE has no room for them.
    config.parts.clear();
    let (adapter, sip_tls) = reach.open_sip(config, &material)?;

    let agent = UserAgentConfig::new(reach.name(), reach.msrp.address.port(), reach.accepts_tls())
        .allow_plain_auth(true)
        .keep_alive(Some(KEEP_ALIVE))
        .calls(CallConfig::new().with_fingerprints(material.fingerprints(reach)));
    let (config, policies) = settings.gateway(adapter.listening());
    let seed = crate::seed().map_err(|error| Failure::Ran(format!("no randomness: {error}")))?;
    let (now, calendar) = (Instant::now(), SystemTime::now());
    let gateway = Gateway::new(now, calendar, config, agent, policies, seed);
    let (mut driver, listening) = reach.open_msrp(gateway, &material)?;
    driver
        .node_mut()
        .set_authority(reach.name(), listening.address.port());
    let mut urls: Vec<String> = adapter.listening().iter().map(ToString::to_string).collect();
    urls.push(listening.to_string());
    let (handle, events, sip) = signalling::join(driver, adapter);
    Ok(Started {
        handle,
        events,
        sip,
        urls,
        material,
        sip_tls,
    })
}

impl Started {
    /// Routes and certificates as these settings say, from now on; all else, and what is under way, stays as it is.
    pub(super) async fn change(&mut self, settings: &Settings, asked: &Settings) -> Result<(), Failure> {
        // The listeners are those that there were.
        let reach = Reach {
            certificate: asked.reach.certificate.clone(),
            ca: asked.reach.ca.clone(),
            ..settings.reach.clone()
        };
        let material = Material::load(&reach, Some(&self.material))?;
        let ended = || Failure::Ran("the gateway has ended".to_owned());
        material.apply_to_sip(&self.sip_tls)?;
        let (routes, fingerprints) = (asked.routes.clone(), material.fingerprints(&reach));
        let driven = material.clone();
        self.handle
            .call(move |driver| {
                driven.apply(driver);
                driver.node_mut().set_fingerprints(fingerprints);
                driver.node_mut().set_routes(routes);
            })
            .await
            .ok_or_else(ended)?;
        self.material = material;
        Ok(())
    }
}
