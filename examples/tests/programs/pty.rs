//! A terminal for a test: a program runs on it, keys are pressed, and it is waited for what is shown.

use std::{
    io::{Read, Write},
    num::NonZero,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command, Pty},
};

use crate::{agents::wait, running::PATIENCE};

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

/// A program on a terminal; it is killed when this goes away.
pub(crate) struct Terminal {
    child: Child,
    pty: Arc<Pty>,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Where it is called by SIP, once it has said so.
    pub(crate) address: String,
}

impl Terminal {
    /// Runs a program on a terminal of this size.
    pub(crate) fn start(rows: u16, columns: u16, program: &str, arguments: &[&str]) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("TZ", "UTC")
            .env("PS1", "$ ")
            .env_remove("ENV")
            .env_remove("RUST_LOG")
            .env_remove("NO_COLOR")
            .spawn(pts)
            .unwrap();
        let pty = Arc::new(pty);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let (from, shown) = (pty.clone(), screen.clone());
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            // An error says that nobody has the terminal any more.
            while let Ok(read @ 1..) = (&*from).read(&mut room) {
                shown.lock().unwrap().process(&room[..read]);
            }
        });
        Self {
            child,
            pty,
            screen,
            address: String::new(),
        }
    }

    /// Runs `msrp-chat` by the name of `name`, and waits until it is ready.
    pub(crate) fn chat(name: &str, options: &[&str]) -> Self {
        let aor = format!("sip:{name}@127.0.0.1");
        let mut all = vec!["--aor", &aor, "--sip", "udp://127.0.0.1:0"];
        all.extend(options);
        let mut terminal = Self::start(24, 80, env!("CARGO_BIN_EXE_msrp-chat"), &all);
        terminal.wait_until_ready(name);
        terminal
    }

    pub(crate) fn wait_until_ready(&mut self, name: &str) {
        let is_msrp = |row: &String| row.starts_with("listening on msrp");
        let rows = self.wait_for("its listeners and a prompt", |rows| {
            rows.iter().any(is_msrp) && rows.last().is_some_and(|row| row == ">")
        });
        let sip = rows
            .iter()
            .find_map(|row| row.strip_prefix("listening on udp://"));
        self.address = format!("sip:{name}@{}", sip.unwrap());
    }

    /// Presses keys.
    pub(crate) fn press(&self, keys: impl AsRef<[u8]>) {
        (&*self.pty).write_all(keys.as_ref()).unwrap();
    }

    /// The window is pulled to another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(cells(rows), cells(columns));
        drop(screen);
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// What is shown: the rows to the last that is not empty, without what is blank at their ends.
    pub(crate) fn rows(&self) -> Vec<String> {
        let parser = self.screen.lock().unwrap();
        let (_, columns) = parser.screen().size();
        let mut rows: Vec<String> = parser
            .screen()
            .rows(0, columns.get())
            .map(|row| row.trim_end().to_owned())
            .collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    /// Waits until what is shown is what is wanted.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let rows = self.rows();
            if wanted(&rows) {
                return rows;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for {what}:\n{}",
                rows.join("\n")
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a row that has this.
    #[track_caller]
    pub(crate) fn row(&self, text: &str) -> String {
        let has = |row: &String| row.contains(text);
        let rows = self.wait_for(text, |rows| rows.iter().any(has));
        rows.into_iter().find(has).unwrap()
    }

    /// Waits until the last row is this.
    #[track_caller]
    pub(crate) fn last_row(&self, text: &str) -> Vec<String> {
        self.wait_for(text, |rows| rows.last().is_some_and(|row| row == text))
    }

    /// Waits until no row has this.
    #[track_caller]
    pub(crate) fn no_row(&self, text: &str) -> Vec<String> {
        self.wait_for(&format!("no {text}"), |rows| {
            !rows.iter().any(|row| row.contains(text))
        })
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
