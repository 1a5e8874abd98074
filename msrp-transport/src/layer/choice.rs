//! Which layer a connection gets.

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, Target, TransportKind},
};

use super::Layer;
#[cfg(feature = "tls")]
use super::Tls;
#[cfg(feature = "tls")]
use crate::tls_config::{ClientTls, ServerTls};

/// What stands above the connections that a listener accepts. From a [`ServerTls`](crate::tls_config::ServerTls) (see
/// [`server_config`](crate::tls_config::server_config)) it is TLS; by default it is nothing.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
}

#[cfg(feature = "tls")]
impl From<Option<ServerTls>> for Incoming {
    fn from(tls: Option<ServerTls>) -> Self {
        Self { tls }
    }
}

#[cfg(feature = "tls")]
impl From<ServerTls> for Incoming {
    fn from(tls: ServerTls) -> Self {
        Self { tls: Some(tls) }
    }
}

impl Incoming {
    /// Whether there is TLS.
    pub fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// What it comes to on a listener of this scheme: `msrp` is plain, whatever there is; `msrps` needs TLS.
    pub(crate) fn for_scheme(self, scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Msrps => self.is_tls().then_some(self),
            _ => Some(Self::default()),
        }
    }

    /// The layer of a connection that was accepted; none where the configuration does not work.
    pub(crate) fn layer(&self) -> Option<Layer> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return match Tls::server(tls.config.clone(), tls.chained) {
                Ok(tls) => Some(Layer::Tls(Box::new(tls))),
                Err(error) => {
                    tracing::error!(%error, "TLS configuration does not work");
                    None
                }
            };
        }
        Some(Layer::Plain)
    }
}

/// What stands above the connections that a node asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<ClientTls>,
}

impl Outgoing {
    /// The layer for a target.
    pub(crate) fn layer(&self, target: &Target) -> Result<Layer, ConnectFailure> {
        if target.transport != TransportKind::Tcp {
            return Err(ConnectFailure::Other(
                "this transport is not supported by the driver".to_owned(),
            ));
        }
        if target.scheme == Scheme::Msrp {
            return Ok(Layer::Plain);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let (config, chained) = tls
                .config_for(target)
                .map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            let tls = Tls::client(config, &target.host, chained)
                .map_err(|error| ConnectFailure::Tls(error.to_string()))?;
            return Ok(Layer::Tls(Box::new(tls)));
        }
        Err(ConnectFailure::Tls(
            "no roots are configured for outgoing TLS".to_owned(),
        ))
    }
}
