//! From what a MESSAGE brings to what a session takes, and back.
//!
//! Nothing that was wrapped by somebody else is changed (RFC 3862 §6): it goes on octet for octet, or is taken out of its
//! wrapping as a whole. Nothing is relabelled: a charset stays what its sender said it is.

mod kind;
mod to_page;
mod to_session;
pub(crate) mod transfer;

use bytes::Bytes;
use msrp_ua::{
    cpim::{CpimHead, Wrapping, understands_core},
    imdn::IMDN_NAMESPACE,
    sip::{SipHeader, SipParty},
};
use std::time::SystemTime;

pub(crate) use self::kind::Kind;
use crate::identity::Aor;

/// What came in a MESSAGE.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FromPage<'a> {
    /// `From`.
    pub from: &'a SipParty,
    /// Who it really is.
    pub sender: &'a Aor,
    /// `To`.
    pub to: &'a SipParty,
    /// The media type.
    pub content_type: &'a str,
    /// The octets, without a transfer encoding.
    pub body: &'a Bytes,
    /// The header fields of the MESSAGE.
    pub headers: &'a [SipHeader],
    /// When it was sent, by its `Date`, else when it came.
    pub sent_at: SystemTime,
}

/// What goes into a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForSession {
    /// The media type.
    pub content_type: String,
    /// The octets.
    pub body: Bytes,
    /// Header fields of MSRP: Content-Disposition and the like.
    pub headers: Vec<(String, String)>,
}

/// What came in a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FromSession<'a> {
    /// Who the session is with.
    pub sender: &'a Aor,
    /// Who it goes to.
    pub target: &'a Aor,
    /// The media type.
    pub content_type: &'a str,
    /// Its Content-Disposition.
    pub disposition: Option<&'a str>,
    /// The octets.
    pub body: &'a Bytes,
    /// The target has refused message/cpim of late.
    pub no_cpim: bool,
    /// When it came.
    pub now: SystemTime,
}

/// What goes out in a MESSAGE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForPage {
    /// The media type.
    pub content_type: String,
    /// The octets.
    pub body: Bytes,
    /// Header fields of SIP: Subject, Date, Content-Disposition and the like.
    pub headers: Vec<SipHeader>,
    /// What is sent where the target answers 415 to this.
    pub instead: Option<Box<ForPage>>,
}

/// Why something is not carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The other side does not take the media type.
    #[error("the other side does not take {0}")]
    Type(String),
    /// It is not what it says it is.
    #[error("malformed: {0}")]
    Malformed(String),
    /// It demands that something is understood which is not.
    #[error("it demands {0}, which is not understood")]
    Required(String),
    /// It names another sender than who sends it.
    #[error("it names another sender")]
    Sender,
    /// It is addressed to somebody else.
    #[error("it is addressed to somebody else")]
    Recipient,
}

impl ContentError {
    /// The code that says it, of SIP and of MSRP alike.
    pub fn code(&self) -> u16 {
        match self {
            Self::Type(_) | Self::Required(_) => 415,
            Self::Malformed(_) => 400,
            Self::Sender | Self::Recipient => 403,
        }
    }
}

/// What is done with content.
pub trait ContentPolicy {
    /// What goes into a session of what came in a MESSAGE.
    ///
    /// # Errors
    /// [`ContentError`]; nothing goes.
    fn to_session(&mut self, page: &FromPage<'_>, peer: &Wrapping) -> Result<ForSession, ContentError>;

    /// What goes out in a MESSAGE of what came in a session.
    ///
    /// # Errors
    /// [`ContentError`]; nothing goes.
    fn to_page(&mut self, message: &FromSession<'_>) -> Result<ForPage, ContentError>;
}

/// Which peers get what came in a MESSAGE wrapped in a message/cpim, which tells them when it was sent and what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpimUse {
    /// Those that list message/cpim, wherever (RFC 4975 §13).
    #[default]
    Listed,
    /// Those that list it first, and those that take the content in no other way.
    First,
    /// All that take it, also those that take anything.
    Always,
}

/// The usual [`ContentPolicy`].
///
/// | from | to | what becomes of it |
/// |---|---|---|
/// | MESSAGE with message/cpim | session that takes it | the same octets |
/// | MESSAGE with message/cpim | session that does not | its content, where nothing is demanded |
/// | MESSAGE with anything else | session | wrapped as [`CpimUse`] says, else as it is |
/// | session: message/cpim | MESSAGE | its content, where nothing is lost by that; else the same octets |
/// | session: anything else | MESSAGE | as it is |
#[derive(Clone, Debug, Default)]
pub struct StandardContent {
    cpim: CpimUse,
    aliases: Vec<(Aor, Aor)>,
    any_recipient: bool,
    refused: Vec<String>,
    address: Option<String>,
}

impl StandardContent {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which peers get what is sent wrapped.
    pub fn cpim(mut self, cpim: CpimUse) -> Self {
        self.cpim = cpim;
        self
    }

    /// Lets a user name itself so in the From of a message/cpim.
    pub fn alias(mut self, user: Aor, alias: Aor) -> Self {
        self.aliases.push((user, alias));
        self
    }

    /// Ignores to whom a message/cpim is addressed. Default off: to somebody else than whom it goes to is refused.
    pub fn any_recipient(mut self, on: bool) -> Self {
        self.any_recipient = on;
        self
    }

    /// Carries nothing of this media type, such as `text/html`, in either direction.
    pub fn refuse(mut self, media_type: impl Into<String>) -> Self {
        self.refused.push(media_type.into().to_ascii_lowercase());
        self
    }

    /// The URI under which this gateway stands in the IMDN-Route of notifications; there it is taken off (RFC 5438 §8).
    pub fn address(mut self, uri: impl Into<String>) -> Self {
        self.address = Some(uri.into());
        self
    }

    fn check_type(&self, content_type: &str) -> Result<(), ContentError> {
        let bare = bare(content_type);
        if self.refused.contains(&bare) {
            return Err(ContentError::Type(bare));
        }
        Ok(())
    }

    /// Whether the names in a message/cpim are those of the two between whom it goes.
    fn check_names(&self, head: &CpimHead, sender: &Aor, target: Option<&Aor>) -> Result<(), ContentError> {
        if let Some(from) = head.from().filter(|from| !from.is_anonymous()) {
            let named = Aor::parse(from.uri()).map_err(|_| ContentError::Sender)?;
            let alias = || {
                self.aliases
                    .iter()
                    .any(|(user, alias)| user == sender && *alias == named)
            };
            if named != *sender && !alias() {
                return Err(ContentError::Sender);
            }
        }
        if let Some(target) = target
            && !self.any_recipient
        {
            let known = head
                .to()
                .iter()
                .any(|to| to.is_anonymous() || Aor::parse(to.uri()).is_ok_and(|to| to == *target));
            if !head.to().is_empty() && !known {
                return Err(ContentError::Recipient);
            }
        }
        Ok(())
    }
}

/// What a message/cpim demands and we do not understand; that is refused, not taken off (RFC 3862 §3.5).
fn check_required(head: &CpimHead) -> Result<(), ContentError> {
    let understands =
        |namespace: &str, name: &str| understands_core(namespace, name) || namespace == IMDN_NAMESPACE;
    match head.not_understood(understands).first() {
        Some(required) => Err(ContentError::Required(required.name.to_string())),
        None => Ok(()),
    }
}

/// `type/subtype` in lower case.
pub(crate) fn bare(content_type: &str) -> String {
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// A value that can stand in a header field: without line ends and other controls.
fn is_clean(value: &str) -> bool {
    !value.is_empty() && !value.chars().any(char::is_control)
}

impl ContentPolicy for StandardContent {
    fn to_session(&mut self, page: &FromPage<'_>, peer: &Wrapping) -> Result<ForSession, ContentError> {
        self.page_to_session(page, peer)
    }

    fn to_page(&mut self, message: &FromSession<'_>) -> Result<ForPage, ContentError> {
        self.session_to_page(message)
    }
}

#[cfg(test)]
mod tests;
