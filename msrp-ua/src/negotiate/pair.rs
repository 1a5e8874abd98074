//! One offered stream and one answer to it: who connects, and whereto.

use msrp_core::{
    grammar::{AcceptEntry, AcceptTypes, MediaType, Path, Scheme},
    node::Fingerprint,
};

use super::{LocalStream, NegotiatedStream, RefusalReason, StreamChange, cema::Names};
use crate::{
    sdp::{Direction, FileAttributes, MessageSection, Setup},
    session::Role,
};

/// Our answer to an offered stream, and what is agreed on by it.
pub(super) fn answer(
    index: usize,
    offered: &MessageSection,
    local: &LocalStream,
    before: Option<&NegotiatedStream>,
    names: &Names,
) -> Result<(MessageSection, NegotiatedStream), RefusalReason> {
    let remote_path = path_of(offered)?;
    let direction = local.direction.and(offered.effective_direction().reversed());
    if offered.direction.receives() && !has_common(&offered.accept_types, &local.accept_types) {
        return Err(RefusalReason::NoCommonType);
    }
    let peer_has_relay = remote_path.len() > 1;
    if local.cema && !offered.cema && !names.match_path(offered) {
        return Err(RefusalReason::Middlebox);
    }
    let cema = local.cema && !answerer_falls_back(offered.setup, peer_has_relay, local.has_relay());
    let role = match offered.setup {
        Some(Setup::Passive) => Role::Active,
        Some(Setup::Active) | None => Role::Passive,
        // With a relay of ours middleboxes need us to be passive; with one of the peer's they do not need us to be, but
        // the relay is reached whoever else is not.
        Some(Setup::ActPass) if cema && local.has_relay() => Role::Passive,
        Some(Setup::ActPass) => match before {
            // A session that goes on keeps its roles.
            Some(before) if before.remote_path == remote_path => before.role,
            _ if local.setup == Setup::Active => Role::Active,
            _ => Role::Passive,
        },
    };
    let mut section = local.section();
    section.protocol = offered.protocol;
    section.setup = Some(match role {
        Role::Active => Setup::Active,
        Role::Passive => Setup::Passive,
    });
    section.direction = direction;
    section.file = answered_file(offered, local);
    if cema {
        local.speak_of_middleboxes(&mut section);
    }
    let mut local = local.clone();
    // What we say of it when we offer it ourselves.
    local.file.clone_from(&section.file);
    if section.file.is_some() {
        local.direction = direction;
    }
    let stream = NegotiatedStream {
        index,
        change: StreamChange::New,
        role,
        direction,
        connect: connect_to(cema && role == Role::Active && !local.has_relay(), offered),
        local,
        remote: offered.clone(),
        remote_path,
        protocol: offered.protocol,
        cema,
        unsettled: false,
    };
    check(&stream, before)?;
    Ok((section, stream))
}

/// What a peer's answer to our offer makes of a stream. The second: a new offer without `a=msrp-cema` has to follow.
pub(super) fn read_answer(
    index: usize,
    local: &LocalStream,
    offered: &MessageSection,
    answer: &MessageSection,
    before: Option<&NegotiatedStream>,
    names: &Names,
) -> Result<(NegotiatedStream, bool), RefusalReason> {
    let remote_path = path_of(answer)?;
    let role = match (offered.setup, answer.setup) {
        (Some(Setup::Active), Some(Setup::Active)) => return Err(RefusalReason::Setup),
        (_, Some(Setup::Active)) => Role::Passive,
        // Without the attribute who offers connects (RFC 4975 §8.5), and to offer it again is no answer.
        (_, Some(Setup::Passive | Setup::ActPass) | None) => Role::Active,
    };
    let peer_has_relay = remote_path.len() > 1;
    let matches = names.match_path(answer);
    let falls_back = offered.cema
        && !answer.cema
        && !matches
        && (role == Role::Passive || local.has_relay() || peer_has_relay);
    // Without a middlebox the path leads to where c= does; a relay of ours only knows the path.
    let by_address = offered.cema
        && !falls_back
        && role == Role::Active
        && !local.has_relay()
        && (answer.cema || !peer_has_relay);
    let stream = NegotiatedStream {
        index,
        change: StreamChange::New,
        role,
        direction: offered.direction.and(answer.effective_direction().reversed()),
        local: local.clone(),
        remote: answer.clone(),
        connect: connect_to(by_address, answer),
        remote_path,
        protocol: offered.protocol,
        cema: offered.cema && answer.cema,
        unsettled: false,
    };
    check(&stream, before)?;
    Ok((stream, falls_back))
}

/// When an answerer who knows of middleboxes behaves as if it did not (RFC 6714 §4.3).
fn answerer_falls_back(offered: Option<Setup>, peer_has_relay: bool, have_relay: bool) -> bool {
    let both = peer_has_relay && have_relay;
    let peer_connects_by_relay = peer_has_relay && matches!(offered, None | Some(Setup::Active));
    let cannot_be_passive = have_relay && offered == Some(Setup::Passive);
    both || peer_connects_by_relay || cannot_be_passive
}

fn path_of(section: &MessageSection) -> Result<Path, RefusalReason> {
    section
        .path
        .clone()
        .ok_or(RefusalReason::Section(crate::sdp::SectionError::NoPath))
}

fn connect_to(by_address: bool, section: &MessageSection) -> Option<(String, u16)> {
    let address = section.address.as_ref().filter(|_| by_address)?;
    let differs = section.path.as_ref().is_none_or(|path| {
        let first = path.first();
        first.normalized_host() != address.host().to_ascii_lowercase() || first.port() != Some(section.port)
    });
    (differs && !address.is_unspecified_v4()).then(|| (address.host().to_owned(), section.port))
}

/// What would make the stream fail or less secure than was said.
fn check(stream: &NegotiatedStream, before: Option<&NegotiatedStream>) -> Result<(), RefusalReason> {
    let relays = stream.remote_path.len() > 1 || stream.local.has_relay();
    let (own, peer) = (stream.local.path.first(), stream.remote_path.first());
    let promised = stream.remote.protocol.is_tls() && own.scheme() == Scheme::Msrp;
    if promised || (!relays && own.scheme() != peer.scheme()) {
        return Err(RefusalReason::Tls);
    }
    if stream.role == Role::Active && !stream.local.has_relay() && !peer.is_tcp() {
        return Err(RefusalReason::NotDialable);
    }
    let fingerprints = &stream.remote.fingerprints;
    let hashed = peer.scheme() == Scheme::Msrps && !relays && !fingerprints.is_empty();
    if hashed && !fingerprints.iter().any(Fingerprint::is_strong) {
        return Err(RefusalReason::FingerprintHash);
    }
    match (
        before.and_then(|before| before.remote.file.as_ref()),
        &stream.remote.file,
    ) {
        (Some(before), Some(now)) if is_another_file(before, now) => Err(RefusalReason::File),
        _ => Ok(()),
    }
}

/// The same identifier for a file that is not the same (RFC 5547 §8.1).
fn is_another_file(before: &FileAttributes, now: &FileAttributes) -> bool {
    before.transfer_id.is_some()
        && before.transfer_id == now.transfer_id
        && !before.selector.agrees_with(&now.selector)
}

/// Whether something that one accepts the other accepts too.
fn has_common(theirs: &AcceptTypes, ours: &AcceptTypes) -> bool {
    theirs
        .entries()
        .any(|their| ours.entries().any(|our| overlap(&their, &our)))
}

fn overlap(a: &AcceptEntry<'_>, b: &AcceptEntry<'_>) -> bool {
    match (a, b) {
        (AcceptEntry::Any, _) | (_, AcceptEntry::Any) => true,
        (AcceptEntry::AnySubtype(a), AcceptEntry::AnySubtype(b)) => a.eq_ignore_ascii_case(b),
        (AcceptEntry::Type(media_type), entry) | (entry, AcceptEntry::Type(media_type)) => {
            MediaType::matches(media_type, entry)
        }
    }
}

/// What the answer says of a file (RFC 5547 §8.3): the identifier and the range are the offer's. Who receives repeats the
/// selectors; who sends says what it knows of the file that it has chosen.
fn answered_file(offered: &MessageSection, local: &LocalStream) -> Option<FileAttributes> {
    let theirs = offered.file.as_ref()?;
    let mut file = FileAttributes {
        transfer_id: theirs.transfer_id.clone(),
        range: theirs.range,
        selector: theirs.selector.clone(),
        ..FileAttributes::default()
    };
    if offered.direction == Direction::RecvOnly
        && let Some(ours) = &local.file
    {
        let selector = &mut file.selector;
        selector.media_type = ours.selector.media_type.clone().or(selector.media_type.take());
        for hash in &ours.selector.hashes {
            if selector.hash(&hash.algorithm).is_none() {
                selector.hashes.push(hash.clone());
            }
        }
        file.disposition.clone_from(&ours.disposition);
        file.icon.clone_from(&ours.icon);
        file.dates.clone_from(&ours.dates);
    }
    Some(file)
}
