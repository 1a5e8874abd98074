//! The document message/imdn+xml (RFC 5438 §11).

use super::ImdnError;
use crate::xml::{Element, XmlLimits};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// What became of a message, as the recipient or an intermediary says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The identifier of the message that it is about.
    pub message_id: String,
    /// When that message was sent, as it said itself.
    pub date_time: String,
    /// Who received it.
    pub recipient_uri: Option<String>,
    /// To whom it was addressed at first.
    pub original_recipient_uri: Option<String>,
    /// What it was about.
    pub subject: Option<Subject>,
    /// What became of it; none where that is a word of an extension.
    pub disposition: Option<Disposition>,
}

/// A subject, repeated so that people recognise the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its text.
    pub text: String,
    /// The language, where it is told.
    pub language: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// On its way to the recipient.
    Delivery(DeliveryStatus),
    /// At an intermediary.
    Processing(ProcessingStatus),
    /// Before the recipient's eyes.
    Display(DisplayStatus),
}

/// The kinds of disposition. Of each there is one notification for a message and recipient at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DispositionType {
    /// On its way to the recipient.
    Delivery,
    /// At an intermediary.
    Processing,
    /// Before the recipient's eyes.
    Display,
}

/// RFC 5438 §5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// The recipient has it.
    Delivered,
    /// The recipient will not get it.
    Failed,
    /// The sender is not to know.
    Forbidden,
    /// It is not known.
    Error,
}

/// RFC 5438 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessingStatus {
    /// The intermediary has done its work.
    Processed,
    /// It is kept for later.
    Stored,
    /// The sender is not to know.
    Forbidden,
    /// It is not known.
    Error,
}

/// RFC 5438 §5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisplayStatus {
    /// It is, or was, on the screen, or began to be played. Whether somebody looked nobody knows.
    Displayed,
    /// The sender is not to know.
    Forbidden,
    /// It is not known.
    Error,
}

impl Disposition {
    /// Its kind.
    pub fn kind(self) -> DispositionType {
        match self {
            Disposition::Delivery(_) => DispositionType::Delivery,
            Disposition::Processing(_) => DispositionType::Processing,
            Disposition::Display(_) => DispositionType::Display,
        }
    }

    /// The elements that say it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Disposition::Delivery(status) => (
                DELIVERY,
                match status {
                    DeliveryStatus::Delivered => "delivered",
                    DeliveryStatus::Failed => "failed",
                    DeliveryStatus::Forbidden => "forbidden",
                    DeliveryStatus::Error => "error",
                },
            ),
            Disposition::Processing(status) => (
                PROCESSING,
                match status {
                    ProcessingStatus::Processed => "processed",
                    ProcessingStatus::Stored => "stored",
                    ProcessingStatus::Forbidden => "forbidden",
                    ProcessingStatus::Error => "error",
                },
            ),
            Disposition::Display(status) => (
                DISPLAY,
                match status {
                    DisplayStatus::Displayed => "displayed",
                    DisplayStatus::Forbidden => "forbidden",
                    DisplayStatus::Error => "error",
                },
            ),
        }
    }

    /// What the elements say, where that is known.
    fn of(kind: &str, status: &str) -> Option<Self> {
        Some(match (kind, status) {
            (DELIVERY, "delivered") => Disposition::Delivery(DeliveryStatus::Delivered),
            (DELIVERY, "failed") => Disposition::Delivery(DeliveryStatus::Failed),
            (DELIVERY, "forbidden") => Disposition::Delivery(DeliveryStatus::Forbidden),
            (DELIVERY, "error") => Disposition::Delivery(DeliveryStatus::Error),
            (PROCESSING, "processed") => Disposition::Processing(ProcessingStatus::Processed),
            (PROCESSING, "stored") => Disposition::Processing(ProcessingStatus::Stored),
            (PROCESSING, "forbidden") => Disposition::Processing(ProcessingStatus::Forbidden),
            (PROCESSING, "error") => Disposition::Processing(ProcessingStatus::Error),
            (DISPLAY, "displayed") => Disposition::Display(DisplayStatus::Displayed),
            (DISPLAY, "forbidden") => Disposition::Display(DisplayStatus::Forbidden),
            (DISPLAY, "error") => Disposition::Display(DisplayStatus::Error),
            _ => return None,
        })
    }
}

const DELIVERY: &str = "delivery-notification";
const PROCESSING: &str = "processing-notification";
const DISPLAY: &str = "display-notification";

impl Notification {
    /// Reads a document. Elements of other namespaces, and an order other than the schema's, do no harm.
    ///
    /// # Errors
    /// [`ImdnError`].
    pub fn parse(document: &[u8], limits: &XmlLimits) -> Result<Self, ImdnError> {
        let root = Element::parse(document, limits)?;
        if !root.is(NAMESPACE, "imdn") {
            return Err(ImdnError::Root);
        }
        let text = |name: &'static str| {
            root.child_text(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Ok(Self {
            message_id: text("message-id").ok_or(ImdnError::Missing("message-id"))?,
            date_time: text("datetime").ok_or(ImdnError::Missing("datetime"))?,
            recipient_uri: text("recipient-uri"),
            original_recipient_uri: text("original-recipient-uri"),
            subject: root.child("subject").map(|subject| Subject {
                text: subject.text.clone(),
                language: subject.attribute("xml:lang").map(str::to_owned),
            }),
            disposition: disposition(&root)?,
        })
    }

    /// Writes the document. It is valid by the schema, which has the two URIs together or not at all, and a subject only
    /// with them (row 5438-T-01): where one is missing the other stands for it.
    pub fn document(&self) -> String {
        let element = |name, text: &str| Element::new(NAMESPACE, name).with_text(text);
        let mut root = Element::new(NAMESPACE, "imdn")
            .with_child(element("message-id", &self.message_id))
            .with_child(element("datetime", &self.date_time));
        let recipient = self
            .recipient_uri
            .as_ref()
            .or(self.original_recipient_uri.as_ref());
        if let Some(recipient) = recipient {
            let original = self.original_recipient_uri.as_ref().unwrap_or(recipient);
            root = root
                .with_child(element("recipient-uri", recipient))
                .with_child(element("original-recipient-uri", original));
            if let Some(subject) = &self.subject {
                let mut child = element("subject", &subject.text);
                if let Some(language) = &subject.language {
                    child = child.with_attribute("xml:lang", language);
                }
                root = root.with_child(child);
            }
        }
        if let Some(disposition) = self.disposition {
            let (kind, status) = disposition.names();
            let status = Element::new(NAMESPACE, "status").with_child(Element::new(NAMESPACE, status));
            root = root.with_child(Element::new(NAMESPACE, kind).with_child(status));
        }
        root.document()
    }
}

/// The one disposition of a document.
fn disposition(root: &Element) -> Result<Option<Disposition>, ImdnError> {
    let mut kinds = root.children.iter().filter(|child| {
        [DELIVERY, PROCESSING, DISPLAY]
            .iter()
            .any(|kind| child.is(NAMESPACE, kind))
    });
    let Some(kind) = kinds.next() else {
        return Ok(None);
    };
    if kinds.next().is_some() {
        return Err(ImdnError::Repeated("disposition"));
    }
    let status = kind.child("status").ok_or(ImdnError::Missing("status"))?;
    let mut states = status
        .children
        .iter()
        .filter(|state| state.namespace == NAMESPACE);
    let state = states.next();
    if states.next().is_some() {
        return Err(ImdnError::Repeated("status"));
    }
    Ok(state.and_then(|state| Disposition::of(&kind.name, &state.name)))
}
