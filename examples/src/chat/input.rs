//! Lines from standard input where nobody edits them.

use std::io::{BufRead, Read};

use tokio::sync::mpsc;

use super::terminal::Input;

/// Octets of a line at the most; a longer one is cut.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Reads lines on a thread of its own.
///
/// # Errors
/// When there is no thread.
pub(super) fn start(told: mpsc::Sender<Input>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read(std::io::stdin().lock(), &told))
        .map(drop)
}

fn read(mut from: impl BufRead, told: &mpsc::Sender<Input>) {
    loop {
        let mut line = Vec::new();
        let input = match from.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => Input::End,
            Ok(_) => Input::Line(
                String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            ),
            Err(error) => {
                tracing::warn!(%error, "standard input");
                Input::End
            }
        };
        let end = input == Input::End;
        if told.blocking_send(input).is_err() || end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_then_the_end() {
        let (told, mut heard) = mpsc::channel(8);
        read(&b"one\r\ntwo\n\nlast"[..], &told);
        let mut lines = Vec::new();
        while let Ok(input) = heard.try_recv() {
            lines.push(input);
        }
        let line = |text: &str| Input::Line(text.to_owned());
        assert_eq!(
            lines,
            [line("one"), line("two"), line(""), line("last"), Input::End]
        );
    }
}
