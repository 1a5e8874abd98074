//! Somebody with a user agent: SIP by UDP, MSRP by way of relays.

use std::path::Path;

use msrp_core::grammar::Uri;
use tokio::{sync::mpsc, time::timeout};

use super::{PATIENCE, Trouble, relay::password_of};
use crate::{
    endpoint::{Endpoint, EndpointOptions, EndpointSettings, Event, Policy, Status},
    reach::ReachOptions,
};

/// Somebody, seen from the story.
pub(super) struct Person {
    pub(super) name: &'static str,
    /// Where it is called, such as `sip:bob@127.0.0.1:5060`.
    pub(super) uri: String,
    /// Where it listens for SIP.
    pub(super) sip: String,
    pub(super) endpoint: Endpoint,
    events: mpsc::Receiver<Event>,
}

impl Person {
    /// Starts a user agent that goes through these relays, trusts whom the authority vouches for, and keeps what it is sent
    /// in a folder of its own.
    pub(super) async fn start(
        name: &'static str,
        roots: &Path,
        folder: &Path,
        relays: &[Uri],
    ) -> Result<Self, Trouble> {
        let aor = format!("sip:{name}@127.0.0.1");
        let options = EndpointOptions {
            aor: Some(aor),
            reach: ReachOptions {
                sip: vec!["udp://127.0.0.1:0".to_owned()],
                ca: Some(roots.to_owned()),
                ..ReachOptions::default()
            },
            relay: relays.iter().map(|uri| uri.as_str().to_owned()).collect(),
            relay_password: Some(password_of(name)),
            save_dir: Some(folder.join(name)),
            ..EndpointOptions::default()
        };
        let policy = Policy {
            auto_answer: true,
            ..Policy::default()
        };
        let settings = EndpointSettings::new(options).map_err(|failure| Trouble::from_failure(&failure))?;
        let (endpoint, events) = Endpoint::start(&settings, policy)
            .await
            .map_err(|failure| Trouble::from_failure(&failure))?;
        let mut person = Self {
            name,
            uri: String::new(),
            sip: String::new(),
            endpoint,
            events,
        };
        person.sip = person
            .hear("its SIP port", |event| match event {
                Event::Listening { url, .. } if url.starts_with("udp:") => Some(url),
                _ => None,
            })
            .await?;
        let port = person.sip.rsplit(':').next().unwrap_or_default();
        person.uri = format!("sip:{name}@127.0.0.1:{port}");
        Ok(person)
    }

    /// Waits until an event says what is wanted; others are passed over.
    pub(super) async fn hear<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Trouble> {
        let found = timeout(PATIENCE, async {
            while let Some(event) = self.events.recv().await {
                if let Event::Ended {
                    reason,
                    regular: false,
                    ..
                } = &event
                {
                    return Err(Trouble(format!("the session of {} ended: {reason}", self.name)));
                }
                if let Some(found) = wanted(event) {
                    return Ok(found);
                }
            }
            Err(Trouble(format!("{} is gone", self.name)))
        });
        found
            .await
            .map_err(|_| Trouble(format!("{} waited in vain for {what}", self.name)))?
    }

    /// Waits until the message of this identifier is reported to have arrived.
    pub(super) async fn hear_delivery(&mut self, sent: &str) -> Result<(), Trouble> {
        self.hear("a success report", |event| match event {
            Event::Report {
                message_id,
                status: Status::Delivered,
                ..
            } if message_id == sent => Some(()),
            _ => None,
        })
        .await
    }

    /// Ends the user agent.
    pub(super) async fn leave(self) {
        self.endpoint.shut_down(PATIENCE).await;
    }
}
