//! An `msrp-api` process for a test.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    http::{Answer, ask, send},
    sse::Events,
};

/// The header of who may.
pub(crate) const TOKEN: &str = "Authorization: Bearer sesame\r\n";

/// The program, with these options.
pub(crate) fn api(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msrp-api"));
    command.args(options).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// An API that runs; it is killed when this goes away.
pub(crate) struct Api {
    pub(crate) child: Child,
    pub(crate) http: SocketAddr,
    /// Where it is called.
    pub(crate) uri: String,
}

impl Api {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::spawn(&[&["--token", "sesame"], options].concat())
    }

    /// One that asks nobody who he is.
    pub(crate) fn without_token() -> Self {
        Self::spawn(&[])
    }

    fn spawn(options: &[&str]) -> Self {
        let mut all = vec![
            "--aor",
            "sip:desk@127.0.0.1",
            "--sip",
            "udp://127.0.0.1:0",
            "--http",
            "http://127.0.0.1:0",
        ];
        all.extend(options);
        let mut child = api(&all).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = |scheme: &str| {
            let line = lines.next().unwrap().unwrap();
            let address = line
                .strip_prefix("listening on ")
                .and_then(|url| url.strip_prefix(scheme));
            address.unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        let http = url("http://").parse().unwrap();
        let uri = format!("sip:desk@{}", url("udp://"));
        url("msrp://");
        Self { child, http, uri }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(self.http, "GET", path, TOKEN)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        ask(self.http, "DELETE", path, TOKEN)
    }

    pub(crate) fn post(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let lines = format!(
            "{TOKEN}Content-Type: {kind}\r\nContent-Length: {}\r\n",
            body.len()
        );
        send(self.http, "POST", path, &lines, body)
    }

    pub(crate) fn post_json(&self, path: &str, body: Value) -> Answer {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    pub(crate) fn events(&self, path: &str) -> Events {
        Events::open(self.http, path, TOKEN)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
