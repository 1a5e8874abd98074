//! What an application says of a call: whom, with which streams, and what each may carry.

use std::{collections::BTreeMap, time::Duration};

use msrp_core::grammar::AcceptTypes;

use super::{FileOffer, FileReceiver, StreamId};
use crate::{
    mime::Part,
    relay_client::RelayAccount,
    sdp::Direction,
    session::Receive,
    sip::{SipHeader, SipParty},
};

/// What a stream may carry, and what becomes of it.
///
/// There is one for all calls in [`CallConfig`](crate::call::CallConfig), so that most users name none.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamProfile {
    /// `a=accept-types`. Default `*` for streams of messages, and the type of the file for one.
    pub accept_types: AcceptTypes,
    /// `a=accept-wrapped-types`: what more may come in containers. Default none.
    pub accept_wrapped_types: Option<AcceptTypes>,
    /// `a=max-size`, and the size at which a message is refused. Default 1 MiB.
    pub max_size: u64,
    /// What becomes of messages that come in. Default [`Receive::Whole`].
    pub receive: Receive,
    /// See [`SessionParams::manual_reports`](crate::SessionParams::manual_reports). Default off.
    pub manual_reports: bool,
    /// Which way messages go, from our point of view. Default both ways.
    pub direction: Direction,
    /// Whether people talk in it: then it is a [conversation](crate::conversation). Otherwise messages are told as they come,
    /// wrappings, status messages and notifications among them. Default on; files are never looked into.
    pub conversation: bool,
}

impl Default for StreamProfile {
    fn default() -> Self {
        Self {
            accept_types: AcceptTypes::parse(b"*").unwrap_or_default(),
            accept_wrapped_types: None,
            max_size: 1024 * 1024,
            receive: Receive::Whole,
            manual_reports: false,
            direction: Direction::SendRecv,
            conversation: true,
        }
    }
}

impl StreamProfile {
    /// Anything of at most 1 MiB, told whole.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what may come, and how much of it.
    pub fn with_limits(mut self, accept_types: AcceptTypes, max_size: u64) -> Self {
        self.accept_types = accept_types;
        self.max_size = max_size;
        self
    }

    /// Sets what more may come inside of containers such as `message/cpim`.
    pub fn with_wrapped_types(mut self, types: AcceptTypes) -> Self {
        self.accept_wrapped_types = Some(types);
        self
    }

    /// Sets what becomes of messages that come in.
    pub fn with_receive(mut self, receive: Receive) -> Self {
        self.receive = receive;
        self
    }

    /// Leaves success reports to the application.
    pub fn with_manual_reports(mut self) -> Self {
        self.manual_reports = true;
        self
    }

    /// Sets whether people talk in it, or messages are told as they come.
    pub fn with_conversation(mut self, on: bool) -> Self {
        self.conversation = on;
        self
    }

    /// Sets which way messages go.
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}

/// A stream to be offered.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamOffer {
    /// Messages, by this profile or by that of the [configuration](crate::call::CallConfig::profile).
    Chat(Option<Box<StreamProfile>>),
    /// A file, in either direction.
    File(Box<FileOffer>),
}

impl StreamOffer {
    /// Messages.
    pub fn chat() -> Self {
        Self::Chat(None)
    }
}

impl From<FileOffer> for StreamOffer {
    fn from(file: FileOffer) -> Self {
        Self::File(Box::new(file))
    }
}

impl From<StreamProfile> for StreamOffer {
    fn from(profile: StreamProfile) -> Self {
        Self::Chat(Some(Box::new(profile)))
    }
}

/// A call to be made, see [`UserAgent::call`](crate::UserAgent::call).
#[derive(Debug)]
#[non_exhaustive]
pub struct OutgoingCall {
    /// Who is called.
    pub to: SipParty,
    /// The Request-URI where it is not that of [`to`](Self::to).
    pub request_uri: Option<String>,
    /// Who calls; none for the SIP stack's own address of record.
    pub from: Option<SipParty>,
    /// Where the INVITE goes first.
    pub route: Option<String>,
    /// Header fields of the INVITE, such as `Subject`.
    pub headers: Vec<SipHeader>,
    /// What the INVITE brings beside its offer, such as our location.
    pub parts: Vec<Part>,
    /// What is offered; nothing here means one stream of messages.
    pub streams: Vec<StreamOffer>,
    /// The relays that our side goes through, the nearest first. Each stream gets a path of its own from them.
    pub relays: Vec<RelayAccount>,
    /// How long the peer may take to answer; then the call is given up. Default that of the
    /// [configuration](crate::call::CallConfig::setup_timeout).
    pub setup_timeout: Option<Duration>,
}

impl OutgoingCall {
    /// A call with one stream of messages.
    pub fn new(to: SipParty) -> Self {
        Self {
            to,
            request_uri: None,
            from: None,
            route: None,
            headers: Vec::new(),
            parts: Vec::new(),
            streams: Vec::new(),
            relays: Vec::new(),
            setup_timeout: None,
        }
    }

    /// Sets who calls.
    pub fn with_from(mut self, from: SipParty) -> Self {
        self.from = Some(from);
        self
    }

    /// Sets where the INVITE goes first, such as `sip:192.0.2.1:5060;transport=tcp`.
    pub fn with_route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into());
        self
    }

    /// Sets the Request-URI.
    pub fn with_request_uri(mut self, uri: impl Into<String>) -> Self {
        self.request_uri = Some(uri.into());
        self
    }

    /// Adds a header field.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(SipHeader::new(name, value));
        self
    }

    /// Adds a part to the body of the INVITE, with header fields of its own.
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Says what the call is about.
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        self.with_header("Subject", subject)
    }

    /// Adds a stream. Whoever adds only a file calls without a stream of messages.
    pub fn with_stream(mut self, stream: impl Into<StreamOffer>) -> Self {
        self.streams.push(stream.into());
        self
    }

    /// Sets the relays that our side goes through.
    pub fn with_relays(mut self, relays: Vec<RelayAccount>) -> Self {
        self.relays = relays;
        self
    }

    /// Sets how long the peer may take to answer.
    pub fn with_setup_timeout(mut self, time: Duration) -> Self {
        self.setup_timeout = Some(time);
        self
    }
}

/// What is to become of an offered stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamAnswer {
    /// Messages: yes, by this profile or by that of the configuration.
    Chat(Option<Box<StreamProfile>>),
    /// The file that is offered goes into this sink.
    Receive(FileReceiver),
    /// The file that is asked for is sent.
    Send(Box<FileOffer>),
    /// No.
    Refuse,
}

/// How a call, or what is offered in one, is answered.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CallAnswer {
    /// Decisions on single streams. Of what is not here, messages are accepted and files refused.
    pub streams: BTreeMap<StreamId, StreamAnswer>,
    /// What streams of messages may carry where nothing is said of one; none for the configuration's.
    pub profile: Option<Box<StreamProfile>>,
    /// The relays that our side goes through, the nearest first; those of streams that come later too.
    pub relays: Vec<RelayAccount>,
}

impl CallAnswer {
    /// Accepts streams of messages, and refuses files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses these streams.
    pub(crate) fn none_of(streams: impl Iterator<Item = StreamId>) -> Self {
        Self {
            streams: streams.map(|stream| (stream, StreamAnswer::Refuse)).collect(),
            ..Self::default()
        }
    }

    /// Decides on one stream.
    pub fn with_stream(mut self, stream: StreamId, answer: StreamAnswer) -> Self {
        self.streams.insert(stream, answer);
        self
    }

    /// Sets what streams of messages may carry.
    pub fn with_profile(mut self, profile: StreamProfile) -> Self {
        self.profile = Some(Box::new(profile));
        self
    }

    /// Sets the relays that our side goes through.
    pub fn with_relays(mut self, relays: Vec<RelayAccount>) -> Self {
        self.relays = relays;
        self
    }
}
