//! What can be wrong with a configuration.

/// Why a [`Relay`](crate::Relay) was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The host is no host of an MSRP URI.
    #[error("{host:?} is not a host name")]
    Host {
        /// What was given.
        host: String,
    },
    /// Use-Path URIs carry a host name, not an address (RFC 4976 §4.2), unless
    /// [`allow_address_host`](crate::RelayConfig::allow_address_host) says otherwise.
    #[error("{host} is an address; RFC 4976 wants a host name in Use-Path (allow_address_host lifts this)")]
    HostIsAddress {
        /// What was given.
        host: String,
    },
    /// Without a listener there is no port to put into a Use-Path URI.
    #[error("no listener")]
    NoListener,
    /// A listener was named twice.
    #[error("listener {id} is there twice")]
    DuplicateListener {
        /// The number of the listener.
        id: u16,
    },
    /// The port of a listener is 0: the real port has to be known.
    #[error("port of listener {id} is 0")]
    Port {
        /// The number of the listener.
        id: u16,
    },
    /// A listener is to be named as another one that is not there, or that is itself named as another.
    #[error("listener {id} is named as listener {named_as}, which has no name of its own")]
    NamedAs {
        /// The number of the listener.
        id: u16,
        /// The number of the other.
        named_as: u16,
    },
    /// The realm cannot be written as a quoted string, or is empty.
    #[error("realm {realm:?} is empty or has control characters")]
    Realm {
        /// What was given.
        realm: String,
    },
    /// A peer relay is known by a DNS name.
    #[error("peer relay {name:?} is neither a DNS name nor *. and a domain")]
    PeerRelay {
        /// What was given.
        name: String,
    },
    /// There is no shard of this number, or more than there may be.
    #[error("shard {index} of {count}: shards are counted from 0, and there may be {max}")]
    Shard {
        /// The number of the shard.
        index: u16,
        /// How many there are.
        count: u16,
        /// How many there may be.
        max: u16,
    },
    /// The bounds of Expires contradict each other or are 0.
    #[error("Expires: minimum {min}, default {default}, maximum {max} s are not in order, or 0")]
    Expires {
        /// The smallest Expires that is granted, in seconds.
        min: u32,
        /// What is granted where none is asked for, in seconds.
        default: u32,
        /// The largest that is granted, in seconds.
        max: u32,
    },
}
