//! Options, checked.

use std::path::PathBuf;

use super::Options;
use crate::{endpoint::EndpointSettings, failure::Failure, http::Site};

/// What the program runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user agent.
    pub endpoint: EndpointSettings,
    /// Where the API listens, and what its clients have to show.
    pub http: Site,
    /// The largest file that clients may send.
    pub max_upload: u64,
    /// Where files wait.
    pub spool_dir: PathBuf,
    /// Answer without asking.
    pub auto_answer: bool,
}

impl Settings {
    /// Checks options.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: Options) -> Result<Self, Failure> {
        let url = options.http.as_deref().unwrap_or("http://127.0.0.1:8080");
        let http = Site::new(("--http", url), ("--token", options.token.as_deref()))?;
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
            max_upload: options.max_upload.unwrap_or(1 << 30),
            spool_dir,
            auto_answer: options.auto_answer,
        })
    }
}
