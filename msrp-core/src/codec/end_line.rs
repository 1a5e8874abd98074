//! The search for a chunk's end-line in its body.
//!
//! The end-line is `CRLF`, seven hyphens, the transaction identifier, one flag and `CRLF` (RFC 4975 §7.1). A static
//! finder looks for the nine octets that all end-lines share, at the speed of memory, and only where they stand is the
//! rest compared. These nine octets hold one CR, so two occurrences never overlap, and a body made of nothing but
//! look-alikes still costs linear time.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::grammar::{ContinuationFlag, TransactId};

const PREFIX: &[u8; 9] = b"\r\n-------";

static PREFIX_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));

/// Where the first octets stand that all end-lines share, with the CRLF before them.
pub(crate) fn find_end_line_prefix(hay: &[u8]) -> Option<usize> {
    PREFIX_FINDER.find(hay)
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The whole end-line begins at this index.
    At(usize, ContinuationFlag),
    /// The octets from this index to the end may be the beginning of the end-line.
    Partial(usize),
    /// Nothing of it.
    Nothing,
}

/// The end-line of one chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndLine {
    id: TransactId,
}

impl EndLine {
    /// The longest end-line: CRLF, seven hyphens, 32 characters of identifier, a flag, CRLF.
    pub(crate) const MAX_LEN: usize = 9 + 32 + 3;

    pub(crate) fn new(id: TransactId) -> Self {
        Self { id }
    }

    /// Octets of the whole end-line with the CRLF before and after it.
    pub(crate) fn len(&self) -> usize {
        PREFIX.len() + self.id.as_bytes().len() + 3
    }

    /// Searches `hay`, which is body octets up to where something may follow; and whether the octets before what was found
    /// hold nothing that any end-line begins with.
    pub(crate) fn find(&self, hay: &[u8]) -> (Found, bool) {
        self.search(hay, true)
    }

    /// Searches what is to be sent for anything that could become the end-line: CRLF, hyphens and identifier suffice,
    /// since the CRLF that closes a body could complete them.
    pub(crate) fn find_in_outgoing(&self, hay: &[u8]) -> Found {
        self.search(hay, false).0
    }

    /// The same of octets that are known to hold no CRLF with seven hyphens: only their end can begin an end-line.
    pub(crate) fn find_at_end(hay: &[u8]) -> Found {
        // The nine octets hold one CR, so only the last CR of the last eight octets can begin them.
        let tail = hay.len().saturating_sub(PREFIX.len() - 1);
        match hay.get(tail..).and_then(|end| memchr::memrchr(b'\r', end)) {
            Some(offset) if PREFIX.starts_with(&hay[tail + offset..]) => Found::Partial(tail + offset),
            _ => Found::Nothing,
        }
    }

    /// Whether a body may follow its head with `start` as its first octets: not if the blank line before it and these
    /// look like the end-line.
    pub(crate) fn may_start_with(&self, start: &[u8]) -> bool {
        !start
            .strip_prefix(&PREFIX[2..])
            .is_some_and(|rest| rest.starts_with(self.id.as_bytes()))
    }

    fn search(&self, hay: &[u8], whole: bool) -> (Found, bool) {
        let mut from = 0;
        let mut plain = true;
        while let Some(rest) = hay.get(from..) {
            let Some(offset) = PREFIX_FINDER.find(rest) else {
                break;
            };
            let at = from + offset;
            let candidate = &hay[at..];
            match self.compare(candidate, PREFIX.len()) {
                Match::Whole(flag) => return (Found::At(at, flag), plain),
                _ if !whole && candidate[PREFIX.len()..].starts_with(self.id.as_bytes()) => {
                    return (Found::At(at, ContinuationFlag::More), plain);
                }
                Match::SoFar => return (Found::Partial(at), plain),
                Match::No => {
                    plain = false;
                    from = at + PREFIX.len();
                }
            }
        }
        let found = match Self::find_at_end(&hay[from..]) {
            Found::Partial(at) => Found::Partial(from + at),
            found => found,
        };
        (found, plain)
    }

    /// Whether `octets` begin with the end-line but for its leading CRLF, as after a head or an empty body.
    pub(crate) fn starts_line(&self, octets: &[u8]) -> LineStart {
        let hyphens = &PREFIX[2..];
        if octets.len() < hyphens.len() {
            return if hyphens.starts_with(octets) {
                LineStart::Undecided
            } else {
                LineStart::No
            };
        }
        if !octets.starts_with(hyphens) {
            return LineStart::No;
        }
        match self.compare(octets, hyphens.len()) {
            Match::Whole(flag) => LineStart::Yes(flag),
            Match::SoFar => LineStart::Undecided,
            Match::No => LineStart::No,
        }
    }

    /// Compares what follows the hyphens: identifier, flag, CRLF.
    fn compare(&self, candidate: &[u8], skip: usize) -> Match {
        let id = self.id.as_bytes();
        let rest = &candidate[skip..];
        if rest.len() < id.len() {
            return if id.starts_with(rest) {
                Match::SoFar
            } else {
                Match::No
            };
        }
        let (head, rest) = rest.split_at(id.len());
        if head != id {
            return Match::No;
        }
        let Some(&flag) = rest.first() else {
            return Match::SoFar;
        };
        let Some(flag) = ContinuationFlag::from_byte(flag) else {
            return Match::No;
        };
        match rest.get(1..rest.len().min(3)) {
            Some(b"\r\n") => Match::Whole(flag),
            Some(b"\r" | b"") => Match::SoFar,
            _ => Match::No,
        }
    }
}

/// The outcome of [`EndLine::starts_line`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStart {
    Yes(ContinuationFlag),
    Undecided,
    No,
}

enum Match {
    Whole(ContinuationFlag),
    SoFar,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_line(id: &str) -> EndLine {
        EndLine::new(TransactId::parse(id.as_bytes()).unwrap())
    }

    /// The same question, answered by trying every index.
    fn naive(id: &str, hay: &[u8]) -> Found {
        for at in 0..hay.len() {
            for flag in [
                ContinuationFlag::Complete,
                ContinuationFlag::More,
                ContinuationFlag::Abort,
            ] {
                let whole = format!("\r\n-------{id}{}\r\n", flag.as_byte() as char);
                if hay[at..].starts_with(whole.as_bytes()) {
                    return Found::At(at, flag);
                }
                if whole.as_bytes().starts_with(&hay[at..]) {
                    return Found::Partial(at);
                }
            }
        }
        Found::Nothing
    }

    // shows: 4975-7.3.1-12, 4975-9-08, 4975-9-30
    #[test]
    fn look_alikes_are_data() {
        let e = end_line("abcd");
        for hay in [
            &b"x\r\n-------\r\n"[..],
            b"x\r\n--------abcd$\r\n",
            b"x\r\n-------other$\r\n",
            b"x\r\n-------abcd\r\n",
            b"x\r\n-------abcd!\r\n",
            b"x\r\n-------abcd$\n\n",
            b"x\n-------abcd$\r\nyy",
            b"x\r\n-------abcd+$\r\n",
            b"x\r\n-------ABCD$\r\n",
        ] {
            assert!(
                !matches!(e.find(hay).0, Found::At(..)),
                "{:?}",
                String::from_utf8_lossy(hay)
            );
        }
        assert_eq!(
            end_line("abcd+").find(b"x\r\n-------abcd+$\r\n"),
            (Found::At(1, ContinuationFlag::Complete), true)
        );
        assert_eq!(
            e.find(b"x\r\n-------abcd+\r\n"),
            (Found::At(1, ContinuationFlag::More), true)
        );
    }

    #[test]
    fn agrees_with_the_naive_search() {
        // A small alphabet makes every kind of look-alike turn up.
        let pieces: [&[u8]; 9] = [
            b"\r",
            b"\n",
            b"-",
            b"-------",
            b"abcd",
            b"$",
            b"\r\n-------abcd",
            b"+\r\n",
            b"q",
        ];
        let e = end_line("abcd");
        let mut state = 1_u64;
        for _ in 0..200_000 {
            let mut hay = Vec::new();
            for _ in 0..6 {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                hay.extend_from_slice(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let (found, plain) = e.find(&hay);
            assert_eq!(found, naive("abcd", &hay), "{:?}", String::from_utf8_lossy(&hay));
            let before = match found {
                Found::At(at, _) | Found::Partial(at) => &hay[..at],
                Found::Nothing => &hay,
            };
            assert_eq!(
                plain,
                !before.windows(PREFIX.len()).any(|octets| octets == PREFIX)
            );
            if plain {
                // Searching such octets again before they are sent is not needed, but for their end.
                assert_eq!(EndLine::find_at_end(before), e.find_in_outgoing(before));
            }
        }
    }
}
