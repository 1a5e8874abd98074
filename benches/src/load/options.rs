//! The command line of `msrp-load`.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
};

use clap::{Parser, ValueEnum};
use rustls::{ClientConfig, pki_types::ServerName};

use super::{
    LoadError,
    body::STAMP,
    credentials::Credentials,
    stream::{Stream, unchecked},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Messages from sender to receiver of each pair, through the relay.
    Messages,
    /// The same without AUTH, through `bare-forwarder`.
    Bare,
    /// The same through `bare-forwarder --answer`, which makes the socket calls of a relay.
    Yardstick,
    /// AUTH handshakes (challenge and answer) by `--pairs` clients at the same time.
    Auth,
    /// `--pairs` authenticated connections that do nothing: what each costs in memory.
    Idle,
    /// One message in one chunk, such as `--size 1GiB`: how far the relay's memory grows.
    Huge,
    /// The first pair's receiver stops reading while its sender goes on; the other pairs have to keep flowing.
    Deaf,
}

/// Drives an MSRP relay (RFC 4976) over TCP, or over TLS with whatever certificate the relay has.
///
/// Receivers check number, order and content of what they get and answer each SEND with 200. A message is in flight
/// until its receiver has all of it and its sender has all the answers. Exit status: 0 measured, 1 the server failed,
/// 2 wrong options.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "msrp-load",
    version,
    after_help = "Example:\n  msrp-load --relay msrp://127.0.0.1:2855 --user alice --password secret --pairs 50 --size 200 --window 32 \\\n    --server-pid $(pidof msrp-relay)"
)]
pub struct Options {
    /// The relay, or the bare forwarder.
    #[arg(long, value_name = "msrp[s]://HOST:PORT", value_parser = relay_address)]
    pub relay: Relay,
    /// What to measure.
    #[arg(long, value_enum, default_value = "messages")]
    pub mode: Mode,
    /// Pairs of sender and receiver; clients in the modes auth and idle.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    pub pairs: usize,
    /// Octets of a message; K, M, G, KiB, MiB and GiB are powers of 1024.
    #[arg(long, value_name = "OCTETS", default_value = "200", value_parser = octets)]
    pub size: u64,
    /// Octets of a chunk at most. [default: the whole message]
    #[arg(long, value_name = "OCTETS", value_parser = octets)]
    pub chunk: Option<u64>,
    /// Messages in flight in each pair.
    #[arg(long, value_name = "W", default_value_t = 32, value_parser = at_least_one)]
    pub window: usize,
    /// Messages a second over all pairs, at even distances. Latency then counts from when a message was due, and up to
    /// `--window` are in flight in each pair. [default: as many as possible]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub rate: Option<usize>,
    /// Seconds that are measured.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seconds before that.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub warmup: f64,
    /// Seconds that messages in flight may take to arrive after the last was sent.
    #[arg(long, value_name = "S", default_value_t = 20.0, value_parser = seconds)]
    pub grace: f64,
    /// Relays in each message's path: 1, only the receiver has authenticated, and the sender connects to the relay as to
    /// its peer's; 2, both have, and the relay stands in the path twice.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub hops: u8,
    /// The user that every client authenticates as.
    #[arg(long, value_name = "NAME", default_value = "load")]
    pub user: String,
    /// Authenticate as PREFIX0, PREFIX1, ... instead, one for each client.
    #[arg(long, value_name = "PREFIX", conflicts_with = "user")]
    pub user_prefix: Option<String>,
    /// Password of all users.
    #[arg(long, default_value = "secret")]
    pub password: String,
    /// Octets of every value in the messages instead of text.
    #[arg(long)]
    pub binary: bool,
    /// Mode auth: handshakes before a client closes its connection and opens another.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = at_least_one)]
    pub per_connection: usize,
    /// The server's process, for its processor time and memory; what it has started counts with it.
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Mode bare: take the receivers' connections here, for a forwarder that connects to a server of its own (HAProxy).
    #[arg(long, value_name = "IP:PORT", value_parser = listener)]
    pub accept: Option<Arc<TcpListener>>,
    /// Threads of the generator.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub threads: usize,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its address.
    pub address: SocketAddr,
    /// The URI that AUTH names.
    pub uri: String,
    /// For `msrps`: what clients need, and the name that they expect.
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Relay {
    /// The scheme of its URI, which clients take for theirs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "msrps" } else { "msrp" }
    }

    /// What a client speaks over on a socket to it.
    ///
    /// # Errors
    /// [`LoadError::Io`].
    pub fn stream<S>(&self, socket: S) -> Result<Stream<S>, LoadError> {
        match &self.tls {
            None => Ok(Stream::plain(socket)),
            Some((config, name)) => {
                Stream::tls(socket, config, name).map_err(|error: io::Error| LoadError::Io("TLS", error))
            }
        }
    }
}

impl Options {
    /// Checks what the options say together.
    ///
    /// # Errors
    /// [`LoadError::Options`].
    pub fn check(&self) -> Result<(), LoadError> {
        let fail = |text: &str| Err(LoadError::Options(text.to_owned()));
        if self.size < STAMP as u64 {
            return fail("--size: a message has at least 16 octets, its number");
        }
        if self.seconds <= 0.0 {
            return fail("--seconds: more than 0 is wanted");
        }
        if self.mode == Mode::Deaf && self.pairs < 2 {
            return fail("--mode deaf: at least 2 pairs are wanted, one of them deaf");
        }
        let messages = matches!(self.mode, Mode::Messages | Mode::Bare | Mode::Yardstick);
        if self.threads > 1 && !messages {
            return fail("--threads: only the modes messages, bare and yardstick have more than one");
        }
        if self.rate.is_some() && (!messages || self.threads > 1) {
            return fail("--rate: only the modes messages, bare and yardstick have one, and with one thread");
        }
        if self.mode == Mode::Yardstick && self.chunk_octets() < self.size {
            return fail("--mode yardstick: messages go in one chunk");
        }
        if self.accept.is_some() && (self.mode != Mode::Bare || self.threads > 1) {
            return fail("--accept: goes with --mode bare and one thread");
        }
        if self.threads > self.pairs {
            return fail("--threads: no more than --pairs");
        }
        if self.server_pid.is_none() && matches!(self.mode, Mode::Idle | Mode::Huge | Mode::Deaf) {
            return fail("--server-pid is needed to measure memory");
        }
        Ok(())
    }

    /// What client number `index` authenticates as.
    pub fn credentials(&self, index: usize) -> Credentials {
        Credentials {
            user: match &self.user_prefix {
                Some(prefix) => format!("{prefix}{index}"),
                None => self.user.clone(),
            },
            password: self.password.clone(),
        }
    }

    /// Octets of each chunk but the last.
    pub fn chunk_octets(&self) -> u64 {
        self.chunk.unwrap_or(self.size).clamp(1, self.size)
    }
}

fn relay_address(text: &str) -> Result<Relay, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let tls = match scheme {
        "msrp" => None,
        "msrps" => Some(unchecked()),
        _ => return Err("msrp://HOST:PORT (TCP) or msrps://HOST:PORT (TLS) is wanted".to_owned()),
    };
    let authority = rest.trim_end_matches(";tcp").trim_end_matches('/');
    let addresses: Vec<_> = authority
        .to_socket_addrs()
        .map_err(|error| error.to_string())?
        .collect();
    // A name such as localhost may have addresses of both families, and servers under test seldom listen on both.
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    Ok(Relay {
        address: *address.ok_or("no address of this name")?,
        uri: format!("{scheme}://{authority};tcp"),
        tls: match tls {
            Some(config) => Some((config, name.map_err(|_| "not the name of a host")?)),
            None => None,
        },
    })
}

fn listener(text: &str) -> Result<Arc<TcpListener>, String> {
    TcpListener::bind(text)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

fn octets(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &text[digits.len()..] {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit}")),
    };
    let number: u64 = digits.parse().map_err(|_| "a number is wanted")?;
    match number.checked_mul(factor) {
        Some(octets) if octets > 0 => Ok(octets),
        _ => Err("out of range".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a number from 1 on is wanted".to_owned()),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=86_400.0).contains(&number) => Ok(number),
        _ => Err("seconds are wanted, no more than a day".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(octets("200"), Ok(200));
        assert_eq!(octets("1GiB"), Ok(1 << 30));
        assert_eq!(octets("2K"), Ok(2048));
        for wrong in ["", "x", "1kb", "0", "99999999999G", "-1"] {
            assert!(octets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_relay_is_named_by_its_uri() {
        let relay = relay_address("msrp://127.0.0.1:2855").unwrap();
        assert_eq!(relay.uri, "msrp://127.0.0.1:2855;tcp");
        assert_eq!(relay.address.port(), 2855);
        let relay = relay_address("msrps://[::1]:2855").unwrap();
        assert_eq!((relay.scheme(), &*relay.uri), ("msrps", "msrps://[::1]:2855;tcp"));
        assert!(relay_address("http://127.0.0.1:2855").is_err());
        assert!(relay_address("msrp://127.0.0.1").is_err());
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let check = |more: &[&str]| {
            let words = ["msrp-load", "--relay", "msrp://127.0.0.1:1"].iter().chain(more);
            Options::try_parse_from(words).unwrap().check()
        };
        assert!(check(&[]).is_ok());
        assert!(check(&["--size", "15"]).is_err());
        assert!(check(&["--mode", "deaf", "--pairs", "1", "--server-pid", "1"]).is_err());
        assert!(check(&["--mode", "idle"]).is_err());
        assert!(check(&["--threads", "2", "--pairs", "1"]).is_err());
        assert!(check(&["--seconds", "0"]).is_err());
        assert!(check(&["--mode", "auth", "--rate", "5"]).is_err());
        assert!(check(&["--threads", "2", "--rate", "5"]).is_err());
        assert!(check(&["--mode", "yardstick", "--rate", "5"]).is_ok());
        assert!(check(&["--mode", "yardstick", "--chunk", "100"]).is_err());
        assert!(check(&["--accept", "127.0.0.1:0"]).is_err());
        assert!(check(&["--accept", "127.0.0.1:0", "--mode", "bare"]).is_ok());
    }
}
