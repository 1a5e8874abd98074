//! Content-Disposition (RFC 2183): what is to be done with content, and the name, size and dates of a file.

use std::{borrow::Cow, fmt, time::SystemTime};

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{take_till, take_while, take_while1},
    character::complete::{anychar, char, none_of},
    combinator::{opt, recognize},
    multi::many0_count,
    sequence::{delimited, preceded, separated_pair},
};

use super::MimeError;
use crate::date;

/// The value of a Content-Disposition.
///
/// ```
/// use msrp_ua::mime::ContentDisposition;
///
/// let file = ContentDisposition::parse(r#"attachment; filename="a.txt"; filename*=UTF-8''%e2%82%ac.txt; size=12"#)?;
/// assert!(file.is("attachment"));
/// assert_eq!((file.file_name().as_deref(), file.size()), (Some("€.txt"), Some(12)));
/// # Ok::<(), msrp_ua::mime::MimeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDisposition {
    kind: String,
    /// Names in lower case; values without quotes and escapes.
    parameters: Vec<(String, String)>,
}

impl ContentDisposition {
    /// A disposition such as `render`, `attachment` or `notification`, without parameters.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.chars().filter(|&it| is_token(it)).collect(),
            parameters: Vec::new(),
        }
    }

    /// Parses a value. Parameters that are malformed are left out, as nothing that matters depends on them.
    ///
    /// # Errors
    /// [`MimeError::Disposition`] where it does not begin with a type.
    pub fn parse(value: &str) -> Result<Self, MimeError> {
        let (mut rest, kind) = token(value.trim_start()).map_err(|_| MimeError::Disposition)?;
        let mut parameters = Vec::new();
        // Each turn takes at least the semicolon.
        while let Some((_, after)) = rest.split_once(';') {
            match parameter(after) {
                Ok((after, (name, value))) => {
                    parameters.push((name.to_ascii_lowercase(), value.into_owned()));
                    rest = after;
                }
                Err(_) => rest = after,
            }
        }
        Ok(Self {
            kind: kind.to_owned(),
            parameters,
        })
    }

    /// Its type as written.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether its type is this, in any case.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// The value of a parameter, in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The file's name as the peer has it; before it becomes the name of a file here it has to go through
    /// [`safe_file_name`](crate::file::safe_file_name). The form of RFC 8187 (`filename*`) comes first where it can be read.
    pub fn file_name(&self) -> Option<Cow<'_, str>> {
        self.parameter("filename*")
            .and_then(decode_extended)
            .map(Cow::Owned)
            .or_else(|| self.parameter("filename").map(Cow::Borrowed))
    }

    /// The file's size in octets.
    pub fn size(&self) -> Option<u64> {
        let size = self.parameter("size")?;
        size.bytes()
            .all(|octet| octet.is_ascii_digit())
            .then(|| size.parse().ok())?
    }

    /// When the file was created.
    pub fn created(&self) -> Option<SystemTime> {
        date::parse_rfc5322(self.parameter("creation-date")?)
    }

    /// When the file was changed last.
    pub fn modified(&self) -> Option<SystemTime> {
        date::parse_rfc5322(self.parameter("modification-date")?)
    }

    /// When the file was read last.
    pub fn read(&self) -> Option<SystemTime> {
        date::parse_rfc5322(self.parameter("read-date")?)
    }

    /// With a parameter; one of that name gives way. What is no name is left out.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        if name.is_empty() || !name.chars().all(is_token) {
            return self;
        }
        let name = name.to_ascii_lowercase();
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value.to_owned()));
        self
    }

    /// With the name of a file: MSRP writes UTF-8 within quotes, and for those who cannot read that there the form of
    /// RFC 8187 follows.
    pub fn with_file_name(self, name: &str) -> Self {
        let named = self.with_parameter("filename", name);
        if name.is_ascii() {
            return named;
        }
        named.with_parameter("filename*", &encode_extended(name))
    }

    /// With the size of a file.
    pub fn with_size(self, octets: u64) -> Self {
        self.with_parameter("size", &octets.to_string())
    }

    /// With the time at which a file was created.
    pub fn with_created(self, time: SystemTime) -> Self {
        self.with_date("creation-date", time)
    }

    /// With the time at which a file was changed last.
    pub fn with_modified(self, time: SystemTime) -> Self {
        self.with_date("modification-date", time)
    }

    /// With the time at which a file was read last.
    pub fn with_read(self, time: SystemTime) -> Self {
        self.with_date("read-date", time)
    }

    fn with_date(self, name: &str, time: SystemTime) -> Self {
        match date::rfc5322(time) {
            Some(text) => self.with_parameter(name, &text),
            None => self,
        }
    }
}

impl fmt::Display for ContentDisposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for (name, value) in &self.parameters {
            let is_bare = !value.is_empty() && value.chars().all(is_token);
            let must_quote = matches!(
                &**name,
                "filename" | "creation-date" | "modification-date" | "read-date"
            );
            if name.ends_with('*') || (is_bare && !must_quote) {
                write!(
                    f,
                    "; {name}={}",
                    value.replace(|it| !is_token(it) && it != '\'', "_")
                )?;
                continue;
            }
            write!(f, "; {name}=\"")?;
            for character in value.chars() {
                match character {
                    '"' | '\\' => write!(f, "\\{character}")?,
                    // Nothing that could end the line.
                    control if control.is_control() => f.write_str("_")?,
                    other => write!(f, "{other}")?,
                }
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

fn is_token(character: char) -> bool {
    character.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(character)
}

fn token(input: &str) -> IResult<&str, &str> {
    take_while1(is_token).parse(input)
}

fn space(input: &str) -> IResult<&str, &str> {
    take_while(|character| matches!(character, ' ' | '\t')).parse(input)
}

fn quoted(input: &str) -> IResult<&str, Cow<'_, str>> {
    let characters = many0_count(alt((none_of("\"\\"), preceded(char('\\'), anychar))));
    delimited(char('"'), recognize(characters), char('"'))
        .map(unquote)
        .parse(input)
}

fn unquote(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

/// `name=value`; what is neither quoted nor a token goes up to the next semicolon.
fn parameter(input: &str) -> IResult<&str, (&str, Cow<'_, str>)> {
    let equals = delimited(space, char('='), space);
    let bare = take_till(|character| character == ';').map(|value: &str| Cow::Borrowed(value.trim_end()));
    preceded(space, separated_pair(token, equals, alt((quoted, bare))))
        .parse(input)
        .and_then(|(rest, parameter)| {
            let (rest, _) = opt(space).parse(rest)?;
            Ok((rest, parameter))
        })
}

/// `UTF-8'language'%e2%82%ac`; ISO-8859-1 as well, as RFC 8187's predecessors had it.
fn decode_extended(value: &str) -> Option<String> {
    let mut fields = value.splitn(3, '\'');
    let (charset, _language, text) = (fields.next()?, fields.next()?, fields.next()?);
    let octets = percent_octets(text)?;
    if charset.eq_ignore_ascii_case("iso-8859-1") {
        return Some(octets.into_iter().map(char::from).collect());
    }
    if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii") {
        return String::from_utf8(octets).ok();
    }
    None
}

/// Text in which `%HH` stands for octets, which have to be UTF-8.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_octets(text)?).ok()
}

fn percent_octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_hexdigit()))?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(octets)
}

fn encode_extended(text: &str) -> String {
    let mut encoded = String::from("UTF-8''");
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> ContentDisposition {
        ContentDisposition::parse(value).unwrap()
    }

    // shows: 5547-9.2-04
    #[test]
    fn names_sizes_and_dates_are_read() {
        let file = parse(
            "render; filename=\"My cool picture.jpg\"; creation-date=\"Mon, 15 May 2006 15:01:31 +0300\"; size=4092",
        );
        assert!(file.is("Render"));
        assert_eq!(file.file_name().as_deref(), Some("My cool picture.jpg"));
        assert_eq!(file.size(), Some(4092));
        assert_eq!(
            file.created(),
            Some(UNIX_EPOCH + Duration::from_secs(1_147_694_491))
        );
        assert_eq!((file.modified(), file.read()), (None, None));
        // RFC 5547's own example names the wrong weekday.
        let read = parse(
            "render; filename=\"My cool photo.jpg\"; read-date=\"Mon, 16 May 2006 09:12:27 +0300\"; size=1931",
        );
        assert_eq!(read.read(), Some(UNIX_EPOCH + Duration::from_secs(1_147_759_947)));
        assert_eq!(read.size(), Some(1931));
    }

    #[test]
    fn what_peers_get_wrong_does_no_harm() {
        assert_eq!(
            parse("attachment;filename=My file.jpg ; Size = 7")
                .file_name()
                .as_deref(),
            Some("My file.jpg")
        );
        assert_eq!(
            parse("attachment;filename=My file.jpg ; Size = 7").size(),
            Some(7)
        );
        assert_eq!(
            parse("attachment; ; x; filename=\"a\\\"b;c\"")
                .file_name()
                .as_deref(),
            Some("a\"b;c")
        );
        assert_eq!(parse("attachment; filename=\"unfinished; size=3").size(), Some(3));
        for size in ["-1", "+1", "1.5", "99999999999999999999999", ""] {
            assert_eq!(parse(&format!("x; size={size}")).size(), None, "{size}");
        }
        for bad in ["", " ;a=b", "\"x\"", "="] {
            assert_eq!(
                ContentDisposition::parse(bad),
                Err(MimeError::Disposition),
                "{bad}"
            );
        }
    }

    #[test]
    fn names_beyond_ascii_come_in_every_form() {
        for (value, name) in [
            (
                "x; filename*=utf-8'de'gr%C3%BCn.txt; filename=\"gr_n.txt\"",
                "grün.txt",
            ),
            ("x; filename*=ISO-8859-1''gr%FCn.txt", "grün.txt"),
            ("x; filename=\"grün.txt\"", "grün.txt"),
            // What cannot be read gives way to what can.
            ("x; filename*=UTF-8''%ff; filename=b", "b"),
            ("x; filename*=KOI8-R''a; filename=b", "b"),
            ("x; filename*=UTF-8''%e; filename=b", "b"),
            ("x; filename*=a; filename=b", "b"),
        ] {
            assert_eq!(parse(value).file_name().as_deref(), Some(name), "{value}");
        }
        let named = ContentDisposition::new("attachment")
            .with_file_name("grün \"1\".txt")
            .with_size(5);
        assert_eq!(
            named.to_string(),
            r#"attachment; filename="grün \"1\".txt"; filename*=UTF-8''gr%C3%BCn%20%221%22.txt; size=5"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}", size: u64, seconds in 0_u64..253_402_207_200) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            let file = ContentDisposition::new("attachment")
                .with_file_name(&name)
                .with_size(size)
                .with_created(time)
                .with_modified(time)
                .with_read(time);
            let read = parse(&file.to_string());
            let read_name = read.file_name();
            prop_assert_eq!(read_name.as_deref(), Some(&*name));
            prop_assert_eq!((read.size(), read.created(), read.modified(), read.read()), (Some(size), Some(time), Some(time), Some(time)));
        }

        #[test]
        fn nothing_that_ends_a_line_is_written(kind: String, name: String, value: String) {
            let text = ContentDisposition::new(&kind).with_file_name(&name).with_parameter(&value, &name).to_string();
            let clean = !text.contains(char::is_control);
            prop_assert!(clean);
            let _ = ContentDisposition::parse(&value);
        }
    }
}
