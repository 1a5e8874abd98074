//! Who sends, and which sessions belong together.

use msrp_ua::sip::{SipParty, SipReply};

use crate::identity::Aor;

/// Who sends a MESSAGE or an INVITE, and what belongs to one conversation.
pub trait SenderPolicy {
    /// Who it is. `identity` is what the SIP stack knows: the user that digest proved, a `P-Asserted-Identity` of a
    /// trusted hop, or a verified `Identity`; `from` is only what the request claims.
    ///
    /// # Errors
    /// The answer that the request gets, such as 403.
    fn sender(&mut self, identity: Option<&str>, from: &SipParty) -> Result<Aor, SipReply>;

    /// The key of the conversation between someone who uses MESSAGE and someone who uses sessions: what has one key shares
    /// a session, whichever of the two began. Default: the two of them. One that serves several tenants puts the tenant's
    /// name into it.
    fn key(&mut self, page: &Aor, session: &Aor) -> String {
        // Neither holds a space.
        format!("{page} {session}")
    }
}

/// Takes nothing but what the SIP stack knows; who is not known gets 403.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asserted;

impl SenderPolicy for Asserted {
    fn sender(&mut self, identity: Option<&str>, _from: &SipParty) -> Result<Aor, SipReply> {
        let unknown = || SipReply::new(403).with_reason("Identity Not Proven");
        Aor::parse(identity.ok_or_else(unknown)?).map_err(|_| unknown())
    }
}

/// Believes `From` where the SIP stack knows nothing better: for labs, and behind a proxy that lets nobody in whose `From`
/// it has not checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustFrom;

impl SenderPolicy for TrustFrom {
    fn sender(&mut self, identity: Option<&str>, from: &SipParty) -> Result<Aor, SipReply> {
        Aor::parse(identity.unwrap_or(&from.uri))
            .map_err(|error| SipReply::new(400).with_reason(format!("From: {error}")))
    }
}
