//! The configuration file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::settings::{SettingsError, read};
use crate::logging::LogFormat;

/// What the configuration file says: the names of the flags, without their hyphens in front.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    #[serde(deserialize_with = "one_or_many")]
    pub(super) listen: Vec<String>,
    pub(super) host: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) users: Option<PathBuf>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) user: Vec<String>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) peer_relay: Vec<String>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) hosts: Vec<String>,
    pub(super) allow_plain_auth: bool,
    pub(super) offer_sha256: bool,
    pub(super) min_expires: Option<u32>,
    pub(super) max_expires: Option<u32>,
    pub(super) expires: Option<u32>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_memory: Option<usize>,
    pub(super) workers: Option<usize>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) dns: Vec<String>,
    pub(super) drain: Option<u64>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) max_address_connections: Option<u32>,
    pub(super) max_user_sessions: Option<u32>,
    pub(super) max_user_chunks: Option<u32>,
    pub(super) max_user_octets: Option<u64>,
    pub(super) user_burst: Option<u64>,
    pub(super) admin: Option<String>,
    pub(super) admin_token: Option<String>,
}

/// What may be repeated on the command line may be a single text here.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts is wanted")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// [`SettingsError`], naming the file and the line.
    pub(super) fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = read(path)?;
        Self::parse(&text).map_err(|error| SettingsError::File(path.to_owned(), error))
    }

    /// The error names the line, and does not quote it: there may be a password in it.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            match before {
                Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
                None => error.message().to_owned(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::relay::Options;

    /// The values of the flags are of four kinds; a flag that is new has to be named here or is taken for a text.
    #[test]
    fn the_file_takes_everything_that_a_flag_can_say() {
        for argument in Options::command().get_arguments() {
            let Some(flag) = argument.get_long() else { continue };
            if ["config", "check-config", "help", "version"].contains(&flag) {
                continue;
            }
            let switch = matches!(argument.get_action(), clap::ArgAction::SetTrue);
            let value = argument
                .get_value_names()
                .and_then(|names| names.first())
                .map(|name| name.as_str());
            let value = match value {
                _ if switch => "true",
                Some("SECONDS" | "N" | "BYTES") => "1",
                Some("FORMAT") => "\"json\"",
                _ => "\"x\"",
            };
            let line = format!("{flag} = {value}\n");
            if let Err(error) = File::parse(&line) {
                panic!("{line}: {error}");
            }
        }
    }

    /// What operators copy says everything that there is to say, in use or behind a hash.
    #[test]
    fn the_sample_has_every_setting() {
        let sample = include_str!("../../relay.toml");
        for argument in Options::command().get_arguments() {
            let Some(flag) = argument.get_long() else { continue };
            if ["config", "check-config", "help", "version"].contains(&flag) {
                continue;
            }
            let said = sample
                .lines()
                .map(|line| line.strip_prefix('#').unwrap_or(line))
                .any(|line| line.starts_with(&format!("{flag} = ")));
            assert!(said, "{flag}");
        }
    }

    #[test]
    fn lists_may_be_single_texts() {
        let file = File::parse("user = \"a:b\"\nlisten = [\"msrp://[::1]:1\", \"msrp://[::1]:2\"]")
            .unwrap_or_default();
        assert_eq!(file.user, ["a:b"]);
        assert_eq!(file.listen.len(), 2);
    }

    #[test]
    fn errors_name_the_line_and_quote_nothing() {
        for (text, line) in [
            ("listen = []\nuser = [\"alice:secret\"", "line 2: "),
            ("realm = \"r\"\n\nuser = [\"alice:secret\", 7]", "line 3: "),
            ("user = [\"alice:secret\"]\nusr = \"bob:secret\"", "line 2: "),
        ] {
            let error = File::parse(text).err().unwrap_or_default();
            assert!(error.starts_with(line), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
