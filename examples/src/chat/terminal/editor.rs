//! The line that a person types, edited by rustyline on a thread of its own.
//!
//! Enter does not end the editing: it takes the text out of the line, and the prompt stays. So there is always an editor that
//! reads what is typed and shows what is printed, nothing is lost between two lines, and what was typed stands nowhere on the
//! screen until somebody prints it.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::{
    process::{Signal, kill_current_process_group},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use rustyline::{
    Cmd, ConditionalEventHandler, Context, Editor, Event, EventContext, EventHandler, ExternalPrinter,
    Helper, KeyCode, KeyEvent, Modifiers, Movement, RepeatCount,
    completion::{Completer, FilenameCompleter, Pair},
    config::{CompletionType, Config},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::Validator,
};
use tokio::sync::mpsc;

use super::{
    past::Past,
    screen::{Size, rows_of},
    typed::COMMANDS,
};

/// How long Ctrl-Z waits for the program to be stopped and continued; where nobody can continue it, it is not stopped.
const STOPPING: Duration = Duration::from_secs(1);

/// What stands before the line.
pub(super) const PROMPT: &str = "> ";

/// What the person at the terminal does.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) enum Input {
    /// A line is complete.
    Line(String),
    /// Something is being typed, or no more.
    Typing(bool),
    /// What came was no text; the line is gone, and what stood on the screen has moved.
    NoText,
    /// There will be no more lines.
    End,
}

/// Rows that the prompt takes with what is typed.
pub(super) type PromptRows = Arc<AtomicUsize>;

/// Completes commands and file names, and notices that somebody types.
struct Assistant {
    files: FilenameCompleter,
    typing: AtomicBool,
    rows: PromptRows,
    told: mpsc::Sender<Input>,
}

/// Ctrl-Z: the shell gets the terminal as it was, and the program stops until the shell continues it. rustyline's own way does
/// not wait for the stop, and may set the terminal up for editing before the shell has it.
#[derive(Clone)]
pub(super) struct Stopped {
    before: Termios,
    /// How often the program has been continued.
    times: Arc<(Mutex<u64>, Condvar)>,
}

impl Stopped {
    /// The program goes on.
    pub(super) fn continued(&self) {
        *self.times.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.times.1.notify_all();
    }

    fn stop(&self) -> io::Result<()> {
        let editing = tcgetattr(io::stdin())?;
        let times = self.times.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *times;
        tcsetattr(io::stdin(), OptionalActions::Drain, &self.before)?;
        kill_current_process_group(Signal::TSTP)?;
        drop(
            self.times
                .1
                .wait_timeout_while(times, STOPPING, |times| *times == before),
        );
        tcsetattr(io::stdin(), OptionalActions::Drain, &editing)?;
        Ok(())
    }
}

/// What keys do that are not the editor's own.
#[derive(Clone)]
struct Keys {
    past: Arc<Mutex<Past>>,
    stopped: Stopped,
    told: mpsc::Sender<Input>,
}

impl Keys {
    const NAMES: [(KeyCode, Modifiers); 8] = [
        (KeyCode::Enter, Modifiers::NONE),
        (KeyCode::Char('J'), Modifiers::CTRL),
        (KeyCode::Char('C'), Modifiers::CTRL),
        (KeyCode::Char('Z'), Modifiers::CTRL),
        (KeyCode::Up, Modifiers::NONE),
        (KeyCode::Char('P'), Modifiers::CTRL),
        (KeyCode::Down, Modifiers::NONE),
        (KeyCode::Char('N'), Modifiers::CTRL),
    ];

    fn past(&self) -> std::sync::MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, line: &str) -> Cmd {
        match self.told.try_send(Input::Line(line.to_owned())) {
            Ok(()) => {
                self.past().add(line);
                replace(String::new())
            }
            // A paste of many lines, faster than they can be sent: the next ones go together. Waiting here would keep what is
            // printed from being shown, for which in turn the other side waits.
            Err(_) => Cmd::Insert(1, "\n".to_owned()),
        }
    }
}

fn replace(text: String) -> Cmd {
    Cmd::Replace(Movement::WholeBuffer, Some(text))
}

impl ConditionalEventHandler for Keys {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let KeyEvent(code, _) = event.get(0)?;
        let line = context.line();
        match code {
            KeyCode::Enter | KeyCode::Char('J') => Some(self.enter(line)),
            // It gives up the line, and where there is none the program.
            KeyCode::Char('C') if line.is_empty() => None,
            KeyCode::Char('C') => Some(replace(String::new())),
            KeyCode::Char('Z') => {
                if let Err(error) = self.stopped.stop() {
                    tracing::debug!(%error, "not stopped");
                }
                Some(Cmd::Repaint)
            }
            // In a text of several lines they go from line to line.
            KeyCode::Up | KeyCode::Down if line.contains('\n') => None,
            KeyCode::Up | KeyCode::Char('P') => Some(self.past().older(line).map_or(Cmd::Noop, replace)),
            _ => Some(self.past().newer().map_or(Cmd::Noop, replace)),
        }
    }
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
        let rows = rows_of(&format!("{PROMPT}{line}_"), Size::of_terminal().columns);
        self.rows.store(rows, Ordering::Relaxed);
        let typing = !line.is_empty() && !line.starts_with('/');
        let news = self.typing.swap(typing, Ordering::Relaxed) != typing;
        // While the same goes on it is told again, as that keeps the state alive; but half of the room is for lines.
        if (news || typing) && self.told.capacity() > self.told.max_capacity() / 2 {
            let _there_is_room = self.told.try_send(Input::Typing(typing));
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

/// Whether somebody can type and read: both ends are a terminal, and one with a cursor that moves.
pub(in crate::chat) fn is_interactive() -> bool {
    io::stdin().is_terminal() && can_draw()
}

/// Whether standard output is a terminal on which the cursor can be moved.
pub(super) fn can_draw() -> bool {
    // Those that rustyline knows to be none, by their names.
    let moves = std::env::var("TERM").map_or(true, |term| !["dumb", "cons25", "emacs"].contains(&&*term));
    io::stdout().is_terminal() && moves
}

/// An editor that runs.
pub(super) struct Editing {
    /// What it prints appears above the line.
    pub(super) printer: Box<dyn ExternalPrinter + Send>,
    pub(super) rows: PromptRows,
    pub(super) restore: Restore,
    pub(super) stopped: Stopped,
}

/// Starts the editor.
///
/// # Errors
/// When the terminal cannot be used so.
pub(super) fn start(told: mpsc::Sender<Input>) -> Result<Editing, ReadlineError> {
    let rows = PromptRows::new(AtomicUsize::new(1));
    let restore = Restore::new()?;
    let config = Config::builder().completion_type(CompletionType::List).build();
    let history = MemHistory::with_config(&config);
    let mut editor: Editor<Assistant, MemHistory> = Editor::with_history(config, history)?;
    editor.set_helper(Some(Assistant {
        files: FilenameCompleter::new(),
        typing: AtomicBool::new(false),
        rows: rows.clone(),
        told: told.clone(),
    }));
    let stopped = Stopped {
        before: restore.0.clone(),
        times: Arc::default(),
    };
    let keys = Keys {
        past: Arc::default(),
        stopped: stopped.clone(),
        told: told.clone(),
    };
    for (code, modifiers) in Keys::NAMES {
        let handler = EventHandler::Conditional(Box::new(keys.clone()));
        editor.bind_sequence(KeyEvent(code, modifiers), handler);
    }
    let printer = editor.create_external_printer()?;
    std::thread::Builder::new()
        .name("editor".to_owned())
        .spawn(move || read(&mut editor, &told))?;
    Ok(Editing {
        printer: Box::new(printer),
        rows,
        restore,
        stopped,
    })
}

fn read(editor: &mut Editor<Assistant, MemHistory>, told: &mpsc::Sender<Input>) {
    loop {
        let input = match editor.readline(PROMPT) {
            Ok(line) => Input::Line(line),
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => Input::NoText,
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
