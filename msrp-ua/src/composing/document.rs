//! The document application/im-iscomposing+xml (RFC 3994 §3.4, §6).

use std::time::{Duration, SystemTime};

use msrp_core::grammar::FailureReport;

use super::COMPOSING_TYPE;
use crate::{
    date,
    message::OutgoingMessage,
    xml::{Element, XmlError, XmlLimits},
};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";

/// Whether somebody is writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ComposingState {
    /// Nobody is. It is what unknown words stand for (RFC 3994 §3.5).
    #[default]
    Idle,
    /// Somebody is.
    Active,
}

/// A status message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsComposing {
    /// Whether somebody is writing.
    pub state: ComposingState,
    /// When something was last added or changed.
    pub last_active: Option<SystemTime>,
    /// What is being composed: a media type or the first half of one. It is a hint, as the peer wrote it.
    pub content_type: Option<String>,
    /// How long the receiver may believe in `Active`; without it 120 s.
    pub refresh: Option<Duration>,
}

/// Why a status message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposingError {
    /// It is no XML document that is accepted.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The root is not `isComposing` of the right namespace.
    #[error("the root of a status message has to be isComposing")]
    Root,
    /// It does not tell a state.
    #[error("a status message has to have a state")]
    State,
}

impl IsComposing {
    /// Reads a document. Optional elements that cannot be understood count as absent, those of other namespaces as nothing.
    ///
    /// # Errors
    /// [`ComposingError`].
    pub fn parse(document: &[u8], limits: &XmlLimits) -> Result<Self, ComposingError> {
        let root = Element::parse(document, limits)?;
        if !root.is(NAMESPACE, "isComposing") {
            return Err(ComposingError::Root);
        }
        let state = match root.child_text("state").ok_or(ComposingError::State)? {
            "active" => ComposingState::Active,
            _ => ComposingState::Idle,
        };
        Ok(Self {
            state,
            last_active: root.child_text("lastactive").and_then(date::parse_rfc3339),
            content_type: root
                .child_text("contenttype")
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            refresh: root.child_text("refresh").and_then(seconds),
        })
    }

    /// Writes the document. The refresh interval is told in whole seconds, one at the least.
    pub fn document(&self) -> String {
        let element = |name, text: &str| Element::new(NAMESPACE, name).with_text(text);
        let state = match self.state {
            ComposingState::Idle => "idle",
            ComposingState::Active => "active",
        };
        let mut root = Element::new(NAMESPACE, "isComposing").with_child(element("state", state));
        if let Some(time) = self.last_active.and_then(date::rfc3339) {
            root = root.with_child(element("lastactive", &time));
        }
        if let Some(content_type) = &self.content_type {
            root = root.with_child(element("contenttype", content_type));
        }
        if let Some(refresh) = self.refresh {
            root = root.with_child(element("refresh", &refresh.as_secs().max(1).to_string()));
        }
        root.document()
    }

    /// The message that carries it, of whose fate nobody needs to hear.
    pub fn message(&self) -> OutgoingMessage {
        OutgoingMessage::bytes(COMPOSING_TYPE, self.document()).with_failure_report(FailureReport::No)
    }
}

/// `xs:positiveInteger`; numbers that are too large count as the largest.
fn seconds(text: &str) -> Option<Duration> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let seconds: u64 = digits.parse().unwrap_or(u64::MAX);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
