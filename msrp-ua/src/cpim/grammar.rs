//! The productions of RFC 3862 §3.6, over text that is known to be UTF-8 without control characters.

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while1},
    character::complete::{anychar, char, none_of, satisfy, space0},
    combinator::{all_consuming, opt, recognize, verify},
    multi::{many0, many0_count, many1_count, separated_list1},
    sequence::{delimited, pair, preceded, separated_pair, terminated},
};

/// `NAMECHAR`.
pub(crate) fn is_name_char(character: char) -> bool {
    matches!(character, '!' | '#'..='\'' | '*' | '+' | '-' | '^'..='`' | '|' | '~')
        || character.is_ascii_alphanumeric()
}

/// `TOKENCHAR`.
pub(crate) fn is_token_char(character: char) -> bool {
    is_name_char(character) || character == '.' || !character.is_ascii()
}

fn name(input: &str) -> IResult<&str, &str> {
    take_while1(is_name_char).parse(input)
}

/// `Token`.
pub(crate) fn token(input: &str) -> IResult<&str, &str> {
    take_while1(is_token_char).parse(input)
}

/// `Header-name`: prefix and name.
fn header_name(input: &str) -> IResult<&str, (Option<&str>, &str)> {
    (opt(terminated(name, char('.'))), name).parse(input)
}

/// `String`: what is between the quotes, escapes not resolved.
fn string(input: &str) -> IResult<&str, &str> {
    let character = alt((none_of("\"\\"), preceded(char('\\'), anychar)));
    delimited(char('"'), recognize(many0_count(character)), char('"')).parse(input)
}

/// The value of a parameter, as written.
fn parameter_value(input: &str) -> IResult<&str, &str> {
    alt((recognize(string), token)).parse(input)
}

/// `name=value`.
pub(crate) fn parameter(input: &str) -> IResult<&str, (&str, &str)> {
    separated_pair(name, char('='), parameter_value).parse(input)
}

/// A header line, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) prefix: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
    pub(crate) value: &'a str,
}

/// `Header`, without its CRLF.
pub(crate) fn header(line: &str, loose_spaces: bool) -> Option<Line<'_>> {
    let (value, (prefix, name)) = terminated(header_name, char(':')).parse(line).ok()?;
    let (value, parameters) = many0(preceded(char(';'), parameter)).parse(value).ok()?;
    let value = if loose_spaces {
        value.trim_matches([' ', '\t'])
    } else {
        let value = value.strip_prefix(' ')?;
        if value.starts_with(' ') || value.ends_with(' ') {
            return None;
        }
        value
    };
    Some(Line {
        prefix,
        name,
        parameters,
        value,
    })
}

/// `NS`: the prefix, if there is one, and the URI. A space between them is in every example and in no production: it may be
/// missing.
pub(crate) fn namespace(value: &str) -> Option<(Option<&str>, &str)> {
    let uri = delimited(char('<'), take_while1(|character| character != '>'), char('>'));
    let (_, (prefix, uri)) = all_consuming(pair(opt(terminated(name, space0)), uri))
        .parse(value)
        .ok()?;
    is_namespace(uri).then_some((prefix, uri))
}

/// `Require`: prefixes and names.
pub(crate) fn names(value: &str) -> Option<Vec<(Option<&str>, &str)>> {
    let comma = delimited(space0, char(','), space0);
    all_consuming(separated_list1(comma, header_name))
        .parse(value)
        .ok()
        .map(|(_, names)| names)
}

/// A `String` and what follows it.
pub(crate) fn quoted_string(input: &str) -> Option<(&str, &str)> {
    string(input).ok().map(|(rest, inner)| (inner, rest))
}

/// Whether a production is all of a text.
fn is_all<'a>(text: &'a str, production: impl Parser<&'a str, Error = nom::error::Error<&'a str>>) -> bool {
    all_consuming(production).parse(text).is_ok()
}

/// `1*( Token SP )`, without the last space.
pub(crate) fn is_words(text: &str) -> bool {
    is_all(text, separated_list1(char(' '), token))
}

/// `Language-tag` (RFC 5646's predecessors: letters, then letters and digits, up to 8 each).
pub(crate) fn is_language(text: &str) -> bool {
    let subtag = |first: bool| {
        verify(
            take_while1(move |character: char| {
                character.is_ascii_alphabetic() || (!first && character.is_ascii_digit())
            }),
            |tag: &str| tag.len() <= 8,
        )
    };
    is_all(
        text,
        pair(subtag(true), many0_count(preceded(tag("-"), subtag(false)))),
    )
}

/// `absolute-URI`, as far as it matters here: a scheme, a colon and something after it, none of which can end the brackets
/// or the line around it. Characters beyond ASCII pass.
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    let scheme = pair(
        satisfy(|character| character.is_ascii_alphabetic()),
        take_while(|character: char| character.is_ascii_alphanumeric() || "+-.".contains(character)),
    );
    let rest = many1_count(satisfy(|character| {
        character > ' ' && !matches!(character, '<' | '>' | '"' | '\u{7f}' | '\\') && !character.is_control()
    }));
    is_all(text, (scheme, char(':'), rest))
}

/// A URI that can name a namespace: absolute, and without a fragment (RFC 3862 §3.4).
pub(crate) fn is_namespace(text: &str) -> bool {
    is_absolute_uri(text) && !text.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    // shows: 3862-3.1-01, 3862-3.6-01, 3862-3.6-03, 3862-2.2-09
    #[test]
    fn headers_follow_the_grammar() {
        for octet in 0..0x80_u8 {
            let character = char::from(octet);
            let listed = character.is_ascii_alphanumeric() || "!#$%&'*+-^_`|~".contains(character);
            assert_eq!(is_name_char(character), listed, "{character:?}");
            assert_eq!(
                is_token_char(character),
                listed || character == '.',
                "{character:?}"
            );
        }
        assert!(is_token_char('ü') && !is_name_char('ü'));
        assert_eq!(
            header(r#"a.Sub-ject:;lang=fr;x="a \" b";n=12 Objet: le message"#, false),
            Some(Line {
                prefix: Some("a"),
                name: "Sub-ject",
                parameters: vec![("lang", "fr"), ("x", r#""a \" b""#), ("n", "12")],
                value: "Objet: le message",
            })
        );
        for bad in [
            "From",
            "From:",
            "From:x",
            "From : x",
            ": x",
            "Fr om: x",
            "From:  x",
            "From: x ",
            "a.b.c: x",
            "a.: x",
            ".a: x",
            "From:;lang x",
            "From:;=fr x",
            "From:;lang=\"a x",
            "Frömm: x",
            "From:\tx",
            " From: x",
        ] {
            assert_eq!(header(bad, false), None, "{bad:?}");
        }
        assert_eq!(header("Subject: ", false).map(|line| line.value), Some(""));
        for loose in ["From:x", "From:  x", "From: x \t", "From:\tx"] {
            assert_eq!(header(loose, true).map(|line| line.value), Some("x"), "{loose:?}");
        }
    }

    // shows: 3862-4.6-01, 3862-3.4-02
    #[test]
    fn namespaces_are_absolute_uris_without_fragments() {
        assert_eq!(
            namespace("imdn <urn:ietf:params:imdn>"),
            Some((Some("imdn"), "urn:ietf:params:imdn"))
        );
        assert_eq!(namespace("imdn<urn:x>"), Some((Some("imdn"), "urn:x")));
        assert_eq!(namespace("<urn:x>"), Some((None, "urn:x")));
        for bad in [
            "imdn",
            "imdn urn:x",
            "<>",
            "imdn <x>",
            "imdn <//host/x>",
            "imdn <urn:x#y>",
            "i.m <urn:x>",
            "imdn <urn:x> y",
            "imdn <urn: x>",
            "imdn <:x>",
            "imdn <urn:>",
        ] {
            assert_eq!(namespace(bad), None, "{bad}");
        }
    }

    // shows: 3862-4.7-01, 3862-3.5-02
    #[test]
    fn required_names_are_separated_by_commas() {
        assert_eq!(
            names("a.B,C , d.E"),
            Some(vec![(Some("a"), "B"), (None, "C"), (Some("d"), "E")])
        );
        for bad in ["", ",", "a,", "a b", "a;b"] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_and_languages() {
        assert!(is_words("Winnie the Pooh") && is_words("J. Grün") && is_words("O'Hara"));
        for bad in ["", " a", "a ", "a  b", "a,b", "a\\b", "\"a\""] {
            assert!(!is_words(bad), "{bad}");
        }
        assert!(is_language("fr") && is_language("de-AT-1996") && is_language("i-default"));
        for bad in ["", "-", "fr-", "f r", "abcdefghi", "1a", "fr_FR"] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
