//! `msrp-chat` processes for a test, spoken to and heard in JSON.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a process may take for anything: whoever has lost its peer tries for 30 s to find it again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with these options.
pub(crate) fn chat(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msrp-chat"));
    command.args(options).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A process that writes JSON; it is killed when this goes away.
pub(crate) struct Agent {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// What has been heard so far.
    pub(crate) heard: Vec<Value>,
    /// What of it nobody has waited for yet.
    waiting: Vec<Value>,
    commands: u64,
}

impl Agent {
    /// Starts one with `--json`, by the name of `name`, listening for SIP at `sip`, such as `udp://127.0.0.1:0`, and waits until
    /// it is ready.
    pub(crate) fn start(name: &str, sip: &str, options: &[&str]) -> Self {
        let aor = format!("sip:{name}@127.0.0.1");
        let mut all = vec!["--json", "--aor", &aor, "--sip", sip];
        all.extend(options);
        let mut agent = Self::spawn(chat(&all));
        agent.wait_for("its listeners", |event| {
            event["event"] == "listening" && event["url"].as_str().unwrap().starts_with("msrp")
        });
        agent
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.unwrap();
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if told.send(event).is_err() {
                    return;
                }
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
            heard: Vec::new(),
            waiting: Vec::new(),
            commands: 0,
        }
    }

    /// Where it is called.
    pub(crate) fn uri(&self, name: &str) -> String {
        let listening = self.heard.iter().find(|event| event["event"] == "listening");
        let (transport, address) = listening.unwrap()["url"]
            .as_str()
            .unwrap()
            .split_once("://")
            .unwrap();
        match transport {
            "udp" => format!("sip:{name}@{address}"),
            transport => format!("sip:{name}@{address};transport={transport}"),
        }
    }

    /// Waits for an event, unless it has come already and nobody has waited for it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match self.wait_within(PATIENCE, wanted) {
            Some(event) => event,
            None => panic!("waited in vain for {what}; heard {:#?}", self.heard),
        }
    }

    /// As [`wait_for`](Self::wait_for), for so long.
    pub(crate) fn wait_within(&mut self, time: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        if let Some(place) = self.waiting.iter().position(&wanted) {
            return Some(self.waiting.remove(place));
        }
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.lines.recv_timeout(left).ok()?;
            self.heard.push(event.clone());
            if wanted(&event) {
                return Some(event);
            }
            self.waiting.push(event);
        }
    }

    /// Waits for an event of this name.
    #[track_caller]
    pub(crate) fn event(&mut self, name: &str) -> Value {
        self.wait_for(name, |event| event["event"] == name)
    }

    /// Says a command, and waits for its answer.
    #[track_caller]
    pub(crate) fn command(&mut self, command: Value) -> Value {
        self.commands += 1;
        let reference = self.commands;
        let mut command = command;
        command["ref"] = reference.into();
        self.line(&command.to_string());
        self.wait_for("an answer", |event| event["ref"] == reference)
    }

    /// Says a line.
    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Says nothing more.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Stops it, and waits until each of its threads stands.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        let tasks = format!("/proc/{}/task", self.child.id());
        let stands = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.starts_with('T')
        };
        let begun = Instant::now();
        while !std::fs::read_dir(&tasks)
            .unwrap()
            .all(|task| stands(task.unwrap()))
        {
            assert!(begun.elapsed() < PATIENCE, "the process goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end, and hears what it has still said.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait(&mut self.child);
        self.heard.extend(self.lines.iter());
        status
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Sends a signal, such as `TERM`.
pub(crate) fn signal(process: u32, name: &str) {
    let command = format!("kill -{name} {process}");
    assert!(
        Command::new("sh")
            .args(["-c", &command])
            .status()
            .unwrap()
            .success()
    );
}

/// Waits for the end of a process.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "the process goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The most memory that a process has had so far, in KiB.
pub(crate) fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
