//! Connecting, AUTH, and the paths that come of it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{
    LoadError, Options,
    credentials::{Challenge, Credentials, write_auth},
    options::Mode,
    stream::Stream,
    wire::{Frame, Frames},
};

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two connected clients, and what stands in the sender's requests.
#[derive(Debug)]
pub struct Session {
    /// Who sends.
    pub sender: Stream<TcpStream>,
    /// Who receives.
    pub receiver: Stream<TcpStream>,
    /// To-Path of the sender's requests.
    pub to_path: String,
    /// URI of the sender.
    pub sender_uri: String,
    /// URI of the receiver.
    pub receiver_uri: String,
}

/// Connects pair number `index` and gets its path.
///
/// # Errors
/// [`LoadError`].
pub fn session(options: &Options, index: usize) -> Result<Session, LoadError> {
    // The bare forwarder joins connections in the order in which they come: the sender's first.
    let mut sender = Client::connect(options, "s", index)?;
    let mut receiver = match &options.accept {
        Some(listener) => {
            let accepted = listener
                .accept()
                .map_err(|error| LoadError::Io("--accept", error))?;
            Client::with(Stream::plain(accepted.0), "msrp", "r", index)?
        }
        None => Client::connect(options, "r", index)?,
    };
    let mut path = Vec::new();
    if matches!(options.mode, Mode::Bare | Mode::Yardstick) {
        // As long as a URI that a relay gives.
        path.push(format!(
            "{}/bare{index:022};tcp",
            options.relay.uri.trim_end_matches(";tcp")
        ));
    } else {
        if options.hops == 2 {
            path.append(&mut sender.authenticate(options, 2 * index)?);
        }
        // The path that the receiver gives its peer is its Use-Path in reverse order, then itself (RFC 4976 §5.1).
        let mut use_path = receiver.authenticate(options, 2 * index + 1)?;
        use_path.reverse();
        path.append(&mut use_path);
    }
    path.push(receiver.uri.clone());
    Ok(Session {
        to_path: path.join(" "),
        sender_uri: sender.uri,
        receiver_uri: receiver.uri,
        sender: sender.stream,
        receiver: receiver.stream,
    })
}

/// A client that waits for each answer.
#[derive(Debug)]
pub struct Client {
    /// Its connection.
    pub stream: Stream<TcpStream>,
    /// Its own URI.
    pub uri: String,
    tids: u32,
}

impl Client {
    /// Connects a client of this kind and number.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn connect(options: &Options, kind: &str, index: usize) -> Result<Self, LoadError> {
        let address = options.relay.address;
        let stream = TcpStream::connect(address).map_err(|error| LoadError::Connect(address, error))?;
        let mut stream = options.relay.stream(stream)?;
        // The bare forwarder joins connections in the order in which it gets to know them.
        stream
            .handshake()
            .map_err(|error| LoadError::Io("TLS handshake", error))?;
        Self::with(stream, options.relay.scheme(), kind, index)
    }

    fn with(stream: Stream<TcpStream>, scheme: &str, kind: &str, index: usize) -> Result<Self, LoadError> {
        let socket = stream.socket();
        let local = socket
            .set_nodelay(true)
            .and_then(|()| socket.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| socket.local_addr())
            .map_err(|error| LoadError::Io("socket options", error))?;
        Ok(Self {
            uri: format!("{scheme}://{local}/load{kind}{index};tcp"),
            stream,
            tids: 0,
        })
    }

    /// AUTH, challenge, AUTH: the URIs of Use-Path.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn authenticate(&mut self, options: &Options, user: usize) -> Result<Vec<String>, LoadError> {
        let who: Credentials = options.credentials(user);
        let relay = &options.relay.uri;
        let challenge = match self.ask(relay, None)? {
            Answer {
                code: 401,
                challenge: Some(challenge),
                ..
            } => challenge,
            answer => return Err(answer.refused("AUTH without credentials")),
        };
        let authorization = who.answer(&challenge, relay, &cnonce(user, self.tids));
        match self.ask(relay, Some(&authorization))? {
            Answer {
                code: 200, use_path, ..
            } if !use_path.is_empty() => Ok(use_path),
            answer => Err(answer.refused("AUTH with credentials")),
        }
    }

    fn ask(&mut self, relay: &str, authorization: Option<&str>) -> Result<Answer, LoadError> {
        self.tids += 1;
        let mut request = Vec::new();
        write_auth(
            &mut request,
            &format!("auth{:08x}", self.tids),
            relay,
            &self.uri,
            authorization,
        );
        let failed = |error| LoadError::Io("AUTH", error);
        self.stream.write_all(&request).map_err(failed)?;
        let mut frames = Frames::default();
        let (mut input, mut at) = (Vec::new(), 0);
        let mut answer = Answer::default();
        let mut piece = [0; 4096];
        loop {
            match frames.next(&input[at..])? {
                Some((taken, frame)) => {
                    at += taken;
                    match frame {
                        Frame::Head(head) => answer = Answer::from(&head),
                        Frame::Body(_) => {}
                        Frame::End(_) => return Ok(answer),
                    }
                }
                None => match self.stream.read(&mut piece).map_err(failed)? {
                    0 => return Err(LoadError::Closed("a client during AUTH".to_owned())),
                    len => input.extend_from_slice(&piece[..len]),
                },
            }
        }
    }
}

/// What a client says against replay; it need not be secret here.
pub fn cnonce(user: usize, count: u32) -> String {
    format!("{:08x}{user:08x}{count:08x}", std::process::id())
}

/// A response to AUTH.
#[derive(Debug, Default)]
pub struct Answer {
    /// Status code; 0 in a request.
    pub code: u16,
    phrase: String,
    /// What a 401 asks for.
    pub challenge: Option<Challenge>,
    /// The URIs of a 200.
    pub use_path: Vec<String>,
}

impl Answer {
    /// Takes what matters out of a response.
    pub fn from(head: &super::wire::Head<'_>) -> Self {
        Self {
            code: head.code.unwrap_or(0),
            phrase: String::from_utf8_lossy(head.phrase).into_owned(),
            challenge: Challenge::parse(head.challenge),
            use_path: String::from_utf8_lossy(head.use_path)
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The error that it is where another answer was wanted.
    pub fn refused(self, what: &'static str) -> LoadError {
        LoadError::Refused {
            what,
            code: self.code,
            phrase: self.phrase,
        }
    }
}
