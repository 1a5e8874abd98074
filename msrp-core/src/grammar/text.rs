//! Productions that several headers share: `token`, `quoted-string`, `utf8text`, numbers.

use std::borrow::Cow;

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_while, take_while1},
    character::complete::{char, one_of},
    combinator::recognize,
    multi::many0_count,
    sequence::{delimited, preceded},
};

use super::{GrammarError, chars};

/// `token` (RFC 4975 section 9).
pub(crate) fn token(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|octet| chars::is(octet, chars::TOKEN)).parse(input)
}

/// Optional white space: SP and HTAB. The MSRP grammar has none; it is tolerated on input.
pub(crate) fn white_space(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|octet| matches!(octet, b' ' | b'\t')).parse(input)
}

/// `quoted-string`; gives what is between the quotes, escapes not yet resolved.
pub(crate) fn quoted_string(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let escape = preceded(char('\\'), one_of("\\\""));
    delimited(
        char('"'),
        recognize(many0_count(nom::branch::alt((
            take_while1(is_qdtext).map(|_| ()),
            escape.map(|_| ()),
        )))),
        tag(&b"\""[..]),
    )
    .parse(input)
}

/// `qdtext`, where octets of UTF8-NONASCII are checked as UTF-8 by [`unescape`].
pub(crate) fn is_qdtext(octet: u8) -> bool {
    matches!(octet, b'\t' | b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E | 0x80..)
}

/// Resolves the escapes of what [`quoted_string`] gave.
pub(crate) fn unescape(inner: &[u8]) -> Result<Cow<'_, str>, GrammarError> {
    let text = str::from_utf8(inner).map_err(|_| GrammarError::QuotedString)?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let mut unescaped = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => unescaped.extend(characters.next()),
            other => unescaped.push(other),
        }
    }
    Ok(Cow::Owned(unescaped))
}

/// `utf8text`: UTF-8 (RFC 3629, so no 5- and 6-octet forms) without control characters other than HTAB.
pub(crate) fn utf8text(octets: &[u8]) -> Result<&str, GrammarError> {
    if octets
        .iter()
        .any(|&octet| (octet < b' ' && octet != b'\t') || octet == 0x7F)
    {
        return Err(GrammarError::Text);
    }
    str::from_utf8(octets).map_err(|_| GrammarError::Text)
}

/// Text whose octets a class has already shown to be ASCII.
pub(crate) fn ascii(octets: &[u8]) -> &str {
    str::from_utf8(octets).unwrap_or_default()
}

/// `1*DIGIT` of any length; values above `u64::MAX` become `u64::MAX`. `None` if it is not `1*DIGIT`.
pub(crate) fn saturating_number(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0_u64, |value, &octet| {
        octet
            .is_ascii_digit()
            .then(|| value.saturating_mul(10).saturating_add(u64::from(octet - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 4975-9-25
    #[test]
    fn rfc4975_9_25_token_characters() {
        for octet in 0..=u8::MAX {
            let allowed = octet.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&octet);
            let parsed = token(&[octet]).is_ok();
            assert_eq!(parsed, allowed, "{octet}");
        }
        assert!(token(b"").is_err());
    }

    // shows: 4975-9-26
    #[test]
    fn rfc4975_9_26_quoted_string_escapes_backslash_and_quote_only() {
        let decode = |text: &'static str| {
            quoted_string(text.as_bytes())
                .ok()
                .map(|(rest, inner)| (rest, unescape(inner).unwrap()))
        };
        assert_eq!(decode(r#""a\"b\\c""#), Some((&b""[..], r#"a"b\c"#.into())));
        assert_eq!(decode(r#""""#), Some((&b""[..], "".into())));
        assert_eq!(decode("\"hä \tx\";y"), Some((&b";y"[..], "hä \tx".into())));
        for bad in [
            r#""\n""#,
            r#""abc"#,
            r#""abc\""#,
            "abc",
            "\"a\x01\"",
            "\"a\r\n\"",
            "\"\x7F\"",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert!(
            matches!(unescape(br"plain"), Ok(Cow::Borrowed("plain"))),
            "nothing to resolve, nothing allocated"
        );
        assert_eq!(unescape(b"\xFF"), Err(GrammarError::QuotedString));
    }

    #[test]
    fn utf8text_takes_tabs_and_no_other_control_characters() {
        assert_eq!(utf8text("a\tü ~".as_bytes()), Ok("a\tü ~"));
        assert_eq!(utf8text(b""), Ok(""));
        for bad in [&b"\n"[..], b"\x00", b"\x7F", b"\xE2\x82"] {
            assert_eq!(utf8text(bad), Err(GrammarError::Text));
        }
    }
}
