//! How much one user, or one address, may take of the relay.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use msrp_core::node::PeerInfo;
use slab::Slab;

use crate::{bindings::Owner, connection::Wait, forward::Route, relay::Relay, session::Traffic};

/// How much one user may take of the relay. By default nothing is limited.
///
/// Who has as many sessions as he may is answered 403 to AUTH. Who sends faster than he may is not refused anything:
/// nothing more is read from the connection until his rate allows it, so that the sender waits and nothing is lost. Only
/// who comes by way of another relay, whose connection carries other users too, is answered 413 instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserLimits {
    /// Use-Path URIs that are valid at the same time.
    pub sessions: Option<u32>,
    /// SEND chunks a second.
    pub chunks: Option<u32>,
    /// Octets of bodies a second.
    pub octets: Option<u64>,
    /// For how much time's worth a user may send at once who has been silent. Default 5 s.
    pub burst: Duration,
}

impl Default for UserLimits {
    fn default() -> Self {
        Self {
            sessions: None,
            chunks: None,
            octets: None,
            burst: Duration::from_secs(5),
        }
    }
}

impl UserLimits {
    /// No limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many URIs of a user may be valid at the same time.
    pub fn sessions(mut self, sessions: u32) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Sets how many SEND chunks a user may send in a second.
    pub fn chunks(mut self, a_second: u32) -> Self {
        self.chunks = Some(a_second.max(1));
        self
    }

    /// Sets how many octets of bodies a user may send in a second.
    pub fn octets(mut self, a_second: u64) -> Self {
        self.octets = Some(a_second.max(1));
        self
    }

    /// Sets for how much time's worth a user may send at once who has been silent.
    pub fn burst(mut self, time: Duration) -> Self {
        self.burst = time;
        self
    }
}

/// A rate (the "virtual scheduling" form of a leaky bucket): when all that was taken so far would be paid for.
#[derive(Clone, Copy, Debug)]
struct Rate {
    paid: Instant,
}

impl Rate {
    /// Takes some; how long to wait before taking more.
    fn take(&mut self, now: Instant, amount: u64, a_second: u64, burst: Duration) -> Duration {
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(a_second.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let from = self.paid.max(now);
        self.paid = from.checked_add(cost).unwrap_or(from);
        self.paid.saturating_duration_since(now).saturating_sub(burst)
    }
}

/// What is known of a user while he has sessions, and for a while after.
#[derive(Debug)]
struct User {
    name: Arc<str>,
    limits: UserLimits,
    sessions: u32,
    /// How often he came to have none; a note in [`Users::former`] of an earlier time is void.
    left: u32,
    chunks: Rate,
    octets: Rate,
}

/// Users without sessions that are remembered, so that reconnecting is no way around a rate; the oldest give way. About 200
/// octets each.
const FORMER: usize = 10_000;

/// The users who have sessions, with what they may take.
#[derive(Debug, Default)]
pub(crate) struct Users {
    slots: Slab<User>,
    by_name: HashMap<Arc<str>, u32>,
    former: VecDeque<(u32, u32)>,
}

/// Stands for a user of whom nothing is kept, as nothing is limited.
pub(crate) const NOBODY: u32 = u32::MAX;

impl Users {
    /// The place of a user who is about to have one more session; none when he has as many as he may.
    pub(crate) fn enter(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        limits: impl FnOnce() -> UserLimits,
    ) -> Option<u32> {
        let place = match self.by_name.get(name) {
            Some(&place) => place,
            None => {
                let place = self.slots.insert(User {
                    name: name.clone(),
                    limits: limits(),
                    sessions: 0,
                    left: 0,
                    chunks: Rate { paid: now },
                    octets: Rate { paid: now },
                }) as u32;
                self.by_name.insert(name.clone(), place);
                place
            }
        };
        let user = self.slots.get_mut(place as usize)?;
        let full = user.limits.sessions.is_some_and(|most| user.sessions >= most);
        if full {
            if user.sessions == 0 {
                // A limit of none: nothing is to stay.
                self.forget(place);
            }
            return None;
        }
        user.sessions += 1;
        Some(place)
    }

    /// A session of a user is over.
    pub(crate) fn leave(&mut self, place: u32) {
        let Some(user) = self.slots.get_mut(place as usize) else {
            return;
        };
        user.sessions = user.sessions.saturating_sub(1);
        if user.sessions > 0 {
            return;
        }
        user.left = user.left.wrapping_add(1);
        self.former.push_back((place, user.left));
        while self.former.len() > FORMER {
            let Some((oldest, left)) = self.former.pop_front() else {
                break;
            };
            let gone = self
                .slots
                .get(oldest as usize)
                .is_some_and(|user| user.sessions == 0 && user.left == left);
            if gone {
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, place: u32) {
        if let Some(user) = self.slots.try_remove(place as usize) {
            self.by_name.remove(&user.name);
        }
    }

    fn is_rated(&self, place: u32) -> bool {
        self.slots
            .get(place as usize)
            .is_some_and(|user| user.limits.chunks.is_some() || user.limits.octets.is_some())
    }

    /// A user has sent something; how long he has to wait before he sends more.
    fn charge(&mut self, now: Instant, place: u32, sent: Traffic) -> Duration {
        let Some(user) = self.slots.get_mut(place as usize) else {
            return Duration::ZERO;
        };
        let UserLimits {
            chunks,
            octets,
            burst,
            ..
        } = user.limits;
        let mut wait = Duration::ZERO;
        if let Some(a_second) = chunks {
            wait = user.chunks.take(now, sent.chunks, a_second.into(), burst);
        }
        if let Some(a_second) = octets {
            wait = wait.max(user.octets.take(now, sent.octets, a_second, burst));
        }
        wait
    }
}

/// Connections that peers have opened, by address. Of IPv6 addresses the first 64 bits count, as a host has all the others
/// to choose from.
#[derive(Debug, Default)]
pub(crate) struct Addresses(HashMap<IpAddr, u32>);

fn network(peer: &PeerInfo) -> Option<IpAddr> {
    match peer.remote?.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        address @ IpAddr::V4(_) => Some(address),
    }
}

impl Addresses {
    /// Whether as many connections from there are open as may be.
    pub(crate) fn is_full(&self, peer: &PeerInfo, most: u32) -> bool {
        network(peer)
            .and_then(|network| self.0.get(&network))
            .is_some_and(|&open| open >= most)
    }

    pub(crate) fn enter(&mut self, peer: &PeerInfo) {
        if let Some(network) = network(peer) {
            *self.0.entry(network).or_default() += 1;
        }
    }

    pub(crate) fn leave(&mut self, peer: &PeerInfo) {
        if let Some(network) = network(peer)
            && let Some(open) = self.0.get_mut(&network)
        {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.0.remove(&network);
            }
        }
    }
}

impl Relay {
    /// Whether what goes this way is held to a rate, so that each chunk has to be looked at.
    pub(crate) fn is_rated(&self, route: Route) -> bool {
        self.config.user_limits.is_some()
            && route.from_owner
            && self
                .bindings
                .get(route.binding)
                .is_some_and(|binding| self.users.is_rated(binding.user_place))
    }

    /// Whether a SEND has to be refused, as its user has sent more than his rate allows and comes by way of another relay:
    /// to make that wait would hold up its other users.
    pub(crate) fn is_over_rate(&mut self, route: Route) -> bool {
        if self.config.user_limits.is_none() || !route.from_owner {
            return false;
        }
        let Some(binding) = self.bindings.get(route.binding) else {
            return false;
        };
        let over = matches!(binding.owner, Owner::Relay(_))
            && !self
                .users
                .charge(self.now, binding.user_place, Traffic::default())
                .is_zero();
        self.stats.refused_over_rate += u64::from(over);
        over
    }

    /// Makes the client whose URI this is wait, if what he has sent is more than his rate allows.
    pub(crate) fn hold_to_rate(&mut self, route: Route, sent: Traffic) {
        let Some(binding) = self.bindings.get(route.binding) else {
            return;
        };
        let (owner, place) = (binding.owner, binding.user_place);
        let wait = self.users.charge(self.now, place, sent);
        let Owner::Client(from) = owner else {
            // Other users share the way; see `is_over_rate`.
            return;
        };
        if wait.is_zero() {
            return;
        }
        let until = self.now + wait;
        if let Some((_, data)) = self.table.get_mut(from)
            && data.wait.is_none()
        {
            data.wait = Some(Wait::Rate { until });
            self.stats.paused_for_rate += 1;
            self.review(from);
        }
    }

    /// A connection that was paused for its user's rate goes on when its time has come.
    pub(crate) fn expire_rate(&mut self, handle: msrp_core::node::ConnectionHandle) {
        let now = self.now;
        if let Some((_, data)) = self.table.get_mut(handle)
            && let Some(wait @ (Wait::Rate { until } | Wait::Slow { until, .. })) = data.wait
            && until <= now
        {
            self.wake(handle, wait);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests begin at any time")]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_over_time_with_one_burst() {
        let start = Instant::now();
        let mut rate = Rate { paid: start };
        let burst = Duration::from_secs(2);
        let mut now = start;
        let mut taken = 0;
        while now < start + Duration::from_secs(10) {
            let wait = rate.take(now, 1, 10, burst);
            taken += 1;
            now += wait;
        }
        // 10 a second for 10 s, 2 s' worth at once at the beginning, and the one that made the burst full.
        assert!((119..=121).contains(&taken), "{taken}");
        // Silence is saved up to the burst, and no further.
        now += Duration::from_secs(1_000);
        let at_once = (0..1_000)
            .take_while(|_| rate.take(now, 1, 10, burst).is_zero())
            .count();
        assert_eq!(at_once, 20);
    }

    #[test]
    fn sessions_of_a_user_are_counted_and_reconnecting_is_no_way_around_a_rate() {
        let now = Instant::now();
        let alice: Arc<str> = "alice".into();
        let limits = || UserLimits::new().sessions(2).chunks(1).burst(Duration::ZERO);
        let mut users = Users::default();
        let place = users.enter(now, &alice, limits).unwrap_or(NOBODY);
        assert_eq!(users.enter(now, &alice, limits), Some(place));
        assert_eq!(users.enter(now, &alice, limits), None);
        assert!(!users.charge(now, place, Traffic::chunk(1, None)).is_zero());
        users.leave(place);
        users.leave(place);
        let again = users.enter(now, &alice, limits).unwrap_or(NOBODY);
        assert!(users.charge(now, again, Traffic::chunk(1, None)) > Duration::from_secs(1));
    }

    #[test]
    fn users_who_are_gone_are_forgotten_in_the_end() {
        let now = Instant::now();
        let mut users = Users::default();
        for number in 0..FORMER + 100 {
            let name: Arc<str> = number.to_string().into();
            let place = users.enter(now, &name, UserLimits::new).unwrap_or(NOBODY);
            users.leave(place);
        }
        assert_eq!((users.slots.len(), users.by_name.len()), (FORMER, FORMER));
    }

    #[test]
    fn hosts_of_one_ipv6_network_count_as_one() {
        let peer =
            |address: &str| PeerInfo::new().with_remote((address.parse::<IpAddr>().unwrap(), 1).into());
        let mut addresses = Addresses::default();
        addresses.enter(&peer("2001:db8:0:1::1"));
        addresses.enter(&peer("2001:db8:0:1:2::1"));
        assert!(addresses.is_full(&peer("2001:db8:0:1:3::1"), 2));
        assert!(!addresses.is_full(&peer("2001:db8:0:2::1"), 2));
        addresses.enter(&peer("192.0.2.1"));
        assert!(addresses.is_full(&peer("::ffff:192.0.2.1"), 1));
        addresses.leave(&peer("192.0.2.1"));
        assert!(!addresses.is_full(&peer("192.0.2.1"), 1));
    }
}
