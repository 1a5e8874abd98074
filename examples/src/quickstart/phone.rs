//! A phone that only knows SIP MESSAGE, and the gateway by which it reaches people who chat.

use std::time::{Instant, SystemTime};

use msrp_gateway::{
    Gateway, GatewayConfig, GatewayEvent, Policies,
    policy::{Routes, TrustFrom},
};
use msrp_transport::{
    DriverConfig,
    driver::{Driver, Handle},
    runtime::TokioRuntime,
    tls_config::{ClientTls, roots_from_pem},
};
use msrp_ua::{
    UserAgentConfig,
    sip::{
        PageId, SipAction, SipAdapter, SipInput, SipPage, SipParty, SipReply,
        rsipstack::{RsipAdapter, RsipConfig, SipListen},
    },
};
use tokio::{sync::mpsc, time::timeout};

use super::{PATIENCE, Trouble, person::Person};
use crate::{
    identity::Authority,
    signalling::{self, SipSide},
};

/// Users of chats, as the phone writes to them; the gateway knows where they are.
const CHATS: &str = "chat.example.com";
/// Phones, as people who chat see them.
const PHONES: &str = "phones.example.com";

/// The phone.
pub(super) struct Phone {
    adapter: RsipAdapter,
    gateway: String,
    pages: u64,
}

/// The gateway.
pub(super) struct RunningGateway {
    handle: Handle<Gateway>,
    side: SipSide,
    /// Where it listens for SIP.
    pub(super) sip: String,
}

fn here() -> Result<SipListen, Trouble> {
    Ok("udp://127.0.0.1:0".parse()?)
}

/// A SIP stack on a free port, and `127.0.0.1:PORT`.
fn stack(aor: &str) -> Result<(RsipAdapter, String), Trouble> {
    let adapter = RsipAdapter::start(RsipConfig::new(aor).with_listen(here()?))?;
    let listening = adapter
        .listening()
        .first()
        .map(|listen| listen.address.to_string());
    let address = listening.ok_or_else(|| Trouble("no SIP port".to_owned()))?;
    Ok((adapter, address))
}

/// Starts a gateway between a phone and somebody who chats, and the phone.
pub(super) fn start(authority: &Authority, chats: &Person) -> Result<(RunningGateway, Phone), Trouble> {
    let (phone, phone_at) = stack(&format!("sip:dora@{PHONES}"))?;
    let (adapter, sip) = stack("sip:gateway@127.0.0.1")?;
    let routes = Routes::new()
        .with_rule(&format!("*@{CHATS}={}", chats.uri))?
        .with_rule(&format!("*@{PHONES}=sip:{phone_at}"))?;
    // In this story everybody is who they say they are.
    let policies = Policies::new(routes).sender(TrustFrom);
    let agent = UserAgentConfig::new("127.0.0.1", 2855, false);
    let (now, calendar, seed) = (Instant::now(), SystemTime::now(), crate::seed()?);
    let gateway = Gateway::new(now, calendar, GatewayConfig::new(), agent, policies, seed);
    let mut driver = Driver::new(gateway, DriverConfig::new(), TokioRuntime::current());
    driver.set_client_tls(ClientTls::new(roots_from_pem(authority.pem().as_bytes())?, None)?);
    let (_, local) = driver.listen("msrp://127.0.0.1:0".parse()?, None)?;
    driver.node_mut().set_authority("127.0.0.1", local.port());
    let (handle, events, side) = signalling::join(driver, adapter);
    tokio::spawn(note(events));
    let phone = Phone {
        adapter: phone,
        gateway: format!("sip:{sip}"),
        pages: 0,
    };
    let gateway = RunningGateway { handle, side, sip };
    Ok((gateway, phone))
}

/// What the gateway tells is of interest only where something goes wrong.
async fn note(mut events: mpsc::Receiver<GatewayEvent>) {
    while let Some(event) = events.recv().await {
        tracing::debug!(?event, "gateway");
    }
}

impl RunningGateway {
    pub(super) async fn stop(&self) {
        self.side.shutdown().await;
        self.handle.shutdown(PATIENCE).await;
    }
}

impl Phone {
    pub(super) async fn stop(mut self) {
        self.adapter.shutdown().await;
    }

    /// Writes to somebody who chats: the code of the answer.
    pub(super) async fn write(&mut self, to: &str, text: &str) -> Result<u16, Trouble> {
        self.pages += 1;
        let page = SipPage::new(
            PageId::outgoing(self.pages),
            SipParty::new(format!("sip:dora@{PHONES}")),
            SipParty::new(format!("sip:{to}@{CHATS}")),
            "text/plain",
            text.to_owned(),
        )
        .with_route(self.gateway.clone());
        self.adapter.perform(SipAction::Page(Box::new(page))).await?;
        match self.next("an answer to its MESSAGE").await? {
            SipInput::PageAnswered { answer, .. } => Ok(answer.code),
            other => Err(Trouble(format!("the phone expected an answer, not {other:?}"))),
        }
    }

    /// Waits for a MESSAGE of plain text, and takes it. The gateway tries a message/cpim first where the sender wants to know
    /// whether it is read; a phone such as this one does not know what that is.
    pub(super) async fn read(&mut self) -> Result<String, Trouble> {
        loop {
            let SipInput::Page(page) = self.next("a MESSAGE").await? else {
                return Err(Trouble("the phone expected a MESSAGE".to_owned()));
            };
            let is_text = |media_type: &str| media_type.to_ascii_lowercase().starts_with("text/plain");
            let understood = page.content_type.as_deref().is_some_and(is_text);
            let reply = if understood {
                SipReply::new(200)
            } else {
                SipReply::new(415).with_header("Accept", "text/plain")
            };
            let answer = SipAction::AnswerPage {
                page: page.page,
                reply,
            };
            self.adapter.perform(answer).await?;
            if understood {
                return Ok(String::from_utf8_lossy(&page.body).into_owned());
            }
        }
    }

    async fn next(&mut self, what: &str) -> Result<SipInput, Trouble> {
        let input = timeout(PATIENCE, self.adapter.next()).await;
        input
            .ok()
            .flatten()
            .ok_or_else(|| Trouble(format!("the phone waited in vain for {what}")))
    }
}
