//! A session description: what stands above all sections, and the sections.

use std::fmt;

use sdp_types::{Media, ParserError, Session, Time};

use super::{
    Address, Attribute, MessageSection, Origin, SdpError, SdpLimits, SectionError, file, section::Defaults,
};

/// A session description (RFC 8866).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionDescription {
    origin: Origin,
    address: Option<Address>,
    attributes: Vec<Attribute>,
    sections: Vec<Section>,
    /// All other lines above the sections.
    head: Session,
}

/// One `m=` line and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Section {
    /// MSRP.
    Message(Box<MessageSection>),
    /// Something else, or MSRP that cannot be used; it is kept as it came.
    Other(OtherSection),
}

/// A section that is kept as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherSection {
    media: Box<Media>,
    problem: SectionError,
}

impl fmt::Debug for OtherSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OtherSection({:?}, {})", self.media.media, self.problem)
    }
}

impl OtherSection {
    /// The media, such as `audio`.
    pub fn media(&self) -> &str {
        &self.media.media
    }

    /// The port; 0 where it is refused.
    pub fn port(&self) -> u16 {
        self.media.port
    }

    /// Why it is no MSRP, or none that can be used.
    pub fn problem(&self) -> &SectionError {
        &self.problem
    }

    /// The section that refuses this one: the same media, transport and formats, with port 0 (RFC 3264 §6).
    fn to_refused(&self) -> Self {
        let attributes = self
            .media
            .attributes
            .iter()
            .filter(|line| [file::SELECTOR, file::TRANSFER_ID].contains(&line.attribute.as_str()))
            .cloned()
            .collect();
        let media = Media {
            media: self.media.media.clone(),
            port: 0,
            num_ports: None,
            proto: self.media.proto.clone(),
            fmt: self.media.fmt.clone(),
            media_title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes,
        };
        Self {
            media: Box::new(media),
            problem: self.problem.clone(),
        }
    }
}

impl Section {
    /// The section, if it is MSRP that can be read.
    pub fn message(&self) -> Option<&MessageSection> {
        match self {
            Self::Message(section) => Some(section),
            Self::Other(_) => None,
        }
    }

    /// Whether it is refused or ended.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Message(section) => section.is_refused(),
            Self::Other(section) => section.port() == 0,
        }
    }

    /// The section of ours that ends this one, which is ours.
    pub fn to_ended(&self) -> Self {
        match self {
            Self::Message(section) => Self::Message(Box::new(section.to_ended())),
            Self::Other(section) => Self::Other(section.to_refused()),
        }
    }

    /// The section of ours that refuses this one, which is the peer's, in its place.
    pub fn to_refused(&self) -> Self {
        match self {
            Self::Message(section) => Self::Message(Box::new(section.to_refused())),
            Self::Other(section) => Self::Other(section.to_refused()),
        }
    }

    fn read(media: Media, defaults: &Defaults, limits: &SdpLimits) -> Self {
        let read = MessageSection::is_msrp(&media)
            .and_then(|protocol| MessageSection::read(&media, protocol, defaults, limits));
        match read {
            Ok(section) => Self::Message(Box::new(section)),
            Err(problem) => Self::Other(OtherSection {
                media: Box::new(media),
                problem,
            }),
        }
    }
}

/// Sections only: what stands above them tells of people.
impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDescription")
            .field("version", &self.origin.version())
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

impl SessionDescription {
    /// Parses a body of type `application/sdp`. Sections of MSRP that cannot be used are no error; they say so.
    ///
    /// Octets that are no UTF-8 (the description may say another character set) are replaced: what MSRP reads has none.
    ///
    /// # Errors
    /// [`SdpError`].
    pub fn parse(body: &[u8], limits: &SdpLimits) -> Result<Self, SdpError> {
        if body.len() > limits.max_octets {
            return Err(SdpError::TooLong {
                len: body.len(),
                limit: limits.max_octets,
            });
        }
        let count = |start: &[u8]| {
            body.split(|&octet| octet == b'\n')
                .filter(|line| line.starts_with(start))
                .count()
        };
        let (sections, attributes) = (count(b"m="), count(b"a="));
        if sections > limits.max_sections {
            return Err(SdpError::TooManySections {
                found: sections,
                limit: limits.max_sections,
            });
        }
        if attributes > limits.max_attributes {
            return Err(SdpError::TooManyAttributes {
                found: attributes,
                limit: limits.max_attributes,
            });
        }
        let text = String::from_utf8_lossy(body);
        let mut head = Session::parse(text.as_bytes()).map_err(|error| {
            SdpError::Syntax(match error {
                // The only one that repeats what the peer wrote.
                ParserError::InvalidVersion(line, _) => format!("Invalid version in line {line}"),
                error => error.to_string(),
            })
        })?;
        // Keys are never sent, and discarded where received (RFC 8866 §5.12).
        head.key = None;
        let address = head.connection.take().as_ref().and_then(Address::from_line);
        let attributes: Vec<_> = std::mem::take(&mut head.attributes)
            .iter()
            .map(Attribute::from_line)
            .collect();
        let defaults = Defaults::read(address.clone(), &attributes);
        let sections = std::mem::take(&mut head.medias)
            .into_iter()
            .map(|media| Section::read(Media { key: None, ..media }, &defaults, limits))
            .collect();
        Ok(Self {
            origin: Origin::from_line(&head.origin),
            address,
            attributes,
            sections,
            head,
        })
    }

    /// A description of ours (`s=-`, `t=0 0`). The address of its first section that is used stands above all of them.
    pub fn new(origin: Origin, sections: Vec<Section>) -> Self {
        let address = sections
            .iter()
            .filter(|section| !section.is_refused())
            .find_map(|section| section.message()?.address.clone())
            .unwrap_or_else(|| Address::new(origin.host()));
        let mut head = Session::new(origin.to_line(), "-");
        head.times = vec![Time::new(0, 0)];
        Self {
            origin,
            address: Some(address),
            attributes: Vec::new(),
            sections,
            head,
        }
    }

    /// `o=`.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The attributes above all sections, in their order.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The sections, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Takes over the time of the description that this one answers (RFC 3264 §6).
    pub(crate) fn with_time_of(mut self, offer: &Self) -> Self {
        self.head.times.clone_from(&offer.head.times);
        if self.head.times.is_empty() {
            self.head.times = vec![Time::new(0, 0)];
        }
        self
    }

    pub(crate) fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// As a body of type `application/sdp`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut session = self.head.clone();
        session.origin = self.origin.to_line();
        session.connection = self.address.as_ref().map(Address::to_line);
        session.attributes = self.attributes.iter().map(Attribute::to_line).collect();
        session.medias = self
            .sections
            .iter()
            .map(|section| match section {
                Section::Message(section) => section.to_media(self.address.as_ref()),
                Section::Other(section) => (*section.media).clone(),
            })
            .collect();
        let mut octets = Vec::with_capacity(512);
        // Writing to memory does not fail.
        let _written = session.write(&mut octets);
        octets
    }
}
