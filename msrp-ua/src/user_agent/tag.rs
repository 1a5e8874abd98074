//! What the transactions of our connections are about, in the 64 bits that come back with their outcome.

use crate::names::{OutgoingKey, RegistrationId, SessionId};

const SHIFT: u32 = 62;
const NUMBER: u64 = (1 << SHIFT) - 1;

/// Where the number of the attempt begins that a message is sent in.
const ATTEMPT: u32 = 46;

pub(crate) enum Tagged {
    /// With the number of the attempt: what an earlier one has led to does not count in a session that is set up anew.
    Message(OutgoingKey, u16),
    Registration(RegistrationId),
    /// With the session's generation, for the same reason.
    Bodiless(SessionId, u16),
}

pub(crate) fn message(key: OutgoingKey, attempt: u16) -> u64 {
    key.0 | u64::from(attempt) << ATTEMPT
}

pub(crate) fn registration(id: RegistrationId) -> u64 {
    id.0 | (1 << SHIFT)
}

pub(crate) fn bodiless(id: SessionId, generation: u16) -> u64 {
    id.0 | u64::from(generation) << ATTEMPT | (2 << SHIFT)
}

pub(crate) fn read(tag: u64) -> Tagged {
    let short = tag & ((1 << ATTEMPT) - 1);
    let attempt = ((tag & NUMBER) >> ATTEMPT) as u16;
    match tag >> SHIFT {
        0 => Tagged::Message(OutgoingKey(short), attempt),
        1 => Tagged::Registration(RegistrationId(tag & NUMBER)),
        _ => Tagged::Bodiless(SessionId(short), attempt),
    }
}
