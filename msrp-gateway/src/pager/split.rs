//! Texts that are too long for one MESSAGE (row GW-60).

use unicode_segmentation::UnicodeSegmentation;

/// How a text is cut that is too long for a MESSAGE.
pub trait SplitPolicy {
    /// The parts, in order, each with at most `room` octets; none: it is not cut, and its sender is told 413.
    fn split(&mut self, text: &str, room: usize) -> Option<Vec<String>>;

    /// Into how many parts at the most.
    fn most(&self) -> usize {
        1
    }
}

/// Cuts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeverSplit;

impl SplitPolicy for NeverSplit {
    fn split(&mut self, _text: &str, _room: usize) -> Option<Vec<String>> {
        None
    }
}

/// Cuts between what a reader sees as characters, preferably at spaces, and numbers the parts: `(1/3) …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitText {
    most: usize,
}

impl SplitText {
    /// At most so many parts; longer texts are not cut. They are no more than 99.
    pub fn at_most(parts: usize) -> Self {
        Self {
            most: parts.clamp(2, 99),
        }
    }
}

/// `(12/34) `
const NUMBERING: usize = 8;

impl SplitPolicy for SplitText {
    fn split(&mut self, text: &str, room: usize) -> Option<Vec<String>> {
        let room = room.checked_sub(NUMBERING).filter(|&room| room >= 16)?;
        let pieces = pieces(text, room, self.most)?;
        let all = pieces.len();
        Some(
            pieces
                .into_iter()
                .enumerate()
                .map(|(n, piece)| format!("({}/{all}) {piece}", n + 1))
                .collect(),
        )
    }

    fn most(&self) -> usize {
        self.most
    }
}

/// Cuts a text into at most `most` pieces of at most `room` octets, which together are the text.
fn pieces(text: &str, room: usize, most: usize) -> Option<Vec<&str>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if pieces.len() == most {
            return None;
        }
        let cut = cut(rest, room)?;
        let (piece, after) = rest.split_at_checked(cut)?;
        pieces.push(piece);
        rest = after;
    }
    Some(pieces)
}

/// Where to cut: at the end, else behind the last space in the second half, else between two characters. A character
/// that does not fit at all is not cut.
fn cut(text: &str, room: usize) -> Option<usize> {
    if text.len() <= room {
        return Some(text.len());
    }
    let (mut fits, mut space) = (0, 0);
    for (at, character) in text.grapheme_indices(true) {
        let end = at + character.len();
        if end > room {
            break;
        }
        fits = end;
        if character.chars().all(char::is_whitespace) {
            space = end;
        }
    }
    let cut = if space > room / 2 { space } else { fits };
    (cut > 0).then_some(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_numbered_and_cut_at_spaces() {
        let parts = SplitText::at_most(9)
            .split("one two three four five six seven", 28)
            .unwrap();
        assert_eq!(parts, ["(1/2) one two three four ", "(2/2) five six seven"]);
        assert_eq!(NeverSplit.split("x", 100), None);
        // More parts than allowed, no room for anything, and a character larger than a part.
        assert_eq!(SplitText::at_most(2).split(&"x".repeat(100), 28), None);
        assert_eq!(SplitText::at_most(2).split("x", 10), None);
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦".repeat(2);
        assert_eq!(SplitText::at_most(2).split(&family, 24), None);
        assert_eq!(
            SplitText::at_most(2).split(&family, 40).map(|parts| parts.len()),
            Some(2)
        );
    }

    proptest! {
        // shows: GW-60
        #[test]
        fn the_parts_together_are_the_text(text in "[a-zäöü €👍🇩🇪\u{301}]{1,200}", room in 24_usize..80) {
            if let Some(parts) = SplitText::at_most(99).split(&text, room) {
                let mut joined = String::new();
                for (n, part) in parts.iter().enumerate() {
                    prop_assert!(part.len() <= room);
                    let number = format!("({}/{}) ", n + 1, parts.len());
                    let piece = part.strip_prefix(&number).unwrap();
                    joined.push_str(piece);
                }
                let whole: Vec<_> = text.graphemes(true).collect();
                let cut: Vec<_> = parts
                    .iter()
                    .flat_map(|part| part.split_once(' ').unwrap().1.graphemes(true))
                    .collect();
                prop_assert_eq!(joined, text.clone());
                prop_assert_eq!(cut, whole);
            }
        }
    }
}
