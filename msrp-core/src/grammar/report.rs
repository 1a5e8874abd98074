//! Failure-Report and Success-Report: what the sender of a message wants to be told (RFC 4975 section 7.1.1).

use super::GrammarError;

/// The value of a Failure-Report header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FailureReport {
    /// `yes`: every response is wanted, and a REPORT or a timeout for what failed. Also if the field is absent.
    #[default]
    Yes,
    /// `no`: no response at all.
    No,
    /// `partial`: only responses other than 200; no timeout.
    Partial,
}

impl FailureReport {
    /// Parses `yes`, `no` or `partial`, in any case.
    ///
    /// # Errors
    /// [`GrammarError::FailureReport`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        if input.eq_ignore_ascii_case(b"yes") {
            Ok(Self::Yes)
        } else if input.eq_ignore_ascii_case(b"no") {
            Ok(Self::No)
        } else if input.eq_ignore_ascii_case(b"partial") {
            Ok(Self::Partial)
        } else {
            Err(GrammarError::FailureReport)
        }
    }

    /// The value as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Partial => "partial",
        }
    }
}

/// The value of a Success-Report header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SuccessReport {
    /// `yes`: a REPORT is wanted for what arrived.
    Yes,
    /// `no`: none. Also if the field is absent.
    #[default]
    No,
}

impl SuccessReport {
    /// Parses `yes` or `no`, in any case.
    ///
    /// # Errors
    /// [`GrammarError::SuccessReport`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        if input.eq_ignore_ascii_case(b"yes") {
            Ok(Self::Yes)
        } else if input.eq_ignore_ascii_case(b"no") {
            Ok(Self::No)
        } else {
            Err(GrammarError::SuccessReport)
        }
    }

    /// The value as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-9-19
    #[test]
    fn rfc4975_9_19_report_fields_take_their_words_in_any_case_and_nothing_else() {
        for report in [FailureReport::Yes, FailureReport::No, FailureReport::Partial] {
            assert_eq!(FailureReport::parse(report.as_str().as_bytes()), Ok(report));
            assert_eq!(
                FailureReport::parse(report.as_str().to_uppercase().as_bytes()),
                Ok(report)
            );
        }
        for report in [SuccessReport::Yes, SuccessReport::No] {
            assert_eq!(SuccessReport::parse(report.as_str().as_bytes()), Ok(report));
            assert_eq!(
                SuccessReport::parse(report.as_str().to_uppercase().as_bytes()),
                Ok(report)
            );
        }
        for bad in ["", "yes ", "maybe", "true", "partia", "y"] {
            assert_eq!(
                FailureReport::parse(bad.as_bytes()),
                Err(GrammarError::FailureReport),
                "{bad}"
            );
            assert_eq!(
                SuccessReport::parse(bad.as_bytes()),
                Err(GrammarError::SuccessReport),
                "{bad}"
            );
        }
        assert_eq!(SuccessReport::parse(b"partial"), Err(GrammarError::SuccessReport));
    }

    #[test]
    fn absent_fields_mean_failure_yes_and_success_no() {
        assert_eq!(
            (FailureReport::default(), SuccessReport::default()),
            (FailureReport::Yes, SuccessReport::No)
        );
    }
}
