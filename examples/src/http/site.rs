//! Where an HTTP server listens, and what its clients have to show.

use std::net::{SocketAddr, TcpListener};

use axum::Router;

use super::{Guard, serve};
use crate::{config_file::secret, failure::Failure};

/// Where an HTTP server listens, and what its clients have to show, as two flags say it.
#[derive(Clone)]
pub struct Site {
    flag: &'static str,
    address: SocketAddr,
    token_flag: &'static str,
    token: Option<String>,
}

/// Prints no token.
impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("address", &self.address)
            .field("token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

impl Site {
    /// What the flags say: `http://IP:PORT`, and a token or `@FILE`, without which the address has to be one of loopback.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(
        (flag, url): (&'static str, &str),
        (token_flag, token): (&'static str, Option<&str>),
    ) -> Result<Self, Failure> {
        let address = url
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/').unwrap_or(rest).parse::<SocketAddr>().ok())
            .ok_or_else(|| {
                Failure::asked(
                    &format!("{flag} {url}"),
                    "an address is wanted, such as http://127.0.0.1:8080",
                )
            })?;
        let token = token.map(|text| secret(token_flag, text)).transpose()?;
        if let Some(token) = &token
            && !token.bytes().all(|octet| octet.is_ascii_graphic())
        {
            return Err(Failure::asked(
                token_flag,
                "visible characters without spaces are wanted",
            ));
        }
        if token.is_none() && !address.ip().is_loopback() {
            return Err(Failure::asked(
                &format!("{flag} {url}"),
                format!("others can reach this address; {token_flag} says what they have to show"),
            ));
        }
        Ok(Self {
            flag,
            address,
            token_flag,
            token,
        })
    }

    /// A socket that listens, and its URL with the real port.
    ///
    /// # Errors
    /// [`Failure::Asked`].
    pub fn open(&self) -> Result<OpenSite, Failure> {
        let open = || {
            let socket = TcpListener::bind(self.address)?;
            socket.set_nonblocking(true)?;
            let url = format!("http://{}", socket.local_addr()?);
            Ok::<_, std::io::Error>((socket, url))
        };
        let (socket, url) = open()
            .map_err(|error| Failure::asked(&format!("{} http://{}", self.flag, self.address), error))?;
        let guard = Guard::new(self.token.clone(), self.token_flag);
        Ok(OpenSite { socket, url, guard })
    }
}

/// An HTTP server that listens.
#[derive(Debug)]
pub struct OpenSite {
    socket: TcpListener,
    /// Where it listens.
    pub url: String,
    guard: Guard,
}

impl OpenSite {
    /// Serves so many connections at the same time, in a task of its own; `router` makes the routes, and guards them.
    pub fn serve(
        self,
        connections: usize,
        router: impl FnOnce(Guard) -> Router,
    ) -> tokio::task::JoinHandle<std::io::Result<()>> {
        tokio::spawn(serve(self.socket, router(self.guard), connections))
    }
}
