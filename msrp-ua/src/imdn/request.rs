//! The headers of a message/cpim by which notifications are asked for and find their way (RFC 5438 §6, §10).

use std::{fmt, time::SystemTime};

use msrp_core::rng::IdSource;
use nom::{
    IResult, Parser,
    character::complete::{char, space0},
    combinator::all_consuming,
    multi::{many0, separated_list0},
    sequence::{delimited, preceded, terminated},
};

use super::{IMDN_NAMESPACE, PREFIX};
use crate::cpim::{Address, CpimBuilder, CpimHead, grammar};

/// Which notifications the sender of a message wishes to get: the value of Disposition-Notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DispositionRequests {
    /// That it has been delivered.
    pub positive_delivery: bool,
    /// That it could not be delivered.
    pub negative_delivery: bool,
    /// What intermediaries have done with it.
    pub processing: bool,
    /// That it has been displayed.
    pub display: bool,
}

impl DispositionRequests {
    /// Whether a message was delivered or not, and whether it was displayed.
    pub fn all() -> Self {
        Self {
            positive_delivery: true,
            negative_delivery: true,
            processing: false,
            display: true,
        }
    }

    /// Parses the value of Disposition-Notification. Values that are not known are ignored (RFC 5438 §7.2.1), and what is
    /// no such list asks for nothing.
    pub fn parse(value: &str) -> Self {
        let mut requests = Self::default();
        for wanted in list(value).map(|(_, wanted)| wanted).unwrap_or_default() {
            match wanted {
                "positive-delivery" => requests.positive_delivery = true,
                "negative-delivery" => requests.negative_delivery = true,
                "processing" => requests.processing = true,
                "display" => requests.display = true,
                _ => {}
            }
        }
        requests
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `[notify-req *(COMMA notify-req)]`, without the parameters.
fn list(input: &str) -> IResult<&str, Vec<&str>> {
    let parameters = many0(preceded(delimited(space0, char(';'), space0), grammar::parameter));
    all_consuming(separated_list0(
        delimited(space0, char(','), space0),
        terminated(grammar::token, parameters),
    ))
    .parse(input)
}

impl fmt::Display for DispositionRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.positive_delivery, "positive-delivery"),
            (self.negative_delivery, "negative-delivery"),
            (self.processing, "processing"),
            (self.display, "display"),
        ];
        let mut comma = "";
        for (_, word) in words.iter().filter(|(asked, _)| *asked) {
            write!(f, "{comma}{word}")?;
            comma = ", ";
        }
        Ok(())
    }
}

/// The headers of RFC 5438 in a message/cpim, whatever prefix it gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImdnHeaders {
    /// The message's identifier; not that of MSRP.
    pub message_id: Option<String>,
    /// Which notifications are asked for.
    pub requests: DispositionRequests,
    /// To whom the message went before an intermediary sent it on.
    pub original_to: Option<Address>,
    /// Intermediaries that want the notifications to come back through them, the first to be visited on top.
    pub record_route: Vec<Address>,
    /// In a notification: intermediaries that it still has to visit.
    pub route: Vec<Address>,
}

impl ImdnHeaders {
    /// Those of a message. Of headers that may come once, and of the identifier, the first counts; addresses that are none
    /// are left out.
    pub fn of(head: &CpimHead) -> Self {
        let first = |name| head.all(IMDN_NAMESPACE, name).next();
        let addresses = |name| {
            head.all(IMDN_NAMESPACE, name)
                .filter_map(|header| Address::parse(header.value()).ok())
                .collect()
        };
        Self {
            message_id: first("Message-ID")
                .map(|header| header.value().to_owned())
                .filter(|id| !id.is_empty() && !id.contains(char::is_whitespace)),
            requests: first("Disposition-Notification")
                .map(|header| DispositionRequests::parse(header.value()))
                .unwrap_or_default(),
            original_to: first("Original-To").and_then(|header| Address::parse(header.value()).ok()),
            record_route: addresses("IMDN-Record-Route"),
            route: addresses("IMDN-Route"),
        }
    }
}

/// A new identifier for a message that asks for notifications, or for a notification: 120 bits that nobody can guess, where
/// RFC 5438 §6.3 asks for 64.
pub fn message_id(ids: &mut IdSource) -> String {
    ids.message_id().as_str().to_owned()
}

impl CpimBuilder {
    /// Asks for notifications about the message. `message_id` has to be a new one, see [`message_id`]; the time is that of
    /// sending, by which people find the message again when we have forgotten it. Do not ask where the sender is
    /// anonymous: there is no address to answer to (RFC 5438 §12.1.1).
    pub fn notifications(self, message_id: &str, requests: DispositionRequests, now: SystemTime) -> Self {
        let builder = self.date_time(now).imdn_header("Message-ID", message_id);
        if requests.is_empty() {
            return builder;
        }
        builder.imdn_header("Disposition-Notification", &requests.to_string())
    }

    pub(super) fn imdn_header(self, name: &str, value: &str) -> Self {
        self.header(IMDN_NAMESPACE, PREFIX, name, value)
    }
}
