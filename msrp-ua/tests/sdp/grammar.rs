//! Session descriptions as RFC 8866 has them.

use msrp_ua::{
    negotiate::Negotiation,
    sdp::{
        Attribute, Direction, MessageSection, Origin, SdpError, SdpLimits, Section, SectionError,
        SessionDescription, Setup,
    },
};
use proptest::prelude::*;

use crate::dialog::{ALICE, BOB, PEER_MEDIA, body, lines, message, parse, peer_body, section, stream};

fn reparsed(body: &[u8]) -> String {
    String::from_utf8(parse(body).to_bytes()).unwrap()
}

fn syntax_error(text: &str) -> bool {
    let parsed = SessionDescription::parse(text.as_bytes(), &SdpLimits::default());
    matches!(parsed, Err(SdpError::Syntax(_)))
}

fn ours() -> Vec<u8> {
    let mut alice = Negotiation::new(Origin::new(7, "2001:db8::7"));
    let local = stream("msrp://[2001:db8::7]:7394/2s93i93idj;tcp").with_max_size(9000);
    alice.offer(&[Some(local)]).unwrap()
}

// shows: 8866-5-01, 8866-5-02, 8866-5.1-01, 8866-5.3-01, 8866-5.7-01, 8866-5.7-02, 8866-5.9-01, 8866-9-03
// shows: 8866-5.2-01, 8866-5.14-01, 3264-5-01, 3264-5-03, 3264-5-04, 3264-5-05
#[test]
fn what_we_write_has_the_lines_of_the_grammar_in_their_order() {
    let text = String::from_utf8(ours()).unwrap();
    assert_eq!(
        text,
        "v=0\r\n\
         o=- 7 1 IN IP6 2001:db8::7\r\n\
         s=-\r\n\
         c=IN IP6 2001:db8::7\r\n\
         t=0 0\r\n\
         m=message 7394 TCP/MSRP *\r\n\
         a=accept-types:text/plain\r\n\
         a=max-size:9000\r\n\
         a=path:msrp://[2001:db8::7]:7394/2s93i93idj;tcp\r\n\
         a=setup:actpass\r\n\
         a=sendrecv\r\n"
    );
}

// shows: 8866-5-03, 8866-5-06, 8866-9-04
#[test]
fn lines_are_one_letter_and_a_value_and_end_in_crlf_or_lf() {
    let bare = String::from_utf8(peer_body(&[])).unwrap().replace("\r\n", "\n");
    assert_eq!(message(bare.as_bytes(), 0), message(&peer_body(&[]), 0));
    for bad in [
        "",
        "v=0\r\nrubbish\r\n",
        "v=0\r\nxx=1\r\n",
        "v=0\r\no =- 1 1 IN IP4 h\r\n",
        "V=0\r\no=- 1 1 IN IP4 h\r\n",
        "v=1\r\no=- 1 1 IN IP4 h\r\n",
        "o=- 1 1 IN IP4 h\r\n",
        "v=0\r\no=- 1 1 IN\r\n",
        "v=0\r\ns=a\0b\r\n",
        "v=0\r\ns=a\rb\r\n",
        "v=0\r\nm=message\r\n",
        "v=0\r\nm=message 99999 TCP/MSRP *\r\n",
        "v=0\r\nm=message x TCP/MSRP *\r\n",
    ] {
        assert!(syntax_error(bad), "{bad:?}");
    }
}

// shows: 8866-5-04, 8866-5-05, 8866-5.13-02, 8866-5.8-01, 8866-5.10-01, 8866-6.3-01, 8866-6.12-01
#[test]
fn what_is_not_understood_is_ignored_and_kept() {
    let mut offer = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\ni=Information\r\n\
        u=https://www.example.com/\r\ne=jane@example.com\r\np=+1 617 555-6011\r\nc=IN IP4 198.51.100.1\r\n\
        b=X-YZ:128\r\nt=3034423619 3042462419\r\nr=7d 1h 0 25h\r\nz=3730928400 -1h 3749680800 0\r\na=tool:x 1\r\n"
        .to_owned();
    let media = "m=message 9999 TCP/MSRP *\r\ni=Chat\r\nb=AS:1\r\na=accept-types:text/plain\r\n\
        a=path:msrp://198.51.100.1:9999/x;tcp\r\na=sendrecv\r\na=lang:de\r\na=chatroom:nickname private\r\n\
        a=X-odd: two  spaces \r\na=mid:1\r\n";
    offer.push_str(media);
    assert_eq!(reparsed(offer.as_bytes()), offer);
    let section = message(offer.as_bytes(), 0);
    assert_eq!(section.attribute("lang"), Some(Some("de")));
    assert_eq!(section.attribute("X-odd"), Some(Some(" two  spaces ")));
    assert_eq!(
        (section.attribute("Lang"), section.title.as_deref()),
        (None, Some("Chat"))
    );
    // A type letter that nobody knows, in whatever place.
    let odd = offer
        .replace("t=303", "q=?\r\nt=303")
        .replace("a=lang", "y=!\r\na=lang");
    assert_eq!(reparsed(odd.as_bytes()), offer);
}

// shows: 8866-5.14-02, 8866-5.14-03
#[test]
fn other_media_stay_in_their_place_as_they_came() {
    let audio =
        "m=audio 49170/2 RTP/AVP 0 8\r\nc=IN IP4 233.252.0.1/127\r\na=rtpmap:0 PCMU/8000\r\na=recvonly\r\n";
    let odd = "m=message 5000 TCP/ODD * x\r\na=accept-types:text/plain\r\n";
    let offer = [
        &body(&[])[..],
        audio.as_bytes(),
        odd.as_bytes(),
        &peer_body(&[])[body(&[]).len()..],
    ]
    .concat();
    let parsed = parse(&offer);
    assert!(reparsed(&offer).contains(&format!("{audio}{odd}m=message 9999")));
    let problem = |index: usize| match &parsed.sections()[index] {
        Section::Other(other) => other.problem().clone(),
        section => panic!("{section:?}"),
    };
    assert_eq!(
        (problem(0), problem(1)),
        (SectionError::Media, SectionError::Protocol)
    );
    assert!(parsed.sections()[2].message().is_some());
}

// shows: 8866-5-08, 8866-6.7-01, 8866-6.7-03, 8122-5-07, 4145-4-01
#[test]
fn what_stands_above_all_sections_holds_where_they_say_nothing() {
    let above = "a=inactive\r\na=setup:passive\r\na=fingerprint:SHA-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13\r\n";
    let own = [
        "a=sendonly",
        "a=setup:active",
        "c=IN IP6 ::1",
        "a=fingerprint:x-new AB",
    ];
    let plain = peer_body(&[]);
    let (head, section) = plain.split_at(body(&[]).len());
    let second = peer_body(&own);
    let offer = [head, above.as_bytes(), section, &second[head.len()..]].concat();
    let (first, second) = (message(&offer, 0), message(&offer, 1));
    assert_eq!(
        (first.direction, second.direction),
        (Direction::Inactive, Direction::SendOnly)
    );
    assert_eq!(
        (first.setup, second.setup),
        (Some(Setup::Passive), Some(Setup::Active))
    );
    assert_eq!(first.fingerprints[0].hash, "sha-1");
    assert_eq!(second.fingerprints.len(), 1);
    assert_eq!(second.fingerprints[0].hash, "x-new");
    assert_eq!(first.address.unwrap().host(), "peer.example.org");
    assert_eq!(second.address.unwrap().host(), "::1");
    assert_eq!(message(&plain, 0).direction, Direction::SendRecv);
}

// shows: 8866-5-07, 8866-5-09, 8866-5.12-01, 8866-7-03, 8866-5.13-01, 8866-9-01
#[test]
fn nothing_of_ours_ends_a_line_and_no_key_is_sent() {
    let offer = String::from_utf8(peer_body(&["k=clear:secret"])).unwrap();
    let offer = offer.replace("t=0 0", "t=0 0\r\nk=prompt");
    assert!(!reparsed(offer.as_bytes()).contains("k="));
    for (name, value, good) in [
        ("label", Some("1"), true),
        ("x!#$%&'*+-.^_`{|}~", None, true),
        ("two words", None, false),
        ("a:b", None, false),
        ("", None, false),
        ("label", Some("1\r\na=path:x"), false),
        ("label", Some("\0"), false),
    ] {
        assert_eq!(Attribute::new(name, value).is_some(), good, "{name:?}");
    }
    // Even what is set by hand does not get another line into the description.
    let mut section = MessageSection::new(ALICE.parse().unwrap(), "text/plain".parse().unwrap());
    section.title = Some("a\r\nm=audio 1 RTP/AVP 0".to_owned());
    let sections = vec![Section::Message(Box::new(section))];
    let written = SessionDescription::new(Origin::new(1, "two words"), sections).to_bytes();
    assert_eq!(lines(&written, "m=").len(), 1);
    assert_eq!(parse(&written).origin().host(), "invalid.invalid");
    // Names are in ASCII.
    assert_eq!(Origin::new(1, "b\u{fc}cher.example").host(), "invalid.invalid");
    assert!(
        "msrp://b\u{fc}cher.example:1/x;tcp"
            .parse::<msrp_core::grammar::Path>()
            .is_err()
    );
}

// shows: 8866-5.2-03, 8866-5.2-05, 8866-X-01
#[test]
fn origins_of_others_are_taken_as_they_are() {
    let text = "v=0\r\no=jdoe 340282366920938463463374607431768211455 3724394405 IN IP4 198.51.100.1\r\ns= -\r\nt=0 0\r\n";
    let origin = parse(text.as_bytes()).origin().clone();
    assert_eq!(origin.session_id(), "340282366920938463463374607431768211455");
    assert_eq!((origin.version(), origin.host()), (3_724_394_405, "198.51.100.1"));
    assert!(reparsed(text.as_bytes()).contains("\r\ns= -\r\n"));
    let next = parse(text.replace("3724394405", "3724394406").as_bytes())
        .origin()
        .clone();
    assert!(next.same_session(&origin) && next != origin);
    assert!(!Origin::new(1, BOB).same_session(&origin));
}

// shows: 3264-9-03, 5547-9.1-06
#[test]
fn misplaced_lines_and_empty_names_are_tolerated() {
    let text = "v=0\r\no=carol 28908764872 28908764872 IN IP4 100.3.6.6\r\ns=\r\nt=0 0\r\nc=IN IP4 192.0.2.4\r\n\
        m=audio 0 RTP/AVP 0 1 3\r\na=rtpmap:0 PCMU/8000\r\nm=message 0 TCP/MSRP *\r\na=accept-types:*\r\n";
    let parsed = parse(text.as_bytes());
    assert!(parsed.sections().iter().all(Section::is_refused));
    assert_eq!(parsed.sections()[1].message().unwrap().accept_types.len(), 1);
}

// shows: 8866-6.10-01, 8866-8.1-01
#[test]
fn another_character_set_does_not_matter() {
    let text = String::from_utf8(peer_body(&["a=label:x"])).unwrap();
    let text = text.replace("s=-", "s=Gr%n\r\na=charset:ISO-8859-1");
    let octets: Vec<u8> = text
        .bytes()
        .map(|octet| if octet == b'%' { 0xfc } else { octet })
        .collect();
    assert_eq!(message(&octets, 0).attribute("label"), Some(Some("x")));
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let limits = SdpLimits::default();
    let parse = |body: &[u8]| SessionDescription::parse(body, &limits).map(|_| ());
    let long = body(&[&format!("a=x:{}", "y".repeat(64 * 1024))]);
    let len = long.len();
    assert_eq!(parse(&long), Err(SdpError::TooLong { len, limit: 65536 }));
    let sections = |count| body(&vec!["m=audio 1 RTP/AVP 0"; count]);
    assert_eq!(parse(&sections(16)), Ok(()));
    assert_eq!(
        parse(&sections(17)),
        Err(SdpError::TooManySections { found: 17, limit: 16 })
    );
    let attributes = |count| body(&vec!["a=x"; count]);
    assert_eq!(parse(&attributes(512)), Ok(()));
    assert_eq!(
        parse(&attributes(513)),
        Err(SdpError::TooManyAttributes {
            found: 513,
            limit: 512
        })
    );
    let uri = "msrp://h.example:1/x;tcp";
    let path = |count: usize| format!("a=path:{}", vec![uri; count].join(" "));
    let with = |path: &str| {
        let body = body(&section(PEER_MEDIA, path, &[]));
        let parsed = SessionDescription::parse(&body, &limits).unwrap();
        match &parsed.sections()[0] {
            Section::Other(other) => Some(other.problem().to_string()),
            _ => None,
        }
    };
    assert_eq!(with(&path(16)), None);
    assert!(with(&path(17)).unwrap().contains("16"));
    let long = format!("a=path:msrp://h.example:1/{};tcp", "x".repeat(4096));
    assert_eq!(
        with(&long).unwrap(),
        "a=path of 4119 octets, where at most 4096 are taken"
    );
}

#[test]
fn what_is_wrong_is_said_in_our_words() {
    let error = |text: &str| {
        let parsed = SessionDescription::parse(text.as_bytes(), &SdpLimits::default());
        parsed.unwrap_err().to_string()
    };
    assert_eq!(error("v=s3cret\x1b[2J\r\n"), "no SDP: Invalid version in line 1");
    for text in [
        "v=0\r\ns3cret\r\n",
        "v=0\r\no=s3cret\r\n",
        "v=0\r\nm=s3cret x\r\n",
        "v=0\r\nb=s3cret:x\r\n",
    ] {
        assert!(!error(text).contains("s3cret"), "{}", error(text));
    }
}

#[test]
fn a_path_is_never_shown_whole() {
    let parsed = parse(&peer_body(&["a=key-mgmt:s3cret"]));
    let shown = format!("{parsed:?}");
    assert!(shown.contains("peer.example.org:9999/p3…"), "{shown}");
    assert!(!shown.contains("p33r") && !shown.contains("s3cret"), "{shown}");
}

proptest! {
    /// What is kept without being understood leaves octet for octet and in its order.
    #[test]
    fn unknown_attributes_are_kept(
        names in proptest::collection::vec("x-[a-zA-Z0-9!#$%&'*+.^_`{|}~-]{0,12}", 0..12),
        value in "[^\\x00\r\n]{0,60}",
    ) {
        let attributes: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| if index % 2 == 0 { format!("a={name}:{value}") } else { format!("a={name}") })
            .collect();
        let more: Vec<_> = attributes.iter().map(String::as_str).collect();
        let offer = peer_body(&more);
        let written = parse(&offer).to_bytes();
        let kept: Vec<_> = lines(&written, "").into_iter().filter(|line| line.starts_with("a=x-")).collect();
        prop_assert_eq!(kept, more);
        prop_assert_eq!(parse(&written), parse(&offer));
    }

    /// What is written is read as the same, whoever wrote it first.
    #[test]
    fn round_trip(
        port in 1_u16..,
        id in "[a-zA-Z0-9]{1,20}",
        types in "(\\*|text/\\*|message/cpim)( text/(plain|html)){0,2}",
        wrapped in proptest::option::of("(\\*|image/png)"),
        max_size in proptest::option::of(any::<u64>()),
        flags in 0_u8..64,
        title in proptest::option::of("[a-zäöü ]{1,20}"),
    ) {
        let path = format!("msrp://relay.example:2855/r{id};tcp msrp://h.example:{port}/{id};tcp");
        let mut section = MessageSection::new(path.parse().unwrap(), types.parse().unwrap());
        section.accept_wrapped_types = wrapped.map(|list| list.parse().unwrap());
        section.max_size = max_size;
        section.setup = [None, Some(Setup::Active), Some(Setup::Passive), Some(Setup::ActPass)][usize::from(flags % 4)];
        section.cema = flags & 4 != 0;
        section.direction = Direction::new(flags & 8 != 0, flags & 16 != 0);
        section.title = title;
        let description = SessionDescription::new(Origin::new(9, "h.example"), vec![Section::Message(Box::new(section))]);
        let parsed = parse(&description.to_bytes());
        prop_assert_eq!(parsed.sections(), description.sections());
        prop_assert_eq!(parsed.to_bytes(), description.to_bytes());
    }

    #[test]
    fn parsing_any_octets_ends(octets: Vec<u8>, tail in "([vosctma]=[a-z:/ 0-9*]{0,20}\r?\n){0,12}") {
        let limits = SdpLimits::default();
        let _ = SessionDescription::parse(&octets, &limits);
        let _ = SessionDescription::parse(format!("v=0\n{tail}").as_bytes(), &limits);
    }
}
