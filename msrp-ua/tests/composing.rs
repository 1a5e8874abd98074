//! isComposing: the examples of RFC 3994, when something is told, and how long it is believed.
#![allow(clippy::disallowed_methods, reason = "tests begin at any time")]

mod pair;

use std::time::{Duration, Instant, UNIX_EPOCH};

use msrp_ua::{
    OutgoingMessage, UserAgentEvent,
    composing::{
        COMPOSING_TYPE, Composer, ComposerConfig, Composing, ComposingError, ComposingState, IsComposing,
        WatchConfig,
    },
    cpim::{Address, CpimBuilder, CpimMessage, CpimRules},
    xml::{XmlError, XmlLimits},
};
use pair::Pair;
use proptest::prelude::*;

const NOBODY: Option<IsComposing> = None;

fn read(text: &str) -> Result<IsComposing, ComposingError> {
    IsComposing::parse(text.as_bytes(), &XmlLimits::default())
}

fn example(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n\
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\nxsi:schemaLocation=\"urn:ietf:params:xml:ns:im-composing\n\
         iscomposing.xsd\">{inside}</isComposing>"
    )
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn state(told: &Option<IsComposing>) -> Option<ComposingState> {
    told.as_ref().map(|status| status.state)
}

const ACTIVE: Option<ComposingState> = Some(ComposingState::Active);
const IDLE: Option<ComposingState> = Some(ComposingState::Idle);

// shows: 3994-5-01, 3994-5-02, 3994-3.4-01, 3994-3.5-01, 3994-6-03, 3994-T-01
#[test]
fn rfc3994_5_examples() {
    let first = read(&example(
        "\n  <state>active</state>\n  <contenttype>text/plain</contenttype>\n  <refresh>90</refresh>\n",
    ));
    assert_eq!(
        first,
        Ok(IsComposing {
            state: ComposingState::Active,
            last_active: None,
            content_type: Some("text/plain".to_owned()),
            refresh: Some(seconds(90)),
        })
    );
    let second = read(&example(
        "<state>idle</state><lastactive>2003-01-27T10:43:00Z</lastactive><contenttype>audio</contenttype>",
    ));
    assert_eq!(
        second,
        Ok(IsComposing {
            state: ComposingState::Idle,
            last_active: Some(UNIX_EPOCH + seconds(1_043_664_180)),
            content_type: Some("audio".to_owned()),
            refresh: None,
        })
    );
}

// shows: 3994-3.5-03, 3994-3.5-04, 3994-6.1-01, 3994-3.5-02
#[test]
fn unknown_states_are_idle_and_extensions_nothing() {
    for (text, expected) in [
        ("active", ComposingState::Active),
        (" active\n", ComposingState::Active),
        ("Active", ComposingState::Idle),
        ("recording", ComposingState::Idle),
        ("", ComposingState::Idle),
    ] {
        let read = read(&example(&format!(
            "<state>{text}</state><x:mood xmlns:x='urn:x'>glad</x:mood>"
        )))
        .unwrap();
        assert_eq!(
            read,
            IsComposing {
                state: expected,
                ..IsComposing::default()
            },
            "{text:?}"
        );
    }
    for (text, expected) in [
        ("1", Some(seconds(1))),
        ("+60", Some(seconds(60))),
        ("99999999999999999999999999", Some(seconds(u64::MAX))),
        ("0", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
    ] {
        let read = read(&example(&format!(
            "<state>active</state><refresh>{text}</refresh>"
        )))
        .unwrap();
        assert_eq!(read.refresh, expected, "{text:?}");
    }
}

// shows: 3994-6-01
#[test]
fn documents_that_are_none_are_errors() {
    assert_eq!(read(&example("")), Err(ComposingError::State));
    assert_eq!(
        read("<isComposing><state>active</state></isComposing>"),
        Err(ComposingError::Root)
    );
    assert_eq!(
        read("<!DOCTYPE isComposing [<!ENTITY a 'active'>]><isComposing/>"),
        Err(ComposingError::Xml(XmlError::Doctype))
    );
    assert!(matches!(
        read("active"),
        Err(ComposingError::Xml(XmlError::Malformed(_)))
    ));
    let latin =
        b"<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>\xfc</state></isComposing>";
    assert_eq!(
        IsComposing::parse(latin, &XmlLimits::default()),
        Err(ComposingError::Xml(XmlError::Encoding))
    );
}

// shows: 3994-3.1-01, 3994-3.2-02, 3994-3.2-03, 3994-3.2-06, 3994-3.2-07, 3994-3.2-08, 3994-3.2-09, 3994-3.2-10, 3994-3.2-11, 3994-3.2-12
#[test]
fn rfc3994_figure_1_the_composer() {
    let start = Instant::now();
    let at = |time| start + seconds(time);
    let mut composer = Composer::new(ComposerConfig::default());
    assert_eq!(
        (composer.state(), composer.poll_timeout()),
        (ComposingState::Idle, None)
    );
    // The first input is told, with the interval; the next ones are not.
    let told = composer.on_input(at(0)).unwrap();
    assert_eq!(
        (told.state, told.refresh),
        (ComposingState::Active, Some(seconds(90)))
    );
    assert_eq!(composer.on_input(at(1)), NOBODY);
    assert_eq!(composer.poll_timeout(), Some(at(16)));
    // 15 s without input.
    assert_eq!(composer.handle_timeout(at(15)), NOBODY);
    let told = composer.handle_timeout(at(16)).unwrap();
    assert_eq!((told.state, told.refresh), (ComposingState::Idle, None));
    assert_eq!(
        (composer.poll_timeout(), composer.handle_timeout(at(500))),
        (None, NOBODY)
    );
    // Again, for so long that it is told again: 90 s after the last time, not before.
    assert_eq!(state(&composer.on_input(at(600))), ACTIVE);
    let mut told = Vec::new();
    for time in (605..=800).step_by(5) {
        told.extend(composer.on_input(at(time)).map(|status| (time, status.state)));
    }
    assert_eq!(
        told,
        [(690, ComposingState::Active), (780, ComposingState::Active)]
    );
    assert_eq!(
        composer.poll_timeout(),
        Some(at(815)),
        "to be idle comes before the next refresh"
    );
    // The message says the rest.
    composer.on_sent();
    assert_eq!(
        (composer.state(), composer.poll_timeout()),
        (ComposingState::Idle, None)
    );
    assert_eq!(composer.handle_timeout(at(900)), NOBODY);
    // A draft that is thrown away.
    assert_eq!(composer.on_discarded(), NOBODY);
    composer.on_input(at(1000));
    assert_eq!(state(&composer.on_discarded()), IDLE);
    // A break that nobody has waited for: it begins anew.
    composer.on_input(at(2000));
    assert_eq!(state(&composer.on_input(at(2100))), ACTIVE);
}

// shows: 3994-3.2-04, 3994-3.2-05, 3994-4-04
#[test]
fn intervals_are_the_composers_choice() {
    let start = Instant::now();
    let input = |config: ComposerConfig| Composer::new(config).on_input(start).unwrap().refresh;
    assert_eq!(
        input(ComposerConfig::default().refresh(Some(seconds(10)))),
        Some(seconds(60))
    );
    assert_eq!(input(ComposerConfig::default().refresh(None)), None);
    let config = ComposerConfig::default()
        .refresh(None)
        .idle(seconds(300))
        .content_type(Some("text/html".to_owned()));
    let mut composer = Composer::new(config);
    assert_eq!(
        composer.on_input(start).unwrap().content_type.as_deref(),
        Some("text/html")
    );
    assert_eq!(composer.handle_timeout(start + seconds(299)), NOBODY);
    assert_eq!(state(&composer.handle_timeout(start + seconds(300))), IDLE);
    // Who refuses status messages gets no more of them.
    composer.on_refused();
    assert_eq!(composer.on_input(start + seconds(400)), NOBODY);
    assert_eq!(composer.state(), ComposingState::Active);
    assert_eq!(composer.handle_timeout(start + seconds(800)), NOBODY);
    assert_eq!(composer.state(), ComposingState::Idle);
}

fn active(refresh: Option<u64>) -> IsComposing {
    IsComposing {
        state: ComposingState::Active,
        refresh: refresh.map(seconds),
        ..IsComposing::default()
    }
}

// shows: 3994-3.3-01, 3994-3.3-02, 3994-3.3-03, 3994-3.3-05
#[test]
fn rfc3994_figure_2_the_receiver() {
    let start = Instant::now();
    let at = |time| start + seconds(time);
    let mut composing = Composing::default();
    assert_eq!(composing.poll_timeout(), None);
    // Without an interval it is believed for 120 s.
    assert_eq!(composing.on_status(at(0), "alice", &active(None)), ACTIVE);
    assert_eq!(composing.poll_timeout(), Some(at(120)));
    assert!(composing.handle_timeout(at(119)).is_empty());
    assert_eq!(composing.handle_timeout(at(120)), [Box::from("alice")]);
    assert_eq!(composing.state("alice"), ComposingState::Idle);
    // With one, for that long from the last time on, however often it is said.
    assert_eq!(composing.on_status(at(200), "alice", &active(Some(60))), ACTIVE);
    for time in 201..210 {
        assert_eq!(composing.on_status(at(time), "alice", &active(Some(60))), None);
    }
    assert_eq!(composing.poll_timeout(), Some(at(269)));
    assert_eq!(composing.on_status(at(220), "alice", &active(None)), None);
    assert_eq!(
        composing.poll_timeout(),
        Some(at(340)),
        "the last one counts, also where it names no interval"
    );
    // Idle, or a message.
    assert_eq!(
        composing.on_status(at(230), "alice", &IsComposing::default()),
        IDLE
    );
    assert_eq!(
        composing.on_status(at(231), "alice", &IsComposing::default()),
        None
    );
    assert_eq!(composing.on_status(at(240), "alice", &active(None)), ACTIVE);
    assert_eq!(composing.on_message("alice"), IDLE);
    assert_eq!(
        (composing.on_message("alice"), composing.poll_timeout()),
        (None, None)
    );
}

// shows: 3994-3.3-04
#[test]
fn in_a_group_everybody_has_a_state() {
    let start = Instant::now();
    let mut composing = Composing::new(WatchConfig::default().max_composers(2).max_refresh(seconds(300)));
    assert_eq!(composing.on_status(start, "bob", &active(Some(u64::MAX))), ACTIVE);
    assert_eq!(composing.on_status(start, "alice", &active(Some(60))), ACTIVE);
    assert_eq!(
        composing.on_status(start, "eve", &active(None)),
        None,
        "as many as may"
    );
    assert_eq!(composing.composers().collect::<Vec<_>>(), ["alice", "bob"]);
    assert_eq!(
        composing.handle_timeout(start + seconds(60)),
        [Box::from("alice")]
    );
    assert_eq!(
        composing.poll_timeout(),
        Some(start + seconds(300)),
        "nobody is believed for ever"
    );
    assert_eq!(composing.on_message("bob"), IDLE);
    assert_eq!(composing.on_status(start, &"x".repeat(1025), &active(None)), None);
    assert_eq!(
        composing.on_status(start, &"x".repeat(1024), &active(None)),
        ACTIVE
    );
}

// shows: 3994-3.5-05, 3994-8.1-01, 3994-6-02
#[test]
fn a_status_goes_as_a_message_of_its_own() {
    let status = IsComposing {
        last_active: Some(UNIX_EPOCH),
        content_type: Some("text/plain".to_owned()),
        ..active(Some(90))
    };
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state>\
        <lastactive>1970-01-01T00:00:00Z</lastactive><contenttype>text/plain</contenttype>\
        <refresh>90</refresh></isComposing>\n";
    assert_eq!(status.document(), document);
    let address = |uri| Address::new(uri).unwrap();
    let wrapped = CpimBuilder::new(address("im:alice@example.com"), address("im:bob@example.com"))
        .content_type(COMPOSING_TYPE)
        .body(document.as_bytes())
        .unwrap();
    let read = CpimMessage::parse(wrapped.octets().clone(), &CpimRules::default()).unwrap();
    assert_eq!(IsComposing::parse(read.body(), &XmlLimits::default()), Ok(status));
}

// shows: 3994-T-03, 3994-4-02
#[test]
fn a_status_comes_before_what_it_announces_and_nobody_answers_it() {
    let (mut pair, session, _) = Pair::connected();
    let answered = pair.b.sent.len();
    pair.a.agent.send(session, active(Some(90)).message()).unwrap();
    pair.drive();
    let said = String::from_utf8(pair.a.sent.clone()).unwrap();
    assert!(said.contains("Failure-Report: no\r\n"), "{said}");
    assert_eq!(pair.b.sent.len(), answered);
    pair.a
        .agent
        .send(session, OutgoingMessage::text("Hello"))
        .unwrap();
    pair.drive();
    let types: Vec<_> = pair
        .b
        .events
        .iter()
        .filter_map(|event| match event {
            UserAgentEvent::Message { content_type, .. } => Some(&**content_type),
            _ => None,
        })
        .collect();
    assert_eq!(types, [COMPOSING_TYPE, "text/plain;charset=UTF-8"]);
    assert!(pair.b.sent.len() > answered);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        active: bool,
        last in proptest::option::of(0_u64..4_000_000_000),
        content_type in proptest::option::of("[a-z]{1,8}/[a-z]{1,8}"),
        refresh in proptest::option::of(1_u64..),
    ) {
        let status = IsComposing {
            state: if active { ComposingState::Active } else { ComposingState::Idle },
            last_active: last.map(|time| UNIX_EPOCH + seconds(time)),
            content_type,
            refresh: refresh.map(seconds),
        };
        prop_assert_eq!(read(&status.document()), Ok(status));
    }

    /// Whatever the user does and whenever time is asked about: never two `idle` in a row, no `active` within 60 s of
    /// another one unless there was an `idle` or a message between them, and a receiver that hears all of it is never
    /// behind for longer than the interval.
    #[test]
    fn statuses_are_few(steps in proptest::collection::vec((0_u64..40, 0..4), 1..60)) {
        let start = Instant::now();
        let mut now = start;
        let mut composer = Composer::new(ComposerConfig::default());
        let mut last: Option<(Instant, ComposingState)> = None;
        for (wait, what) in steps {
            now += seconds(wait);
            let told = match what {
                0 | 1 => composer.on_input(now),
                2 => composer.handle_timeout(now),
                _ => {
                    composer.on_sent();
                    last = None;
                    None
                }
            };
            if let Some(status) = told {
                if let Some((before, ComposingState::Active)) = last
                    && status.state == ComposingState::Active
                {
                    // On input after a break the `idle` is left out.
                    prop_assert!(now - before >= seconds(15));
                }
                let idle_twice = matches!(last, Some((_, ComposingState::Idle)) | None)
                    && status.state == ComposingState::Idle;
                prop_assert!(!idle_twice);
                last = Some((now, status.state));
            }
        }
    }
}
