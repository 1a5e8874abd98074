//! The list of `name=value` that all three header fields consist of.

use std::borrow::Cow;

use bytes::{BufMut, Bytes};
use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::take_while1,
    character::complete::char,
    sequence::{delimited, separated_pair, terminated},
};

use super::MAX_AUTH_PARAMETERS;
use crate::grammar::{GrammarError, chars, text};

/// Takes `Digest SP` off, in any case.
pub(super) fn digest_scheme(value: &[u8]) -> Result<&[u8], GrammarError> {
    match value.split_at_checked(7) {
        Some((scheme, parameters)) if scheme.eq_ignore_ascii_case(b"Digest ") => Ok(parameters),
        _ => Err(GrammarError::AuthScheme),
    }
}

/// The values of the parameters with these names; others are ignored.
pub(super) fn collect<'a, const N: usize>(
    list: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Cow<'a, str>>; N], GrammarError> {
    let mut values = [const { None }; N];
    let mut count = 0;
    let mut rest = skip_separators(list);
    while !rest.is_empty() {
        count += 1;
        if count > MAX_AUTH_PARAMETERS {
            return Err(GrammarError::AuthTooLong {
                max: MAX_AUTH_PARAMETERS,
            });
        }
        let (after, (name, value)) = parameter(rest).map_err(|_| GrammarError::AuthSyntax)?;
        let known = names
            .iter()
            .zip(values.iter_mut())
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((known, slot)) = known {
            if slot.is_some() {
                return Err(GrammarError::AuthDuplicate(known));
            }
            *slot = Some(value.text()?);
        }
        if !matches!(after.first(), Some(b',') | None) {
            return Err(GrammarError::AuthSyntax);
        }
        rest = skip_separators(after);
    }
    if count == 0 {
        return Err(GrammarError::AuthSyntax);
    }
    Ok(values)
}

/// A value as written.
enum Value<'a> {
    /// What is between the quotes.
    Quoted(&'a [u8]),
    Bare(&'a [u8]),
}

impl<'a> Value<'a> {
    fn text(self) -> Result<Cow<'a, str>, GrammarError> {
        match self {
            Self::Quoted(inner) => text::unescape(inner),
            Self::Bare(octets) => Ok(Cow::Borrowed(text::ascii(octets))),
        }
    }
}

/// `token "=" (quoted-string / token)`, with white space around `=` and behind. A bare value may be more than a
/// token: peers leave the quotes off nonces and URIs.
fn parameter(input: &[u8]) -> IResult<&[u8], (&[u8], Value<'_>)> {
    let bare = take_while1(|octet| matches!(octet, 0x21 | 0x23..=0x2B | 0x2D..=0x7E));
    separated_pair(
        text::token,
        delimited(text::white_space, char('='), text::white_space),
        terminated(
            alt((text::quoted_string.map(Value::Quoted), bare.map(Value::Bare))),
            text::white_space,
        ),
    )
    .parse(input)
}

/// Skips commas and white space; empty elements of a list mean nothing (RFC 2616 section 2.1).
fn skip_separators(input: &[u8]) -> &[u8] {
    let len = input
        .iter()
        .take_while(|octet| matches!(octet, b' ' | b'\t' | b','))
        .count();
    input.get(len..).unwrap_or_default()
}

/// Writes parameters with `, ` between them.
pub(super) struct ParameterList<'b, B> {
    out: &'b mut B,
    pub(super) is_empty: bool,
}

impl<'b, B: BufMut> ParameterList<'b, B> {
    pub(super) fn bare(out: &'b mut B) -> Self {
        Self { out, is_empty: true }
    }

    pub(super) fn digest(out: &'b mut B) -> Self {
        out.put_slice(b"Digest ");
        Self::bare(out)
    }

    fn name(&mut self, name: &'static str) {
        if !self.is_empty {
            self.out.put_slice(b", ");
        }
        self.is_empty = false;
        self.out.put_slice(name.as_bytes());
        self.out.put_u8(b'=');
    }

    pub(super) fn quoted(&mut self, name: &'static str, value: &str) -> Result<(), GrammarError> {
        if !value
            .bytes()
            .all(|octet| text::is_qdtext(octet) || matches!(octet, b'"' | b'\\'))
        {
            return Err(GrammarError::AuthValue(name));
        }
        self.name(name);
        self.out.put_u8(b'"');
        for octet in value.bytes() {
            if matches!(octet, b'"' | b'\\') {
                self.out.put_u8(b'\\');
            }
            self.out.put_u8(octet);
        }
        self.out.put_u8(b'"');
        Ok(())
    }

    pub(super) fn token(&mut self, name: &'static str, value: &str) -> Result<(), GrammarError> {
        if value.is_empty() || !chars::all(value.as_bytes(), chars::TOKEN) {
            return Err(GrammarError::AuthValue(name));
        }
        self.name(name);
        self.out.put_slice(value.as_bytes());
        Ok(())
    }
}

pub(super) fn to_bytes(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), GrammarError>,
) -> Result<Bytes, GrammarError> {
    let mut out = Vec::with_capacity(256);
    write(&mut out)?;
    Ok(out.into())
}
