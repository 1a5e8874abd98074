//! Which layer a connection gets.

#[cfg(feature = "websocket")]
use std::sync::Arc;

use msrp_core::{
    grammar::Scheme,
    node::{ConnectFailure, Target, TransportKind},
};

use super::Layer;
#[cfg(feature = "tls")]
use super::Tls;
#[cfg(feature = "websocket")]
use super::websocket::{Below, WebSocket, WebSocketConfig};
#[cfg(feature = "tls")]
use crate::tls_config::{ClientTls, ServerTls};

/// What stands above the connections that a listener accepts. From a [`ServerTls`](crate::tls_config::ServerTls) (see
/// [`server_config`](crate::tls_config::server_config)) it is TLS; by default it is nothing.
/// [`with_websocket`](Self::with_websocket) puts WebSocket above it.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    #[cfg(feature = "websocket")]
    websocket: Option<Arc<WebSocketConfig>>,
}

/// Why a listener cannot be what its address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// TLS without a certificate.
    NoIdentity,
    /// WebSocket, without the feature.
    NoWebSocket,
}

#[cfg(feature = "tls")]
impl From<Option<ServerTls>> for Incoming {
    fn from(tls: Option<ServerTls>) -> Self {
        Self {
            tls,
            ..Self::default()
        }
    }
}

#[cfg(feature = "tls")]
impl From<ServerTls> for Incoming {
    fn from(tls: ServerTls) -> Self {
        Some(tls).into()
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

    /// WebSocket (RFC 7977) above whatever else there is.
    #[cfg(feature = "websocket")]
    pub fn with_websocket(mut self, config: WebSocketConfig) -> Self {
        self.websocket = Some(Arc::new(config));
        self
    }

    /// Whether there is WebSocket.
    pub fn transport(&self) -> TransportKind {
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return TransportKind::WebSocket;
        }
        TransportKind::Tcp
    }

    /// The same with another certificate.
    #[cfg(feature = "tls")]
    pub(crate) fn set_tls(&mut self, tls: ServerTls) {
        self.tls = Some(tls);
    }

    /// What it comes to on a listener of this scheme and transport: `msrp` is without TLS, whatever there is; `msrps` needs
    /// it. WebSocket has its defaults where nothing else is said.
    #[cfg_attr(not(any(feature = "tls", feature = "websocket")), allow(unused_mut))]
    pub(crate) fn fit(mut self, scheme: Scheme, transport: TransportKind) -> Result<Self, Unfit> {
        if scheme != Scheme::Msrps {
            #[cfg(feature = "tls")]
            let _unused = self.tls.take();
        } else if !self.is_tls() {
            return Err(Unfit::NoIdentity);
        }
        match transport {
            #[cfg(feature = "websocket")]
            TransportKind::WebSocket => {
                self.websocket.get_or_insert_default();
                Ok(self)
            }
            #[cfg(feature = "websocket")]
            TransportKind::Tcp => {
                self.websocket = None;
                Ok(self)
            }
            #[cfg(not(feature = "websocket"))]
            TransportKind::Tcp => Ok(self),
            _ => Err(Unfit::NoWebSocket),
        }
    }

    /// The layer of a connection that was accepted; none where the configuration does not work.
    pub fn layer(&self) -> Option<Layer> {
        let layer = self.lower_layer()?;
        #[cfg(feature = "websocket")]
        if let Some(config) = &self.websocket {
            let websocket = WebSocket::server(below(layer), config.clone());
            return Some(Layer::WebSocket(Box::new(websocket)));
        }
        Some(layer)
    }

    fn lower_layer(&self) -> Option<Layer> {
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

/// A layer, as what carries WebSocket.
#[cfg(feature = "websocket")]
fn below(layer: Layer) -> Below {
    match layer {
        #[cfg(feature = "tls")]
        Layer::Tls(tls) => Below::Tls(tls),
        _ => Below::Plain,
    }
}

/// What stands above the connections that a node asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<ClientTls>,
    #[cfg(feature = "websocket")]
    pub(crate) websocket: Arc<WebSocketConfig>,
}

impl Outgoing {
    /// The layer for a target.
    pub(crate) fn layer(&self, target: &Target) -> Result<Layer, ConnectFailure> {
        match target.transport {
            TransportKind::Tcp => self.lower_layer(target),
            #[cfg(feature = "websocket")]
            TransportKind::WebSocket => {
                let below = below(self.lower_layer(target)?);
                let path = target.path.as_deref().unwrap_or("/");
                WebSocket::client(below, &target.host, target.port, path, self.websocket.clone())
                    .map(|websocket| Layer::WebSocket(Box::new(websocket)))
                    .map_err(|error| ConnectFailure::WebSocket(error.to_string()))
            }
            _ => Err(ConnectFailure::Other(
                "this transport is not supported by the driver".to_owned(),
            )),
        }
    }

    fn lower_layer(&self, target: &Target) -> Result<Layer, ConnectFailure> {
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
