//! Several loops that are one server.

use std::{io, net::TcpListener, sync::Arc, thread, time::Duration};

use msrp_core::{
    grammar::Scheme,
    node::{ListenerId, Node},
};

use super::{Handle, HandleError, Host, Server, ServerError};
use crate::layer::Incoming;

/// Several servers that together are one: each has a node, a thread, sockets and listeners of its own, on the same
/// addresses ([`bind_shared`](crate::listen::bind_shared)), so that the operating system spreads connections over them.
/// Their nodes move connections to each other, and open connections inside the process, by
/// [`Action::HandOver`](msrp_core::node::Action::HandOver) and
/// [`Action::ConnectShard`](msrp_core::node::Action::ConnectShard).
///
/// ```text
///            ┌── server 0 ── node 0 ──┐
///   port ────┼── server 1 ── node 1 ──┼── inboxes: octets of pipes, connections that move
///            └── server 2 ── node 2 ──┘   (one lock for each turn and shard, 64 KiB for each pipe and direction)
/// ```
///
/// One server alone runs as it would without this.
#[derive(Debug)]
pub struct Shards<N: Node> {
    servers: Vec<Server<N>>,
}

impl<N: Node> Shards<N> {
    /// Joins servers. The place of a server is the number by which nodes name its shard.
    pub fn new(mut servers: Vec<Server<N>>) -> Self {
        if servers.len() > 1 {
            let inboxes: Arc<[_]> = servers.iter().map(Server::new_inbox).collect();
            for (index, server) in servers.iter_mut().enumerate() {
                server.link(index as u16, inboxes.clone());
            }
        }
        Self { servers }
    }

    /// What other threads reach the servers by.
    pub fn handle(&self) -> ShardsHandle<N> {
        ShardsHandle {
            handles: self.servers.iter().map(Server::handle).collect(),
        }
    }

    /// The servers.
    pub fn servers_mut(&mut self) -> &mut [Server<N>] {
        &mut self.servers
    }

    /// Listens on an address, with one socket for each server. Answers the id that the nodes will see.
    ///
    /// # Errors
    /// As [`Server::listen_on`].
    pub fn listen_on(
        &mut self,
        sockets: Vec<TcpListener>,
        scheme: Scheme,
        incoming: impl Into<Incoming>,
    ) -> Result<ListenerId, ServerError> {
        let incoming = incoming.into();
        let mut id = ListenerId(0);
        for (server, socket) in self.servers.iter_mut().zip(sockets) {
            id = server.listen_on(socket, scheme, incoming.clone())?;
        }
        Ok(id)
    }

    /// Runs all servers, each on a thread of its own (one alone on this), until all have ended. One that fails ends the
    /// others. `host` makes the application of each.
    ///
    /// # Errors
    /// The first of [`Server::run`], or of starting a thread.
    ///
    /// # Panics
    /// When a server's thread has; the others are ended first.
    pub fn run<H>(mut self, mut host: impl FnMut(u16) -> H) -> io::Result<()>
    where
        N: Send,
        N::Command: Send,
        N::Answer: Send,
        H: Host<N> + Send,
    {
        if let [server] = &mut self.servers[..] {
            return server.run(&mut host(0));
        }
        let handle = self.handle();
        thread::scope(|scope| {
            let mut outcome = Ok(());
            let mut threads = Vec::new();
            for (index, mut server) in self.servers.into_iter().enumerate() {
                let mut host = host(index as u16);
                let mut ender = Ender(Some(handle.clone()));
                let run = move || {
                    let ran = server.run(&mut host);
                    if ran.is_ok() {
                        // Others may have something left to do.
                        ender.rest();
                    }
                    ran
                };
                let thread = thread::Builder::new().name(format!("shard-{index}"));
                match thread.spawn_scoped(scope, run) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        handle.end();
                        outcome = Err(error);
                        break;
                    }
                }
            }
            for thread in threads {
                match thread.join() {
                    Ok(ran) => outcome = outcome.and(ran),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            outcome
        })
    }
}

/// Ends all servers when the thread of one ends for no good reason.
struct Ender<N: Node>(Option<ShardsHandle<N>>);

impl<N: Node> Ender<N> {
    /// There was a good reason.
    fn rest(&mut self) {
        self.0 = None;
    }
}

impl<N: Node> Drop for Ender<N> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.end();
        }
    }
}

/// Reaches the servers of [`Shards`] from any thread.
pub struct ShardsHandle<N: Node> {
    handles: Arc<[Handle<N>]>,
}

impl<N: Node> Clone for ShardsHandle<N> {
    fn clone(&self) -> Self {
        Self {
            handles: self.handles.clone(),
        }
    }
}

impl<N: Node> std::fmt::Debug for ShardsHandle<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardsHandle")
            .field("shards", &self.handles.len())
            .finish()
    }
}

impl<N: Node> ShardsHandle<N> {
    /// One for each server, in their order.
    pub fn shards(&self) -> &[Handle<N>] {
        &self.handles
    }

    /// Gives each node a command of its own.
    ///
    /// # Errors
    /// The first of [`Handle::command`]; the other nodes get theirs all the same.
    pub fn command(&self, mut command: impl FnMut(u16) -> N::Command) -> Result<(), HandleError> {
        self.each(|index, handle| handle.command(command(index)))
    }

    /// Ends all servers, as [`Handle::shutdown`] does one.
    ///
    /// # Errors
    /// The first of [`Handle::shutdown`].
    pub fn shutdown(&self, deadline: Duration) -> Result<(), HandleError> {
        self.each(|_, handle| handle.shutdown(deadline))
    }

    fn each(
        &self,
        mut say: impl FnMut(u16, &Handle<N>) -> Result<(), HandleError>,
    ) -> Result<(), HandleError> {
        let mut outcome = Ok(());
        let mut stopped = 0;
        for (index, handle) in self.handles.iter().enumerate() {
            match say(index as u16, handle) {
                // Those that have ended need nothing more.
                Err(HandleError::Stopped) => stopped += 1,
                said => outcome = outcome.and(said),
            }
        }
        if stopped == self.handles.len() {
            return Err(HandleError::Stopped);
        }
        outcome
    }

    /// Ends what runs, at once.
    fn end(&self) {
        let _as_far_as_it_goes = self.shutdown(Duration::ZERO);
    }
}
