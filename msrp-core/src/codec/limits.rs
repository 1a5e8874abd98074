//! What the decoder takes, and what it lets pass.

/// Bounds of the decoder, and its named leniencies (all off by default).
///
/// The memory of one decoder is bounded by [`max_head`](DecoderLimits::max_head) octets of an unfinished head with its
/// end-line plus eight octets for each of [`max_lines`](DecoderLimits::max_lines); bodies are never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecoderLimits {
    /// Octets of a start line with its headers, at most 65,535. Default 16,384.
    pub max_head: usize,
    /// Header lines in a head, at most 250. Default 64.
    pub max_lines: usize,
    /// URIs in To-Path, and in From-Path. Default 16.
    pub max_uris: usize,
    /// Accept an end-line directly after the blank line as the end of an empty body, where RFC 4975 §9 wants a CRLF
    /// more. Default off: such an end-line is taken for body octets.
    pub empty_body_without_crlf: bool,
}

impl Default for DecoderLimits {
    fn default() -> Self {
        Self {
            max_head: 16_384,
            max_lines: 64,
            max_uris: 16,
            empty_body_without_crlf: false,
        }
    }
}

impl DecoderLimits {
    /// Sets [`max_head`](Self::max_head), cut to 256..=65,535.
    pub fn with_max_head(mut self, octets: usize) -> Self {
        self.max_head = octets.clamp(256, 65_535);
        self
    }

    /// Sets [`max_lines`](Self::max_lines), cut to 4..=250.
    pub fn with_max_lines(mut self, lines: usize) -> Self {
        self.max_lines = lines.clamp(4, 250);
        self
    }

    /// Sets [`max_uris`](Self::max_uris), at least 1.
    pub fn with_max_uris(mut self, uris: usize) -> Self {
        self.max_uris = uris.max(1);
        self
    }

    /// Sets [`empty_body_without_crlf`](Self::empty_body_without_crlf).
    pub fn with_empty_body_without_crlf(mut self, lenient: bool) -> Self {
        self.empty_body_without_crlf = lenient;
        self
    }
}
