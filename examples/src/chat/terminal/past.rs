//! What was typed before, to be typed again.

use std::collections::VecDeque;

/// Lines that are remembered, at the most.
const REMEMBERED: usize = 200;
/// Octets of a line that is remembered, at the most.
const LONGEST: usize = 16 * 1024;

/// The lines of before, and where in them somebody looks.
#[derive(Debug, Default)]
pub(super) struct Past {
    lines: VecDeque<String>,
    /// How far back it is looked; 0 for the line that is being typed.
    back: usize,
    /// What was being typed when somebody began to look.
    draft: String,
}

impl Past {
    /// This has been typed.
    pub(super) fn add(&mut self, line: &str) {
        self.back = 0;
        let again = self.lines.back().is_some_and(|last| last == line);
        if line.trim().is_empty() || line.len() > LONGEST || again {
            return;
        }
        if self.lines.len() >= REMEMBERED {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The line before that which is looked at, if there is one; `line` is what stands there now.
    pub(super) fn older(&mut self, line: &str) -> Option<String> {
        let place = self.lines.len().checked_sub(self.back + 1)?;
        if self.back == 0 {
            line.clone_into(&mut self.draft);
        }
        self.back += 1;
        self.lines.get(place).cloned()
    }

    /// The line after that which is looked at; in the end, what was being typed.
    pub(super) fn newer(&mut self) -> Option<String> {
        self.back = self.back.checked_sub(1)?;
        if self.back == 0 {
            return Some(std::mem::take(&mut self.draft));
        }
        self.lines.get(self.lines.len().checked_sub(self.back)?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_then_the_draft() {
        let mut past = Past::default();
        assert_eq!(past.older("x"), None);
        assert_eq!(past.newer(), None);
        for line in ["one", "two", "two", " "] {
            past.add(line);
        }
        assert_eq!(past.older("draft").as_deref(), Some("two"));
        assert_eq!(past.older("two").as_deref(), Some("one"));
        assert_eq!(past.older("one"), None);
        assert_eq!(past.newer().as_deref(), Some("two"));
        assert_eq!(past.newer().as_deref(), Some("draft"));
        assert_eq!(past.newer(), None);
        past.older("");
        past.add("three");
        assert_eq!(past.older("").as_deref(), Some("three"));
    }

    #[test]
    fn it_is_bounded() {
        let mut past = Past::default();
        for number in 0..=REMEMBERED {
            past.add(&number.to_string());
        }
        past.add(&"x".repeat(LONGEST + 1));
        assert_eq!(past.lines.len(), REMEMBERED);
        assert_eq!(past.older("").as_deref(), Some("200"));
    }
}
