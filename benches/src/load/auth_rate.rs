//! AUTH handshakes, one after the other on each of many connections.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Registry, Token};

use super::{
    LoadError, Options,
    credentials::{Credentials, write_auth},
    link::{Input, Link},
    report::{Handshakes, Report},
    server::Server,
    setup::{Answer, cnonce},
    wire::Frame,
};

/// Handshakes for some time.
///
/// # Errors
/// [`LoadError`].
pub fn run(options: &Options) -> Result<Report, LoadError> {
    let server = options.server_pid.map(Server::new).transpose()?;
    let mut clients = Clients::connect(options)?;
    clients.run_until(Instant::now() + Duration::from_secs_f64(options.warmup))?;
    let usage = || server.as_ref().map(Server::usage).transpose();
    let (begun, before, done) = (Instant::now(), usage()?, clients.done);
    clients.run_until(begun + Duration::from_secs_f64(options.seconds))?;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), usage()?);
    let handshakes = clients.done - done;
    let cpu = before.zip(after).map(|(before, after)| after.cpu - before.cpu);
    let mut report = Report::new(options);
    report.handshakes = Some(Handshakes {
        seconds,
        handshakes,
        per_second: handshakes as f64 / seconds,
        per_cpu_second: cpu.filter(|&cpu| cpu > 0.0).map(|cpu| handshakes as f64 / cpu),
    });
    Ok(report)
}

struct Clients<'a> {
    options: &'a Options,
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    done: u64,
}

struct Client {
    index: usize,
    who: Credentials,
    link: Link,
    uri: String,
    /// Requests sent, for their ids.
    requests: u32,
    /// Handshakes on this connection.
    handshakes: usize,
    answer: Answer,
}

impl<'a> Clients<'a> {
    fn connect(options: &'a Options) -> Result<Self, LoadError> {
        let poll = Poll::new().map_err(|error| LoadError::Io("epoll", error))?;
        let clients = (0..options.pairs)
            .map(|index| Client::connect(options, index, poll.registry()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            options,
            poll,
            events: Events::with_capacity(1024),
            clients,
            buffer: Vec::new(),
            done: 0,
        })
    }

    fn run_until(&mut self, end: Instant) -> Result<(), LoadError> {
        let Self {
            options,
            poll,
            events,
            clients,
            buffer,
            done,
        } = self;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            match poll.poll(events, Some(end - now)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(LoadError::Io("epoll", error));
                }
                _ => {}
            }
            for event in &*events {
                let Some(client) = clients.get_mut(event.token().0) else {
                    continue;
                };
                if event.is_writable() {
                    client.link.set_writable();
                }
                if event.is_readable() {
                    *done += client.read(options, buffer)?;
                }
                client.link.flush()?;
                if client.handshakes >= options.per_connection {
                    *client = Client::connect(options, event.token().0, poll.registry())?;
                }
            }
        }
    }
}

impl Client {
    fn connect(options: &Options, index: usize, registry: &Registry) -> Result<Self, LoadError> {
        let link = Link::connect(&options.relay, registry, Token(index))?;
        let mut client = Self {
            index,
            who: options.credentials(index),
            uri: format!(
                "{}://{}/loada{index};tcp",
                options.relay.scheme(),
                link.local_addr()?
            ),
            link,
            requests: 0,
            handshakes: 0,
            answer: Answer::default(),
        };
        client.ask(options, None);
        Ok(client)
    }

    fn ask(&mut self, options: &Options, authorization: Option<&str>) {
        self.requests += 1;
        let tid = format!("auth{:08x}", self.requests);
        write_auth(
            &mut self.link.out,
            &tid,
            &options.relay.uri,
            &self.uri,
            authorization,
        );
    }

    /// Reads the answers that have come and goes on with each; tells how many handshakes are complete.
    fn read(&mut self, options: &Options, buffer: &mut Vec<u8>) -> Result<u64, LoadError> {
        let mut done = 0;
        loop {
            let (len, more) = match self.link.read(buffer)? {
                Input::More(len) => (len, true),
                Input::Last(len) => (len, false),
                Input::Closed => return Err(LoadError::Closed(format!("client {} during AUTH", self.index))),
            };
            let mut at = 0;
            while let Some((taken, frame)) = self.link.frames.next(&buffer[at..len])? {
                at += taken;
                match frame {
                    Frame::Head(head) => self.answer = Answer::from(&head),
                    Frame::Body(_) => {}
                    Frame::End(_) => done += self.on_answer(options)?,
                }
            }
            self.link.keep(&buffer[at..len]);
            if !more {
                return Ok(done);
            }
        }
    }

    fn on_answer(&mut self, options: &Options) -> Result<u64, LoadError> {
        let answer = std::mem::take(&mut self.answer);
        // Requests come in twos: without credentials, and with.
        match (self.requests % 2, answer.code, &answer.challenge) {
            (1, 401, Some(challenge)) => {
                let relay = &options.relay.uri;
                let authorization = self
                    .who
                    .answer(challenge, relay, &cnonce(self.index, self.requests));
                self.ask(options, Some(&authorization));
                Ok(0)
            }
            (0, 200, _) if !answer.use_path.is_empty() => {
                self.handshakes += 1;
                if self.handshakes < options.per_connection {
                    self.ask(options, None);
                }
                Ok(1)
            }
            _ => Err(answer.refused("AUTH")),
        }
    }
}
