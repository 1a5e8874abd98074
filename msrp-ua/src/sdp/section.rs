//! An `m=message` section of MSRP (RFC 4975 §8).

use std::{fmt, net::Ipv4Addr};

use bytes::Bytes;
use msrp_core::{
    grammar::{AcceptTypes, Host, MaxSize, Path, Scheme},
    node::Fingerprint,
};
use sdp_types::{Bandwidth, Media};

use super::{
    Address, Attribute, Direction, FileAttributes, Protocol, SdpLimits, SectionError, Setup, fingerprint,
};

/// An MSRP stream as a session description tells of it, with what is said above all sections where it says nothing itself.
///
/// A section in use (its port is not 0) that was parsed has a path whose last URI names a session, ports in all URIs of
/// it, and accept-types.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageSection {
    /// `i=`: what people are shown.
    pub title: Option<String>,
    /// The port of the `m=` line; 0 refuses or ends the stream. Nobody connects to it, except as RFC 6714 says.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// The address of `c=`.
    pub address: Option<Address>,
    /// `a=accept-types`: what may be sent to the speaker.
    pub accept_types: AcceptTypes,
    /// `a=accept-wrapped-types`: what more may be sent inside of containers.
    pub accept_wrapped_types: Option<AcceptTypes>,
    /// `a=max-size`: the largest message that is wished for.
    pub max_size: Option<u64>,
    /// `a=path`.
    pub path: Option<Path>,
    /// `a=setup`; none also for `holdconn`.
    pub setup: Option<Setup>,
    /// `a=msrp-cema`: `c=` and the port may be those of a middlebox, to be connected to (RFC 6714).
    pub cema: bool,
    /// `a=fingerprint`: those of the speaker's certificate, by any hash.
    pub fingerprints: Vec<Fingerprint>,
    /// Which way messages go, from the speaker's point of view.
    pub direction: Direction,
    /// The file that the stream is for (RFC 5547).
    pub file: Option<FileAttributes>,
    /// All other attributes, in their order.
    pub other: Vec<Attribute>,
    pub(super) bandwidths: Vec<Bandwidth>,
}

/// Who the session is with is nobody's business: paths are shown without what is secret, unknown values not at all.
impl fmt::Debug for MessageSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSection")
            .field("port", &self.port)
            .field("protocol", &self.protocol)
            .field("path", &self.path)
            .field("accept_types", &self.accept_types)
            .field("setup", &self.setup)
            .field("cema", &self.cema)
            .field("direction", &self.direction)
            .field("file", &self.file.is_some())
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}

/// The name of the media and the one format of MSRP.
pub(super) const MEDIA: &str = "message";
const FORMAT: &str = "*";

/// The port of who cannot be connected to (RFC 4145 §4.1).
const DISCARD_PORT: u16 = 9;

/// What is said above all sections.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pub(super) address: Option<Address>,
    pub(super) direction: Option<Direction>,
    /// `Some(None)`: one that counts as none.
    pub(super) setup: Option<Option<Setup>>,
    pub(super) fingerprints: Vec<Attribute>,
}

impl Defaults {
    pub(super) fn read(address: Option<Address>, attributes: &[Attribute]) -> Self {
        let mut defaults = Self {
            address,
            ..Self::default()
        };
        for attribute in attributes {
            match (attribute.name(), attribute.value()) {
                ("fingerprint", Some(_)) => defaults.fingerprints.push(attribute.clone()),
                // A value that nobody knows is as none: it is not the section's.
                ("setup", Some(value)) => {
                    defaults.setup = defaults.setup.or(Setup::parse(value.trim()));
                }
                (name, None) => defaults.direction = defaults.direction.or(Direction::from_name(name)),
                _ => {}
            }
        }
        defaults
    }
}

impl MessageSection {
    /// A section with this path, that says no more than it has to.
    pub fn new(path: Path, accept_types: AcceptTypes) -> Self {
        let own = path.last();
        let protocol = match path.first().scheme() {
            Scheme::Msrp => Protocol::Tcp,
            Scheme::Msrps => Protocol::Tls,
        };
        Self {
            port: own.port().unwrap_or_default(),
            address: Some(Address::new(own.host_str())),
            protocol,
            accept_types,
            path: Some(path),
            ..Self::refused(protocol)
        }
    }

    fn refused(protocol: Protocol) -> Self {
        Self {
            title: None,
            port: 0,
            protocol,
            address: None,
            accept_types: AcceptTypes::default(),
            accept_wrapped_types: None,
            max_size: None,
            path: None,
            setup: None,
            cema: false,
            fingerprints: Vec::new(),
            direction: Direction::SendRecv,
            file: None,
            other: Vec::new(),
            bandwidths: Vec::new(),
        }
    }

    /// The section of ours that ends this one, which is ours: port 0, and what tells which file it was about
    /// (RFC 5547 §8.1, §8.4).
    pub fn to_ended(&self) -> Self {
        let file = self.file.as_ref().map(|file| FileAttributes {
            selector: file.selector.clone(),
            transfer_id: file.transfer_id.clone(),
            ..FileAttributes::default()
        });
        let direction = file.as_ref().map_or(Direction::SendRecv, |_| self.direction);
        Self {
            file,
            direction,
            accept_types: self.accept_types.clone(),
            ..Self::refused(self.protocol)
        }
    }

    /// The section of ours that refuses this one, which is the peer's, or answers its end (RFC 5547 §8.3).
    pub fn to_refused(&self) -> Self {
        let ended = self.to_ended();
        Self {
            direction: ended.direction.reversed(),
            ..ended
        }
    }

    /// Whether the stream is refused or ended.
    pub fn is_refused(&self) -> bool {
        self.port == 0
    }

    /// The first attribute of this name among those that are only kept: its value, where it has one.
    pub fn attribute(&self, name: &str) -> Option<Option<&str>> {
        self.other
            .iter()
            .find(|attribute| attribute.name() == name)
            .map(Attribute::value)
    }

    /// Which way messages go, if a `c=0.0.0.0` is heeded as well, which holds a stream in the old way (RFC 3264 §8.4). Where
    /// the URI says the same, or the port is the one of who only connects, it stands for no address instead, as browsers write it.
    pub fn effective_direction(&self) -> Direction {
        let nowhere = self.address.as_ref().is_some_and(Address::is_unspecified_v4);
        let no_address = self.port == DISCARD_PORT
            || self
                .path
                .as_ref()
                .is_some_and(|path| path.last().host() == Host::V4(Ipv4Addr::UNSPECIFIED));
        if nowhere && !no_address {
            self.direction.held()
        } else {
            self.direction
        }
    }

    /// Whether a section is MSRP's at all.
    pub(super) fn is_msrp(media: &Media) -> Result<Protocol, SectionError> {
        if media.media != MEDIA {
            return Err(SectionError::Media);
        }
        Protocol::parse(&media.proto).ok_or(SectionError::Protocol)
    }

    pub(super) fn read(
        media: &Media,
        protocol: Protocol,
        defaults: &Defaults,
        limits: &SdpLimits,
    ) -> Result<Self, SectionError> {
        let mut section = Self {
            title: media.media_title.clone(),
            port: media.port,
            address: media
                .connections
                .iter()
                .find_map(Address::from_line)
                .or_else(|| defaults.address.clone()),
            bandwidths: media.bandwidths.clone(),
            ..Self::refused(protocol)
        };
        let read = section.read_attributes(media, defaults, limits);
        if section.is_refused() {
            // What else it says does not matter.
            return Ok(section);
        }
        read?;
        if section.path.is_none() {
            return Err(SectionError::NoPath);
        }
        Ok(section)
    }

    fn read_attributes(
        &mut self,
        media: &Media,
        defaults: &Defaults,
        limits: &SdpLimits,
    ) -> Result<(), SectionError> {
        let all: Vec<_> = media.attributes.iter().map(Attribute::from_line).collect();
        let (mut direction, mut setup, mut accept_types) = (None, None, None);
        let mut fingerprints = Vec::new();
        self.file = FileAttributes::parse(&all)?;
        for attribute in all {
            match (attribute.name(), attribute.value()) {
                ("path", Some(value)) => {
                    let path = read_path(value, limits)?;
                    if self.path.replace(path).is_some() {
                        return Err(SectionError::Repeated("path"));
                    }
                }
                ("accept-types", value) => {
                    if accept_types.replace(read_types("accept-types", value)?).is_some() {
                        return Err(SectionError::Repeated("accept-types"));
                    }
                }
                ("accept-wrapped-types", value) => {
                    let types = read_types("accept-wrapped-types", value)?;
                    if self.accept_wrapped_types.replace(types).is_some() {
                        return Err(SectionError::Repeated("accept-wrapped-types"));
                    }
                }
                ("max-size", Some(value)) => {
                    let size = MaxSize::parse(value.trim().as_bytes()).map_err(SectionError::MaxSize)?;
                    self.max_size = self.max_size.or(Some(size.octets()));
                }
                ("setup", Some(value)) => {
                    let value = Setup::parse(value.trim()).ok_or(SectionError::Setup)?;
                    setup = setup.or(Some(value));
                }
                ("msrp-cema", _) => self.cema = true,
                ("fingerprint", Some(_)) => fingerprints.push(attribute),
                // MSRP has its own rules for when a connection goes on (RFC 6135 §4.4).
                ("connection", _) => {}
                (name, None) if Direction::from_name(name).is_some() => {
                    direction = direction.or(Direction::from_name(name));
                }
                (name, _) if self.file.is_some() && FileAttributes::is_one(name) => {}
                _ => self.other.push(attribute),
            }
        }
        self.direction = direction.or(defaults.direction).unwrap_or_default();
        self.setup = setup.or(defaults.setup).flatten();
        if fingerprints.is_empty() {
            fingerprints.clone_from(&defaults.fingerprints);
        }
        self.accept_types = accept_types.ok_or(SectionError::NoAcceptTypes)?;
        for attribute in &fingerprints {
            let value = attribute.value().unwrap_or_default();
            self.fingerprints.push(fingerprint::parse(value)?);
        }
        let secured = self
            .path
            .as_ref()
            .is_none_or(|path| path.first().scheme() == Scheme::Msrps);
        if self.protocol.is_tls() && !secured {
            return Err(SectionError::Downgrade);
        }
        Ok(())
    }

    /// `accept-types` stands before `path`, as some browsers' clients need it.
    pub(super) fn to_media(&self, above: Option<&Address>) -> Media {
        let mut attributes = Vec::new();
        let mut put = |name: &str, value: Option<String>| {
            attributes.push(sdp_types::Attribute {
                attribute: name.to_owned(),
                value,
            });
        };
        if !self.accept_types.is_empty() || !self.is_refused() {
            put("accept-types", Some(self.accept_types.to_string()));
        }
        if let Some(types) = &self.accept_wrapped_types {
            put("accept-wrapped-types", Some(types.to_string()));
        }
        if let Some(size) = self.max_size {
            put("max-size", Some(size.to_string()));
        }
        if let Some(path) = &self.path {
            put("path", Some(path.to_string()));
        }
        if let Some(setup) = self.setup {
            put("setup", Some(setup.as_str().to_owned()));
        }
        if self.cema {
            put("msrp-cema", None);
        }
        for fingerprint in &self.fingerprints {
            put("fingerprint", Some(fingerprint.to_string()));
        }
        if !self.is_refused() || self.direction != Direction::SendRecv {
            put(self.direction.as_str(), None);
        }
        let file = self.file.as_ref().map(FileAttributes::print).unwrap_or_default();
        attributes.extend(file.iter().chain(&self.other).map(Attribute::to_line));
        Media {
            media: MEDIA.to_owned(),
            port: self.port,
            num_ports: None,
            proto: self.protocol.as_str().to_owned(),
            fmt: FORMAT.to_owned(),
            media_title: self.title.clone(),
            connections: self
                .address
                .iter()
                .filter(|&address| Some(address) != above)
                .map(Address::to_line)
                .collect(),
            bandwidths: self.bandwidths.clone(),
            key: None,
            attributes,
        }
    }
}

fn read_path(value: &str, limits: &SdpLimits) -> Result<Path, SectionError> {
    // More spaces than one are harmless.
    let text = value
        .split(' ')
        .filter(|uri| !uri.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    if text.len() > limits.max_path_octets {
        return Err(SectionError::PathTooLong {
            len: text.len(),
            limit: limits.max_path_octets,
        });
    }
    let path = Path::parse(Bytes::from(text), limits.max_path_uris).map_err(SectionError::Path)?;
    for uri in path.uris() {
        uri.require_port().map_err(SectionError::Path)?;
    }
    match path.last().session_id() {
        Some(_) => Ok(path),
        None => Err(SectionError::NoSessionId),
    }
}

fn read_types(name: &'static str, value: Option<&str>) -> Result<AcceptTypes, SectionError> {
    AcceptTypes::parse(value.unwrap_or_default().as_bytes())
        .map_err(|source| SectionError::AcceptTypes(name, source))
}
