//! Options, checked.

use std::{net::IpAddr, time::Duration};

use msrp_gateway::{
    Aor, GatewayConfig, Oversize, Policies, QueueLimits, Rate,
    policy::{Routes, SplitText, TrustFrom},
};
use msrp_ua::{
    RelayAccount,
    sip::{SipParty, rsipstack::SipListen},
};

use super::{Options, options::Long};
use crate::{
    config_file::secret,
    failure::Failure,
    http::Site,
    reach::{self, Reach},
};

/// What the gateway runs with.
#[derive(Clone)]
pub struct Settings {
    pub(super) reach: Reach,
    pub(super) routes: Routes,
    pub(super) relays: Vec<RelayAccount>,
    pub(super) trust: Vec<IpAddr>,
    pub(super) admin: Option<Site>,
    pub(super) drain: Duration,
    config: GatewayConfig,
    trust_from: bool,
    split: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

fn seconds(time: Option<u64>, usual: u64) -> Duration {
    Duration::from_secs(time.unwrap_or(usual))
}

impl Settings {
    /// Checks what can be checked before anything is opened.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: Options) -> Result<Self, Failure> {
        let admin = options
            .admin
            .as_deref()
            .map(|url| {
                Site::new(
                    ("--admin", url),
                    ("--admin-token", options.admin_token.as_deref()),
                )
            })
            .transpose()?;
        if options.admin.is_none() && options.admin_token.is_some() {
            return Err(Failure::asked("--admin-token", "there is no --admin"));
        }
        let (routes, relays, config) = (routes(&options.route)?, relays(&options)?, config(&options)?);
        let reach = Reach::new(options.reach)?;
        if reach.host.is_none()
            && reach
                .sip
                .iter()
                .any(|listen| listen.address.ip().is_unspecified())
        {
            return Err(Failure::asked(
                "--host",
                "others need a name or an address by which they reach this machine, as it listens on all addresses",
            ));
        }
        Ok(Self {
            reach,
            routes,
            relays,
            config,
            trust: options.trust,
            trust_from: options.trust_from,
            split: options.long == Long::Split,
            drain: seconds(options.drain, 10),
            admin,
        })
    }

    /// What the gateway is told, once it is known where SIP is listened for.
    pub(super) fn gateway(&self, listening: &[SipListen]) -> (GatewayConfig, Policies) {
        let mut config = self.config.clone().relays(self.relays.clone());
        for listen in listening {
            let address = listen.address;
            config = config.own_address(&format!("sip:{address}"));
            if let Some(host) = &self.reach.host {
                config = config.own_address(&format!("sip:{host}:{}", address.port()));
            }
        }
        let mut policies = Policies::new(self.routes.clone());
        if self.trust_from {
            policies = policies.sender(TrustFrom);
        }
        if self.split {
            policies = policies.split(SplitText::at_most(20));
        }
        (config, policies)
    }
}

fn config(options: &Options) -> Result<GatewayConfig, Failure> {
    let rate = |each: Option<u32>, usual: u32| {
        let each = each.unwrap_or(usual);
        Rate::new(each.saturating_mul(4), f64::from(each))
    };
    let mut config = GatewayConfig::new()
        .session_timeout(seconds(options.session_timeout, 600))
        .message_timeout(seconds(options.message_timeout, 300))
        .setup_timeout(seconds(options.setup_timeout, 60))
        .queue(QueueLimits {
            messages: options.queue.unwrap_or(100) as usize,
            ..QueueLimits::default()
        })
        .sender_rate(rate(options.sender_rate, 50))
        .pair_rate(rate(options.pair_rate, 20))
        .total_rate(rate(options.rate, 10_000));
    if options.long == Long::Tcp {
        config = config.oversize(Oversize::OverTcp);
    }
    if let Some(name) = &options.name {
        let token = !name.is_empty()
            && name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
        if !token {
            return Err(Failure::asked(
                &format!("--name {name}"),
                "letters, digits, -, . and _ are wanted",
            ));
        }
        config = config.name(name);
    }
    if let Some(uri) = &options.notices {
        Aor::parse(uri).map_err(|error| Failure::asked(&format!("--notices {uri}"), error))?;
        config = config.notices(Some(SipParty::new(uri)));
    }
    Ok(config)
}

fn routes(rules: &[String]) -> Result<Routes, Failure> {
    if rules.is_empty() {
        return Err(Failure::asked(
            "--route",
            "what is to be carried? For example --route '*@chat.example.com=sip:192.0.2.9'",
        ));
    }
    rules.iter().try_fold(Routes::new(), |routes, rule| {
        routes
            .with_rule(rule)
            .map_err(|error| Failure::asked("--route", error))
    })
}

fn relays(options: &Options) -> Result<Vec<RelayAccount>, Failure> {
    let password = options
        .relay_password
        .as_deref()
        .map(|text| secret("--relay-password", text))
        .transpose()?;
    options
        .relay
        .iter()
        .map(|text| {
            let uri = reach::relay(text)?;
            let Some(password) = &password else {
                return Err(Failure::asked(
                    "--relay",
                    "the relay wants to know who we are; --relay-password tells it",
                ));
            };
            Ok(RelayAccount::new(uri, &options.relay_user, password))
        })
        .collect()
}
