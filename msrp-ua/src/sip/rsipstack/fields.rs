//! Header fields as text: what the stack's own types would change on the way is taken as it is written.

use rsipstack::sip::{
    Request, Uri,
    headers::{Header, Headers, make_header},
    uri::{Auth, Param, parse_uri},
};

use bytes::Bytes;

use crate::{
    mime::Part,
    sip::{ContentError, SipContent, SipError, SipHeader, SipParty},
};

/// The value of the first header field of this (full) name.
pub(super) fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    values(headers, name).next()
}

/// The values of all header fields of this (full) name.
pub(super) fn values<'a>(headers: &'a Headers, name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |header| header.name().eq_ignore_ascii_case(name))
        .map(Header::value)
}

/// Puts a header field in, in the stack's own type where it has one, as its state machines look for those.
pub(super) fn push(headers: &mut Headers, name: &str, value: impl Into<String>) {
    headers.push(make_header(name, value.into()));
}

/// Puts a header field of the user agent in; of those that may come once it replaces what is there.
pub(super) fn put(headers: &mut Headers, name: &str, value: &str) {
    if name.eq_ignore_ascii_case("Max-Forwards") {
        remove(headers, name);
    }
    push(headers, name, value);
}

/// Takes out all header fields of this name.
pub(super) fn remove(headers: &mut Headers, name: &str) {
    headers.retain(|header| !header.name().eq_ignore_ascii_case(name));
}

/// Gives a request its number.
pub(super) fn set_seq(request: &mut Request, seq: u32) {
    remove(&mut request.headers, "CSeq");
    push(&mut request.headers, "CSeq", format!("{seq} {}", request.method));
}

/// The parts of a list, cut at commas outside of quotation marks and angle brackets.
pub(super) fn list(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped, mut angle) = (0, false, false, false);
    for (at, octet) in value.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angle => quoted = !quoted,
            _ if quoted => {}
            b'<' => angle = true,
            b'>' => angle = false,
            b',' if !angle => {
                parts.extend(value.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(value.get(start..));
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// `name-addr` or `addr-spec`, and the parameters of the header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameAddr<'a> {
    pub(super) display_name: Option<String>,
    pub(super) uri: &'a str,
    parameters: &'a str,
}

impl<'a> NameAddr<'a> {
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let value = value.trim();
        let (name, rest) = match value.strip_prefix('"') {
            Some(quoted) => {
                let mut name = String::new();
                let mut characters = quoted.char_indices();
                loop {
                    match characters.next()? {
                        (_, '\\') => name.push(characters.next()?.1),
                        (at, '"') => break (Some(name), quoted.get(at + 1..)?),
                        (_, other) => name.push(other),
                    }
                }
            }
            None => (None, value),
        };
        let Some((before, after)) = rest.split_once('<') else {
            // Parameters belong to the header field where there are no angle brackets.
            let (uri, parameters) = rest.split_once(';').unwrap_or((rest, ""));
            return (!uri.trim().is_empty()).then(|| Self {
                display_name: name,
                uri: uri.trim(),
                parameters,
            });
        };
        let (uri, parameters) = after.split_once('>')?;
        let token = Some(before.trim()).filter(|token| !token.is_empty());
        Some(Self {
            display_name: name.or_else(|| token.map(str::to_owned)),
            uri: uri.trim(),
            parameters,
        })
    }

    /// A parameter of the header field.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn party(&self) -> SipParty {
        SipParty {
            uri: self.uri.to_owned(),
            display_name: self.display_name.clone(),
        }
    }
}

/// The tag in `From` or `To`.
pub(super) fn tag(value: &str) -> Option<&str> {
    NameAddr::parse(value)?
        .parameter("tag")
        .filter(|tag| !tag.is_empty())
}

/// The value of `From` or `To`, without a tag.
pub(super) fn name_addr(party: &SipParty) -> Result<String, SipError> {
    uri(&party.uri)?;
    Ok(match &party.display_name {
        None => format!("<{}>", party.uri),
        Some(name) => {
            let mut quoted = String::with_capacity(name.len() + 2);
            for character in name.chars().filter(|character| !character.is_control()) {
                if matches!(character, '"' | '\\') {
                    quoted.push('\\');
                }
                quoted.push(character);
            }
            format!("\"{quoted}\" <{}>", party.uri)
        }
    })
}

/// A URI that can be sent. The stack escapes the user again when it writes, so its escapes are undone here.
pub(super) fn uri(text: &str) -> Result<Uri, SipError> {
    let invalid = || SipError::Invalid(format!("a URI: {text}"));
    if text
        .chars()
        .any(|character| character.is_control() || matches!(character, ' ' | '<' | '>' | '"'))
    {
        return Err(invalid());
    }
    let mut uri = parse_uri(text).map_err(|_| invalid())?;
    if uri.scheme.is_none() {
        return Err(invalid());
    }
    if let Some(auth) = &mut uri.auth {
        auth.user = unescape(&auth.user).ok_or_else(invalid)?;
        if let Some(password) = &auth.password {
            auth.password = Some(unescape(password).ok_or_else(invalid)?);
        }
    }
    Ok(uri)
}

/// A URI as it is to be written: the stack's own parameter would write `transport=TCP`, which some compare with `tcp`.
pub(super) fn lower(mut uri: Uri) -> Uri {
    for parameter in &mut uri.params {
        if let Param::Transport(transport) = parameter {
            let name = transport.to_string().to_ascii_lowercase();
            *parameter = Param::Other("transport".into(), Some(name.as_str().into()));
        }
    }
    uri
}

/// Undoes `%41`; none where that is not text.
fn unescape(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..)?;
            }
            None => {
                octets.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).ok()
}

/// A URI that has come, as it was written: the stack keeps the user's escapes, but would escape them again.
pub(super) fn written(uri: &Uri) -> String {
    let mut bare = lower(uri.clone());
    let Some(Auth { user, password }) = bare.auth.take() else {
        return bare.to_string();
    };
    let text = bare.to_string();
    let Some((scheme, rest)) = text.split_once(':') else {
        return text;
    };
    match password {
        Some(password) => format!("{scheme}:{user}:{password}@{rest}"),
        None => format!("{scheme}:{user}@{rest}"),
    }
}

/// Whether a URI asks for loose routing.
pub(super) fn is_loose(uri: &Uri) -> bool {
    uri.params.iter().any(|parameter| matches!(parameter, Param::Lr))
}

/// Header fields that are the stack's to write. `Max-Forwards` is not: who passes something on counts it down.
const OURS: [&str; 20] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Content-Length",
    "Content-Type",
    "Authorization",
    "Proxy-Authorization",
    "v",
    "f",
    "t",
    "i",
    "m",
    "l",
    "c",
    "User-Agent",
];

/// Header fields of the user agent, if they can be sent.
pub(super) fn outgoing(headers: &[SipHeader]) -> Result<Vec<(String, String)>, SipError> {
    headers
        .iter()
        .map(|SipHeader { name, value }| {
            let token = !name.is_empty()
                && name
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet));
            let ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
            if !token
                || ours
                || value
                    .chars()
                    .any(|character| character.is_control() && character != '\t')
            {
                return Err(SipError::Invalid(format!("a header field {name:?}")));
            }
            Ok((name.clone(), value.clone()))
        })
        .collect()
}

/// The body of a message, taken apart, and what beside SDP is taken.
pub(super) fn content(
    headers: &Headers,
    body: &[u8],
    accepted: &[String],
) -> Result<SipContent, ContentError> {
    let mut message = Part {
        body: Bytes::copy_from_slice(body),
        ..Part::default()
    };
    for header in headers.iter() {
        if header
            .name()
            .get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case("Content-"))
        {
            message.headers.push(header.name(), header.value())?;
        }
    }
    SipContent::read(&message, accepted)
}

/// The SDP in an answer or an ACK, which cannot be refused.
pub(super) fn answer(headers: &Headers, body: &[u8]) -> Option<Bytes> {
    content(headers, body, &["*/*".to_owned()]).ok()?.sdp
}

/// What the user agent is told of header fields that have come: all but those that are the stack's.
pub(super) fn incoming(headers: &Headers) -> Vec<SipHeader> {
    headers
        .iter()
        .filter(|header| {
            !OURS
                .iter()
                .any(|ours| header.name().eq_ignore_ascii_case(ours) && *ours != "User-Agent")
        })
        .map(|header| SipHeader::new(header.name(), header.value()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_outside_of_names_and_uris() {
        let value = r#""a, \"b" <sip:a,b@x;y>;q=1, sip:c@x , <sip:d@x>"#;
        assert_eq!(
            list(value),
            [r#""a, \"b" <sip:a,b@x;y>;q=1"#, "sip:c@x", "<sip:d@x>"]
        );
    }

    #[test]
    fn names_of_people_and_tags() {
        let party = NameAddr::parse(r#""A \"B\"" <sip:a@x;transport=tcp>;tag=1"#).unwrap();
        assert_eq!(party.display_name.as_deref(), Some("A \"B\""));
        assert_eq!(party.uri, "sip:a@x;transport=tcp");
        assert_eq!(party.parameter("TAG"), Some("1"));
        assert_eq!(tag("sip:a@x;tag=2"), Some("2"));
        assert_eq!(tag("Bob <sip:a@x;tag=no>"), None);
        assert_eq!(NameAddr::parse("\"unclosed <sip:a@x>"), None);
        assert_eq!(NameAddr::parse("<sip:a@x"), None);
    }

    #[test]
    fn an_escaped_user_stays_as_it_is_in_both_directions() {
        let text = "sip:al%20ice@example.com:5070;transport=tcp";
        assert_eq!(lower(uri(text).unwrap()).to_string(), text);
        assert_eq!(written(&parse_uri(text).unwrap()), text);
    }

    #[test]
    fn what_would_break_the_message_is_refused() {
        for bad in ["sip:a@x\r\nVia: y", "sip:a b@x", "a@x", "sip:", "<sip:a@x>"] {
            assert!(uri(bad).is_err(), "{bad:?}");
        }
        for (name, value) in [("Subject", "a\r\nVia: b"), ("Via", "x"), ("a b", "x"), ("", "x")] {
            assert!(outgoing(&[SipHeader::new(name, value)]).is_err(), "{name:?}");
        }
    }
}
