//! The time of day, of which a gateway is told once, and the dates of SIP.

use std::time::{Duration, Instant, SystemTime};

use msrp_ua::date;

/// What the calendar says at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    instant: Instant,
    calendar: SystemTime,
}

impl Clock {
    pub(crate) fn new(instant: Instant, calendar: SystemTime) -> Self {
        Self { instant, calendar }
    }

    pub(crate) fn at(&self, now: Instant) -> SystemTime {
        self.calendar + now.saturating_duration_since(self.instant)
    }
}

/// A time as SIP writes it (RFC 3261 §20.17): `Sat, 13 Nov 2010 23:29:00 GMT`.
pub(crate) fn sip_date(time: SystemTime) -> Option<String> {
    Some(date::rfc5322(time)?.replace("+0000", "GMT"))
}

/// For how long something still holds that was sent at `sent_at` with this `Expires` (RFC 3428 §7); none: for ever.
pub(crate) fn time_left(expires: Option<&str>, sent_at: SystemTime, now: SystemTime) -> Option<Duration> {
    let seconds: u32 = expires?.trim().parse().ok()?;
    let age = now.duration_since(sent_at).unwrap_or_default();
    Some(Duration::from_secs(seconds.into()).saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    // shows: 3428-7-07, 3428-7-08
    #[test]
    fn expires_counts_from_the_date() {
        let sent = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let now = sent + Duration::from_secs(40);
        assert_eq!(time_left(Some("60"), sent, now), Some(Duration::from_secs(20)));
        assert_eq!(time_left(Some("60"), now, now), Some(Duration::from_secs(60)));
        assert_eq!(time_left(Some("30"), sent, now), Some(Duration::ZERO));
        assert_eq!(time_left(None, sent, now), None);
        assert_eq!(time_left(Some("soon"), sent, now), None);
        assert_eq!(sip_date(sent).as_deref(), Some("Sun, 9 Sep 2001 01:46:40 GMT"));
    }
}
