//! What the shards of one relay count together.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    auth::lockout::Lockout,
    limits::{Addresses, Users},
};

/// What several shards count together, as they are one relay to users and to those who attack it: wrong credentials by user
/// and address, connections by address, sessions and rates by user. A clone counts with its original; see
/// [`RelayConfig::in_common`](crate::RelayConfig::in_common).
///
/// A table is locked for a moment when a connection comes or goes, at each AUTH with credentials, and when a session of a
/// limited user ends; never for what is forwarded. The bounds are those of one relay, whatever the number of shards.
#[derive(Clone, Default)]
pub struct CommonCounts(Arc<Tables>);

#[derive(Default)]
struct Tables {
    lockout: Mutex<Lockout>,
    addresses: Mutex<Addresses>,
    users: Mutex<Users>,
}

/// A count that a thread has left behind in the middle of a change is off by one at worst.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CommonCounts {
    /// Nothing has been counted.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn lockout(&self) -> MutexGuard<'_, Lockout> {
        lock(&self.0.lockout)
    }

    pub(crate) fn addresses(&self) -> MutexGuard<'_, Addresses> {
        lock(&self.0.addresses)
    }

    pub(crate) fn users(&self) -> MutexGuard<'_, Users> {
        lock(&self.0.users)
    }
}

/// Names of users are nobody's business.
impl fmt::Debug for CommonCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonCounts").finish_non_exhaustive()
    }
}
