//! The text of the attributes of file transfer: labelled values, quoted strings with `%HH` (RFC 5547 §6).

use std::fmt::Write as _;

use msrp_core::grammar::MediaType;

use crate::sdp::attribute::is_token;

/// What is left of a value.
pub(super) struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    pub(super) fn new(value: &'a str) -> Self {
        Self(value.trim_matches(' '))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `label ":"`, after any spaces.
    pub(super) fn label(&mut self) -> Option<&'a str> {
        let (label, rest) = self.0.trim_start_matches(' ').split_once(':')?;
        self.0 = rest;
        Some(label)
    }

    /// All up to the next space.
    pub(super) fn word(&mut self) -> &'a str {
        let (word, rest) = self.0.split_at(self.0.find(' ').unwrap_or(self.0.len()));
        self.0 = rest;
        word
    }

    /// What stands between quotes, as it is.
    pub(super) fn verbatim(&mut self) -> Option<&'a str> {
        let (inner, rest) = self.0.strip_prefix('"')?.split_once('"')?;
        if !rest.is_empty() && !rest.starts_with([' ', ';']) {
            return None;
        }
        self.0 = rest;
        Some(inner)
    }

    /// What stands between quotes, decoded.
    pub(super) fn quoted(&mut self) -> Option<String> {
        self.verbatim().and_then(decode)
    }

    /// `type "/" subtype *(";" attribute "=" quoted)`, as in Content-Type. Values without quotes are taken too.
    pub(super) fn media_type(&mut self) -> Option<String> {
        let end = self.0.find([' ', ';']).unwrap_or(self.0.len());
        let (base, rest) = self.0.split_at(end);
        let mut media_type = base.to_owned();
        self.0 = rest;
        while let Some(parameter) = self.0.strip_prefix(';') {
            let (name, value) = parameter.split_once('=').filter(|(name, _)| is_token(name))?;
            self.0 = value;
            let value = if value.starts_with('"') {
                self.quoted()?
            } else {
                let (word, rest) = value.split_at(value.find([' ', ';']).unwrap_or(value.len()));
                self.0 = rest;
                word.to_owned()
            };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            let _written = write!(media_type, ";{name}=\"{value}\"");
        }
        MediaType::parse(media_type.as_bytes()).ok()?;
        Some(media_type)
    }
}

/// A media type as the selector writes it; none where it is none.
pub(super) fn media_type(text: &str) -> Option<String> {
    let media_type = MediaType::parse(text.as_bytes()).ok()?;
    let mut written = format!("{}/{}", media_type.main_type(), media_type.subtype());
    for (name, value) in media_type.parameters() {
        let _written = write!(written, ";{name}=\"{}\"", encode(&value.unwrap_or_default()));
    }
    Some(written)
}

fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let digits = std::str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        octets.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(octets).ok()
}

/// Encodes what the syntax excludes, and what means a folder on any system (RFC 5547 §6).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' | '%' | '/' | '\\' | ':' | '\0'..='\x1f' | '\x7f' => {
                let _written = write!(encoded, "%{:02X}", u32::from(char));
            }
            char => encoded.push(char),
        }
    }
    encoded
}
