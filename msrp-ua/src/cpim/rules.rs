//! Bounds on what is read, and what is let pass.

/// What a reader of message/cpim takes.
///
/// The default is what RFC 3862 says, [`tolerant`](Self::tolerant) what peers send. In either case headers cost at most
/// about three times [`max_head`](Self::max_head) of memory, and the body nothing: it is a slice of what was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpimRules {
    pub(super) max_head: usize,
    pub(super) max_headers: usize,
    pub(super) missing_blank_line: bool,
    pub(super) bare_line_feeds: bool,
    pub(super) loose_spaces: bool,
}

impl Default for CpimRules {
    fn default() -> Self {
        Self {
            max_head: 64 * 1024,
            max_headers: 256,
            missing_blank_line: false,
            bare_line_feeds: false,
            loose_spaces: false,
        }
    }
}

impl CpimRules {
    /// All that [`missing_blank_line`](Self::missing_blank_line), [`bare_line_feeds`](Self::bare_line_feeds) and
    /// [`loose_spaces`](Self::loose_spaces) let pass: for talking to peers of any make.
    pub fn tolerant() -> Self {
        Self {
            missing_blank_line: true,
            bare_line_feeds: true,
            loose_spaces: true,
            ..Self::default()
        }
    }

    /// Octets of the headers, both of the message and of its content, with the blank lines. Default 64 KiB.
    pub fn max_head(mut self, octets: usize) -> Self {
        self.max_head = octets;
        self
    }

    /// Headers, both of the message and of its content. Default 256.
    pub fn max_headers(mut self, headers: usize) -> Self {
        self.max_headers = headers;
        self
    }

    /// Lets the content's headers follow those of the message without a blank line, as the examples of RFC 5438, RFC 5547
    /// and RFC 7701 show it: the first `Content-…` begins them. Default off.
    pub fn missing_blank_line(mut self, on: bool) -> Self {
        self.missing_blank_line = on;
        self
    }

    /// Lets lines end in LF alone. Default off.
    pub fn bare_line_feeds(mut self, on: bool) -> Self {
        self.bare_line_feeds = on;
        self
    }

    /// Lets white space be missing or more than it should be after a header's colon and at the end of its line, and an
    /// address stand without angle brackets. Default off.
    pub fn loose_spaces(mut self, on: bool) -> Self {
        self.loose_spaces = on;
        self
    }
}
