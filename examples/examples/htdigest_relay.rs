//! A relay inside a process of your own. Its users are in an htdigest file, which is read again when it changes.
//!
//! `cargo run --example htdigest_relay` writes a file of its own, starts the relay, and lets two clients try it.

mod client;

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use client::Client;
use msrp_core::{
    digest::{Algorithm, Ha1},
    grammar::Scheme,
    lookup::Lookup,
    node::ListenerId,
};
use msrp_examples::identity::self_signed;
use msrp_relay::{
    HtdigestFile, Relay, RelayConfig,
    policy::{AuthQuery, AuthStore},
};
use msrp_transport::{
    DriverConfig,
    listen::{ListenOptions, bind},
    mio_driver::Server,
    tls_config::{ClientCertificates, server_config},
};

/// Host and realm; it resolves on every machine.
const HOST: &str = "localhost";

/// Users in a file. It is looked at once for each AUTH, which costs no more than a system call.
struct WatchedFile {
    path: PathBuf,
    /// When it was changed last, and how long it was then.
    seen: Option<(SystemTime, u64)>,
    users: HtdigestFile,
}

impl WatchedFile {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: None,
            users: HtdigestFile::default(),
        }
    }

    /// Reads the file if it is another one than last time. One that is broken or gone changes nothing.
    fn refresh(&mut self) -> Result<(), Box<dyn Error>> {
        let about = fs::metadata(&self.path)?;
        let seen = Some((about.modified()?, about.len()));
        if seen != self.seen {
            self.users = HtdigestFile::parse(&fs::read_to_string(&self.path)?)?;
            self.seen = seen;
        }
        Ok(())
    }
}

impl AuthStore for WatchedFile {
    fn credentials(&mut self, query: &AuthQuery<'_>) -> Lookup<Option<Ha1>> {
        if let Err(error) = self.refresh() {
            tracing::warn!(%error, "the users are not read again; the old ones stay");
        }
        self.users.credentials(query)
    }
}

/// A line of the file, as `htdigest` writes it.
fn line(user: &str, password: &str) -> String {
    let ha1 = Ha1::compute(Algorithm::Md5, user, HOST, password);
    format!("{user}:{HOST}:{}\n", ha1.expose_hex())
}

/// Tells the story on `out`.
pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("htdigest_relay.{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("users");
    fs::write(&file, line("alice", "a secret"))?;

    // The port has to be known before there is a relay, since it stands in the URIs that clients are given.
    let socket = bind(([127, 0, 0, 1], 0).into(), ListenOptions::new())?;
    let port = socket.local_addr()?.port();
    let config = RelayConfig::new(HOST)
        .auth_store(WatchedFile::new(&file))
        .listener(ListenerId(0), Scheme::Msrps, port);
    let relay = Relay::new(Instant::now(), config, msrp_examples::seed()?)?;
    let (identity, certificate) = self_signed(&[HOST.to_owned()])?;
    let mut server = Server::new(relay, DriverConfig::new())?;
    let tls = server_config(&identity, ClientCertificates::Ignored)?;
    server.listen_on(socket, Scheme::Msrps, tls)?;
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(&mut ()));
    writeln!(out, "relay at msrps://{HOST}:{port}, users in {}", file.display())?;

    let mut attempt = |user: &str, password: &str| -> Result<(), Box<dyn Error>> {
        match Client::start(&certificate)?.register(port, user, password) {
            Ok(_) => writeln!(out, "{user} is given a URI")?,
            Err(refusal) => writeln!(out, "{user} is refused: {refusal}")?,
        }
        Ok(())
    };
    attempt("alice", "a secret")?;
    attempt("bob", "b secret")?;
    fs::write(&file, line("alice", "a secret") + &line("bob", "b secret"))?;
    attempt("bob", "b secret")?;

    handle.shutdown(Duration::ZERO)?;
    thread.join().map_err(|_| "the relay has ended badly")??;
    Ok(fs::remove_dir_all(&folder)?)
}

#[allow(dead_code, reason = "its test calls `run`")]
fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout())
}
