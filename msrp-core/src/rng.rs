//! Identifiers from a seeded generator: transaction identifiers, Message-IDs, session-ids, nonces.

use std::fmt;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use crate::grammar::{MessageId, TransactId};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of pure randomness at the front of a transaction identifier: 65 bits, where RFC 4975 section 14.1 asks
/// for 64.
const RANDOM_CHARS: usize = 13;
/// Characters that hold the slot.
const SLOT_CHARS: usize = 5;
/// Characters of a transaction identifier that holds a slot.
pub(crate) const TRANSACT_ID_WITH_SLOT: usize = RANDOM_CHARS + SLOT_CHARS;
/// Characters of a Message-ID: 120 bits.
const MESSAGE_ID_CHARS: usize = 24;

/// The largest slot that a transaction identifier can hold.
pub const MAX_SLOT: u32 = (1 << (SLOT_CHARS * 5)) - 1;
/// Bits of a session-id where nothing else is asked for; RFC 4975 section 14.1 asks for at least 80.
pub const SESSION_ID_BITS: usize = 128;

/// A source of identifiers that cannot be guessed: ChaCha12, seeded by its owner, so that a seed replays exactly.
///
/// The generator, of 320 octets, is made when the first identifier is drawn: many connections never draw one.
#[derive(Clone)]
pub struct IdSource {
    seed: [u8; 32],
    generator: Option<Box<ChaCha12Rng>>,
}

impl IdSource {
    /// A source that repeats exactly what another of the same seed gives. In production the seed comes from the
    /// operating system, and from it alone.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            seed,
            generator: None,
        }
    }

    fn generator(&mut self) -> &mut ChaCha12Rng {
        let seed = self.seed;
        self.generator
            .get_or_insert_with(|| Box::new(ChaCha12Rng::from_seed(seed)))
    }

    /// A transaction identifier of 18 characters: 65 random bits, then `slot` (see [`slot_of`]). `None` if `slot` is
    /// above [`MAX_SLOT`].
    pub fn transact_id_with_slot(&mut self, slot: u32) -> Option<TransactId> {
        if slot > MAX_SLOT {
            return None;
        }
        // 18 characters of 5 bits: 40 and 25 random ones, then the 25 of the slot.
        let generator = self.generator();
        let (first, second) = (generator.next_u64(), u64::from(generator.next_u32()));
        let rest = second << 25 | u64::from(slot);
        let mut text = [0; RANDOM_CHARS + SLOT_CHARS];
        let (start, end) = text.split_at_mut(8);
        let (middle, last) = end.split_at_mut(8);
        start.copy_from_slice(&eight(first));
        middle.copy_from_slice(&eight(rest >> 10));
        last.copy_from_slice(eight(rest).split_at(6).1);
        Some(TransactId::from_alphanum(text))
    }

    /// A transaction identifier of 24 characters, 120 random bits, without a slot.
    pub fn transact_id(&mut self) -> TransactId {
        let mut text = [0; MESSAGE_ID_CHARS];
        self.fill(&mut text);
        TransactId::from_alphanum(text)
    }

    /// A Message-ID of 24 characters, 120 random bits.
    pub fn message_id(&mut self) -> MessageId {
        let mut text = [0; MESSAGE_ID_CHARS];
        self.fill(&mut text);
        MessageId::from_alphanum(text)
    }

    /// A session-id of at least `bits` random bits, 5 to a character; [`SESSION_ID_BITS`] is a good choice.
    pub fn session_id(&mut self, bits: usize) -> String {
        let mut text = vec![0; bits.div_ceil(5).max(1)];
        self.fill(&mut text);
        text.into_iter().map(char::from).collect()
    }

    /// `N` random octets.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.generator().fill_bytes(&mut octets);
        octets
    }

    /// A seed for another source, independent of what this one gives later.
    pub fn fork_seed(&mut self) -> [u8; 32] {
        self.bytes()
    }

    /// Fills `text` with random characters of the alphabet, 12 from each 64 bits.
    fn fill(&mut self, text: &mut [u8]) {
        let generator = self.generator();
        for chunk in text.chunks_mut(12) {
            encode(generator.next_u64(), chunk);
        }
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource(…)")
    }
}

/// The slot that [`IdSource::transact_id_with_slot`] put into an identifier; `None` if it does not have that length, or
/// does not end in a slot. Whether it is the identifier that was given out only a comparison with that tells.
pub fn slot_of(id: &[u8]) -> Option<u32> {
    let (_random, coded) = id.split_at_checked(RANDOM_CHARS)?;
    if coded.len() != SLOT_CHARS {
        return None;
    }
    coded
        .iter()
        .try_fold(0, |slot, &octet| Some(slot << 5 | value_of(octet)?))
}

/// The character that stands for a number below 32 in the identifiers that [`IdSource`] makes.
pub fn character_of(number: u8) -> u8 {
    ALPHABET[usize::from(number & 31)]
}

/// The number for which a character of an identifier stands, if it is one of those that [`IdSource`] uses.
pub fn number_of(character: u8) -> Option<u8> {
    value_of(character).map(|value| value as u8)
}

/// Writes the low bits of `value`, 5 to a character, the highest first.
fn encode(mut value: u64, text: &mut [u8]) {
    for octet in text.iter_mut().rev() {
        *octet = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
}

/// The low 40 bits of `value` as [`encode`] writes them, all eight characters at once: every identifier needs this.
fn eight(value: u64) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Five bits into each octet: halves apart, then quarters, then eighths.
    let spread = (value & 0xf_ffff) | (value & 0xff_fff0_0000) << 12;
    let spread = (spread & 0x0000_03ff_0000_03ff) | (spread & 0x000f_fc00_000f_fc00) << 6;
    let spread = (spread & 0x001f_001f_001f_001f) | (spread & 0x03e0_03e0_03e0_03e0) << 3;
    // `a` and so on up to 25, then `2`: 1 in each octet that is 26 or more.
    let digits = (spread + (128 - 26) * EACH) >> 7 & EACH;
    (spread + u64::from(b'a') * EACH - digits * u64::from(b'a' + 26 - b'2')).to_be_bytes()
}

fn value_of(octet: u8) -> Option<u32> {
    match octet {
        b'a'..=b'z' => Some(u32::from(octet - b'a')),
        b'2'..=b'7' => Some(u32::from(octet - b'2') + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    // shows: 4975-7.1-02
    #[test]
    fn rfc4975_7_1_02_transaction_identifiers_have_65_random_bits() {
        let mut ids = IdSource::from_seed([1; 32]);
        let mut seen = HashSet::new();
        let (mut random, mut coded) = (HashSet::new(), HashSet::new());
        for _ in 0..20_000 {
            let id = ids.transact_id_with_slot(5).unwrap();
            assert_eq!(id.as_bytes().len(), 18);
            // 13 characters, each of which takes all 32 values: 65 bits.
            for (index, &octet) in id.as_bytes()[..13].iter().enumerate() {
                random.insert((index, octet));
            }
            coded.insert(id.as_bytes()[13..].to_vec());
            assert!(seen.insert(id), "random parts differ though the slot does not");
        }
        assert_eq!((random.len(), coded.len()), (13 * 32, 1));
    }

    // shows: 4975-7.1.1-02
    #[test]
    fn rfc4975_7_1_1_02_a_million_message_ids_differ() {
        let mut ids = IdSource::from_seed([2; 32]);
        let mut seen = HashSet::new();
        for _ in 0..1_000_000 {
            assert!(seen.insert(ids.message_id()));
        }
    }

    // shows: 4975-14.1-01
    #[test]
    fn rfc4975_14_1_01_session_ids_have_the_bits_asked_for() {
        let mut ids = IdSource::from_seed([3; 32]);
        for (bits, characters) in [(SESSION_ID_BITS, 26), (80, 16), (81, 17), (0, 1)] {
            let id = ids.session_id(bits);
            assert_eq!(id.len(), characters);
            assert!(id.bytes().all(|octet| ALPHABET.contains(&octet)));
        }
        let mut values = HashSet::new();
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let id = ids.session_id(SESSION_ID_BITS);
            values.extend(id.bytes().enumerate());
            assert!(seen.insert(id));
        }
        assert_eq!(
            values.len(),
            26 * 32,
            "every character takes every value: 130 bits"
        );
    }

    #[test]
    fn slot_is_limited_to_25_bits() {
        let mut ids = IdSource::from_seed([4; 32]);
        assert_eq!(MAX_SLOT, (1 << 25) - 1);
        for slot in [0, 1, 31, 32, MAX_SLOT] {
            assert_eq!(
                slot_of(ids.transact_id_with_slot(slot).unwrap().as_bytes()),
                Some(slot)
            );
        }
        assert_eq!(ids.transact_id_with_slot(MAX_SLOT + 1), None);
        assert_eq!(ids.transact_id_with_slot(u32::MAX), None);
    }

    #[test]
    fn identifiers_of_another_shape_have_no_slot() {
        let slot = |text: &str| slot_of(text.as_bytes());
        assert_eq!(slot("abcdefghijklmaaaab"), Some(1));
        for other in [
            "abcdefghijklmaaaa",
            "abcdefghijklmaaaaba",
            "abcdefghijklmaaaa1",
            "abcdefghijklmAaaab",
            "d93kswow",
        ] {
            assert_eq!(slot(other), None, "{other}");
        }
        let mut ids = IdSource::from_seed([5; 32]);
        assert_eq!(slot_of(ids.transact_id().as_bytes()), None);
    }

    #[test]
    fn seed_replays_exactly() {
        let outputs = |seed| {
            let mut ids = IdSource::from_seed(seed);
            (
                ids.transact_id_with_slot(9),
                ids.transact_id(),
                ids.message_id(),
                ids.session_id(128),
                ids.bytes::<7>(),
                ids.fork_seed(),
            )
        };
        assert_eq!(outputs([6; 32]), outputs([6; 32]));
        assert_ne!(outputs([6; 32]), outputs([7; 32]));
        let mut ids = IdSource::from_seed([6; 32]);
        assert_ne!(ids.fork_seed(), ids.fork_seed());
        assert_eq!(format!("{ids:?}"), "IdSource(…)");
    }

    proptest! {
        #[test]
        fn eight_characters_are_those_of_one_after_the_other(value: u64) {
            let mut text = [0; 8];
            encode(value, &mut text);
            prop_assert_eq!(eight(value), text);
        }

        #[test]
        fn any_slot_round_trips(seed: [u8; 32], slot in 0..=MAX_SLOT) {
            let id = IdSource::from_seed(seed).transact_id_with_slot(slot).unwrap();
            prop_assert_eq!(slot_of(id.as_bytes()), Some(slot));
            prop_assert_eq!(TransactId::parse(id.as_bytes()), Ok(id));
        }
    }
}
