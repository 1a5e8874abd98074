//! The provided adapter, over real loopback sockets: each row of the contract of `SipAdapter`.

mod calls;
mod pages;
mod side;
