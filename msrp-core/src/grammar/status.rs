//! Status codes, and the Status header field of REPORT (RFC 4975 sections 7.1.2, 9 and 10).

use std::fmt;

use super::{GrammarError, text};

/// A status code: three digits, 100 to 999. Codes unknown to this crate are legal; their class is the first digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

impl StatusCode {
    /// 200: the transaction succeeded.
    pub const OK: Self = Self(200);
    /// 400: the request was unintelligible.
    pub const BAD_REQUEST: Self = Self(400);
    /// 401: AUTH needs (other) credentials (RFC 4976).
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403: the action is not allowed.
    pub const FORBIDDEN: Self = Self(403);
    /// 404: the recipient of a private message or the nickname's conference is unknown (RFC 7701).
    pub const NOT_FOUND: Self = Self(404);
    /// 408: a transaction further on the way did not complete in time.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 413: stop sending this message.
    pub const STOP_SENDING: Self = Self(413);
    /// 415: the media type is not understood.
    pub const UNSUPPORTED_MEDIA: Self = Self(415);
    /// 423: a parameter is out of bounds, e.g. Expires (RFC 4976).
    pub const INTERVAL_OUT_OF_BOUNDS: Self = Self(423);
    /// 424: the nickname is malformed (RFC 7701).
    pub const MALFORMED_NICKNAME: Self = Self(424);
    /// 425: the nickname is reserved or in use (RFC 7701).
    pub const NICKNAME_RESERVED: Self = Self(425);
    /// 428: private messages are not supported (RFC 7701).
    pub const PRIVATE_MESSAGES_NOT_SUPPORTED: Self = Self(428);
    /// 481: no such session.
    pub const NO_SUCH_SESSION: Self = Self(481);
    /// 501: the method is not understood.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 506: the session is bound to another connection.
    pub const WRONG_CONNECTION: Self = Self(506);

    /// A status code from its number; `None` outside 100 to 999.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 999 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// Parses `3DIGIT`.
    ///
    /// # Errors
    /// [`GrammarError::StatusCode`].
    pub fn parse(input: &[u8]) -> Result<Self, GrammarError> {
        three_digits(input)
            .and_then(Self::new)
            .ok_or(GrammarError::StatusCode)
    }

    /// The code as a number, 100 to 999.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether this is a 2xx code.
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    /// The three digits, as written on the wire.
    pub const fn digits(self) -> [u8; 3] {
        [
            b'0' + (self.0 / 100) as u8,
            b'0' + (self.0 / 10 % 10) as u8,
            b'0' + (self.0 % 10) as u8,
        ]
    }

    /// A reason phrase to send with the code. Never empty, because some peers take a status line without one for
    /// a request.
    pub const fn phrase(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            408 => "Request Timeout",
            413 => "Stop Sending Message",
            415 => "Unsupported Media Type",
            423 => "Interval Out Of Bounds",
            424 => "Malformed Nickname",
            425 => "Nickname Reserved Or Already In Use",
            428 => "Private Messages Not Supported",
            481 => "No Such Session",
            501 => "Not Implemented",
            506 => "Wrong Connection",
            _ => match self.0 / 100 {
                2 => "Success",
                4 => "Request Failure",
                5 => "Server Failure",
                _ => "Other",
            },
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusCode({})", self.0)
    }
}

/// The value of a Status header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status<'a> {
    /// The namespace of the code; 0 (`000`) is that of RFC 4975. At most 999.
    pub namespace: u16,
    /// The code.
    pub code: StatusCode,
    /// Free text, possibly empty.
    pub comment: Option<&'a str>,
}

impl<'a> Status<'a> {
    /// The status `000 code phrase`, in the namespace of RFC 4975.
    pub const fn new(code: StatusCode) -> Self {
        Self {
            namespace: 0,
            code,
            comment: Some(code.phrase()),
        }
    }

    /// Parses `namespace SP status-code [SP comment]`.
    ///
    /// # Errors
    /// [`GrammarError::Status`], [`GrammarError::StatusCode`], and [`GrammarError::Text`] for the comment.
    pub fn parse(input: &'a [u8]) -> Result<Self, GrammarError> {
        let (namespace, rest) = input.split_at_checked(3).ok_or(GrammarError::Status)?;
        let namespace = three_digits(namespace).ok_or(GrammarError::Status)?;
        let rest = rest.strip_prefix(b" ").ok_or(GrammarError::Status)?;
        let (code, rest) = rest.split_at_checked(3).ok_or(GrammarError::StatusCode)?;
        let code = StatusCode::parse(code)?;
        let comment = match rest.split_first() {
            None => None,
            Some((b' ', comment)) => Some(text::utf8text(comment)?),
            Some(_) => return Err(GrammarError::StatusCode),
        };
        Ok(Self {
            namespace,
            code,
            comment,
        })
    }
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.namespace, self.code)?;
        match self.comment {
            Some(comment) => write!(f, " {comment}"),
            None => Ok(()),
        }
    }
}

fn three_digits(input: &[u8]) -> Option<u16> {
    match input {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // shows: 4975-9-10
    #[test]
    fn rfc4975_9_10_any_three_digits_are_a_status_code() {
        for code in [200, 299, 481, 599, 100, 999] {
            let parsed = StatusCode::parse(code.to_string().as_bytes()).unwrap();
            assert_eq!(parsed.as_u16(), code);
            assert_eq!(parsed.is_success(), (200..300).contains(&code));
            assert_eq!(parsed.digits(), *code.to_string().as_bytes());
        }
        for bad in ["20", "2000", "2x0", "", "099", "000", "+20", " 20"] {
            assert_eq!(
                StatusCode::parse(bad.as_bytes()),
                Err(GrammarError::StatusCode),
                "{bad}"
            );
        }
        assert_eq!((StatusCode::new(99), StatusCode::new(1000)), (None, None));
    }

    // shows: 7701-10.3-01
    #[test]
    fn rfc7701_10_3_01_codes_of_the_registry_have_phrases_of_their_own() {
        let codes = [
            200, 400, 401, 403, 404, 408, 413, 415, 423, 424, 425, 428, 481, 501, 506,
        ];
        let phrases: std::collections::BTreeSet<_> = codes
            .iter()
            .map(|&code| StatusCode::new(code).unwrap().phrase())
            .collect();
        assert_eq!(phrases.len(), codes.len());
        for code in 100..=999 {
            let phrase = StatusCode::new(code).unwrap().phrase();
            assert!(
                !phrase.is_empty(),
                "some peers take a status line without phrase for a request"
            );
        }
        assert_eq!(StatusCode::NOT_FOUND.as_u16(), 404);
        assert_eq!(StatusCode::MALFORMED_NICKNAME.as_u16(), 424);
        assert_eq!(StatusCode::NICKNAME_RESERVED.as_u16(), 425);
        assert_eq!(StatusCode::PRIVATE_MESSAGES_NOT_SUPPORTED.as_u16(), 428);
    }

    // shows: 4975-9-22
    #[test]
    fn rfc4975_9_22_status_has_namespace_code_and_perhaps_a_comment() {
        let status = |comment| Status {
            namespace: 0,
            code: StatusCode::OK,
            comment,
        };
        for (text, expected) in [
            ("000 200", status(None)),
            ("000 200 OK", status(Some("OK"))),
            ("000 200 ", status(Some(""))),
        ] {
            assert_eq!(Status::parse(text.as_bytes()), Ok(expected), "{text}");
            assert_eq!(expected.to_string(), text);
        }
        let foreign = Status::parse("999 599 grüße\tan alle".as_bytes()).unwrap();
        assert_eq!((foreign.namespace, foreign.code.as_u16()), (999, 599));
        assert_eq!(foreign.comment, Some("grüße\tan alle"));
        for bad in [
            "200 OK", "200", "", "000", "000 ", "000  200", "000200", "0000 200", "00 200",
        ] {
            assert!(Status::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["000 2000", "000 200OK", "000 20", "000 099"] {
            assert_eq!(
                Status::parse(bad.as_bytes()),
                Err(GrammarError::StatusCode),
                "{bad}"
            );
        }
    }

    // shows: 4975-9-01, 4975-9-31
    #[test]
    fn rfc4975_9_31_text_that_is_no_utf8_is_an_error() {
        for bad in [
            &b"000 200 \xFF"[..],
            b"000 200 \xC3",
            b"000 200 \xC0\xAF",
            b"000 200 \xF8\x88\x80\x80\x80",
            b"000 200 \xFC\x84\x80\x80\x80\x80",
            b"000 200 a\rb",
            b"000 200 a\x7Fb",
        ] {
            assert_eq!(Status::parse(bad), Err(GrammarError::Text));
        }
    }

    proptest! {
        #[test]
        fn any_status_round_trips(namespace in 0..1000_u16, code in 100..1000_u16, comment in proptest::option::of("[^\\p{Cc}]{0,20}")) {
            let status = Status { namespace, code: StatusCode::new(code).unwrap(), comment: comment.as_deref() };
            let text = status.to_string();
            prop_assert_eq!(Status::parse(text.as_bytes()), Ok(status));
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>) {
            let _ = Status::parse(&octets);
            let _ = StatusCode::parse(&octets);
        }
    }
}
