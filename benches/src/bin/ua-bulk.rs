//! How fast a user agent sends one long message to another over loopback TCP, and what both of them cost: one line of JSON.
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr},
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use msrp_core::grammar::Uri;
use msrp_transport::{
    DriverConfig,
    listen::ListenAddress,
    mio_driver::{Handle, Host, Server},
};
use msrp_ua::{
    Accept, OutgoingMessage, Receive, Role, SessionParams, UserAgent, UserAgentCommand, UserAgentConfig,
    UserAgentEvent,
    message::{MessageSink, MessageSource, Pull, SinkError, SourceError},
};
use rustix::time::{ClockId, clock_gettime};

/// One long message from one user agent to another, each on a thread of its own.
#[derive(Parser)]
struct Options {
    /// Octets of the message.
    #[arg(long, default_value_t = 4 << 30)]
    octets: u64,
    /// Exit with 1 below so many octets a second of CPU, of both sides together.
    #[arg(long, default_value_t = 0)]
    at_least: u64,
}

/// The same block again and again.
struct Repeated {
    block: Bytes,
    left: u64,
    size: u64,
}

impl MessageSource for Repeated {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let len = (most.min(self.block.len()) as u64).min(self.left);
        if len == 0 {
            return Ok(Pull::End);
        }
        self.left -= len;
        Ok(Pull::Octets(self.block.slice(..len as usize)))
    }
}

/// Counts, and keeps nothing.
#[derive(Default)]
struct Discard(u64);

impl MessageSink for Discard {
    fn write(&mut self, _offset: u64, data: &Bytes) -> Result<(), SinkError> {
        self.0 += data.len() as u64;
        Ok(())
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        if size == self.0 { Ok(()) } else { Err(SinkError) }
    }

    fn abort(&mut self) {}
}

/// Takes everything, and tells what ends.
struct Ears(Sender<UserAgentEvent>);

impl Host<UserAgent> for Ears {
    fn event(&mut self, agent: &mut UserAgent, event: UserAgentEvent) {
        match event {
            UserAgentEvent::IncomingMessage { message, .. } => {
                if let Err(error) = agent.accept(message, Accept::sink(Discard::default())) {
                    eprintln!("{error}");
                }
            }
            UserAgentEvent::Progress { .. } => {}
            event => {
                // The main thread ends before this one.
                let _over = self.0.send(event);
            }
        }
    }
}

struct Side {
    handle: Handle<UserAgent>,
    events: Receiver<UserAgentEvent>,
    uri: Uri,
}

fn start(seed: u8) -> Result<Side, Box<dyn Error>> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config = UserAgentConfig::new(here.to_string(), 2855, false);
    let agent = UserAgent::new(Instant::now(), config, [seed; 32]);
    let mut server = Server::new(agent, DriverConfig::new())?;
    let (_, address) = server.listen("msrp://127.0.0.1:0".parse::<ListenAddress>()?, None)?;
    let agent = server.node_mut();
    agent.set_authority(here.to_string(), address.port());
    let uri = agent.allocate_uri();
    let handle = server.handle();
    let (told, events) = channel();
    std::thread::spawn(move || server.run(&mut Ears(told)));
    Ok(Side { handle, events, uri })
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let (from, to) = (start(1)?, start(2)?);
    let params = |own: &Uri, peer: &Uri, role| {
        let mut params = SessionParams::new(own.clone(), peer.clone(), role).with_receive(Receive::Ask);
        params.max_size = u64::MAX;
        UserAgentCommand::OpenSession(Box::new(params))
    };
    to.handle.command(params(&to.uri, &from.uri, Role::Passive))?;
    from.handle.command(params(&from.uri, &to.uri, Role::Active))?;
    let session = loop {
        if let UserAgentEvent::SessionReady { session } = from.events.recv()? {
            break session;
        }
    };
    let source = Repeated {
        block: Bytes::from(vec![b'x'; 64 * 1024]),
        left: options.octets,
        size: options.octets,
    };
    let message = OutgoingMessage::new("application/octet-stream", source).with_success_report();
    let (begun, spent) = (Instant::now(), cpu());
    from.handle
        .command(UserAgentCommand::Send(session, Box::new(message)))?;
    loop {
        match from.events.recv()? {
            UserAgentEvent::Delivered { complete: true, .. } => break,
            UserAgentEvent::Failed { code, .. } => return Err(format!("refused with {code}").into()),
            _ => {}
        }
    }
    let (took, spent) = (begun.elapsed().as_secs_f64(), (cpu() - spent).as_secs_f64());
    let rate = options.octets as f64 / spent;
    println!(
        "{{\"octets\": {}, \"seconds\": {took:.3}, \"cpu_seconds\": {spent:.3}, \"octets_per_second\": {:.0}, \
         \"octets_per_cpu_second\": {rate:.0}, \"gib_per_cpu_second\": {:.3}}}",
        options.octets,
        options.octets as f64 / took,
        rate / f64::from(1 << 30),
    );
    Ok(rate >= options.at_least as f64)
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ua-bulk: {error}");
            ExitCode::FAILURE
        }
    }
}
