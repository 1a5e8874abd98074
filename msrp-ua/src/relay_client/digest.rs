//! The client's part of Digest (RFC 4976 §9.1, RFC 7616).

use std::borrow::Cow;

use bytes::Bytes;
use msrp_core::{
    codec::{Head, HeaderName},
    digest::{Algorithm, Ha1, response, rspauth},
    grammar::{AuthenticationInfo, Challenge, Credentials, Uri},
};

use crate::event::RegistrationLoss;

/// Who we are for a relay, and how far the two have got in proving themselves.
pub(super) struct Digest {
    user: String,
    password: String,
    nonce: Option<Nonce>,
    proof: Option<Proof>,
    /// The nonce is one that another registration left, and which the relay need not honour.
    inherited: bool,
    /// The relay cannot read an Authorization with `uri`.
    without_uri: bool,
}

/// A nonce that a relay has given for the next AUTH on a connection, and whose it is.
pub(crate) struct NextNonce {
    relay: Uri,
    user: String,
    password: String,
    nonce: Nonce,
}

impl NextNonce {
    /// Whether the two are of one account at one relay.
    pub(super) fn is_for_the_same(&self, other: &Self) -> bool {
        self.relay == other.relay && self.user == other.user && self.password == other.password
    }
}

/// Passwords and nonces are nobody's business.
impl std::fmt::Debug for NextNonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NextNonce(…)")
    }
}

/// A challenge that has been received.
struct Nonce {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    named_algorithm: Option<String>,
    count: u32,
}

/// What was sent last, to check the relay's proof.
struct Proof {
    cnonce: String,
    nonce: String,
    count: u32,
    algorithm: Algorithm,
}

/// A challenge cannot be answered.
pub(super) enum Refused {
    /// What we have to say was said, and is wrong.
    Credentials,
    /// It makes no sense, or asks for something that we cannot do.
    Unusable,
}

impl Digest {
    pub(super) fn new(user: String, password: String) -> Self {
        Self {
            user,
            password,
            nonce: None,
            proof: None,
            inherited: false,
            without_uri: false,
        }
    }

    /// Leaves the nonce for whoever asks next.
    pub(super) fn leave_nonce(&mut self, relay: &Uri) -> Option<NextNonce> {
        self.nonce.take().map(|nonce| NextNonce {
            relay: relay.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            nonce,
        })
    }

    /// Takes over the nonce that another registration left, if there is none here.
    pub(super) fn take_nonce(&mut self, left: &mut Vec<NextNonce>, relay: &Uri) {
        let ours = |left: &NextNonce| {
            left.relay == *relay && left.user == self.user && left.password == self.password
        };
        if self.nonce.is_none()
            && let Some(at) = left.iter().position(ours)
        {
            self.nonce = Some(left.remove(at).nonce);
            self.inherited = true;
        }
    }

    fn ha1(&self, algorithm: Algorithm, realm: &str) -> Ha1 {
        Ha1::compute(algorithm, &self.user, realm, &self.password)
    }

    /// The value of Authorization, once there is a challenge.
    pub(super) fn authorize(&mut self, cnonce: &str, relay: &str) -> Option<Bytes> {
        let nonce = self.nonce.as_mut()?;
        nonce.count += 1;
        let nonce = self.nonce.as_ref()?;
        let proof = response(
            nonce.algorithm,
            &self.ha1(nonce.algorithm, &nonce.realm),
            &nonce.nonce,
            nonce.count,
            cnonce,
            "auth",
            "AUTH",
            relay.as_bytes(),
        );
        let credentials = Credentials {
            username: Cow::Borrowed(&self.user),
            realm: Cow::Borrowed(&nonce.realm),
            nonce: Cow::Borrowed(&nonce.nonce),
            response: proof,
            algorithm: nonce.named_algorithm.as_deref().map(Cow::Borrowed),
            cnonce: Cow::Borrowed(cnonce),
            opaque: nonce.opaque.as_deref().map(Cow::Borrowed),
            qop: Cow::Borrowed("auth"),
            nc: nonce.count,
            uri: (!self.without_uri).then_some(Cow::Borrowed(relay)),
        };
        let octets = credentials.to_bytes().ok();
        self.proof = Some(Proof {
            cnonce: cnonce.to_owned(),
            nonce: nonce.nonce.clone(),
            count: nonce.count,
            algorithm: nonce.algorithm,
        });
        octets
    }

    /// Leaves `uri` out from now on; false where that has been done, or where it was not sent.
    pub(super) fn try_without_uri(&mut self) -> bool {
        self.proof.take().is_some() && !std::mem::replace(&mut self.without_uri, true)
    }

    /// Takes a challenge: the strongest that we can answer.
    pub(super) fn challenged(&mut self, head: &Head) -> Result<(), Refused> {
        let mut best: Option<Nonce> = None;
        let mut stale = false;
        for (name, value) in head.headers() {
            if HeaderName::from_octets(name.as_bytes()) != HeaderName::WwwAuthenticate {
                continue;
            }
            // Basic, and whatever else is no Digest, is never tried (RFC 4976 §9.1).
            let Ok(challenge) = Challenge::parse(value) else {
                continue;
            };
            let Some(algorithm) = challenge.digest_algorithm() else {
                continue;
            };
            if !challenge.offers_auth() {
                continue;
            }
            stale |= challenge.stale;
            if best
                .as_ref()
                .is_some_and(|best| best.algorithm == Algorithm::Sha256)
            {
                continue;
            }
            best = Some(Nonce {
                realm: challenge.realm.into_owned(),
                nonce: challenge.nonce.into_owned(),
                opaque: challenge.opaque.map(Cow::into_owned),
                algorithm,
                named_algorithm: challenge.algorithm.map(Cow::into_owned),
                count: 0,
            });
        }
        let best = best.ok_or(Refused::Unusable)?;
        // A stale nonce says nothing about the password. Otherwise it may be the form that the relay cannot read; it is
        // tried once in the other.
        let answered = self.proof.is_some();
        let inherited = std::mem::take(&mut self.inherited);
        if answered && !stale && !inherited && !self.try_without_uri() {
            return Err(Refused::Credentials);
        }
        self.proof = None;
        self.nonce = Some(best);
        Ok(())
    }

    /// Takes the relay's own proof, if it gives one: a relay that proves nothing is taken at the word of its
    /// certificate, one that proves it wrongly is not. Of a relay behind others no certificate is seen, so it `must` prove
    /// that it knows the password (RFC 4976 §9.4).
    pub(super) fn confirm(&mut self, head: &Head, relay: &[u8], must: bool) -> Result<(), RegistrationLoss> {
        let Some(value) = head.header(HeaderName::AuthenticationInfo) else {
            self.proof = None;
            return if must {
                Err(RegistrationLoss::NotProven)
            } else {
                Ok(())
            };
        };
        let info = AuthenticationInfo::parse(value).map_err(|_| RegistrationLoss::Unusable)?;
        let (Some(proof), Some(nonce)) = (self.proof.take(), self.nonce.as_ref()) else {
            return if must {
                Err(RegistrationLoss::NotProven)
            } else {
                Ok(())
            };
        };
        let expected = rspauth(
            proof.algorithm,
            &self.ha1(proof.algorithm, &nonce.realm),
            &proof.nonce,
            proof.count,
            &proof.cnonce,
            "auth",
            relay,
        );
        let proven = match &info.rspauth {
            Some(given) => *given == expected,
            None => !must,
        };
        if !proven {
            return Err(RegistrationLoss::NotProven);
        }
        if let Some(next) = info.nextnonce
            && let Some(nonce) = &mut self.nonce
        {
            nonce.nonce = next.into_owned();
            nonce.count = 0;
        }
        Ok(())
    }
}
