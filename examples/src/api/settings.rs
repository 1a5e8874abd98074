//! Options, checked.

use std::{net::SocketAddr, path::PathBuf};

use super::Options;
use crate::{
    endpoint::{EndpointSettings, secret},
    failure::Failure,
};

/// What the program runs with.
#[derive(Clone)]
pub struct Settings {
    /// The user agent.
    pub endpoint: EndpointSettings,
    /// Where the API listens.
    pub http: SocketAddr,
    /// What clients have to show.
    pub token: Option<String>,
    /// The largest file that clients may send.
    pub max_upload: u64,
    /// Where files wait.
    pub spool_dir: PathBuf,
    /// Answer without asking.
    pub auto_answer: bool,
}

/// Prints no token.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks options.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: Options) -> Result<Self, Failure> {
        let text = options.http.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let http = text
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix('/').unwrap_or(rest).parse::<SocketAddr>().ok())
            .ok_or_else(|| {
                Failure::Asked(format!(
                    "--http {text}: an address is wanted, such as http://127.0.0.1:8080"
                ))
            })?;
        let token = options.token.map(|text| secret("--token", &text)).transpose()?;
        if token
            .as_ref()
            .is_some_and(|token| !token.bytes().all(|octet| octet.is_ascii_graphic()))
        {
            return Err(Failure::Asked(
                "--token: visible characters without spaces are wanted".to_owned(),
            ));
        }
        if token.is_none() && !http.ip().is_loopback() {
            return Err(Failure::Asked(format!(
                "--http http://{http}: others can reach this address; --token says what they have to show"
            )));
        }
        let spool_dir = options.spool_dir.unwrap_or_else(std::env::temp_dir);
        if !spool_dir.is_dir() {
            return Err(Failure::Asked(format!(
                "--spool-dir {}: there is no such folder",
                spool_dir.display()
            )));
        }
        Ok(Self {
            endpoint: EndpointSettings::new(options.endpoint)?,
            http,
            token,
            max_upload: options.max_upload.unwrap_or(1 << 30),
            spool_dir,
            auto_answer: options.auto_answer,
        })
    }
}
