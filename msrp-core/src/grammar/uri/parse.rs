//! Parsing of `MSRP-URI`.

use std::net::Ipv4Addr;

use nom::{
    IResult, Parser,
    character::complete::char,
    combinator::opt,
    sequence::{pair, preceded},
};

use super::{Address, MAX_URI_LEN, Parts, Scheme, Span, compare::normalized};
use crate::grammar::{GrammarError, chars, text};

pub(super) fn parse(input: &[u8]) -> Result<Parts, GrammarError> {
    if input.len() > MAX_URI_LEN {
        return Err(GrammarError::UriTooLong { max: MAX_URI_LEN });
    }
    let (scheme, rest) = scheme(input)?;
    // `@` is legal nowhere but behind the userinfo, so no text with it passes as one without userinfo, and only text
    // that does not pass has to be searched for it.
    match behind_user(input, scheme, Span::ABSENT, rest) {
        Ok(parts) => Ok(parts),
        Err(error) => match memchr::memchr(b'@', rest) {
            None => Err(error),
            Some(len) => {
                let (user, rest) = user(input, rest, len)?;
                behind_user(input, scheme, user, rest)
            }
        },
    }
}

/// Parses `host [":" port] ["/" session-id] ";" transport *(";" parameter)`, the end of `input`.
#[inline]
fn behind_user(input: &[u8], scheme: Scheme, user: Span, rest: &[u8]) -> Result<Parts, GrammarError> {
    // Where a rest of the input starts. It fits, because the whole input does.
    let at = |rest: &[u8]| (input.len() - rest.len()) as u16;

    let host_start = at(rest);
    let (address, rest) = host(rest)?;
    let host = Span {
        start: host_start,
        end: at(rest),
    };
    let (port, rest) = port(rest)?;
    if port.is_none() && matches!(address, Address::V4(_) | Address::V6(_)) {
        return Err(GrammarError::UriPortMissing);
    }
    let (session_id, rest) = match rest.strip_prefix(b"/") {
        None => (Span::ABSENT, rest),
        Some(rest) => {
            let (id, after) = rest.split_at(chars::span(rest, chars::SESSION_ID));
            if id.is_empty() || !matches!(after.first(), Some(b';') | None) {
                return Err(GrammarError::UriSessionId);
            }
            (
                Span {
                    start: at(rest),
                    end: at(after),
                },
                after,
            )
        }
    };
    let rest = rest.strip_prefix(b";").ok_or(GrammarError::UriTransport)?;
    let (transport, after) = rest.split_at(chars::span(rest, chars::ALPHANUM));
    if transport.is_empty() || !matches!(after.first(), Some(b';') | None) {
        return Err(GrammarError::UriTransport);
    }
    let transport = Span {
        start: at(rest),
        end: at(after),
    };
    let mut rest = after;
    while !rest.is_empty() {
        rest = parameter(rest).map_err(|_| GrammarError::UriParameter)?.0;
    }
    Ok(Parts {
        scheme,
        address,
        user,
        host,
        port,
        session_id,
        transport,
    })
}

#[inline]
pub(super) fn scheme(input: &[u8]) -> Result<(Scheme, &[u8]), GrammarError> {
    let [b'm' | b'M', b's' | b'S', b'r' | b'R', b'p' | b'P', rest @ ..] = input else {
        return Err(GrammarError::UriScheme);
    };
    match rest {
        [b':', b'/', b'/', rest @ ..] => Ok((Scheme::Msrp, rest)),
        [b's' | b'S', b':', b'/', b'/', rest @ ..] => Ok((Scheme::Msrps, rest)),
        _ => Err(GrammarError::UriScheme),
    }
}

/// `userinfo "@"`, of which `userinfo` has `len` octets. It may hold `;`.
#[cold]
fn user<'a>(input: &[u8], rest: &'a [u8], len: usize) -> Result<(Span, &'a [u8]), GrammarError> {
    let (user, rest) = rest.split_at(len);
    if !all_percent_encoded_or(user, |octet| chars::is(octet, chars::USER) || octet == b':')? {
        return Err(GrammarError::UriUserinfo);
    }
    if user.contains(&b':') {
        return Err(GrammarError::UriPassword);
    }
    let end = (input.len() - rest.len()) as u16;
    let span = Span {
        start: end - len as u16,
        end,
    };
    Ok((span, rest.strip_prefix(b"@").unwrap_or(rest)))
}

/// `host`: whatever stands up to the port, session-id or transport.
#[inline]
fn host(input: &[u8]) -> Result<(Address, &[u8]), GrammarError> {
    if let Some(rest) = input.strip_prefix(b"[") {
        let len = memchr::memchr(b']', rest).ok_or(GrammarError::UriAddress)?;
        let (address, rest) = rest.split_at(len);
        let address = text::ascii(address)
            .parse()
            .map_err(|_| GrammarError::UriAddress)?;
        return Ok((Address::V6(address), rest.strip_prefix(b"]").unwrap_or(rest)));
    }
    let len = chars::span(input, chars::HOST);
    let (name, rest) = input.split_at(len);
    if rest.first() == Some(&b'%') {
        return encoded_host(input);
    }
    if name.is_empty() || !ends_host(rest) {
        return Err(GrammarError::UriHost);
    }
    Ok((v4(name).map_or(Address::Name, Address::V4), rest))
}

/// `host` with percent-encoded octets. They are decoded before anything is compared, so an address may hide there.
#[cold]
fn encoded_host(input: &[u8]) -> Result<(Address, &[u8]), GrammarError> {
    let len = memchr::memchr3(b':', b'/', b';', input).unwrap_or(input.len());
    let (name, rest) = input.split_at(len);
    if !all_percent_encoded_or(name, |octet| chars::is(octet, chars::HOST))? {
        return Err(GrammarError::UriHost);
    }
    let decoded: Vec<u8> = normalized(name).collect();
    Ok((v4(&decoded).map_or(Address::EncodedName, Address::V4), rest))
}

fn ends_host(rest: &[u8]) -> bool {
    matches!(rest.first(), Some(b':' | b'/' | b';') | None)
}

#[inline]
fn v4(name: &[u8]) -> Option<Ipv4Addr> {
    let numeric = name.first().is_some_and(u8::is_ascii_digit) && name.last().is_some_and(u8::is_ascii_digit);
    if numeric {
        text::ascii(name).parse().ok()
    } else {
        None
    }
}

/// `[":" *DIGIT]`. An empty port is none, as in RFC 3986.
#[inline]
fn port(input: &[u8]) -> Result<(Option<u16>, &[u8]), GrammarError> {
    let Some(rest) = input.strip_prefix(b":") else {
        return Ok((None, input));
    };
    let mut value = 0_u32;
    let mut digits = 0;
    for &octet in rest {
        if !octet.is_ascii_digit() {
            break;
        }
        digits += 1;
        value = (value * 10 + u32::from(octet - b'0')).min(u32::from(u16::MAX) + 1);
    }
    let rest = rest.get(digits..).unwrap_or_default();
    if !matches!(rest.first(), Some(b'/' | b';') | None) {
        return Err(GrammarError::UriPort);
    }
    let port = u16::try_from(value).map_err(|_| GrammarError::UriPort)?;
    Ok(((digits > 0).then_some(port), rest))
}

pub(super) type Parameter<'a> = (&'a [u8], Option<&'a [u8]>);

/// One `";" token ["=" token]`.
pub(super) fn parameter(input: &[u8]) -> IResult<&[u8], Parameter<'_>> {
    preceded(
        char(';'),
        pair(text::token, opt(preceded(char('='), text::token))),
    )
    .parse(input)
}

/// Whether each octet is allowed or part of `%` HEXDIG HEXDIG.
fn all_percent_encoded_or(octets: &[u8], allowed: impl Fn(u8) -> bool) -> Result<bool, GrammarError> {
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        rest = match (octet, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (b'%', _) => return Err(GrammarError::UriPercentEncoding),
            _ if allowed(octet) => after,
            _ => return Ok(false),
        };
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::grammar::{Host, UriRef};

    fn error(text: &str) -> Option<GrammarError> {
        UriRef::parse(text.as_bytes()).err()
    }

    // shows: 4975-9-11
    #[test]
    fn rfc4975_9_11_all_parts_of_a_uri() {
        let text = "msrps://alice@host.example.com:7394/2s93i93idj;tcp;foo;bar=1";
        let uri = UriRef::parse(text.as_bytes()).unwrap();
        assert_eq!(uri.as_str(), text);
        assert_eq!(uri.scheme(), Scheme::Msrps);
        assert_eq!(uri.user(), Some("alice"));
        assert_eq!(uri.host(), Host::Name("host.example.com"));
        assert_eq!(uri.host_str(), "host.example.com");
        assert_eq!((uri.port(), uri.require_port()), (Some(7394), Ok(7394)));
        assert_eq!(uri.session_id(), Some("2s93i93idj"));
        assert_eq!((uri.transport(), uri.is_tcp()), ("tcp", true));
        assert_eq!(
            uri.parameters().collect::<Vec<_>>(),
            [("foo", None), ("bar", Some("1"))]
        );

        let least = UriRef::parse(b"msrp://h;t").unwrap();
        assert_eq!(
            (least.scheme(), least.user(), least.port()),
            (Scheme::Msrp, None, None)
        );
        assert_eq!((least.session_id(), least.parameters().count()), (None, 0));

        for bad in [
            "",
            "msrp",
            "msrp:/h;tcp",
            "msrp//h;tcp",
            "sip://h;tcp",
            "msrpx://h;tcp",
            " msrp://h;tcp",
        ] {
            assert_eq!(error(bad), Some(GrammarError::UriScheme), "{bad}");
        }
        assert_eq!(error("msrp://h:1/a b;tcp"), Some(GrammarError::UriSessionId));
        assert_eq!(error("msrp://h:1/a;tcp "), Some(GrammarError::UriTransport));
    }

    // shows: 4975-6-02
    #[test]
    fn rfc4975_6_02_octets_outside_ascii_are_errors_everywhere() {
        let uri = "msrp://bob@host:1/id;tcp;a=b";
        for index in 0..=uri.len() {
            let mut text = uri.as_bytes().to_vec();
            text.splice(index..index, "ü".bytes());
            assert!(UriRef::parse(&text).is_err(), "at {index}");
        }
    }

    // shows: 4975-6-03, 4975-9-14
    #[test]
    fn rfc4975_9_14_transport_is_mandatory_and_alphanumeric() {
        for transport in ["tcp", "sctp", "ws", "dc", "TCP", "x9"] {
            let text = format!("msrp://h:1/a;{transport}");
            assert_eq!(UriRef::parse(text.as_bytes()).unwrap().transport(), transport);
        }
        for bad in [
            "msrp://h:1/a",
            "msrp://h:1",
            "msrp://h",
            "msrp://h:1/a;",
            "msrp://h:1/a;;tcp",
            "msrp://h:1/a;t-p",
            "msrp://h:1/a;tcp=1",
            "msrp://h:1/a; tcp",
        ] {
            assert_eq!(error(bad), Some(GrammarError::UriTransport), "{bad}");
        }
    }

    // shows: 4975-6-04, 4976-8-04
    #[test]
    fn rfc4975_6_04_numeric_address_needs_a_port() {
        for scheme in ["msrp", "msrps"] {
            for host in ["192.0.2.1", "[2001:db8::1]", "192%2E0.2.1"] {
                let missing = Some(GrammarError::UriPortMissing);
                assert_eq!(error(&format!("{scheme}://{host}/abc;tcp")), missing, "{host}");
                assert_eq!(error(&format!("{scheme}://{host}:/abc;tcp")), missing, "{host}");
                assert_eq!(error(&format!("{scheme}://{host}:2855/abc;tcp")), None, "{host}");
            }
        }
    }

    #[test]
    fn name_without_port_parses_but_require_port_says_no() {
        let uri = UriRef::parse(b"msrps://alice@intra.example.com;tcp").unwrap();
        assert_eq!(
            (uri.port(), uri.require_port()),
            (None, Err(GrammarError::UriPortMissing))
        );
        assert_eq!(UriRef::parse(b"msrps://h:/a;tcp").unwrap().port(), None);
    }

    #[test]
    fn port_is_a_number_up_to_65535() {
        for (text, port) in [
            ("msrp://h:0;tcp", 0),
            ("msrp://h:65535;tcp", 65535),
            ("msrp://h:000002855/a;tcp", 2855),
        ] {
            assert_eq!(UriRef::parse(text.as_bytes()).unwrap().port(), Some(port));
        }
        for bad in ["65536", "99999999999999999999", "-1", "+1", "1x", "1:2", " 1"] {
            assert_eq!(
                error(&format!("msrp://h:{bad}/a;tcp")),
                Some(GrammarError::UriPort),
                "{bad}"
            );
        }
    }

    // shows: 4975-6-09
    #[test]
    fn rfc4975_6_09_userinfo_names_the_account() {
        let user = |text: &'static str| UriRef::parse(text.as_bytes()).unwrap().user();
        assert_eq!(user("msrp://bob@host:1234/x;tcp"), Some("bob"));
        assert_eq!(user("msrp://b%40b;x=1@host:1234/x;tcp"), Some("b%40b;x=1"));
        assert_eq!(user("msrp://@host:1234/x;tcp"), Some(""));
        for bad in [
            "msrp://a b@h:1/x;tcp",
            "msrp://a@b@h:1/x;tcp",
            "msrp://a/b@h:1/x;tcp",
            "msrp://h:1/x@y;tcp",
        ] {
            assert!(error(bad).is_some(), "{bad}");
        }
        assert_eq!(
            error("msrp://b%4@h:1/x;tcp"),
            Some(GrammarError::UriPercentEncoding)
        );
    }

    // shows: 4975-6-10
    #[test]
    fn rfc4975_6_10_password_is_an_error() {
        for bad in [
            "msrp://user:pw@host:1/x;tcp",
            "msrp://user:@host:1/x;tcp",
            "msrp://:@host:1/x;tcp",
        ] {
            assert_eq!(error(bad), Some(GrammarError::UriPassword), "{bad}");
        }
    }

    // shows: 4975-9-12
    #[test]
    fn rfc4975_9_12_authority_is_that_of_rfc3986() {
        let host = |text: &'static str| UriRef::parse(text.as_bytes()).map(|uri| uri.host());
        assert_eq!(host("msrp://[::1]:2855;tcp"), Ok(Host::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(
            host("msrp://[2001:DB8::192.0.2.1]:1/a;tcp"),
            Ok(Host::V6("2001:db8::c000:201".parse().unwrap()))
        );
        assert_eq!(
            host("msrp://192.0.2.1:1;tcp"),
            Ok(Host::V4([192, 0, 2, 1].into()))
        );
        assert_eq!(host("msrp://a%2Db:1;tcp"), Ok(Host::Name("a%2Db")));
        assert_eq!(
            host("msrp://x_y.!$&'()*+,=~:1;tcp"),
            Ok(Host::Name("x_y.!$&'()*+,=~"))
        );
        // RFC 3986: what is no IPv4address is a reg-name.
        assert_eq!(host("msrp://1.2.3.256:1;tcp"), Ok(Host::Name("1.2.3.256")));
        assert_eq!(host("msrp://01.2.3.4:1;tcp"), Ok(Host::Name("01.2.3.4")));
        let bad = [
            ("msrp://;tcp", GrammarError::UriHost),
            ("msrp://:1/a;tcp", GrammarError::UriHost),
            ("msrp://bob@:1/a;tcp", GrammarError::UriHost),
            ("msrp:///a;tcp", GrammarError::UriHost),
            ("msrp://h<:1;tcp", GrammarError::UriHost),
            ("msrp://a%2Db<:1;tcp", GrammarError::UriHost),
            ("msrp://::1:2855;tcp", GrammarError::UriHost),
            ("msrp://a%2:1;tcp", GrammarError::UriPercentEncoding),
            ("msrp://a%zz:1;tcp", GrammarError::UriPercentEncoding),
            ("msrp://[::1:2855;tcp", GrammarError::UriAddress),
            ("msrp://[]:2855;tcp", GrammarError::UriAddress),
            ("msrp://[192.0.2.1]:2855;tcp", GrammarError::UriAddress),
            ("msrp://[v1.x]:2855;tcp", GrammarError::UriAddress),
            ("msrp://[fe80::1%25eth0]:2855;tcp", GrammarError::UriAddress),
        ];
        for (text, why) in bad {
            assert_eq!(error(text), Some(why), "{text}");
        }
        assert!(error("msrp://[::1]x:2855;tcp").is_some());
    }

    // shows: 4975-9-13
    #[test]
    fn rfc4975_9_13_session_id_characters() {
        for octet in 0..=0x7F_u8 {
            let text = format!("msrp://h:1/a{}b;tcp", char::from(octet));
            let allowed = octet.is_ascii_alphanumeric() || b"-._~+=/".contains(&octet);
            if octet == b';' {
                // Ends the session-id; `b` is then the transport, `tcp` a parameter.
                assert_eq!(UriRef::parse(text.as_bytes()).unwrap().session_id(), Some("a"));
            } else {
                assert_eq!(error(&text).is_none(), allowed, "{octet}");
            }
        }
        for id in ["aGVsbG8gd29ybGQ+/w==", "a/b/../c", "/", &"x".repeat(1024)] {
            let text = format!("msrp://h:1/{id};tcp");
            assert_eq!(UriRef::parse(text.as_bytes()).unwrap().session_id(), Some(id));
        }
        for bad in ["", "%41", "a:b", "a?b", "a#b", "a!b"] {
            assert_eq!(
                error(&format!("msrp://h:1/{bad};tcp")),
                Some(GrammarError::UriSessionId),
                "{bad}"
            );
        }
    }

    // shows: 4975-9-15
    #[test]
    fn rfc4975_9_15_parameters_follow_the_transport_and_are_kept() {
        let text = "msrp://h:1/a;tcp;foo;bar=1;b~z=%x";
        let uri = UriRef::parse(text.as_bytes()).unwrap();
        assert_eq!(
            uri.parameters().collect::<Vec<_>>(),
            [("foo", None), ("bar", Some("1")), ("b~z", Some("%x"))]
        );
        assert_eq!(uri.to_uri().to_string(), text);
        for bad in [
            "msrp://h:1/a;tcp;",
            "msrp://h:1/a;tcp;=1",
            "msrp://h:1/a;tcp;a=",
            "msrp://h:1/a;tcp;a=b=c",
            "msrp://h:1/a;tcp;;b",
            "msrp://h:1/a;tcp;a=\"b\"",
        ] {
            assert_eq!(error(bad), Some(GrammarError::UriParameter), "{bad}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let text = |len: usize| format!("msrp://h:1/{};tcp", "x".repeat(len - 15));
        assert_eq!(error(&text(MAX_URI_LEN)), None);
        assert_eq!(
            error(&text(MAX_URI_LEN + 1)),
            Some(GrammarError::UriTooLong { max: MAX_URI_LEN })
        );
    }

    proptest! {
        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, rest in "[a-z0-9@:/;=%\\[\\].~ ]{0,40}") {
            let _ = UriRef::parse(&octets);
            let text = format!("msrps://{rest}");
            if let Ok(uri) = UriRef::parse(text.as_bytes()) {
                // The parts make up the text.
                let mut again = format!("{}://", uri.scheme());
                if let Some(user) = uri.user() {
                    again += &format!("{user}@");
                }
                again += uri.host_str();
                let rest = text.strip_prefix(&again).unwrap();
                let digits = rest.find(['/', ';']).unwrap();
                prop_assert_eq!(rest[..digits].trim_start_matches(':').parse().ok(), uri.port());
                let mut rest = rest[digits..].to_owned();
                if let Some(id) = uri.session_id() {
                    rest = rest.strip_prefix(&format!("/{id}")).unwrap().to_owned();
                }
                let mut end = format!(";{}", uri.transport());
                for (name, value) in uri.parameters() {
                    end += &format!(";{name}");
                    if let Some(value) = value {
                        end += &format!("={value}");
                    }
                }
                prop_assert_eq!(rest, end);
            }
        }
    }
}
