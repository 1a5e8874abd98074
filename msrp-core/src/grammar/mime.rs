//! `media-type`: the value of Content-Type (RFC 4975 section 9).

use std::{borrow::Cow, fmt};

use nom::{
    IResult, Parser,
    branch::alt,
    character::complete::char,
    combinator::{opt, recognize},
    sequence::{delimited, pair, preceded, separated_pair},
};

use super::{AcceptEntry, GrammarError, text};

/// A media type, `type/subtype` with parameters, borrowed. Types are compared without regard to case.
///
/// `==` compares type and subtype only; parameters mean something else for every type.
#[derive(Clone, Copy)]
pub struct MediaType<'a> {
    pub(super) main_type: &'a str,
    pub(super) subtype: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// Parses `type/subtype *(";" name ["=" value])`. White space around `;`, which the grammar does not have but
    /// peers write, is accepted.
    ///
    /// # Errors
    /// [`GrammarError::MediaType`], [`GrammarError::MediaTypeParameter`].
    pub fn parse(input: &'a [u8]) -> Result<Self, GrammarError> {
        let (parameters, (main_type, subtype)) = separated_pair(text::token, char('/'), text::token)
            .parse(input)
            .map_err(|_: NomError<'_>| GrammarError::MediaType)?;
        if !matches!(parameters.first(), Some(b';' | b' ' | b'\t') | None) {
            return Err(GrammarError::MediaType);
        }
        let mut rest = parameters;
        while !rest.is_empty() {
            rest = parameter(rest).map_err(|_| GrammarError::MediaTypeParameter)?.0;
        }
        let parameters = str::from_utf8(parameters).map_err(|_| GrammarError::MediaTypeParameter)?;
        Ok(Self {
            main_type: text::ascii(main_type),
            subtype: text::ascii(subtype),
            parameters,
        })
    }

    /// The type, as written.
    pub fn main_type(&self) -> &'a str {
        self.main_type
    }

    /// The subtype, as written.
    pub fn subtype(&self) -> &'a str {
        self.subtype
    }

    /// Whether this is `main_type/subtype`, in any case and with any parameters.
    pub fn is(&self, main_type: &str, subtype: &str) -> bool {
        self.main_type.eq_ignore_ascii_case(main_type) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// The parameters in order, as `(name, value)`, the escapes of quoted values resolved.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        self.written_parameters()
            .map(|(name, value)| (name, value.map(unquote)))
    }

    /// The value of the first parameter of this name, in any case; `None` if it is not there or has no value.
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parameters()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?
            .1
    }

    /// The parameters, quoted values with their quotes.
    fn written_parameters(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.parameters.as_bytes();
        std::iter::from_fn(move || {
            let (after, (name, value)) = parameter(rest).ok()?;
            rest = after;
            Some((text::ascii(name), value))
        })
    }

    /// Whether this entry of accept-types allows this type. Parameters do not count: an entry with parameters matches
    /// the type without, and the other way round (RFC 4975 section 8.6).
    pub fn matches(&self, entry: &AcceptEntry<'_>) -> bool {
        match entry {
            AcceptEntry::Any => true,
            AcceptEntry::AnySubtype(main_type) => self.main_type.eq_ignore_ascii_case(main_type),
            AcceptEntry::Type(media_type) => self == media_type,
        }
    }
}

impl PartialEq<MediaType<'_>> for MediaType<'_> {
    fn eq(&self, other: &MediaType<'_>) -> bool {
        self.is(other.main_type, other.subtype)
    }
}

impl Eq for MediaType<'_> {}

impl fmt::Display for MediaType<'_> {
    /// Writes the grammar's form, without white space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main_type, self.subtype)?;
        for (name, value) in self.written_parameters() {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                // The parameters are UTF-8 as a whole, and what separates them is ASCII.
                write!(f, "={}", str::from_utf8(value).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for MediaType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaType({self})")
    }
}

pub(super) type NomError<'a> = nom::Err<nom::error::Error<&'a [u8]>>;
pub(super) type Parameter<'a> = (&'a [u8], Option<&'a [u8]>);

/// `gen-param`: the value as written, with its quotes.
pub(super) fn gen_param(input: &[u8]) -> IResult<&[u8], Parameter<'_>> {
    let value = alt((recognize(text::quoted_string), text::token));
    pair(text::token, opt(preceded(char('='), value))).parse(input)
}

/// `";" gen-param` with white space around `;`.
fn parameter(input: &[u8]) -> IResult<&[u8], Parameter<'_>> {
    preceded(
        delimited(text::white_space, char(';'), text::white_space),
        gen_param,
    )
    .parse(input)
}

fn unquote(value: &[u8]) -> Cow<'_, str> {
    match value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
    {
        Some(inner) => text::unescape(inner).unwrap_or_default(),
        None => Cow::Borrowed(text::ascii(value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> MediaType<'_> {
        MediaType::parse(text.as_bytes()).unwrap()
    }

    // shows: 4975-9-24
    #[test]
    fn rfc4975_9_24_media_type_with_parameters() {
        let plain = parse("text/plain");
        assert_eq!(
            (plain.main_type(), plain.subtype(), plain.parameters().count()),
            ("text", "plain", 0)
        );

        let spaced = parse("text/plain; charset=UTF-8 ;\tformat=flowed;flag");
        assert_eq!(
            spaced.parameters().collect::<Vec<_>>(),
            [
                ("charset", Some("UTF-8".into())),
                ("format", Some("flowed".into())),
                ("flag", None)
            ]
        );
        assert_eq!(spaced.to_string(), "text/plain;charset=UTF-8;format=flowed;flag");
        assert_eq!(spaced.parameter("Charset").as_deref(), Some("UTF-8"));
        assert_eq!((spaced.parameter("flag"), spaced.parameter("none")), (None, None));

        let quoted = parse(r#"multipart/mixed;boundary="a \"b\"; c"; x="grün""#);
        assert_eq!(quoted.parameter("boundary").as_deref(), Some(r#"a "b"; c"#));
        assert_eq!(quoted.parameter("x").as_deref(), Some("grün"));
        assert_eq!(
            quoted.to_string(),
            r#"multipart/mixed;boundary="a \"b\"; c";x="grün""#
        );
    }

    #[test]
    fn malformed_media_types_are_errors() {
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "te xt/plain",
            "text/plain/x",
            "text /plain",
            "text/plain,x",
            "\u{fc}/x",
        ] {
            assert_eq!(
                MediaType::parse(bad.as_bytes()),
                Err(GrammarError::MediaType),
                "{bad}"
            );
        }
        for bad in [
            "text/plain;",
            "text/plain ",
            "text/plain;=x",
            "text/plain;a=",
            "text/plain;a=\"b",
            "text/plain;a = b",
            "text/plain;a=b c",
            "text/plain;a=\"\\n\"",
        ] {
            assert_eq!(
                MediaType::parse(bad.as_bytes()),
                Err(GrammarError::MediaTypeParameter),
                "{bad}"
            );
        }
        assert_eq!(
            MediaType::parse(b"text/plain;a=\"\xFF\""),
            Err(GrammarError::MediaTypeParameter)
        );
    }

    #[test]
    fn types_compare_in_any_case_and_without_parameters() {
        assert_eq!(parse("Text/PLAIN;charset=utf-8"), parse("text/plain"));
        assert_ne!(parse("text/plain"), parse("text/html"));
        assert_ne!(parse("text/plain"), parse("image/plain"));
        assert!(parse("MESSAGE/CPIM").is("message", "cpim"));
    }

    proptest! {
        #[test]
        fn what_parses_is_written_so_that_it_parses_alike(
            text in "[a-z]{1,5}/[a-z+.]{1,5}( ?; ?[a-z]{1,3}(=([a-z]{1,3}|\"([a-zü ;]|\\\\\"){0,4}\"))?){0,3}",
        ) {
            let media_type = parse(&text);
            let written = media_type.to_string();
            let again = parse(&written);
            prop_assert_eq!(media_type, again);
            prop_assert!(media_type.parameters().eq(again.parameters()));
            prop_assert_eq!(again.to_string(), written.clone());
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>) {
            let _ = MediaType::parse(&octets);
        }
    }
}
