//! Registration of the address of record (RFC 3261 §10).

use std::time::Duration;

use rsipstack::sip::{Method, Response};
use tokio::sync::watch;

use super::{
    clients::Purpose,
    compose,
    core::{Core, Due},
    fields::{self, NameAddr},
};
use crate::sip::{SipAnswer, SipError};

/// How the registration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationState {
    /// None was asked for, or it has been taken back.
    None,
    /// The registrar has not answered yet.
    Trying,
    /// It stands for this long, and is refreshed before.
    Registered(Duration),
    /// The registrar refuses, or is not there; it is asked again.
    Failed(SipAnswer),
}

/// The registration as it is going on.
pub(super) struct Registering {
    state: watch::Sender<RegistrationState>,
    call_id: String,
    tag: String,
    seq: u32,
    expires: Option<u64>,
    failures: u32,
}

/// After a failure the registrar is asked again after this time, twice as long each time, up to `LONGEST`.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(1800);

impl Registering {
    pub(super) fn new(state: watch::Sender<RegistrationState>) -> Self {
        Self {
            state,
            call_id: compose::token(),
            tag: compose::token(),
            seq: 0,
            expires: None,
            failures: 0,
        }
    }

    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.saturating_add(1);
        self.seq
    }

    pub(super) fn is_registered(&self) -> bool {
        matches!(*self.state.borrow(), RegistrationState::Registered(_))
    }
}

impl Core {
    /// Registers, or refreshes.
    pub(super) fn register(&mut self) {
        let Some(registration) = self.config.register.as_ref().filter(|_| !self.leaving) else {
            return;
        };
        let expires = self.registering.expires.unwrap_or(registration.expires.as_secs());
        if !self.registering.is_registered() {
            self.registering.state.send_replace(RegistrationState::Trying);
        }
        self.ask_registrar(expires, Purpose::Register);
    }

    pub(super) fn unregister(&mut self) {
        self.ask_registrar(0, Purpose::Unregister);
    }

    /// Whatever the registrar has said to it: the adapter ends.
    pub(super) fn unregistered(&mut self) {
        self.registering.state.send_replace(RegistrationState::None);
    }

    fn ask_registrar(&mut self, expires: u64, purpose: Purpose) {
        let seq = self.registering.next_seq();
        if let Err(fault) = self.try_register(expires, seq, purpose) {
            let answer = SipAnswer::new(500, fault.to_string());
            self.registering
                .state
                .send_replace(RegistrationState::Failed(answer));
        }
    }

    fn try_register(&mut self, expires: u64, seq: u32, purpose: Purpose) -> Result<(), SipError> {
        let registrar = match self
            .config
            .register
            .as_ref()
            .and_then(|register| register.registrar.clone())
        {
            Some(registrar) => registrar,
            None => {
                let mut domain = fields::uri(&self.config.aor.uri)?;
                domain.auth = None;
                domain.to_string()
            }
        };
        let aor = fields::name_addr(&self.config.aor)?;
        let from = format!("{aor};tag={}", self.registering.tag);
        let (hop, route) = self.way(&registrar, None)?;
        let mut request = compose::Outside {
            method: Method::Register,
            uri: fields::uri(&registrar)?,
            from: &from,
            to: &aor,
            call_id: &self.registering.call_id,
            seq,
            route: route.as_deref(),
        }
        .request(&self.config);
        fields::push(&mut request.headers, "Allow", compose::ALLOW);
        fields::push(&mut request.headers, "Contact", format!("<>;expires={expires}"));
        fields::push(&mut request.headers, "Expires", expires.to_string());
        self.send(purpose, request, hop);
        Ok(())
    }

    pub(super) fn register_answered(&mut self, response: &Response) {
        let code = response.status_code.code();
        let number =
            |name| fields::value(&response.headers, name).and_then(|value| value.trim().parse::<u64>().ok());
        if self.leaving {
            // A refresh that was refused leaves what was there before.
            if (200..300).contains(&code) || self.registering.is_registered() {
                self.unregister();
            }
            return;
        }
        if (200..300).contains(&code) {
            let asked = self
                .config
                .register
                .as_ref()
                .map_or(3600, |asked| asked.expires.as_secs());
            // Of several contacts the shortest life is safe: ours is among them.
            let granted = fields::values(&response.headers, "Contact")
                .flat_map(fields::list)
                .filter_map(|contact| {
                    NameAddr::parse(contact)?
                        .parameter("expires")?
                        .parse::<u64>()
                        .ok()
                })
                .min()
                .or_else(|| number("Expires"))
                .unwrap_or(asked)
                .clamp(1, 7 * 86_400);
            self.registering.failures = 0;
            let time = Duration::from_secs(granted);
            self.registering
                .state
                .send_replace(RegistrationState::Registered(time));
            self.after(time.mul_f32(0.8), Due::Register);
            return;
        }
        if code == 423
            && let Some(least) = number("Min-Expires").filter(|least| *least <= 7 * 86_400)
            && self.registering.expires.is_none_or(|expires| expires < least)
        {
            self.registering.expires = Some(least);
            return self.register();
        }
        let answer = compose::answer(response);
        let wait = answer.retry_after.unwrap_or_else(|| {
            FIRST
                .saturating_mul(1 << self.registering.failures.min(6))
                .min(LONGEST)
        });
        self.registering.failures += 1;
        self.registering
            .state
            .send_replace(RegistrationState::Failed(answer));
        self.after(wait.clamp(Duration::from_secs(1), LONGEST), Due::Register);
    }
}
