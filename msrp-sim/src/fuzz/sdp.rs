//! Session descriptions of anybody's making: what is read is written so that it is read alike, and whatever a peer offers
//! or answers, what we say fits it.

use msrp_core::grammar::Path;
use msrp_ua::{
    Role,
    negotiate::{Agreement, Decision, LocalStream, Negotiation, NegotiationError, StreamChange},
    sdp::{Direction, MessageSection, Origin, SdpLimits, Section, SessionDescription, Setup},
};

/// Between the bodies of an input.
const SEPARATOR: u8 = 0x1e;
const OWN: &str = "msrps://bob.example.com:8493/own;tcp";
const RELAYED: &str = "msrps://relay.example.net:2855/r;tcp msrps://bob.example.com:8493/own;tcp";

/// Input: what we are like in the bits of the first octet, then an answer to an offer of ours, an offer, and a further offer
/// after that, with the octet 0x1e between them.
///
/// # Panics
/// When a description that was written reads otherwise than it did, when an answer of ours does not fit the offer, or when
/// what is refused leaves traces.
pub fn sdp(data: &[u8]) {
    let Some((&bits, bodies)) = data.split_first() else {
        return;
    };
    let mut bodies = bodies.split(|&octet| octet == SEPARATOR);
    let mut next = || bodies.next().unwrap_or_default();
    let (answer, offer, again) = (next(), next(), next());
    for body in [answer, offer, again] {
        round_trip(body);
    }
    let local = local(bits);
    let mut alice = Negotiation::new(Origin::new(1, "bob.example.com"));
    let offered = alice.offer(&[Some(local.clone())]).expect("a good stream");
    let before = format!("{:?}", alice.streams());
    match alice.on_answer(answer) {
        Ok(agreement) => {
            check_agreement(&agreement);
            if !agreement.fallback.is_empty() {
                let fallback = parse(&alice.fallback_offer().expect("nothing is under way"));
                assert!(
                    fallback
                        .sections()
                        .iter()
                        .filter_map(Section::message)
                        .all(|it| !it.cema)
                );
                alice.withdraw();
            }
        }
        Err(_) => assert_eq!(format!("{:?}", alice.streams()), before),
    }
    assert!(parse(&offered).sections().len() == 1 && !alice.is_offering());

    let mut bob = Negotiation::new(Origin::new(2, "bob.example.com"));
    for body in [offer, again] {
        let before = format!("{:?}", bob.streams());
        if bob.on_offer(body).is_err() {
            assert!(!bob.is_asked() && format!("{:?}", bob.streams()) == before);
            continue;
        }
        for name in bob.names_to_resolve().into_iter().take(1) {
            bob.resolved(&name, &["192.0.2.1".parse().expect("an address")]);
        }
        let mut taken = false;
        let answered = bob.answer(|stream| match stream.change {
            StreamChange::New if taken => Decision::Decline,
            StreamChange::New => {
                taken = true;
                Decision::Accept(Box::new(local.clone()))
            }
            _ => Decision::Keep,
        });
        match answered {
            Ok((ours, agreement)) => {
                check_answer(&parse(body), &parse(&ours));
                check_agreement(&agreement);
            }
            // One and the same URI may have been accepted twice.
            Err(NegotiationError::Refused(_) | NegotiationError::SameUri) => {
                assert_eq!(format!("{:?}", bob.streams()), before);
            }
            Err(error) => panic!("{error}"),
        }
        assert!(!bob.is_asked());
    }
}

fn local(bits: u8) -> LocalStream {
    let path = if bits & 1 == 0 { OWN } else { RELAYED };
    let path = if bits & 2 == 0 {
        path.replace("msrps", "msrp")
    } else {
        path.to_owned()
    };
    let path: Path = path.parse().expect("a path");
    let types = if bits & 4 == 0 {
        "*"
    } else {
        "text/plain message/cpim"
    };
    let mut local = LocalStream::new(path, types.parse().expect("types"));
    local.cema = bits & 8 != 0;
    local.setup = if bits & 16 == 0 {
        Setup::ActPass
    } else {
        Setup::Active
    };
    local.direction = Direction::new(bits & 32 == 0, bits & 64 == 0);
    local
}

fn parse(body: &[u8]) -> SessionDescription {
    SessionDescription::parse(body, &SdpLimits::default()).expect("it has been read before")
}

/// What a section says, where it is used.
fn live(description: &SessionDescription) -> Vec<Option<&MessageSection>> {
    description
        .sections()
        .iter()
        .map(|section| section.message().filter(|section| !section.is_refused()))
        .collect()
}

fn round_trip(body: &[u8]) {
    let Ok(read) = SessionDescription::parse(body, &SdpLimits::default()) else {
        return;
    };
    let written = read.to_bytes();
    let again = parse(&written);
    assert_eq!(read.attributes(), again.attributes());
    // A section cannot say that it has no a=setup where one stands above all.
    if !read
        .attributes()
        .iter()
        .any(|attribute| attribute.name() == "setup")
    {
        assert_eq!(live(&read), live(&again));
    }
    let refused = |description: &SessionDescription| -> Vec<bool> {
        description.sections().iter().map(Section::is_refused).collect()
    };
    assert_eq!(refused(&read), refused(&again));
    assert_eq!(again.to_bytes(), parse(&again.to_bytes()).to_bytes());
    for section in live(&read).into_iter().flatten() {
        let path = section.path.as_ref().expect("a section in use has a path");
        assert!(path.last().session_id().is_some());
        assert!(path.uris().iter().all(|uri| uri.port().is_some()));
    }
}

/// What RFC 3264 §6 and RFC 4145 §4.1 say of answers.
fn check_answer(offer: &SessionDescription, answer: &SessionDescription) {
    assert_eq!(offer.sections().len(), answer.sections().len());
    for (offered, answered) in offer.sections().iter().zip(answer.sections()) {
        assert!(answered.is_refused() || !offered.is_refused());
        let Some((offered, answered)) = offered.message().zip(answered.message()) else {
            assert!(answered.is_refused());
            continue;
        };
        if answered.is_refused() {
            continue;
        }
        assert_eq!(offered.protocol, answered.protocol);
        assert!(!answered.direction.sends() || offered.direction.receives());
        assert!(!answered.direction.receives() || offered.direction.sends());
        let fits = match offered.setup {
            Some(Setup::Passive) => answered.setup == Some(Setup::Active),
            Some(Setup::Active) | None => answered.setup == Some(Setup::Passive),
            Some(Setup::ActPass) => matches!(answered.setup, Some(Setup::Active | Setup::Passive)),
        };
        assert!(fits, "{:?} answered by {:?}", offered.setup, answered.setup);
        assert_eq!(
            offered.file.as_ref().map(|file| (&file.transfer_id, file.range)),
            answered.file.as_ref().map(|file| (&file.transfer_id, file.range))
        );
    }
}

fn check_agreement(agreement: &Agreement) {
    for stream in agreement.live() {
        let params = stream.session_params(None);
        assert_eq!(params.remote, stream.remote_path);
        assert!(params.remote.last().session_id().is_some());
        assert!(params.connect.is_none() || (params.role == Role::Active && !stream.local.has_relay()));
        assert!(!agreement.fallback.contains(&stream.index));
    }
}
