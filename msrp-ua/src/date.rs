//! Times as the formats inside messages write them: RFC 3339 (CPIM, IMDN, isComposing) and RFC 5322 (files).
//!
//! Nothing here asks for the time; it is given.

use std::time::SystemTime;

use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

/// A time as RFC 3339 writes it, in UTC and whole seconds: `2006-04-04T17:16:49Z`. `None` for years beyond 9999.
pub fn rfc3339(time: SystemTime) -> Option<String> {
    Some(whole_seconds(time)?.to_string())
}

/// The time that RFC 3339 text stands for; of no other text, and of no year beyond 9999, is there one.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    Some(text.parse::<Timestamp>().ok()?.into())
}

/// A time as RFC 5322 writes it, in UTC with a numeric zone as RFC 5547 wants it: `Mon, 15 May 2006 18:01:31 +0000`. `None`
/// for years that the format does not have.
pub fn rfc5322(time: SystemTime) -> Option<String> {
    rfc2822::to_string(&whole_seconds(time)?.to_zoned(TimeZone::UTC)).ok()
}

/// The time that RFC 5322 text stands for. A weekday that does not fit the date does no harm: RFC 5547's own example has
/// one (row 5547-9.2-04).
pub fn parse_rfc5322(text: &str) -> Option<SystemTime> {
    const PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    Some(PARSER.parse_timestamp(text).ok()?.into())
}

fn whole_seconds(time: SystemTime) -> Option<Timestamp> {
    let exact = Timestamp::try_from(time).ok()?;
    Timestamp::from_second(exact.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    // shows: 5547-6-25, 3862-4.4-01
    #[test]
    fn times_are_written_in_utc_and_read_in_any_zone() {
        assert_eq!(
            rfc3339(at(1_144_171_009)).as_deref(),
            Some("2006-04-04T17:16:49Z")
        );
        assert_eq!(
            parse_rfc3339("2006-04-04T12:16:49-05:00"),
            Some(at(1_144_171_009))
        );
        assert_eq!(
            parse_rfc3339("2006-04-04t17:16:49.25z"),
            Some(at(1_144_171_009) + Duration::from_millis(250))
        );
        assert_eq!(
            rfc5322(at(1_147_716_091)).as_deref(),
            Some("Mon, 15 May 2006 18:01:31 +0000")
        );
        assert_eq!(
            parse_rfc5322("Mon, 15 May 2006 15:01:31 -0300"),
            Some(at(1_147_716_091))
        );
        // The wrong weekday, and the zone names of old.
        assert_eq!(
            parse_rfc5322("Sun, 15 May 2006 15:01:31 -0300"),
            Some(at(1_147_716_091))
        );
        assert_eq!(parse_rfc5322("15 May 2006 18:01:31 GMT"), Some(at(1_147_716_091)));
        for bad in [
            "",
            "yesterday",
            "2006-04-04",
            "2006-13-04T12:16:49Z",
            "2006-04-04T12:16:49",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
        for bad in ["", "Mon, 99 May 2006 15:01:31 -0300", "15 May 2006"] {
            assert_eq!(parse_rfc5322(bad), None, "{bad}");
        }
        assert_eq!(rfc3339(at(1 << 60)), None);
    }

    proptest! {
        #[test]
        fn times_survive_being_written(seconds in 0_u64..253_402_207_200) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(at(seconds)).unwrap()), Some(at(seconds)));
            prop_assert_eq!(parse_rfc5322(&rfc5322(at(seconds)).unwrap()), Some(at(seconds)));
        }
    }
}
