//! isComposing: documents that are read can be written and read again, and no order of events makes a timer that never
//! rests or a state that never ends.

use std::time::{Duration, Instant};

use msrp_ua::{
    composing::{Composer, ComposerConfig, Composing, ComposingState, IsComposing, WatchConfig},
    xml::XmlLimits,
};

use super::input::Input;

/// Input: a document application/im-iscomposing+xml, whose octets are also what a user and a peer do.
///
/// # Panics
/// When a document changes on its way through text, or when a deadline has passed and stays.
// Any instant is as good as another: all others are counted from it.
#[allow(clippy::disallowed_methods)]
pub fn composing(data: &[u8]) {
    let limits = XmlLimits::default();
    let read = IsComposing::parse(data, &limits);
    if let Ok(status) = &read
        && let Ok(first) = IsComposing::parse(status.document().as_bytes(), &limits)
    {
        assert_eq!((first.state, first.refresh), (status.state, status.refresh));
        let second = IsComposing::parse(first.document().as_bytes(), &limits);
        assert_eq!(second.as_ref(), Ok(&first));
    }
    let mut now = Instant::now();
    let mut composer = Composer::new(ComposerConfig::default());
    let mut composing = Composing::new(WatchConfig::default().max_composers(3));
    let mut input = Input(data);
    while !input.is_empty() {
        now += Duration::from_secs(u64::from(input.octet()) / 4);
        let what = input.octet();
        let who = ["a", "b", "c", "d", "e"][usize::from(what / 8) % 5];
        let told = match what % 8 {
            0..=2 => composer.on_input(now),
            3 => {
                composer.on_sent();
                None
            }
            4 => composer.on_discarded(),
            5 => {
                composing.on_message(who);
                None
            }
            6 => {
                let refresh = (what > 128).then(|| Duration::from_secs(1 << (what % 64)));
                let status = IsComposing {
                    state: ComposingState::Active,
                    refresh,
                    ..IsComposing::default()
                };
                composing.on_status(now, who, &status);
                None
            }
            _ => {
                if let Ok(status) = &read {
                    composing.on_status(now, who, status);
                }
                None
            }
        };
        let told = told.or_else(|| composer.handle_timeout(now));
        if let Some(status) = told {
            assert_eq!(status.state, composer.state());
            composing.on_status(now, "me", &status);
        }
        assert!(composer.poll_timeout().is_none_or(|at| at > now));
        for who in composing.handle_timeout(now) {
            assert_eq!(composing.state(&who), ComposingState::Idle);
        }
        assert!(composing.composers().count() <= 3);
        let until = composing.poll_timeout();
        assert!(until.is_none_or(|at| at > now && at <= now + Duration::from_secs(600)));
        assert_eq!(until.is_some(), composing.composers().next().is_some());
    }
}
