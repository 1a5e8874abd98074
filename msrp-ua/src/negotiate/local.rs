//! What we offer, or would accept.

use msrp_core::{
    grammar::{AcceptTypes, Path},
    node::Fingerprint,
};

use super::NegotiationError;
use crate::{
    relay_client::sdp_path,
    sdp::{Address, Attribute, Direction, FileAttributes, MessageSection, Setup},
};

/// Our side of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalStream {
    /// Our path as the peer has to use it: relays, the outermost first, and at last the URI that is for this session alone.
    pub path: Path,
    /// What we accept.
    pub accept_types: AcceptTypes,
    /// What else we accept inside of containers.
    pub accept_wrapped_types: Option<AcceptTypes>,
    /// The largest message that we wish for.
    pub max_size: Option<u64>,
    /// Whether the peer can connect to us, and who should (RFC 6135 §4.2.2). Default [`Setup::ActPass`]: we can be reached;
    /// offers leave the choice to the peer, answers take the passive part. [`Setup::Active`]: nobody can connect to us, so we
    /// connect wherever the peer allows it; the port of our URI should be 9. [`Setup::Passive`] is as `ActPass`: it
    /// must not be offered.
    pub setup: Setup,
    /// Whether to speak of middleboxes by `a=msrp-cema` (RFC 6714). Default off: `c=` and port of the peer mean nothing.
    pub cema: bool,
    /// The fingerprints of our certificate, where it is our own.
    pub fingerprints: Vec<Fingerprint>,
    /// Which way we want messages to go.
    pub direction: Direction,
    /// The file that the stream is for (RFC 5547). In an answer nothing but what is added to what the offer says of it.
    pub file: Option<FileAttributes>,
    /// `i=`.
    pub title: Option<String>,
    /// Other attributes.
    pub other: Vec<Attribute>,
}

impl LocalStream {
    /// A stream in which messages go both ways; `path` is our URI where we use no relay.
    pub fn new(path: impl Into<Path>, accept_types: AcceptTypes) -> Self {
        Self {
            path: path.into(),
            accept_types,
            accept_wrapped_types: None,
            max_size: None,
            setup: Setup::ActPass,
            cema: false,
            fingerprints: Vec::new(),
            direction: Direction::SendRecv,
            file: None,
            title: None,
            other: Vec::new(),
        }
    }

    /// Goes through a relay: `use_path` is what it answered to AUTH (RFC 4976 §5.1: SDP has it reversed).
    pub fn with_relay(mut self, use_path: &Path) -> Self {
        self.path = sdp_path(use_path, self.path.last());
        self
    }

    /// Sets what else is accepted inside of containers.
    pub fn with_wrapped_types(mut self, types: AcceptTypes) -> Self {
        self.accept_wrapped_types = Some(types);
        self
    }

    /// Sets the largest message that we wish for.
    pub fn with_max_size(mut self, octets: u64) -> Self {
        self.max_size = Some(octets);
        self
    }

    /// Sets whether the peer can connect to us.
    pub fn with_setup(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    /// Speaks of middleboxes by `a=msrp-cema`.
    pub fn with_cema(mut self) -> Self {
        self.cema = true;
        self
    }

    /// Sets the fingerprints of our certificate.
    pub fn with_fingerprints(mut self, fingerprints: Vec<Fingerprint>) -> Self {
        self.fingerprints = fingerprints;
        self
    }

    /// Sets which way messages go.
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets the file that the stream is for.
    pub fn with_file(mut self, file: FileAttributes) -> Self {
        self.file = Some(file);
        self
    }

    /// Adds an attribute.
    pub fn with_attribute(mut self, attribute: Attribute) -> Self {
        self.other.push(attribute);
        self
    }

    /// Whether there is a relay between the peer and us.
    pub fn has_relay(&self) -> bool {
        self.path.len() > 1
    }

    pub(super) fn check(&self) -> Result<(), NegotiationError> {
        let has_ports = self
            .path
            .uris()
            .iter()
            .all(|uri| uri.port().is_some_and(|port| port != 0));
        if !has_ports || self.path.last().session_id().is_none() {
            return Err(NegotiationError::LocalPath);
        }
        if self.accept_types.is_empty() {
            return Err(NegotiationError::NoAcceptTypes);
        }
        Ok(())
    }

    /// What an offer has to say of a file (RFC 5547 §8.2): of one that is sent more than its name.
    pub(super) fn check_file(&self) -> Result<(), NegotiationError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let selector = &file.selector;
        let described = match self.direction {
            Direction::SendOnly => {
                selector.media_type.is_some() || selector.size.is_some() || !selector.hashes.is_empty()
            }
            Direction::RecvOnly => !selector.is_empty(),
            Direction::Inactive => true,
            Direction::SendRecv => false,
        };
        if described && file.transfer_id.is_some() {
            Ok(())
        } else {
            Err(NegotiationError::File)
        }
    }

    /// What stands in SDP whoever begins.
    pub(super) fn section(&self) -> MessageSection {
        let mut section = MessageSection::new(self.path.clone(), self.accept_types.clone());
        section
            .accept_wrapped_types
            .clone_from(&self.accept_wrapped_types);
        section.max_size = self.max_size;
        section.fingerprints.clone_from(&self.fingerprints);
        section.direction = self.direction;
        section.title.clone_from(&self.title);
        section.file.clone_from(&self.file);
        section.other.clone_from(&self.other);
        section
    }

    /// What stands in an offer.
    pub(super) fn offered(&self) -> MessageSection {
        let mut section = self.section();
        section.setup = Some(match self.setup {
            // Behind a relay everybody can be reached (RFC 6135 §4.2.2).
            Setup::Active if !self.has_relay() => Setup::Active,
            // A passive offer is forbidden (RFC 6135 §4.2.2).
            _ => Setup::ActPass,
        });
        if self.cema {
            self.speak_of_middleboxes(&mut section);
        }
        section
    }

    /// `a=msrp-cema`, and the relay instead of us as the address (RFC 6714 §4.2).
    pub(super) fn speak_of_middleboxes(&self, section: &mut MessageSection) {
        let first = self.path.first();
        section.cema = true;
        section.address = Some(Address::new(first.host_str()));
        section.port = first.port().unwrap_or_default();
    }
}
