//! The way back through intermediaries (RFC 5438 §8).

use bytes::{Bytes, BytesMut};

use super::{IMDN_NAMESPACE, ImdnHeaders};
use crate::cpim::{Address, CpimBuilder, CpimError, CpimMessage, CpimRules};

impl CpimBuilder {
    pub(super) fn imdn_address(self, name: &str, address: &Address) -> Self {
        self.structured_header(IMDN_NAMESPACE, super::PREFIX, name, &address.to_string())
    }
}

/// For an intermediary, at whose address `own` a notification has come: takes that address off the top of its IMDN-Route.
/// Answers the notification with that one line less, and where it goes next. `None` where the top names somebody else or
/// there is none: then it is forwarded as it is, to the top or to its To.
///
/// # Errors
/// [`CpimError`] where the notification has neither a route left nor a To.
pub fn pop_route(
    message: &CpimMessage,
    own: &str,
    rules: &CpimRules,
) -> Option<Result<(CpimMessage, Address), CpimError>> {
    let headers = message.head().headers();
    let top = headers
        .iter()
        .position(|header| header.is(IMDN_NAMESPACE, "IMDN-Route"))?;
    let address = Address::parse(headers.get(top)?.value()).ok()?;
    if address.uri() != own {
        return None;
    }
    Some(without_line(message.octets(), top, rules).and_then(|message| {
        let route = ImdnHeaders::of(message.head()).route;
        let next = route.first().or_else(|| message.head().to().first()).cloned();
        next.map(|next| (message, next)).ok_or(CpimError::Unfinished)
    }))
}

/// A message without one of its lines; each header of it is one line.
fn without_line(octets: &Bytes, line: usize, rules: &CpimRules) -> Result<CpimMessage, CpimError> {
    let mut kept = BytesMut::with_capacity(octets.len());
    for (number, text) in octets.split_inclusive(|&octet| octet == b'\n').enumerate() {
        if number != line {
            kept.extend_from_slice(text);
        }
    }
    CpimMessage::parse(kept.freeze(), rules)
}
