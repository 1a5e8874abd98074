//! What an outcome on one side means on the other.
//!
//! # A MESSAGE that was sent for an MSRP message
//!
//! | its answer | the MSRP sender is told |
//! |---|---|
//! | 2xx | 200, where a success report was asked for; of 202 the comment says that it was accepted, not delivered |
//! | 400, 420, 421, 482, 483, 487, 489, and unknown 4xx | 400 |
//! | 401, 403, 405, 407, 433, 436 to 438, 488, 603, 606 to 608, and unknown 6xx | 403 |
//! | 3xx, 404, 410, 416, 484, 485, 604 | 404 |
//! | 408, 480, 486, 491, 580, 600, all 5xx but 513, and no answer at all | 413, or 408 where [so configured](CodeTable) |
//! | 413, 414, 513 | 413 |
//! | 415, 493 | 415 |
//!
//! 413 ends one message, whereas peers take 408 as the end of the session (RFC 4975 §10.4). The comment of a report always
//! names the SIP code.
//!
//! # A message that was sent into a session for a MESSAGE
//!
//! | MSRP says | the MESSAGE is answered |
//! |---|---|
//! | 200 | 200 |
//! | 400, 423 | 500: we have built what was refused |
//! | 403, 428 | 403 |
//! | 404 | 404 |
//! | 408, or no response in 30 s | 408 |
//! | 413 | 413 where the peer has told a smaller size than this, else 403 |
//! | 415 | 415, with the types that it takes |
//! | 481, 506, or the connection is lost | 480, after one more try in a new session |
//! | 501 | 501 |
//! | anything else | 500 |
//!
//! # An INVITE that was sent for a MESSAGE
//!
//! | its answer | the MESSAGE |
//! |---|---|
//! | 405, 415, 488, 501, 606, or a 2xx without MSRP | goes to the callee as a MESSAGE |
//! | 404, 410, 604 | 404 |
//! | 401, 403, 407, 603 | 403 |
//! | 480, 486, 600 | the same |
//! | 408, 487, or no answer | 408 |
//! | 5xx | 503 |
//! | anything else | 480 |

use msrp_core::grammar::StatusCode;

/// How SIP codes become those of MSRP; the table is in the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeTable {
    unavailable: StatusCode,
}

impl Default for CodeTable {
    fn default() -> Self {
        Self {
            unavailable: StatusCode::STOP_SENDING,
        }
    }
}

impl CodeTable {
    /// The usual table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells by 408 instead of 413 that somebody is not available now.
    pub fn unavailable_is_408(mut self) -> Self {
        self.unavailable = StatusCode::REQUEST_TIMEOUT;
        self
    }

    /// What the sender of an MSRP message is told of the final answer to its MESSAGE.
    pub fn msrp_for(&self, sip: u16) -> StatusCode {
        match sip {
            200..=299 => StatusCode::OK,
            401 | 403 | 405 | 407 | 433 | 436..=438 | 488 => StatusCode::FORBIDDEN,
            300..=399 | 404 | 410 | 416 | 484 | 485 | 604 => StatusCode::NOT_FOUND,
            413 | 414 | 513 => StatusCode::STOP_SENDING,
            415 | 493 => StatusCode::UNSUPPORTED_MEDIA,
            408 | 480 | 486 | 491 | 600 => self.unavailable,
            400..=499 => StatusCode::BAD_REQUEST,
            600..=699 => StatusCode::FORBIDDEN,
            _ => self.unavailable,
        }
    }
}

/// The comment of a report about a MESSAGE that got this answer.
pub fn comment(sip: u16, reason: &str) -> String {
    let reason: String = reason
        .chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect();
    match sip {
        202 => "SIP 202: accepted for delivery".to_owned(),
        413 | 414 | 513 => format!("SIP {sip}: too large for a MESSAGE"),
        _ if reason.is_empty() => format!("SIP {sip}"),
        _ => format!("SIP {sip} {reason}"),
    }
}

/// How a MESSAGE is answered of which MSRP said this. `above_max` tells that the peer had announced that it takes less.
pub fn sip_for_msrp(code: StatusCode, above_max: bool) -> u16 {
    match code.as_u16() {
        200 => 200,
        403 | 428 => 403,
        404 => 404,
        408 => 408,
        413 if above_max => 413,
        413 => 403,
        415 => 415,
        481 | 506 => 480,
        501 => 501,
        _ => 500,
    }
}

/// What becomes of the MESSAGEs that wait for a session which was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// The callee does not speak MSRP: they go as they are.
    PageMode,
    /// They have failed, with this code.
    Failed(u16),
}

/// What an INVITE's final answer means for the MESSAGEs that wait for it.
pub fn setup_outcome(sip: u16) -> SetupOutcome {
    match sip {
        405 | 415 | 488 | 501 | 606 => SetupOutcome::PageMode,
        404 | 410 | 604 => SetupOutcome::Failed(404),
        401 | 403 | 407 | 603 => SetupOutcome::Failed(403),
        480 | 486 | 600 => SetupOutcome::Failed(sip),
        408 | 487 => SetupOutcome::Failed(408),
        500..=599 => SetupOutcome::Failed(503),
        _ => SetupOutcome::Failed(480),
    }
}

/// Whether an answer means that this target is not to be had, now or later (row GW-110).
pub(crate) fn is_permanent(sip: u16) -> bool {
    matches!(sip, 403 | 404 | 410 | 604)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(codes: &[u16], expected: u16) {
        for &code in codes {
            assert_eq!(CodeTable::new().msrp_for(code).as_u16(), expected, "{code}");
        }
    }

    // shows: GW-82, GW-83, GW-84, GW-86, GW-87
    #[test]
    fn the_table_from_sip_to_msrp() {
        each(&[400, 420, 421, 482, 483, 487, 489], 400);
        each(
            &[401, 407, 403, 405, 433, 436, 437, 438, 488, 603, 606, 607, 608],
            403,
        );
        each(&[404, 410, 416, 484, 485, 604, 300, 301, 302, 305, 380], 404);
        each(&[413, 513, 414], 413);
        each(&[415, 493], 415);
        each(&[200, 202], 200);
        assert_eq!(comment(513, "x"), "SIP 513: too large for a MESSAGE");
    }

    // shows: GW-85
    #[test]
    fn who_is_away_does_not_end_the_session() {
        let away = [408, 480, 486, 491, 500, 502, 503, 504, 580, 600, 599];
        each(&away, 413);
        for code in away {
            assert_eq!(CodeTable::new().unavailable_is_408().msrp_for(code).as_u16(), 408);
        }
        assert_eq!(comment(480, "Gone\r\nX: y"), "SIP 480 GoneX: y");
    }

    // shows: GW-88
    #[test]
    fn unknown_codes_go_by_their_class() {
        for code in 300..=699 {
            let msrp = CodeTable::new().msrp_for(code);
            assert!(!msrp.is_success());
            assert!(comment(code, "").contains(&code.to_string()));
            // Never one that a peer takes as the end of the session.
            assert!(![408, 481, 506].contains(&msrp.as_u16()), "{code}");
        }
        each(&[499, 417, 428], 400);
        each(&[599, 555], 413);
        each(&[699, 650], 403);
    }

    // shows: GW-91
    #[test]
    fn the_table_from_msrp_to_sip() {
        for (msrp, sip) in [
            (200, 200),
            (400, 500),
            (403, 403),
            (404, 404),
            (408, 408),
            (413, 403),
            (415, 415),
            (423, 500),
            (428, 403),
            (481, 480),
            (501, 501),
            (506, 480),
            (599, 500),
        ] {
            assert_eq!(sip_for_msrp(StatusCode::new(msrp).unwrap(), false), sip, "{msrp}");
        }
        assert_eq!(sip_for_msrp(StatusCode::STOP_SENDING, true), 413);
    }

    #[test]
    fn the_table_of_setups() {
        use SetupOutcome::{Failed, PageMode};
        for (sip, expected) in [
            (404, Failed(404)),
            (410, Failed(404)),
            (604, Failed(404)),
            (403, Failed(403)),
            (603, Failed(403)),
            (401, Failed(403)),
            (407, Failed(403)),
            (480, Failed(480)),
            (486, Failed(486)),
            (600, Failed(600)),
            (408, Failed(408)),
            (487, Failed(408)),
            (488, PageMode),
            (415, PageMode),
            (606, PageMode),
            (405, PageMode),
            (501, PageMode),
            (500, Failed(503)),
            (503, Failed(503)),
            (420, Failed(480)),
        ] {
            assert_eq!(setup_outcome(sip), expected, "{sip}");
        }
    }
}
