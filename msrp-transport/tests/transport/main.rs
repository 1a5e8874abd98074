//! The drivers and layers, mostly over real sockets. The same tests run with mio, tokio and smol.

mod answering;
mod backpressure;
mod connecting;
mod conversation;
mod dns;
mod ending;
mod identities;
mod limits;
mod listeners;
mod manual;
mod name_server;
mod node;
mod peer;
mod raw;
mod scripts;
mod tls_layer;
mod tls_sockets;
mod trust;
mod vectored;
mod wakeups;
mod websocket;
