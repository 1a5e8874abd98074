//! What the transactions of our connections are about, in the 64 bits that come back with their outcome.

use crate::names::{OutgoingKey, RegistrationId, SessionId};

const SHIFT: u32 = 62;
const NUMBER: u64 = (1 << SHIFT) - 1;

pub(crate) enum Tagged {
    Message(OutgoingKey),
    Registration(RegistrationId),
    Bodiless(SessionId),
}

pub(crate) fn message(key: OutgoingKey) -> u64 {
    key.0
}

pub(crate) fn registration(id: RegistrationId) -> u64 {
    id.0 | (1 << SHIFT)
}

pub(crate) fn bodiless(id: SessionId) -> u64 {
    id.0 | (2 << SHIFT)
}

pub(crate) fn read(tag: u64) -> Tagged {
    match tag >> SHIFT {
        0 => Tagged::Message(OutgoingKey(tag)),
        1 => Tagged::Registration(RegistrationId(tag & NUMBER)),
        _ => Tagged::Bodiless(SessionId(tag & NUMBER)),
    }
}
