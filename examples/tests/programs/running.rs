//! A relay process for a test, and a folder for its files.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a process may take for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with these options.
pub(crate) fn relay(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msrp-relay"));
    command.args(options).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(options: &[&str]) -> Output {
    relay(options).output().unwrap()
}

/// A relay that runs; it is killed when this goes away.
pub(crate) struct Running {
    child: Child,
    stderr: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// Scheme and address of each listener, as printed.
    pub(crate) listeners: Vec<(String, SocketAddr)>,
}

impl Running {
    /// Starts a relay and waits for as many lines about listeners.
    pub(crate) fn start(listeners: usize, options: &[&str]) -> Self {
        Self::spawn(listeners, relay(options))
    }

    pub(crate) fn spawn(listeners: usize, mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let kept = stderr.clone();
        let reader = std::thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(read) = errors.read(&mut room) {
                if read == 0 {
                    return;
                }
                kept.lock().unwrap().extend_from_slice(&room[..read]);
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self {
            child,
            stderr,
            reader: Some(reader),
            listeners: Vec::new(),
        };
        for _ in 0..listeners {
            let Some(Ok(line)) = lines.next() else {
                panic!("the relay has ended: {}", running.stderr());
            };
            let url = line.strip_prefix("listening on ").unwrap();
            let (scheme, address) = url.split_once("://").unwrap();
            running
                .listeners
                .push((scheme.to_owned(), address.parse().unwrap()));
        }
        running
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listeners[0].1
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    /// Waits until standard error has a whole line with this, and gives the line. A line comes in pieces: each argument of
    /// `eprintln!` is a write of its own.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let stderr = self.stderr();
            let (whole, _) = stderr.rsplit_once('\n').unwrap_or_default();
            if let Some(line) = whole.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no {text:?} in this:\n{stderr}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The fingerprint of the certificate that it has made for itself, which it tells.
    #[track_caller]
    pub(crate) fn fingerprint(&self) -> String {
        let line = self.wait_for_stderr("self-signed certificate, fingerprint ");
        line.split_once("fingerprint ").unwrap().1.to_owned()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &command])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().unwrap().join().unwrap();
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the relay goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A folder that goes away with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("msrp-relay-").unwrap())
    }

    /// The path of a file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Certificate and key for a name, as files; and the certificate itself.
    pub(crate) fn identity(&self, name: &str) -> (String, String, rcgen::CertifiedKey<rcgen::KeyPair>) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let cert = self.file("cert.pem", &made.cert.pem());
        let key = self.file("key.pem", &made.signing_key.serialize_pem());
        (cert, key, made)
    }
}
