//! Why calls and files ended, in words.

use msrp_ua::{
    RegistrationLoss, SessionLoss,
    call::{CallEnd, FileOutcome},
};

use super::FileEnd;

/// The code with which a call ended, and whether it ended as calls do.
pub(super) fn how(end: &CallEnd) -> (Option<u16>, bool) {
    match end {
        CallEnd::Local | CallEnd::Peer | CallEnd::Finished => (None, true),
        CallEnd::Refused(answer) | CallEnd::Dialog(answer) => (Some(answer.code), false),
        CallEnd::RefusedByUs(reply) => (Some(reply.code), false),
        CallEnd::NotAcceptable(refusal) => (Some(refusal.code), false),
        CallEnd::NoStreams => (Some(488), false),
        CallEnd::Cancelled => (Some(487), false),
        CallEnd::TimedOut => (Some(408), false),
        _ => (None, false),
    }
}

/// Why a call ended, in words.
pub(super) fn why(end: &CallEnd) -> String {
    match end {
        CallEnd::Relay(RegistrationLoss::Credentials) => {
            "the relay does not know this user, or not with this password".to_owned()
        }
        CallEnd::Relay(RegistrationLoss::Connect(failure)) => {
            format!("the relay cannot be reached: {failure}")
        }
        CallEnd::Relay(RegistrationLoss::Refused(code)) => {
            format!("the relay refuses: {code} {}", code.phrase())
        }
        CallEnd::Lost(loss) => lost(loss),
        CallEnd::Refused(answer) => match answer.header("Warning").and_then(warning) {
            Some(text) => format!("{end} ({text})"),
            None => end.to_string(),
        },
        CallEnd::Dialog(answer) if answer.code == 408 => "the peer does not answer any more".to_owned(),
        end => end.to_string(),
    }
}

/// Why a session is over, in words.
pub(super) fn lost(loss: &SessionLoss) -> String {
    match loss {
        SessionLoss::Connect(failure) => format!("the peer cannot be reached: {failure}"),
        SessionLoss::NotRecovered { after, .. } => format!(
            "the connection to the peer is lost, and for {} s it could not be had again",
            after.as_secs()
        ),
        SessionLoss::NotBound => "nobody came to the MSRP session".to_owned(),
        SessionLoss::Refused(code) => format!("the session is refused: {code} {}", code.phrase()),
        SessionLoss::Relay => "the relay of the session is gone".to_owned(),
        SessionLoss::Certificate => "the peer has another certificate than was told".to_owned(),
        _ => "the connection to the peer is lost, and it cannot be had again".to_owned(),
    }
}

/// The text of a `Warning` (RFC 3261 §20.43), which stands in quotes behind a code and who warns.
fn warning(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once('"')?;
    let (text, _) = rest.rsplit_once('"')?;
    (!text.is_empty()).then_some(text)
}

/// What became of a file, and why.
pub(super) fn file_end(outcome: &FileOutcome) -> (FileEnd, Option<String>) {
    let because = |reason: &str| Some(reason.to_owned());
    match outcome {
        FileOutcome::Sent { .. } => (FileEnd::Sent, None),
        FileOutcome::Received { .. } => (FileEnd::Received, None),
        FileOutcome::Refused => (FileEnd::Refused, because("the other side does not want it")),
        FileOutcome::Aborted => (FileEnd::Aborted, because("given up")),
        FileOutcome::AbortedByPeer => (FileEnd::Aborted, because("given up by the other side")),
        FileOutcome::Failed(code) => (FileEnd::Failed, Some(format!("{code} {}", code.phrase()))),
        FileOutcome::Source => (FileEnd::Failed, because("it cannot be read any more")),
        FileOutcome::Sink => (
            FileEnd::Failed,
            because("it is not what was promised, by its size or its hash"),
        ),
        FileOutcome::Ended => (FileEnd::Failed, because("it was ended before all had passed")),
        other => (FileEnd::Failed, Some(format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use msrp_ua::sip::{SipAnswer, SipHeader};

    use super::*;

    #[test]
    fn a_warning_says_more_than_the_code() {
        let mut answer = SipAnswer::new(488, "Not Acceptable Here");
        assert_eq!(
            why(&CallEnd::Refused(answer.clone())),
            "refused: 488 Not Acceptable Here"
        );
        for (warning, shown) in [
            (
                "304 bob.example.com \"Media type not available\"",
                " (Media type not available)",
            ),
            ("304 bob.example.com \"\"", ""),
            ("304", ""),
            ("\"", ""),
        ] {
            answer.headers = vec![SipHeader::new("Warning", warning)];
            assert_eq!(
                why(&CallEnd::Refused(answer.clone())),
                format!("refused: 488 Not Acceptable Here{shown}")
            );
        }
    }
}
