//! The streams of a call, and what is to become of them.

use std::time::Instant;

use msrp_core::grammar::Path;

use super::{
    Call, CallConfig, CallStream, FileOffer, FileStream, StreamId, StreamProfile, transfer::Transfer,
};
use crate::{
    names::{RegistrationId, SessionId},
    negotiate::LocalStream,
    sdp::Direction,
    user_agent::UserAgent,
};

/// What our next offer has to say of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// What it said before.
    Nothing,
    /// That there is one more; the peer knows nothing of it yet.
    Begin,
    /// That it goes on elsewhere: its connection is lost.
    Renew,
    /// That something else about it has changed.
    Update,
    /// That it is over.
    End,
}

/// A path that was had for a stream and is not yet agreed on.
#[derive(Debug)]
pub(crate) struct NewPath {
    pub(crate) path: Path,
    pub(crate) relay: Option<RegistrationId>,
}

/// One stream, which has its `m=` line for as long as the call lives.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) want: Want,
    /// Both sides have agreed on it.
    pub(crate) live: bool,
    /// The application, or we in its place, accepts what the peer offers for it.
    pub(crate) accepted: bool,
    pub(crate) session: Option<SessionId>,
    /// The path that the next offer, or answer, brings.
    pub(crate) path: Option<Box<NewPath>>,
    /// The relays that are being asked for one, the last for us.
    pub(crate) chain: Vec<RegistrationId>,
    pub(crate) profile: Option<Box<StreamProfile>>,
    pub(crate) direction: Direction,
    pub(crate) transfer: Option<Box<Transfer>>,
    /// When its session has lost its connection, and how often another was tried.
    pub(crate) lost: Option<Box<super::recovery::Loss>>,
    /// When it has to be looked at.
    pub(crate) due: Option<Instant>,
}

impl Stream {
    pub(crate) fn new(id: StreamId, want: Want) -> Self {
        Self {
            id,
            want,
            live: false,
            accepted: false,
            session: None,
            path: None,
            chain: Vec::new(),
            profile: None,
            direction: Direction::SendRecv,
            transfer: None,
            lost: None,
            due: None,
        }
    }

    /// One of messages.
    pub(crate) fn chat(id: StreamId, want: Want, profile: Option<Box<StreamProfile>>) -> Self {
        let direction = profile.as_ref().map_or(Direction::SendRecv, |one| one.direction);
        Self {
            profile,
            direction,
            ..Self::new(id, want)
        }
    }

    /// One for a file.
    pub(crate) fn file(id: StreamId, want: Want, file: FileOffer, transfer_id: Option<String>) -> Self {
        let direction = if file.is_push() {
            Direction::SendOnly
        } else {
            Direction::RecvOnly
        };
        Self {
            direction,
            transfer: Some(Box::new(Transfer::new(file, transfer_id))),
            ..Self::new(id, want)
        }
    }

    /// Whether it needs a path of its own for the next offer or answer.
    pub(crate) fn needs_path(&self) -> bool {
        self.path.is_none() && (self.accepted || matches!(self.want, Want::Begin | Want::Renew))
    }

    /// What it may carry.
    pub(crate) fn profile<'a>(
        &'a self,
        call: Option<&'a StreamProfile>,
        config: &'a CallConfig,
    ) -> &'a StreamProfile {
        self.profile.as_deref().or(call).unwrap_or(&config.profile)
    }

    /// The largest message that is taken in it.
    pub(crate) fn max_size(&self, profile: &StreamProfile, config: &CallConfig) -> u64 {
        match &self.transfer {
            Some(transfer) => transfer.max_size(config.max_file_size),
            None => profile.max_size,
        }
    }
}

impl Call {
    /// What we say of a stream.
    pub(super) fn local_stream(&self, stream: &Stream, path: &Path, config: &CallConfig) -> LocalStream {
        let profile = stream.profile(self.profile.as_deref(), config);
        let everything = || config.profile.accept_types.clone();
        let (accept_types, wrapped) = match &stream.transfer {
            Some(transfer) => (transfer.accept_types().unwrap_or_else(everything), None),
            None => (profile.accept_types.clone(), profile.accept_wrapped_types.clone()),
        };
        let mut local = LocalStream::new(path.clone(), accept_types)
            .with_setup(config.setup)
            .with_fingerprints(config.fingerprints.clone())
            .with_direction(stream.direction);
        local.accept_wrapped_types = wrapped;
        local.cema = config.cema;
        match &stream.transfer {
            // Whoever sends says nothing of what may come.
            Some(transfer) if !transfer.sends() => {
                local.max_size = Some(stream.max_size(profile, config));
            }
            Some(_) => {}
            None => local.max_size = Some(profile.max_size),
        }
        local.file = stream
            .transfer
            .as_ref()
            .map(|transfer| transfer.attributes().clone());
        local
    }
}

impl UserAgent {
    /// A stream as the application is told of it.
    pub(super) fn call_stream(&self, call: &Call, line: usize) -> Option<CallStream> {
        let stream = call.streams.get(line)?;
        let agreed = call.negotiation.streams().get(line)?.as_ref()?;
        Some(CallStream {
            stream: stream.id,
            session: stream.session?,
            file: stream.transfer.as_ref().map(|transfer| {
                Box::new(FileStream {
                    sends: transfer.sends(),
                    attributes: agreed
                        .remote
                        .file
                        .clone()
                        .filter(|_| !transfer.sends())
                        .unwrap_or_else(|| transfer.attributes().clone()),
                    message: transfer.outgoing(),
                })
            }),
            direction: agreed.direction,
            peer_accepts: agreed.remote.accept_types.clone(),
            peer_accepts_wrapped: agreed.remote.accept_wrapped_types.clone().unwrap_or_default(),
            peer_max_size: agreed.remote.max_size,
            relayed: agreed
                .remote
                .path
                .as_ref()
                .is_some_and(|path| path.uris().len() > 1)
                || !call.relays.is_empty(),
        })
    }
}
