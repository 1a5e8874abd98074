//! How much one user, or one address, may take of the relay.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hashbrown::HashMap;
use msrp_core::node::PeerInfo;

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

/// A rate (the "virtual scheduling" form of a leaky bucket): when all that was taken so far would be paid for, in nanoseconds
/// since the account began. Shards that take at the same time do not wait for each other.
#[derive(Debug, Default)]
struct Rate {
    paid: AtomicU64,
}

impl Rate {
    /// Takes some; how long to wait before taking more.
    fn take(&self, now: Duration, amount: u64, a_second: u64, burst: Duration) -> Duration {
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(a_second.max(1));
        let cost = u64::try_from(nanos).unwrap_or(u64::MAX);
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let after = |paid: u64| paid.max(now).saturating_add(cost);
        let before = self
            .paid
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| Some(after(paid)));
        let (Ok(paid) | Err(paid)) = before;
        Duration::from_nanos(after(paid).saturating_sub(now)).saturating_sub(burst)
    }
}

/// What a user may take, and has taken; every URI of his refers to it.
#[derive(Debug)]
pub(crate) struct Account {
    name: Arc<str>,
    limits: UserLimits,
    since: Instant,
    chunks: Rate,
    octets: Rate,
}

impl Account {
    fn new(now: Instant, name: &Arc<str>, limits: UserLimits) -> Self {
        Self {
            name: name.clone(),
            limits,
            since: now,
            chunks: Rate::default(),
            octets: Rate::default(),
        }
    }

    fn is_rated(&self) -> bool {
        self.limits.chunks.is_some() || self.limits.octets.is_some()
    }

    /// The user has sent something; how long he has to wait before he sends more.
    fn charge(&self, now: Instant, sent: Traffic) -> Duration {
        let UserLimits {
            chunks,
            octets,
            burst,
            ..
        } = self.limits;
        let now = now.saturating_duration_since(self.since);
        let mut wait = Duration::ZERO;
        if let Some(a_second) = chunks {
            wait = self.chunks.take(now, sent.chunks, a_second.into(), burst);
        }
        if let Some(a_second) = octets {
            wait = wait.max(self.octets.take(now, sent.octets, a_second, burst));
        }
        wait
    }
}

/// What is known of a user while he has sessions, and for a while after.
#[derive(Debug)]
struct User {
    account: Arc<Account>,
    sessions: u32,
    /// How often he came to have none; a note in [`Users::former`] of an earlier time is void.
    left: u32,
}

/// Users without sessions that are remembered, so that reconnecting is no way around a rate; the oldest give way. About 250
/// octets each.
const FORMER: usize = 10_000;

/// The users who have sessions, with what they may take.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_name: HashMap<Arc<str>, User>,
    former: VecDeque<(Arc<str>, u32)>,
}

impl Users {
    /// The account of a user who is about to have one more session; none when he has as many as he may.
    pub(crate) fn enter(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        limits: impl FnOnce() -> UserLimits,
    ) -> Option<Arc<Account>> {
        let user = self.by_name.entry(name.clone()).or_insert_with(|| User {
            account: Arc::new(Account::new(now, name, limits())),
            sessions: 0,
            left: 0,
        });
        if user
            .account
            .limits
            .sessions
            .is_some_and(|most| user.sessions >= most)
        {
            if user.sessions == 0 {
                // A limit of none: nothing is to stay.
                self.by_name.remove(name);
            }
            return None;
        }
        user.sessions += 1;
        Some(user.account.clone())
    }

    /// A session of a user is over.
    pub(crate) fn leave(&mut self, account: &Account) {
        let Some(user) = self.by_name.get_mut(&account.name) else {
            return;
        };
        user.sessions = user.sessions.saturating_sub(1);
        if user.sessions > 0 {
            return;
        }
        user.left = user.left.wrapping_add(1);
        self.former.push_back((account.name.clone(), user.left));
        while self.former.len() > FORMER {
            let Some((oldest, left)) = self.former.pop_front() else {
                break;
            };
            let is_gone = |user: &User| user.sessions == 0 && user.left == left;
            if self.by_name.get(&oldest).is_some_and(is_gone) {
                self.by_name.remove(&oldest);
            }
        }
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
    /// One more connection, unless as many from there are open as may be.
    pub(crate) fn enter(&mut self, peer: &PeerInfo, most: u32) -> bool {
        let Some(network) = network(peer) else { return true };
        let open = self.0.entry(network).or_default();
        let has_room = *open < most;
        if has_room {
            *open += 1;
        } else if *open == 0 {
            self.0.remove(&network);
        }
        has_room
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
                .and_then(|binding| binding.account.as_ref())
                .is_some_and(|account| account.is_rated())
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
        let now = self.now;
        let is_over = |account: &Arc<Account>| !account.charge(now, Traffic::default()).is_zero();
        let over = matches!(binding.owner, Owner::Relay(_)) && binding.account.as_ref().is_some_and(is_over);
        self.stats.refused_over_rate += u64::from(over);
        over
    }

    /// Makes the client whose URI this is wait, if what he has sent is more than his rate allows.
    pub(crate) fn hold_to_rate(&mut self, route: Route, sent: Traffic) {
        let Some(binding) = self.bindings.get(route.binding) else {
            return;
        };
        let owner = binding.owner;
        let wait = match &binding.account {
            Some(account) => account.charge(self.now, sent),
            None => Duration::ZERO,
        };
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
        let rate = Rate::default();
        let burst = Duration::from_secs(2);
        let mut now = Duration::from_secs(7);
        let mut taken = 0;
        while now < Duration::from_secs(17) {
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
        let account = users.enter(now, &alice, limits).unwrap();
        let again = users.enter(now, &alice, limits).unwrap();
        assert!(Arc::ptr_eq(&account, &again));
        assert!(users.enter(now, &alice, limits).is_none());
        assert!(!account.charge(now, Traffic::chunk(1, None)).is_zero());
        users.leave(&account);
        users.leave(&account);
        let again = users.enter(now, &alice, limits).unwrap();
        assert!(again.charge(now, Traffic::chunk(1, None)) > Duration::from_secs(1));
        // A shard whose clock is a little behind.
        let earlier = now.checked_sub(Duration::from_millis(1)).unwrap_or(now);
        assert!(again.charge(earlier, Traffic::chunk(1, None)) > Duration::from_secs(2));
    }

    #[test]
    fn users_who_are_gone_are_forgotten_in_the_end() {
        let now = Instant::now();
        let mut users = Users::default();
        for number in 0..FORMER + 100 {
            let name: Arc<str> = number.to_string().into();
            let account = users.enter(now, &name, UserLimits::new).unwrap();
            users.leave(&account);
        }
        assert_eq!((users.former.len(), users.by_name.len()), (FORMER, FORMER));
    }

    #[test]
    fn hosts_of_one_ipv6_network_count_as_one() {
        let peer =
            |address: &str| PeerInfo::new().with_remote((address.parse::<IpAddr>().unwrap(), 1).into());
        let mut addresses = Addresses::default();
        assert!(addresses.enter(&peer("2001:db8:0:1::1"), 2));
        assert!(addresses.enter(&peer("2001:db8:0:1:2::1"), 2));
        assert!(!addresses.enter(&peer("2001:db8:0:1:3::1"), 2));
        assert!(addresses.enter(&peer("2001:db8:0:2::1"), 2));
        assert!(addresses.enter(&peer("192.0.2.1"), 1));
        assert!(!addresses.enter(&peer("::ffff:192.0.2.1"), 1));
        addresses.leave(&peer("192.0.2.1"));
        assert!(!addresses.enter(&peer("192.0.2.1"), 0));
        assert!(addresses.enter(&peer("192.0.2.1"), 1));
    }
}
