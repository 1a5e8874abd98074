//! A sipp that runs one scenario once.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAM: &str = "/usr/bin/sipp";

/// Whether it is installed. Where it has to be, it is.
pub(crate) fn find() -> bool {
    let found = Path::new(PROGRAM).exists();
    assert!(
        found || std::env::var("MSRP_SIPP").as_deref() != Ok("required"),
        "{PROGRAM} is not installed"
    );
    found
}

/// A port that nobody uses by UDP or TCP, and nobody is given before it is used: of those that the kernel gives to nobody, one
/// that no other test of this process has had. Two processes begin at different places.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (15_000 + (std::process::id() % 100 * 150 + number) % 15_000) as u16;
        let address = ("127.0.0.1", port);
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return port;
        }
    }
}

pub(crate) fn wait_for_listener(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody listens at port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// It is killed when this goes away.
pub(crate) struct Sipp {
    child: Child,
    scenario: String,
    folder: PathBuf,
}

impl Sipp {
    pub(crate) fn start(transport: &str, scenario: &str, arguments: &[&str], port: u16) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("msrp-sipp-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/sipp/{scenario}.xml"));
        let output = File::create(folder.join("output")).unwrap();
        let child = Command::new(PROGRAM)
            .current_dir(&folder)
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-m", "1", "-nostdin"])
            .args(["-t", if transport == "tcp" { "t1" } else { "u1" }])
            .args(["-timeout", "90s", "-timeout_error", "-recv_timeout", "60000"])
            .args([
                "-trace_err",
                "-error_file",
                "errors",
                "-trace_msg",
                "-message_file",
                "messages",
            ])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            child,
            scenario: format!("{transport} {scenario}"),
            folder,
        }
    }

    /// Waits until it has played its scenario, and been content.
    pub(crate) fn wait(self) {
        self.messages();
    }

    /// As [`wait`](Self::wait): what has been sent and received.
    pub(crate) fn messages(mut self) -> String {
        let status = self.child.wait().unwrap();
        if !status.success() {
            for name in ["errors", "messages"] {
                let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
                println!("{name}:\n{text}");
            }
            panic!("{}: sipp: {status}", self.scenario);
        }
        fs::read_to_string(self.folder.join("messages")).unwrap_or_default()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It has ended already, or is of no use to anybody.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}
