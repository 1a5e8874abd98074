//! What stands on the terminal: lines that scroll away, of which the last ones can still change (ticks, progress bars).

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::atomic::Ordering,
};

use console::{Term, strip_ansi_codes};
use rustyline::ExternalPrinter;
use unicode_width::UnicodeWidthChar;

use super::editor::PromptRows;

/// A line that has been shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineId(u64);

/// Where lines go.
pub(super) enum Out {
    /// Not to a terminal: nothing changes that has been written.
    Plain(Box<dyn Write + Send>),
    /// To a terminal on which nobody types.
    Terminal(Box<dyn Write + Send>),
    /// Above the line that somebody is typing, which takes so many rows.
    Editor(Box<dyn ExternalPrinter + Send>, PromptRows),
}

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Size {
    /// Those of the terminal that we are on.
    pub(super) fn of_terminal() -> Self {
        let (rows, columns) = Term::stdout().size();
        Self {
            rows: usize::from(rows),
            columns: usize::from(columns),
        }
    }
}

/// The lines on a terminal, the last ones of which are remembered.
pub(super) struct Screen {
    out: Out,
    size: fn() -> Size,
    shown: VecDeque<(LineId, String)>,
    next: u64,
}

impl Screen {
    pub(super) fn new(out: Out, size: fn() -> Size) -> Self {
        Self {
            out,
            size,
            shown: VecDeque::new(),
            next: 0,
        }
    }

    /// Whether lines can change after they have been shown.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self.out, Out::Plain(_))
    }

    pub(super) fn size(&self) -> Size {
        (self.size)()
    }

    /// Shows a line, or several with line ends between them.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn line(&mut self, text: impl Into<String>) -> io::Result<LineId> {
        let text = text.into();
        self.put(&format!("{text}\n"))?;
        Ok(self.remember(text))
    }

    /// Changes a line, if it can still be seen. Answers whether it did.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn change(&mut self, line: LineId, text: impl Into<String>) -> io::Result<bool> {
        let Some((place, rows)) = self.place(line) else {
            return Ok(false);
        };
        if let Some((_, shown)) = self.shown.get_mut(place) {
            *shown = text.into();
        }
        self.again(place, rows)?;
        Ok(true)
    }

    /// Takes a line away, if it can still be seen.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn remove(&mut self, line: LineId) -> io::Result<()> {
        let Some((place, rows)) = self.place(line) else {
            return Ok(());
        };
        let before = place.checked_sub(1).and_then(|before| {
            let rows = self.rows_from(before);
            self.can_reach(rows).then_some((before, rows))
        });
        self.shown.remove(place);
        if place < self.shown.len() {
            return self.again(place, rows);
        }
        // Where nothing follows, the line before it is written anew with it: an editor puts a line end behind what does not
        // have one, and an empty row would stay.
        match before {
            Some((before, rows)) => self.again(before, rows),
            None => {
                self.put(&format!("\x1b[{rows}A\r\x1b[J\n"))?;
                self.remember(String::new());
                Ok(())
            }
        }
    }

    /// Something else has been written to the terminal: no line is where it was.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }

    /// Where a line is that can still be changed, and the rows from its first to the last that there is.
    fn place(&self, line: LineId) -> Option<(usize, usize)> {
        if !self.can_change() {
            return None;
        }
        let place = self.shown.iter().rposition(|(id, _)| *id == line)?;
        let rows = self.rows_from(place);
        self.can_reach(rows).then_some((place, rows))
    }

    fn rows_from(&self, place: usize) -> usize {
        let columns = self.size().columns;
        let lines = self.shown.range(place.min(self.shown.len())..);
        lines.map(|(_, text)| rows_of(text, columns)).sum()
    }

    /// Whether so many rows are on the screen above the cursor's, or the prompt.
    fn can_reach(&self, rows: usize) -> bool {
        let below = match &self.out {
            Out::Editor(_, prompt) => prompt.load(Ordering::Relaxed),
            _ => 1,
        };
        rows + below <= self.size().rows
    }

    /// Writes the lines from a place on anew, over what stood in the last `rows` rows.
    fn again(&mut self, place: usize, rows: usize) -> io::Result<()> {
        let mut octets = format!("\x1b[{rows}A\r\x1b[J");
        for (_, text) in self.shown.range(place..) {
            octets.push_str(text);
            octets.push('\n');
        }
        self.put(&octets)
    }

    fn remember(&mut self, text: String) -> LineId {
        self.next += 1;
        let id = LineId(self.next);
        if self.can_change() {
            self.shown.push_back((id, text));
            // A line has a row at the least.
            while self.shown.len() > self.size().rows {
                self.shown.pop_front();
            }
        }
        id
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(out) | Out::Terminal(out) => {
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Out::Editor(printer, _) => printer.print(text.to_owned()).map_err(io::Error::other),
        }
    }
}

/// How many rows a text takes.
pub(super) fn rows_of(text: &str, columns: usize) -> usize {
    let columns = columns.max(1);
    strip_ansi_codes(text)
        .split('\n')
        .map(|line| match line.is_ascii() {
            true => line.len().div_ceil(columns).max(1),
            false => wrapped(line, columns),
        })
        .sum()
}

/// The rows of a line in which some characters may be wide: one that has no room in a row any more is in the next.
fn wrapped(line: &str, columns: usize) -> usize {
    let (mut rows, mut at) = (1, 0);
    for wide in line.chars().filter_map(UnicodeWidthChar::width) {
        if at + wide > columns {
            rows += 1;
            at = 0;
        }
        at += wide;
    }
    rows
}

/// Text of others, without what a terminal would obey and without what makes it read otherwise than it is written. Further
/// lines begin with `indent`.
pub(super) fn harmless(text: &str, indent: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.trim_end_matches(['\r', '\n']).chars() {
        match character {
            '\n' => {
                shown.push('\n');
                shown.push_str(indent);
            }
            '\t' => shown.push(' '),
            '\r' => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            character if character.is_control() => shown.push('\u{fffd}'),
            character => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, atomic::AtomicUsize};

    use super::*;

    const SIZE: Size = Size { rows: 8, columns: 20 };

    /// A terminal that shows what is written to it.
    #[derive(Clone)]
    struct Emulated(Arc<Mutex<vt100::Parser>>);

    impl Emulated {
        fn new() -> Self {
            Self(Arc::new(Mutex::new(vt100::Parser::new(
                (SIZE.rows as u16).try_into().unwrap(),
                (SIZE.columns as u16).try_into().unwrap(),
                0,
            ))))
        }

        fn rows(&self) -> Vec<String> {
            let parser = self.0.lock().unwrap();
            let rows = parser.screen().rows(0, SIZE.columns as u16);
            rows.map(|row| row.trim_end().to_owned())
                .filter(|row| !row.is_empty())
                .collect()
        }
    }

    impl Write for Emulated {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            // A terminal makes of each line end a return as well.
            let text = String::from_utf8_lossy(octets).replace('\n', "\r\n");
            self.0.lock().unwrap().process(text.as_bytes());
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An editor with its prompt in the last row does as rustyline: it ends what has no line end.
    impl ExternalPrinter for Emulated {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            let end = if text.ends_with('\n') { "" } else { "\n" };
            self.write_all(format!("\r\x1b[K{text}{end}> ").as_bytes())?;
            Ok(())
        }
    }

    #[test]
    fn a_line_that_goes_leaves_no_empty_row_above_a_prompt() {
        let terminal = Emulated::new();
        let rows = PromptRows::new(AtomicUsize::new(1));
        let mut screen = Screen::new(Out::Editor(Box::new(terminal.clone()), rows), || SIZE);
        screen.line("one").unwrap();
        for _ in 0..3 {
            let typing = screen.line("bob is typing").unwrap();
            screen.remove(typing).unwrap();
            assert_eq!(terminal.rows(), ["one", ">"]);
        }
        let two = screen.line("two").unwrap();
        assert_eq!(terminal.rows(), ["one", "two", ">"]);
        // Where the one before it cannot be written again, it can still be counted.
        let tall = screen.line("a\nb\nc\nd").unwrap();
        let last = screen.line("last").unwrap();
        screen.remove(last).unwrap();
        screen.change(tall, "tall").unwrap();
        screen.change(two, "two!").unwrap();
        assert_eq!(terminal.rows()[..2], ["one", "two!"]);
        assert!(terminal.rows().contains(&"tall".to_owned()));
    }

    #[test]
    fn what_others_have_written_over_is_left_alone() {
        let (mut screen, terminal) = screen();
        let one = screen.line("one").unwrap();
        screen.forget();
        let two = screen.line("two").unwrap();
        assert!(!screen.change(one, "changed").unwrap());
        assert!(screen.change(two, "changed").unwrap());
        assert_eq!(terminal.rows(), ["one", "changed"]);
    }

    fn screen() -> (Screen, Emulated) {
        let terminal = Emulated::new();
        let out = Out::Terminal(Box::new(terminal.clone()));
        (Screen::new(out, || SIZE), terminal)
    }

    #[test]
    fn a_line_changes_where_it_stands() {
        let (mut screen, terminal) = screen();
        screen.line("one").unwrap();
        let two = screen.line("two").unwrap();
        screen.line("three").unwrap();
        assert!(screen.change(two, "two!").unwrap());
        assert_eq!(terminal.rows(), ["one", "two!", "three"]);
        // It may need more rows than before, or fewer.
        assert!(screen.change(two, "a line that is longer than one").unwrap());
        screen.line("four").unwrap();
        assert_eq!(
            terminal.rows(),
            ["one", "a line that is longe", "r than one", "three", "four"]
        );
        assert!(screen.change(two, "2\nand a half").unwrap());
        assert!(screen.change(two, "2").unwrap());
        assert_eq!(terminal.rows(), ["one", "2", "three", "four"]);
        screen.remove(two).unwrap();
        assert_eq!(terminal.rows(), ["one", "three", "four"]);
    }

    #[test]
    fn what_has_scrolled_away_stays() {
        let (mut screen, terminal) = screen();
        let first = screen.line("first").unwrap();
        for number in 0..7 {
            screen.line(format!("{number}")).unwrap();
        }
        let before = terminal.rows();
        assert!(!screen.change(first, "changed").unwrap());
        screen.remove(first).unwrap();
        assert_eq!(terminal.rows(), before);
        for number in 7..100 {
            screen.line(format!("{number}")).unwrap();
        }
        assert!(!screen.change(first, "changed").unwrap());
        assert!(screen.shown.len() <= SIZE.rows);
    }

    #[test]
    fn a_file_gets_each_line_once() {
        let written = Arc::new(Mutex::new(Vec::new()));
        #[derive(Clone)]
        struct Into(Arc<Mutex<Vec<u8>>>);
        impl Write for Into {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(octets);
                Ok(octets.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut screen = Screen::new(Out::Plain(Box::new(Into(written.clone()))), || SIZE);
        let line = screen.line("one").unwrap();
        assert!(!screen.change(line, "other").unwrap());
        screen.remove(line).unwrap();
        screen.line("two").unwrap();
        assert_eq!(*written.lock().unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn text_of_others_moves_no_cursor() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{202e}c\r\nd\te\u{9b}\n", "  "),
            "a\u{fffd}[2Jbc\n  d e\u{fffd}"
        );
    }

    #[test]
    fn rows_are_counted_in_columns() {
        assert_eq!(rows_of("", 20), 1);
        assert_eq!(rows_of("12345678901234567890", 20), 1);
        assert_eq!(rows_of("123456789012345678901", 20), 2);
        // Wide characters take two columns, colours none.
        assert_eq!(rows_of("漢字漢字漢字漢字漢字漢", 20), 2);
        assert_eq!(rows_of("漢字漢字漢字漢字漢字漢", 21), 2);
        assert_eq!(rows_of("漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢", 21), 3);
        assert_eq!(rows_of("\x1b[31m12345678901234567890\x1b[0m", 20), 1);
        assert_eq!(rows_of("a\n\nb", 20), 3);
    }
}
