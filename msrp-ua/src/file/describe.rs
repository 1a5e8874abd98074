//! What the message that carries a file says about it, in the same words as SDP (RFC 5547 §6).

use crate::{mime::ContentDisposition, sdp::FileAttributes};

/// The Content-Disposition of a file: its disposition (`render` where none is told), name, size and dates are those of the
/// SDP.
pub fn content_disposition(file: &FileAttributes) -> ContentDisposition {
    let mut disposition = ContentDisposition::new(file.disposition.as_deref().unwrap_or("render"));
    if let Some(name) = &file.selector.name {
        disposition = disposition.with_file_name(name);
    }
    let dates = [
        ("creation-date", &file.dates.creation),
        ("modification-date", &file.dates.modification),
        ("read-date", &file.dates.read),
    ];
    for (name, date) in dates {
        if let Some(date) = date {
            disposition = disposition.with_parameter(name, date);
        }
    }
    match file.selector.size {
        Some(size) => disposition.with_size(size),
        None => disposition,
    }
}
