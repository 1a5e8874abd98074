//! What an application says from another thread.

use std::time::Duration;

use msrp_ua::sip::SipInput;

use crate::{error::GatewayError, event::ConversationId, gateway::Gateway, policy::RoutePolicy};

type Call = Box<dyn FnOnce(&mut Gateway) -> Result<(), GatewayError> + Send>;

/// What an application can tell a gateway from another thread.
#[non_exhaustive]
pub enum GatewayCommand {
    /// See [`Gateway::handle_sip`].
    Sip(Box<SipInput>),
    /// See [`Gateway::end`].
    End(ConversationId),
    /// See [`Gateway::set_routes`].
    SetRoutes(Box<dyn RoutePolicy + Send>),
    /// See [`Gateway::drain`].
    Drain(Duration),
    /// Anything, see [`call`](Self::call).
    Call(Call),
}

impl GatewayCommand {
    /// Does something with the gateway where it lives, quickly and without waiting for anything.
    pub fn call(what: impl FnOnce(&mut Gateway) -> Result<(), GatewayError> + Send + 'static) -> Self {
        GatewayCommand::Call(Box::new(what))
    }
}

impl std::fmt::Debug for GatewayCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GatewayCommand::Sip(_) => "Sip",
            GatewayCommand::End(_) => "End",
            GatewayCommand::SetRoutes(_) => "SetRoutes",
            GatewayCommand::Drain(_) => "Drain",
            GatewayCommand::Call(_) => "Call",
        })
    }
}
