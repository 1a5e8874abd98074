//! The line that a person types, edited by rustyline on a thread of its own.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{
    Context, Editor, ExternalPrinter, Helper,
    completion::{Completer, FilenameCompleter, Pair},
    config::{CompletionType, Config},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::Validator,
};
use tokio::sync::mpsc;

use super::typed::COMMANDS;

/// What stands before the line.
pub(super) const PROMPT: &str = "> ";

/// What the person at the terminal does.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) enum Input {
    /// A line is complete.
    Line(String),
    /// Something is being typed, or no more.
    Typing(bool),
    /// There will be no more lines.
    End,
}

/// Completes commands and file names, and notices that somebody types.
struct Assistant {
    files: FilenameCompleter,
    typing: AtomicBool,
    told: mpsc::Sender<Input>,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Highlighter for Assistant {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[2m{prompt}\x1b[0m"))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// It is called when the line has changed, which is what is wanted here.
    fn hint(&self, line: &str, _at: usize, _: &Context<'_>) -> Option<String> {
        let typing = !line.is_empty() && !line.starts_with('/');
        // While the same goes on it is told again, as that keeps the state alive; who is asleep does not need it.
        if (self.typing.swap(typing, Ordering::Relaxed) != typing || typing)
            && self.told.try_send(Input::Typing(typing)).is_err()
        {
            tracing::trace!("typing not told");
        }
        None
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        if let Some(path) = line.strip_prefix("/send ") {
            let before = line.len() - path.len();
            let (start, found) = self.files.complete(path, at.saturating_sub(before), context)?;
            return Ok((start + before, found));
        }
        let found = COMMANDS
            .iter()
            .filter(|(name, ..)| line.starts_with('/') && name.len() > 2 && name.starts_with(line))
            .map(|(name, value, _)| Pair {
                display: (*name).to_owned(),
                replacement: match *value {
                    "" => (*name).to_owned(),
                    _ => format!("{name} "),
                },
            })
            .collect();
        Ok((0, found))
    }
}

/// Puts the terminal back as it was, whatever the editor was doing to it.
pub(super) struct Restore(Termios);

impl Restore {
    fn new() -> io::Result<Self> {
        Ok(Self(tcgetattr(io::stdin())?))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0) {
            tracing::debug!(%error, "the terminal stays as it is");
        }
        // No more bracketed paste, and the cursor at the beginning of an empty line.
        let _best_effort = io::stdout().write_all(b"\r\x1b[K\x1b[?2004l");
        let _best_effort = io::stdout().flush();
    }
}

/// Whether somebody can type and read: both ends are a terminal.
pub(in crate::chat) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Starts the editor. What is printed by the printer appears above the line.
///
/// # Errors
/// When the terminal cannot be used so.
pub(super) fn start(
    told: mpsc::Sender<Input>,
) -> Result<(Box<dyn ExternalPrinter + Send>, Restore), ReadlineError> {
    let restore = Restore::new()?;
    let config = Config::builder()
        .auto_add_history(true)
        .completion_type(CompletionType::List)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor: Editor<Assistant, MemHistory> = Editor::with_history(config, history)?;
    editor.set_helper(Some(Assistant {
        files: FilenameCompleter::new(),
        typing: AtomicBool::new(false),
        told: told.clone(),
    }));
    let printer = editor.create_external_printer()?;
    std::thread::Builder::new()
        .name("editor".to_owned())
        .spawn(move || read(&mut editor, &told))?;
    Ok((Box::new(printer), restore))
}

fn read(editor: &mut Editor<Assistant, MemHistory>, told: &mpsc::Sender<Input>) {
    loop {
        let input = match editor.readline(PROMPT) {
            Ok(line) => Input::Line(line),
            Err(error) => {
                if !matches!(error, ReadlineError::Eof | ReadlineError::Interrupted) {
                    tracing::warn!(%error, "the terminal cannot be read");
                }
                Input::End
            }
        };
        let end = input == Input::End;
        if told.blocking_send(input).is_err() || end {
            return;
        }
    }
}
