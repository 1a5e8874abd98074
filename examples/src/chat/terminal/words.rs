//! How things are put.

use console::{style, truncate_str};

use crate::endpoint::{FileInfo, Party, Status};

/// The time of day, as people here write it.
pub(super) fn now() -> String {
    jiff::Zoned::now().strftime("%H:%M").to_string()
}

fn tick(status: Status) -> String {
    match status {
        Status::Sent => style("✓").dim().to_string(),
        Status::Delivered => "✓✓".to_owned(),
        Status::Displayed => style("✓✓").cyan().to_string(),
        Status::Failed | Status::Unknown => style("✗").red().to_string(),
    }
}

/// A line of our own, and how far it has got.
pub(super) fn own_line(time: &str, text: &str, status: Option<Status>) -> String {
    let ticks = status
        .map(|status| format!(" {}", tick(status)))
        .unwrap_or_default();
    format!("{} {} {text}{ticks}", style(time).dim(), style("me:").bold())
}

/// Why a message has not arrived.
pub(super) fn trouble(status: Status, code: Option<u16>, reason: Option<&str>) -> Option<String> {
    match (status, code, reason) {
        (_, Some(code), Some(reason)) => Some(format!("{code} {reason}")),
        (Status::Failed, ..) => Some("it did not arrive".to_owned()),
        (Status::Unknown, ..) => {
            Some("the session ended before it was known whether it has arrived".to_owned())
        }
        _ => None,
    }
}

/// The beginning of a text, so much as goes into a line.
pub(super) fn short(text: &str, columns: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    let whole = first.len() == text.len();
    let first = truncate_str(first, columns.saturating_sub(4), "…");
    match whole || first.ends_with('…') {
        true => first.into_owned(),
        false => format!("{first} …"),
    }
}

/// Somebody, by name and address.
pub(super) fn full(party: &Party) -> String {
    match &party.name {
        Some(name) => format!("{name} <{}>", party.uri),
        None => party.uri.clone(),
    }
}

/// A file, by name and size.
pub(super) fn described(info: &FileInfo) -> String {
    match info.size {
        Some(size) => format!("{} ({})", info.name, indicatif::BinaryBytes(size)),
        None => info.name.clone(),
    }
}
