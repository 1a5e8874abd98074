//! Options, checked.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use msrp_core::{
    grammar::{Scheme, Uri},
    node::TransportKind,
};
use msrp_gateway::{
    Aor, GatewayConfig, Oversize, Policies, QueueLimits, Rate,
    policy::{Routes, SplitText, TrustFrom},
};
use msrp_transport::listen::ListenAddress;
use msrp_ua::{
    RelayAccount,
    sip::{
        SipParty,
        rsipstack::{SipListen, SipTransport},
    },
};

use super::{Options, options::Long};
use crate::{endpoint::secret, failure::Failure};

/// What the gateway runs with.
#[derive(Clone)]
pub struct Settings {
    pub(super) sip: Vec<SipListen>,
    pub(super) msrp: ListenAddress,
    pub(super) host: Option<String>,
    pub(super) routes: Routes,
    pub(super) relays: Vec<RelayAccount>,
    pub(super) trust: Vec<IpAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) admin_token: Option<String>,
    pub(super) drain: Duration,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) ca: Option<PathBuf>,
    config: GatewayConfig,
    trust_from: bool,
    split: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("sip", &self.sip)
            .field("msrp", &self.msrp)
            .finish_non_exhaustive()
    }
}

fn asked(flag: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Asked(format!("{flag}: {error}"))
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
        let sip: Vec<SipListen> = options
            .sip
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|error| asked(&format!("--sip {text}"), error))
            })
            .collect::<Result<_, _>>()?;
        let Some(first) = sip.first() else {
            return Err(asked(
                "--sip",
                "where is SIP to be listened for? For example --sip udp://127.0.0.1:5060",
            ));
        };
        let msrp = match &options.msrp {
            Some(text) => msrp_listener(text)?,
            None => ListenAddress {
                scheme: Scheme::Msrp,
                transport: TransportKind::Tcp,
                address: SocketAddr::new(first.address.ip(), 0),
            },
        };
        let everywhere = sip
            .iter()
            .map(|listen| listen.address.ip())
            .chain([msrp.address.ip()])
            .any(|address| address.is_unspecified());
        if everywhere && options.host.is_none() {
            return Err(asked(
                "--host",
                "others need a name or an address by which they reach this machine, as it listens on all addresses",
            ));
        }
        let certificate = match (options.cert.clone(), options.key.clone()) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                return Err(asked(
                    "--cert, --key",
                    "they go together; only one of them is given",
                ));
            }
        };
        let admin = options.admin.as_deref().map(admin_address).transpose()?;
        let admin_token = options
            .admin_token
            .as_deref()
            .map(|text| secret("--admin-token", text))
            .transpose()?;
        if admin.is_some_and(|address| !address.ip().is_loopback()) && admin_token.is_none() {
            return Err(asked(
                "--admin",
                "others can reach this address; --admin-token says what they have to show",
            ));
        }
        Ok(Self {
            routes: routes(&options.route)?,
            relays: relays(&options)?,
            config: config(&options)?,
            trust: options.trust,
            trust_from: options.trust_from,
            split: options.long == Long::Split,
            drain: seconds(options.drain, 10),
            host: options.host,
            ca: options.ca,
            sip,
            msrp,
            certificate,
            admin,
            admin_token,
        })
    }

    /// The host by which others reach this machine.
    pub(super) fn reached_at(&self) -> String {
        match (&self.host, self.msrp.address.ip()) {
            (Some(host), _) => host.clone(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    /// Whether a certificate of our own is needed.
    pub(super) fn needs_identity(&self) -> bool {
        self.msrp.scheme == Scheme::Msrps
            || self
                .sip
                .iter()
                .any(|listen| listen.transport == SipTransport::Tls)
    }

    /// What the gateway is told, once it is known where SIP is listened for.
    pub(super) fn gateway(&self, listening: &[SipListen]) -> (GatewayConfig, Policies) {
        let mut config = self.config.clone().relays(self.relays.clone());
        for listen in listening {
            let address = listen.address;
            config = config.own_address(&format!("sip:{address}"));
            if let Some(host) = &self.host {
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
            messages: options.queue.unwrap_or(100).max(1),
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
            return Err(asked(
                &format!("--name {name}"),
                "letters, digits, -, . and _ are wanted",
            ));
        }
        config = config.name(name);
    }
    if let Some(uri) = &options.notices {
        Aor::parse(uri).map_err(|error| asked(&format!("--notices {uri}"), error))?;
        config = config.notices(Some(SipParty::new(uri)));
    }
    Ok(config)
}

fn routes(rules: &[String]) -> Result<Routes, Failure> {
    if rules.is_empty() {
        return Err(asked(
            "--route",
            "what is to be carried? For example --route '*@chat.example.com=sip:192.0.2.9'",
        ));
    }
    rules.iter().try_fold(Routes::new(), |routes, rule| {
        routes.with_rule(rule).map_err(|error| asked("--route", error))
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
            let whole = match text.contains(';') {
                true => text.clone(),
                false => format!("{};tcp", text.trim_end_matches('/')),
            };
            let uri = Uri::parse(whole.into()).map_err(|error| asked(&format!("--relay {text}"), error))?;
            let Some(password) = &password else {
                return Err(asked(
                    "--relay",
                    "the relay wants to know who we are; --relay-password tells it",
                ));
            };
            Ok(RelayAccount::new(uri, &options.relay_user, password))
        })
        .collect()
}

fn msrp_listener(text: &str) -> Result<ListenAddress, Failure> {
    let flag = format!("--msrp {text}");
    let address: ListenAddress = text.parse().map_err(|error| asked(&flag, error))?;
    match address.transport {
        TransportKind::Tcp => Ok(address),
        _ => Err(asked(&flag, "msrp:// or msrps:// is wanted")),
    }
}

fn admin_address(text: &str) -> Result<SocketAddr, Failure> {
    text.strip_prefix("http://")
        .and_then(|address| address.trim_end_matches('/').parse().ok())
        .ok_or_else(|| {
            asked(
                &format!("--admin {text}"),
                "an address is wanted, such as http://127.0.0.1:9092",
            )
        })
}
