//! Options, checked.

use std::path::PathBuf;

use super::Options;
use crate::{
    endpoint::{EndpointSettings, is_sip_uri},
    failure::Failure,
};

/// What the program runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The user agent.
    pub endpoint: EndpointSettings,
    /// Whom to call.
    pub call: Option<String>,
    /// Answer without asking.
    pub auto_answer: bool,
    /// What to say.
    pub send: Vec<String>,
    /// What to send.
    pub send_file: Vec<PathBuf>,
    /// Stay when all is delivered.
    pub stay: bool,
    /// JSON in and out.
    pub json: bool,
}

impl Settings {
    /// Checks options.
    ///
    /// # Errors
    /// [`Failure::Asked`], which names the flag.
    pub fn new(options: Options) -> Result<Self, Failure> {
        let endpoint = EndpointSettings::new(options.endpoint)?;
        if let Some(uri) = options.call.as_deref().filter(|uri| !is_sip_uri(uri)) {
            return Err(Failure::Asked(format!(
                "--call {uri}: a SIP URI is wanted, such as sip:bob@example.com"
            )));
        }
        for path in &options.send_file {
            let about = std::fs::metadata(path)
                .map_err(|error| Failure::Asked(format!("--send-file {}: {error}", path.display())))?;
            if !about.is_file() {
                return Err(Failure::Asked(format!(
                    "--send-file {}: not a file",
                    path.display()
                )));
            }
            if about.len() == 0 {
                return Err(Failure::Asked(format!(
                    "--send-file {}: it is empty, and empty files cannot be offered (RFC 5547)",
                    path.display()
                )));
            }
        }
        if let Some(empty) = options.send.iter().find(|text| text.is_empty()) {
            return Err(Failure::Asked(format!(
                "--send {empty:?}: there is nothing to say"
            )));
        }
        Ok(Self {
            endpoint,
            call: options.call,
            auto_answer: options.auto_answer,
            send: options.send,
            send_file: options.send_file,
            stay: options.stay,
            json: options.json,
        })
    }

    /// Whether there is something to be sent without anybody typing.
    pub fn has_errand(&self) -> bool {
        !self.send.is_empty() || !self.send_file.is_empty()
    }
}
