//! Characters that a header cannot have as they are (RFC 3862 §2.3).

use std::{borrow::Cow, fmt::Write as _};

/// Writes text so that it can stand in a header: control characters and backslashes as escapes, and nothing else
/// (RFC 3862 §2.3.1).
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| needs_escape(character, false)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    push_escaped(&mut escaped, text, false);
    Cow::Owned(escaped)
}

/// Writes text as a string in double quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    push_escaped(&mut quoted, text, true);
    quoted.push('"');
    quoted
}

fn needs_escape(character: char, quoted: bool) -> bool {
    character < ' ' || matches!(character, '\\' | '\u{7f}') || (quoted && character == '"')
}

fn push_escaped(escaped: &mut String, text: &str, quoted: bool) {
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\u{8}' => escaped.push_str("\\b"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '"' if quoted => escaped.push_str("\\\""),
            control if needs_escape(control, quoted) => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(control));
            }
            other => escaped.push(other),
        }
    }
}

/// Reads the escapes of a header's value (RFC 3862 §2.3, §2.3.1). What comes out may hold line ends and other control
/// characters: whoever copies it into another protocol has to escape or refuse them there.
///
/// Two `\u` that are the halves of a UTF-16 pair are the character that they make; half a pair is U+FFFD.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        rest = after;
        if let Some((character, after)) = code_point(rest) {
            plain.push(character);
            rest = after;
            continue;
        }
        let mut characters = rest.chars();
        match characters.next() {
            Some('b') => plain.push('\u{8}'),
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some(other) => plain.push(other),
            // A lone backslash at the end is ignored.
            None => {}
        }
        rest = characters.as_str();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// `uXXXX`, and a second one where they are a pair.
fn code_point(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = code_unit(text)?;
    if (0xd800..0xdc00).contains(&unit)
        && let Some((second, after)) = rest.strip_prefix('\\').and_then(code_unit)
        && let Some(Ok(character)) = char::decode_utf16([unit, second]).next()
    {
        return Some((character, after));
    }
    let character = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((character, rest))
}

fn code_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.strip_prefix('u')?.split_at_checked(4)?;
    if !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // shows: 3862-2.3-01, 3862-2.3.1-01, 3862-2.3.1-04, 3862-2.3.1-05, 3862-2.2-08
    #[test]
    fn control_characters_and_backslashes_are_escaped_and_nothing_else() {
        assert_eq!(escape("\\ \u{8}\t\n\r"), r"\\ \b\t\n\r");
        assert_eq!(
            escape("\0\u{7}\u{b}\u{c}\u{1f}\u{7f}"),
            r"\u0000\u0007\u000b\u000c\u001f\u007f"
        );
        for octet in 0..0x80_u8 {
            let text = char::from(octet).to_string();
            let escaped = escape(&text);
            assert!(escaped.bytes().all(|octet| (0x20..0x7f).contains(&octet)));
            assert_eq!(
                *escaped != text,
                octet < 0x20 || octet == 0x7f || octet == b'\\',
                "{octet}"
            );
        }
        assert!(matches!(escape("\"grün\" 'x' 😀 \u{85}"), Cow::Borrowed(_)));
    }

    // shows: 3862-2.3.1-02, 3862-2.3.1-03
    #[test]
    fn quotes_within_quotes_are_escaped_and_those_around_are_not() {
        assert_eq!(quote("a \"b\" 'c' \\"), r#""a \"b\" 'c' \\""#);
        assert_eq!(unescape(r#"a \"b\" \'c\'"#), r#"a "b" 'c'"#);
    }

    // shows: 3862-2.3-02, 3862-2.3.1-06, 3862-2.3.1-07, 3862-2.3.1-08
    #[test]
    fn every_escape_is_recognised() {
        assert_eq!(unescape(r#"\\ \" \' \b\t\n\r"#), "\\ \" ' \u{8}\t\n\r");
        assert_eq!(unescape(r"\u00fc\u00FC\u0041\u000a"), "üüA\n");
        // What needs no escape may have one, what is none is the character, and the last backslash is nothing.
        assert_eq!(unescape(r"\u0061\q\ü\"), "aqü");
        assert_eq!(unescape(r"\u12 \u12g4 \u"), "u12 u12g4 u");
        assert_eq!(
            unescape(r"\ud83d\ude00 \ud83d \ude00 \ud83d\u0041"),
            "😀 \u{fffd} \u{fffd} \u{fffd}A"
        );
        assert!(matches!(unescape("plain"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back(text: String) {
            let escaped = escape(&text).into_owned();
            let clean = escaped.chars().all(|character| character >= ' ' && character != '\x7f');
            prop_assert!(clean);
            prop_assert_eq!(unescape(&escaped), text);
        }
    }
}
