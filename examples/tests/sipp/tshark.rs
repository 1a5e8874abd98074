//! What tshark's dissectors say about what went over the loopback interface.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use msrp_ua::sip::rsipstack::{SipListen, SipTransport};

use crate::running::PATIENCE;

const PROGRAM: &str = "/usr/bin/tshark";

/// Whether it is installed, and may capture. Where it has to be, it is.
pub(crate) fn find() -> bool {
    let may = Path::new(PROGRAM).exists()
        && Command::new(PROGRAM)
            .args(["-q", "-i", "lo", "-a", "duration:1", "-w", "/dev/null"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    assert!(
        may || std::env::var("MSRP_TSHARK").as_deref() != Ok("required"),
        "{PROGRAM} is not installed, or may not capture on lo"
    );
    may
}

/// A capture that goes on.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    methods: Vec<String>,
    pub(crate) msrp: usize,
    /// What the dissectors say about packets that they call malformed.
    pub(crate) malformed: String,
}

impl Seen {
    pub(crate) fn sip(&self, method: &str) -> usize {
        self.methods.iter().filter(|other| *other == method).count()
    }
}

impl Capture {
    pub(crate) fn start() -> Self {
        let file = std::env::temp_dir().join(format!("msrp-tshark-{}.pcap", std::process::id()));
        // Unlike tshark, dumpcap ends with a whole file when it is told to.
        let mut child = Command::new("/usr/bin/dumpcap")
            .args(["-i", "lo", "-P", "-f", "udp or tcp", "-w"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let begun = errors
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.starts_with("File:"));
        assert!(begun, "no capture");
        std::thread::spawn(move || errors.for_each(drop));
        Self { child, file }
    }

    /// Sends something more, and waits until that is in the file: then everything before is, too.
    fn wait_for_the_last(&self) {
        let mark = format!("mark {}", std::process::id());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = socket.local_addr().unwrap();
        let begun = Instant::now();
        loop {
            socket.send_to(mark.as_bytes(), own).unwrap();
            let seen = fs::read(&self.file).unwrap();
            if memchr::memmem::find(&seen, mark.as_bytes()).is_some() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the capture stands still");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, and has it read with these ports as SIP and MSRP.
    pub(crate) fn read(mut self, sip: &[SipListen], msrp: &[u16]) -> Seen {
        self.wait_for_the_last();
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap();
        let mut decode = Vec::new();
        for listen in sip {
            let by = if listen.transport == SipTransport::Udp {
                "udp"
            } else {
                "tcp"
            };
            decode.push(format!("{by}.port=={},sip", listen.address.port()));
        }
        decode.extend(msrp.iter().map(|port| format!("tcp.port=={port},msrp")));
        let ours = decode
            .iter()
            .map(|rule| rule.split(',').next().unwrap())
            .collect::<Vec<_>>()
            .join(" || ");
        let run = |filter: &str, fields: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command.arg("-r").arg(&self.file).args(["-Y", filter]);
            for rule in &decode {
                command.args(["-d", rule]);
            }
            if !fields.is_empty() {
                command.args(["-T", "fields"]);
            }
            for field in fields {
                command.args(["-e", field]);
            }
            let output = command.output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        Seen {
            methods: run("sip.Method", &["sip.Method"])
                .lines()
                .map(str::to_owned)
                .collect(),
            msrp: run("msrp", &[]).lines().count(),
            malformed: run(
                &format!("({ours}) && (_ws.malformed || _ws.expert.severity == error)"),
                &[],
            ),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_file(&self.file));
    }
}
