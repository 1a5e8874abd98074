//! What can be wrong with MIME.

/// Why something is not, or could not become, MIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MimeError {
    /// A line is not `Name: value`, or a name or value that was given cannot stand in one.
    #[error("no header field")]
    Header,
    /// A Content-Disposition does not begin with a type.
    #[error("no Content-Disposition")]
    Disposition,
    /// A multipart body has no boundary, or none that is found in it; or one that was given cannot be used.
    #[error("no boundary, or one that does not fit")]
    Boundary,
    /// A multipart body has more parts than the bound.
    #[error("more than {limit} parts")]
    TooManyParts {
        /// The bound.
        limit: usize,
    },
    /// A part has more header fields than the bound.
    #[error("more than {limit} header fields in a part")]
    TooManyHeaders {
        /// The bound.
        limit: usize,
    },
}
