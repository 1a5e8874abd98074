//! Chromium without a window.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::running::Folder;

/// A browser that runs; it is killed when this goes away.
pub(crate) struct Chromium {
    child: Child,
    log: PathBuf,
    _profile: Folder,
}

/// Where it is, if it is.
pub(crate) fn find() -> Option<PathBuf> {
    let path = Path::new("/usr/bin/chromium");
    path.exists().then(|| path.to_owned())
}

impl Chromium {
    /// Opens a page in a browser of its own.
    pub(crate) fn start(program: &Path, url: &str) -> Self {
        let profile = Folder::new();
        let log = profile.path().join("log");
        let child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                // The relay's certificate is self-signed.
                "--ignore-certificate-errors",
                // What the page says on its console.
                "--enable-logging=stderr",
                // Without it headless Chromium shows the page and ends.
                "--remote-debugging-port=0",
            ])
            .arg(format!(
                "--user-data-dir={}",
                profile.path().join("profile").display()
            ))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            _profile: profile,
        }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
