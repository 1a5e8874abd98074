//! What an application says of files (RFC 5547).

use std::fmt;

use crate::{
    message::{MessageSink, MessageSource},
    sdp::{FileAttributes, FileDates, FileRange, FileSelector},
};

/// Where a file goes that is received.
pub struct FileReceiver {
    pub(crate) sink: Box<dyn MessageSink>,
    pub(crate) max_size: Option<u64>,
    pub(crate) checked: bool,
}

impl FileReceiver {
    /// Into this sink, which gets each octet once, the first of the offered range at offset 1. A whole file is taken only if
    /// it has the size and the hashes that were said, see [`VerifyingSink`](crate::file::VerifyingSink).
    pub fn new(sink: impl MessageSink + 'static) -> Self {
        Self {
            sink: Box::new(sink),
            max_size: None,
            checked: true,
        }
    }

    /// Into a sink that sees to it by itself whether the file is the right one.
    pub fn unchecked(sink: impl MessageSink + 'static) -> Self {
        Self {
            checked: false,
            ..Self::new(sink)
        }
    }

    /// Refuses it as soon as it is larger, whatever was said of it. Default its offered size, or
    /// [`CallConfig::max_file_size`](super::CallConfig::max_file_size) where that is not known.
    pub fn with_max_size(mut self, octets: u64) -> Self {
        self.max_size = Some(octets);
        self
    }
}

impl fmt::Debug for FileReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReceiver")
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}

/// Which way a file goes.
pub(crate) enum FileWay {
    Push(Box<dyn MessageSource>),
    Pull(FileReceiver),
}

/// A file to be offered, or asked for; one stream of a call, which ends with it.
pub struct FileOffer {
    pub(crate) attributes: FileAttributes,
    pub(crate) way: FileWay,
    pub(crate) headers: Vec<(String, String)>,
}

impl fmt::Debug for FileOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileOffer")
            .field("push", &self.is_push())
            .field("size", &self.attributes.selector.size)
            .finish_non_exhaustive()
    }
}

impl FileOffer {
    /// Offers a file, or sends one that was asked for. The selector says which: its size, type or hash besides its name
    /// (RFC 5547 §8.2.1). The size of the source is filled in where it is missing, the type as `application/octet-stream`.
    pub fn push(mut selector: FileSelector, source: impl MessageSource + 'static) -> Self {
        selector.size = selector.size.or(source.size());
        selector
            .media_type
            .get_or_insert_with(|| "application/octet-stream".to_owned());
        Self {
            attributes: FileAttributes {
                selector,
                ..FileAttributes::default()
            },
            way: FileWay::Push(Box::new(source)),
            headers: Vec::new(),
        }
    }

    /// Asks for the one file that matches the selector (RFC 5547 §8.2.2).
    pub fn pull(selector: FileSelector, receiver: FileReceiver) -> Self {
        Self {
            attributes: FileAttributes {
                selector,
                ..FileAttributes::default()
            },
            way: FileWay::Pull(receiver),
            headers: Vec::new(),
        }
    }

    /// Offers, or asks for, a part only: what is missing after a break. The source begins with the first octet of it, and
    /// the sink gets that at offset 1.
    pub fn with_range(mut self, range: FileRange) -> Self {
        self.attributes.range = Some(range);
        self
    }

    /// Sets whether it is to be shown at once (`render`) or kept (`attachment`).
    pub fn with_disposition(mut self, disposition: impl Into<String>) -> Self {
        self.attributes.disposition = Some(disposition.into());
        self
    }

    /// Sets when it was made, changed and read.
    pub fn with_dates(mut self, dates: FileDates) -> Self {
        self.attributes.dates = dates;
        self
    }

    /// Adds a header to the message in which it is sent.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Whether it is sent by us.
    pub fn is_push(&self) -> bool {
        matches!(self.way, FileWay::Push(_))
    }
}
