//! Counters told apart by a reason.

use std::ops::AddAssign;

use msrp_core::{connection::CloseReason, grammar::StatusCode};

macro_rules! tally {
    ($(#[$about:meta])* $name:ident, $labels:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name([u64; $labels.len()]);

        impl $name {
            /// Each reason, with how often there was it.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                $labels.into_iter().zip(self.0)
            }

            /// Counts a reason; one that is not known is the last, `other`.
            fn record(&mut self, label: &str) {
                let place = $labels.iter().position(|known| *known == label);
                if let Some(count) = self.0.get_mut(place.unwrap_or($labels.len() - 1)) {
                    *count += 1;
                }
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                for (count, more) in self.0.iter_mut().zip(other.0) {
                    *count += more;
                }
            }
        }
    };
}

const REASONS: [&str; 16] = [
    "done",
    "idle",
    "probation",
    "failures",
    "misdirected",
    "shutdown",
    "resources",
    "eof",
    "reset",
    "framing",
    "protocol_errors",
    "tiny_chunks",
    "head_timeout",
    "write_timeout",
    "policy",
    "other",
];

const CODES: [&str; 12] = [
    "200", "400", "403", "404", "408", "413", "415", "423", "481", "501", "506", "other",
];

tally! {
    /// Connections that ended, by [`CloseReason::name`].
    CloseCounts, REASONS
}

tally! {
    /// Something by status code: `200`, or `other` for what is rare.
    StatusCounts, CODES
}

impl CloseCounts {
    pub(crate) fn record_close(&mut self, reason: &CloseReason) {
        self.record(reason.name());
    }
}

impl StatusCounts {
    pub(crate) fn record_code(&mut self, code: Option<StatusCode>) {
        let digits = code.map(StatusCode::digits).unwrap_or_default();
        self.record(std::str::from_utf8(&digits).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_other() {
        let mut codes = StatusCounts::default();
        for code in [Some(200), Some(299), Some(481), None] {
            codes.record_code(code.and_then(StatusCode::new));
        }
        let counted: Vec<_> = codes.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("200", 1), ("481", 1), ("other", 2)]);
        let mut closes = CloseCounts::default();
        closes.record_close(&CloseReason::Idle);
        closes += closes;
        assert_eq!(
            closes.iter().find(|(reason, _)| *reason == "idle"),
            Some(("idle", 2))
        );
    }
}
