//! Offers and answers on their way through (RFC 3264, RFC 4975 §8, RFC 6135, RFC 6714).

use std::time::Instant;

use msrp_core::{
    grammar::Scheme,
    node::{Fingerprint, ListenerId},
};

use super::{
    config::{AnchorOptions, LegOptions},
    error::AnchorError,
    info::{AnchorEnd, AnchorId, Side},
    sdp::{PLAIN, PROTECTED, Sdp, Section, Setup, Stream, first_of, session_of},
    table::{Line, Offer},
    wait::is_reachable,
};
use crate::{listener::RelayListener, relay::Relay};

/// Who connects on the leg of the side that has offered.
fn dials_offerer(stream: &Stream) -> bool {
    // RFC 6135 forbids to offer this, and deployed peers do.
    stream.setup == Some(Setup::Passive)
}

/// Who connects on the leg of the side that has answered: we offered `actpass`, so what it says goes, and where it says
/// nothing who has offered connects (RFC 6135 §5).
fn dials_answerer(stream: &Stream, options: LegOptions) -> bool {
    stream.setup != Some(Setup::Active) && !options.await_peer && is_reachable(stream)
}

impl Relay {
    /// Takes the offer of a side that knows nothing of relays and gives what is to be sent to the other side instead: the
    /// same SDP with this relay in the path of its MSRP streams. [`anchor_answer`](Self::anchor_answer) has to follow
    /// within [`answer_timeout`](crate::AnchorConfig::answer_timeout).
    ///
    /// # Errors
    /// [`AnchorError`]; nothing is kept.
    pub fn anchor_offer(
        &mut self,
        now: Instant,
        offer: &[u8],
        options: &AnchorOptions,
    ) -> Result<(AnchorId, Vec<u8>), AnchorError> {
        self.clock(now);
        let limit = self.config.anchors.max_anchors;
        if self.draining {
            return Err(AnchorError::Draining);
        }
        if self.anchors.sessions.len() >= limit {
            return Err(AnchorError::TooManyAnchors { limit });
        }
        let (sdp, streams) = self.read_sdp(offer)?;
        if streams.iter().all(|stream| stream.port == 0) {
            return Err(AnchorError::NoStream);
        }
        let listeners = streams
            .iter()
            .filter(|stream| stream.port != 0)
            .map(|stream| self.listeners_for(stream, options))
            .collect::<Result<Vec<_>, _>>()?;
        self.check_session_fingerprint(&sdp, &streams, listeners.iter().map(|&(_, answerer)| answerer))?;
        let index = self.insert_anchor(options);
        for (stream, listeners) in streams.iter().filter(|stream| stream.port != 0).zip(listeners) {
            self.insert_line(index, stream.number, listeners);
        }
        let body = self.offer_on(index, &sdp, Side::Offerer, streams);
        let id = self
            .anchors
            .sessions
            .get(index as usize)
            .map(|session| session.id)
            .ok_or(AnchorError::Unknown)?;
        self.rearm_anchor(index);
        Ok((id, body))
    }

    /// Takes a new offer within a session, from either side, and gives what is to be sent to the other one. What was agreed
    /// before holds until [`anchor_answer`](Self::anchor_answer), or for good after
    /// [`anchor_offer_refused`](Self::anchor_offer_refused).
    ///
    /// # Errors
    /// [`AnchorError`]; nothing has changed.
    pub fn anchor_reoffer(
        &mut self,
        now: Instant,
        id: AnchorId,
        from: Side,
        offer: &[u8],
    ) -> Result<Vec<u8>, AnchorError> {
        self.clock(now);
        let (index, session) = self.anchors.session(id).ok_or(AnchorError::Unknown)?;
        if session.offer.as_ref().is_some_and(|pending| pending.from != from) {
            return Err(AnchorError::OfferPending);
        }
        let options = session.options.clone();
        let known = session.streams.clone();
        let (sdp, streams) = self.read_sdp(offer)?;
        for line in &known {
            if !streams.iter().any(|stream| stream.number == line.number) {
                return Err(AnchorError::StreamMissing {
                    number: line.number + 1,
                });
            }
        }
        let mut new = Vec::new();
        let mut protected = Vec::new();
        for stream in streams.iter().filter(|stream| stream.port != 0) {
            match known.iter().find(|line| line.number == stream.number) {
                Some(line) => {
                    let leg = |side| {
                        let leg = self.anchors.legs.get(line.leg(side) as usize);
                        leg.map_or(0, |leg| leg.listener)
                    };
                    self.check_security(leg(from), stream)?;
                    protected.push(leg(from.other()));
                }
                None => {
                    let listeners = match from {
                        Side::Offerer => self.listeners_for(stream, &options)?,
                        Side::Answerer => {
                            let swapped = options
                                .clone()
                                .offerer(options.answerer)
                                .answerer(options.offerer);
                            let (one, other) = self.listeners_for(stream, &swapped)?;
                            (other, one)
                        }
                    };
                    protected.push(match from {
                        Side::Offerer => listeners.1,
                        Side::Answerer => listeners.0,
                    });
                    new.push((stream.number, listeners));
                }
            }
        }
        self.check_session_fingerprint(&sdp, &streams, protected.into_iter())?;
        for (number, listeners) in new {
            self.insert_line(index, number, listeners);
        }
        Ok(self.offer_on(index, &sdp, from, streams))
    }

    /// The latest offer within a session was refused (488, or cancelled): what was agreed before goes on. The first offer
    /// of a session is refused by [`anchor_end`](Self::anchor_end).
    ///
    /// # Errors
    /// [`AnchorError::Unknown`], [`AnchorError::NoOffer`].
    pub fn anchor_offer_refused(&mut self, now: Instant, id: AnchorId) -> Result<(), AnchorError> {
        self.clock(now);
        let (index, session) = self.anchors.session(id).ok_or(AnchorError::Unknown)?;
        if session.answered.is_none() || session.offer.is_none() {
            return Err(AnchorError::NoOffer);
        }
        if let Some(session) = self.anchors.sessions.get_mut(index as usize) {
            session.offer = None;
        }
        Ok(())
    }

    /// Takes the answer to the latest offer and gives what is to be sent to the side that offered. An answer that comes
    /// again (183, then 200), or another fork's, replaces the one before.
    ///
    /// # Errors
    /// [`AnchorError`]; nothing has changed.
    pub fn anchor_answer(
        &mut self,
        now: Instant,
        id: AnchorId,
        answer: &[u8],
    ) -> Result<Vec<u8>, AnchorError> {
        self.clock(now);
        let (index, session) = self.anchors.session(id).ok_or(AnchorError::Unknown)?;
        let offer = session
            .offer
            .as_ref()
            .or(session.answered.as_ref())
            .cloned()
            .ok_or(AnchorError::NoOffer)?;
        let (lines, options) = (session.streams.clone(), session.options.clone());
        let side = match offer.from.other() {
            Side::Offerer => options.offerer,
            Side::Answerer => options.answerer,
        };
        let (sdp, streams) = self.read_sdp(answer)?;
        let offered = |number| offer.streams.iter().any(|stream| stream.number == number);
        if let Some(stream) = streams
            .iter()
            .find(|stream| stream.port != 0 && !offered(stream.number))
        {
            return Err(AnchorError::StreamNotOffered {
                number: stream.number + 1,
            });
        }
        let mut agreed = Vec::new();
        let mut sections = Vec::new();
        let mut protected = Vec::new();
        for offered in &offer.streams {
            let answered = streams
                .iter()
                .find(|stream| stream.number == offered.number)
                .ok_or(AnchorError::StreamMissing {
                    number: offered.number + 1,
                })?;
            let line = lines.iter().find(|line| line.number == offered.number).copied();
            let Some(line) = line.filter(|_| offered.port != 0 && answered.port != 0) else {
                sections.push(Section {
                    number: offered.number,
                    tls: offered.tls,
                    relay: None,
                });
                continue;
            };
            check_answered_setup(answered, side)?;
            let (one, other) = (dials_offerer(offered), dials_answerer(answered, side));
            if one && !is_reachable(offered) {
                return Err(AnchorError::NotReachable { line: offered.line });
            }
            for stream in [offered, answered] {
                if stream.cema && stream.address.as_deref().is_none_or(str::is_empty) {
                    return Err(AnchorError::NoAddress { line: stream.line });
                }
            }
            let to = line.leg(offer.from);
            let listener = self.anchors.legs.get(to as usize).map_or(0, |leg| leg.listener);
            protected.push(listener);
            // RFC 6714 §4.3: not where both sides use relays, nor where the one with a relay connects.
            let cema = offered.cema && !offered.path.contains(&b' ') && !one;
            let setup = if one { Setup::Active } else { Setup::Passive };
            let path = self.path_for(to, &answered.path, options.hide_paths);
            sections.push(Section {
                number: offered.number,
                tls: self.is_secure(listener),
                relay: Some(self.named(listener, path, setup, cema)),
            });
            agreed.push((line, offered.clone(), answered.clone(), one, other));
        }
        self.check_session_fingerprint(&sdp, &streams, protected.into_iter())?;
        let body = sdp.rewrite(&sections, !sdp.has_other_media(&streams));
        self.agree(index, &offer, agreed, options.hide_paths);
        self.run();
        Ok(body)
    }

    /// Offer and answer are there: sets up the legs.
    fn agree(
        &mut self,
        index: u32,
        offer: &Offer,
        agreed: Vec<(Line, Stream, Stream, bool, bool)>,
        hide: bool,
    ) {
        let now = self.now;
        let Some(session) = self.anchors.sessions.get_mut(index as usize) else {
            return;
        };
        session.offer = None;
        session.answered = Some(offer.clone());
        session.exchanged = now;
        let numbers: Vec<usize> = agreed.iter().map(|(line, ..)| line.number).collect();
        let (kept, over): (Vec<Line>, Vec<Line>) = session
            .streams
            .iter()
            .partition(|line| numbers.contains(&line.number));
        if kept.is_empty() {
            self.end_anchor(index, AnchorEnd::Refused);
            return;
        }
        session.streams = kept;
        for line in over {
            self.end_line(line);
        }
        for (line, offered, answered, one, other) in agreed {
            let (to, from) = (line.leg(offer.from), line.leg(offer.from.other()));
            let (for_offerer, for_answerer) = (
                self.path_for(to, &answered.path, hide),
                self.path_for(from, &offered.path, hide),
            );
            self.set_up_leg(to, offered, one, for_offerer);
            self.set_up_leg(from, answered, other, for_answerer);
        }
        for leg in self.legs_of(index) {
            self.start_leg(leg);
        }
        self.rearm_anchor(index);
    }

    /// A stream is over; the session has others.
    fn end_line(&mut self, line: Line) {
        for leg in [line.offerer, line.answerer] {
            self.end_waits(leg);
        }
        self.end_leg(line.offerer);
        self.end_leg(line.answerer);
    }

    fn set_up_leg(&mut self, index: u32, stream: Stream, dials: bool, shown: Vec<u8>) {
        let now = self.now;
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        let same = leg
            .sdp
            .as_ref()
            .is_some_and(|before| session_of(&before.path) == session_of(&stream.path));
        let binding = leg.binding;
        let before = if same { None } else { leg.connection.take() };
        if leg.connection.is_none() {
            leg.to_path = stream.path.clone();
            leg.absent = now;
        }
        leg.edition = leg.edition.wrapping_add(1);
        leg.failed = None;
        leg.shown = shown.into();
        leg.dials = dials;
        leg.sdp = Some(stream);
        let answer = leg.answer.take();
        if let Some(connection) = before {
            // The side goes on with another session; a connection that it uses for that too is bound anew.
            self.release(connection, binding);
        }
        if let Some((token, _)) = answer {
            self.wake_waiting(token);
        }
    }

    /// Connects to a leg that waits for it (RFC 4145 §6.1: as soon as possible, whether or not there is something to
    /// send).
    fn start_leg(&mut self, index: u32) {
        let Some(leg) = self.anchors.legs.get_mut(index as usize) else {
            return;
        };
        if !leg.dials || leg.connection.is_some() {
            return;
        }
        // Who waits for the peer to come goes on waiting for our connecting to it.
        let waiting = leg.arrival.is_some_and(|(_, until)| until.is_some());
        let arrival = if waiting { leg.arrival.take() } else { None };
        if let Some((token, _)) = arrival {
            self.settle_wait(token, None);
        }
        self.await_leg(index, None);
    }

    fn read_sdp<'a>(&self, body: &'a [u8]) -> Result<(Sdp<'a>, Vec<Stream>), AnchorError> {
        let config = &self.config.anchors;
        let sdp = Sdp::parse(body, config.max_sdp)?;
        // Ours comes in front.
        let streams = sdp.streams(config.max_streams, self.max_uris().saturating_sub(1))?;
        for stream in streams.iter().filter(|stream| stream.port != 0) {
            if first_of(&stream.path).is_ok_and(|uri| self.bindings.is_our_authority(&uri)) {
                return Err(AnchorError::OwnUri { line: stream.line });
            }
        }
        if streams.is_empty() {
            return Err(AnchorError::NoStream);
        }
        Ok((sdp, streams))
    }

    /// The listeners for the side that offers this stream, and for the other one.
    fn listeners_for(&self, stream: &Stream, options: &AnchorOptions) -> Result<(u16, u16), AnchorError> {
        let listeners = &self.config.listeners;
        let named = |id: ListenerId| {
            listeners
                .iter()
                .position(|listener| listener.id == id)
                .map(|index| index as u16)
                .ok_or(AnchorError::UnknownListener { id: id.0 })
        };
        let offerer = match options.offerer.listener {
            Some(id) => {
                let index = named(id)?;
                self.check_security(index, stream)?;
                index
            }
            None => listeners
                .iter()
                .enumerate()
                .map(|(index, _)| index as u16)
                .find(|&index| self.is_secure(index) == stream.tls)
                .ok_or_else(|| insecure(stream))?,
        };
        let answerer = match options.answerer.listener {
            Some(id) => named(id)?,
            None => offerer,
        };
        Ok((offerer, answerer))
    }

    fn check_security(&self, listener: u16, stream: &Stream) -> Result<(), AnchorError> {
        if self.is_secure(listener) == stream.tls {
            Ok(())
        } else {
            Err(insecure(stream))
        }
    }

    /// Whether the URIs of clients of this listener are `msrps`.
    pub(super) fn is_secure(&self, listener: u16) -> bool {
        self.name_of(listener)
            .is_some_and(|name| name.scheme == Scheme::Msrps)
    }

    /// The listener with whose name the URIs of this one's clients are written.
    pub(super) fn name_of(&self, listener: u16) -> Option<&RelayListener> {
        let name = self.bindings.name_of(listener);
        self.config.listeners.get(usize::from(name))
    }

    fn check_session_fingerprint(
        &self,
        sdp: &Sdp<'_>,
        streams: &[Stream],
        mut listeners: impl Iterator<Item = u16>,
    ) -> Result<(), AnchorError> {
        let stays = sdp.has_session_fingerprint() && sdp.has_other_media(streams);
        if stays
            && self.config.anchors.fingerprints.is_empty()
            && listeners.any(|listener| self.is_secure(listener))
        {
            return Err(AnchorError::SessionFingerprint);
        }
        Ok(())
    }

    /// Keeps an offer until its answer comes, and gives it as the other side is to see it.
    fn offer_on(&mut self, index: u32, sdp: &Sdp<'_>, from: Side, streams: Vec<Stream>) -> Vec<u8> {
        let now = self.now;
        let Some(session) = self.anchors.sessions.get(index as usize) else {
            return Vec::new();
        };
        let hide = session.options.hide_paths;
        let await_peer = match from.other() {
            Side::Offerer => session.options.offerer.await_peer,
            Side::Answerer => session.options.answerer.await_peer,
        };
        let setup = if await_peer {
            Setup::Passive
        } else {
            Setup::ActPass
        };
        let mut sections = Vec::new();
        for stream in &streams {
            let line = session
                .streams
                .iter()
                .find(|line| line.number == stream.number)
                .filter(|_| stream.port != 0);
            let Some(leg) = line.map(|line| line.leg(from.other())) else {
                sections.push(Section {
                    number: stream.number,
                    tls: stream.tls,
                    relay: None,
                });
                continue;
            };
            let listener = self.anchors.legs.get(leg as usize).map_or(0, |leg| leg.listener);
            let path = self.path_for(leg, &stream.path, hide);
            sections.push(Section {
                number: stream.number,
                tls: self.is_secure(listener),
                relay: Some(self.named(listener, path, setup, stream.cema)),
            });
        }
        let body = sdp.rewrite(&sections, !sdp.has_other_media(&streams));
        if let Some(session) = self.anchors.sessions.get_mut(index as usize) {
            session.offer = Some(Offer { from, streams });
            session.exchanged = now;
        }
        body
    }

    /// The relay has other certificates from now on, as after [`AnchorConfig::fingerprint`](crate::AnchorConfig::fingerprint).
    pub fn set_anchor_fingerprints(&mut self, fingerprints: Vec<Fingerprint>) {
        self.config.anchors.fingerprints = fingerprints;
    }
}

fn insecure(stream: &Stream) -> AnchorError {
    AnchorError::Security {
        line: stream.line,
        protocol: if stream.tls { PROTECTED } else { PLAIN },
    }
}

/// Whether an answer's `a=setup` fits what we have offered (RFC 4145 §4.1).
fn check_answered_setup(stream: &Stream, side: LegOptions) -> Result<(), AnchorError> {
    let fits = match stream.setup {
        Some(Setup::ActPass) => false,
        Some(Setup::Passive) => !side.await_peer,
        Some(Setup::Active) | None => true,
    };
    if fits {
        return Ok(());
    }
    Err(AnchorError::Setup {
        line: stream.line,
        value: stream.setup.map_or("", Setup::as_str).to_owned(),
    })
}
