//! What notifications are expected, and what those that come say (RFC 5438 §7.1).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{DeliveryStatus, Disposition, DispositionRequests, DispositionType, Notification};

/// Recipients whose notifications about one message are told apart.
const MAX_RECIPIENTS: usize = 256;

/// Octets by which recipients are told apart: a peer may claim longer ones.
const MAX_RECIPIENT: usize = 512;

/// Messages that we sent and that asked for notifications, each with what the application needs to find it again.
///
/// Notifications come late or never: the oldest message gives way to a new one. Each recipient of a message is heard once
/// of each kind, up to 256 recipients, which are told apart by the first 512 octets of their URIs: that is 384 KiB for one
/// message at the most, and usually a hundred octets.
#[derive(Debug)]
pub struct SentRequests<T> {
    limit: usize,
    order: VecDeque<Box<str>>,
    sent: BTreeMap<Box<str>, Sent<T>>,
}

#[derive(Debug)]
struct Sent<T> {
    requests: DispositionRequests,
    what: T,
    /// Recipients, and what they have said.
    heard: BTreeSet<(Box<[u8]>, DispositionType)>,
}

/// What a notification means to us.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard<'a, T> {
    /// It is about this message of ours, and asked for.
    Expected(&'a T),
    /// It is about this message, but says what was not asked for, or nothing that is known.
    NotAsked(&'a T),
    /// This recipient has said something of the kind before; the first time counts.
    Again(&'a T),
    /// It is about no message that is remembered. Anybody can send such notifications.
    Unknown,
}

impl<T> SentRequests<T> {
    /// Remembers `limit` messages, one at the least.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            order: VecDeque::new(),
            sent: BTreeMap::new(),
        }
    }

    /// A message has been sent. One that asks for nothing is not remembered.
    pub fn sent(&mut self, message_id: &str, requests: DispositionRequests, what: T) {
        if requests.is_empty() {
            return;
        }
        self.forget(message_id);
        if self.order.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.sent.remove(&oldest);
        }
        self.order.push_back(message_id.into());
        self.sent.insert(
            message_id.into(),
            Sent {
                requests,
                what,
                heard: BTreeSet::new(),
            },
        );
    }

    /// No more is to be heard of a message.
    pub fn forget(&mut self, message_id: &str) {
        if self.sent.remove(message_id).is_some() {
            self.order.retain(|known| **known != *message_id);
        }
    }

    /// How many messages are remembered.
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// A notification has come. Of a notification about a notification, and of requests in it, nothing follows.
    pub fn heard(&mut self, notification: &Notification) -> Heard<'_, T> {
        let Some(sent) = self.sent.get_mut(&*notification.message_id) else {
            return Heard::Unknown;
        };
        let asked = |disposition| match disposition {
            Disposition::Delivery(DeliveryStatus::Delivered) => sent.requests.positive_delivery,
            Disposition::Delivery(DeliveryStatus::Failed) => sent.requests.negative_delivery,
            Disposition::Delivery(_) => sent.requests.positive_delivery || sent.requests.negative_delivery,
            Disposition::Processing(_) => sent.requests.processing,
            Disposition::Display(_) => sent.requests.display,
        };
        let Some(disposition) = notification.disposition.filter(|&disposition| asked(disposition)) else {
            return Heard::NotAsked(&sent.what);
        };
        let recipient = notification.recipient_uri.as_deref().unwrap_or_default();
        let recipient = recipient.as_bytes();
        let recipient = recipient.get(..MAX_RECIPIENT).unwrap_or(recipient);
        let key = (Box::from(recipient), disposition.kind());
        if sent.heard.contains(&key) || sent.heard.len() >= MAX_RECIPIENTS * 3 {
            return Heard::Again(&sent.what);
        }
        sent.heard.insert(key);
        Heard::Expected(&sent.what)
    }
}
