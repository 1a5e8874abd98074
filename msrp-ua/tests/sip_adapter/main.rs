//! The provided adapter, over real loopback sockets: each row of the contract of `SipAdapter`.

mod bodies;
mod calls;
mod digest;
mod ending;
mod pages;
mod peer;
mod redirects;
mod refusals;
mod routes;
mod said;
mod side;
mod streams;
mod wire;
