//! The configuration file.

use std::path::{Path, PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use super::{
    settings::{SettingsError, read},
    websocket::WebSocketOptions,
};
use crate::logging::LogFormat;

/// What the configuration file says: the names of the flags, without their hyphens in front.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    #[serde(deserialize_with = "listeners")]
    pub(super) listen: Vec<ListenTable>,
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
    pub(super) hide_topology: bool,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) interface: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) websocket_path: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) websocket_origin: Vec<String>,
    pub(super) websocket_max_message: Option<u64>,
    pub(super) websocket_ping: Option<u64>,
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

/// A listener: its URL, or a table of what is said of it alone.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ListenTable {
    pub(super) url: String,
    pub(super) host: Option<String>,
    #[serde(rename = "as")]
    pub(super) named_as: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) websocket_path: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(super) websocket_origin: Vec<String>,
    pub(super) websocket_max_message: Option<u64>,
    pub(super) websocket_ping: Option<u64>,
}

impl From<String> for ListenTable {
    fn from(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }
}

impl ListenTable {
    /// What is said of WebSocket here.
    pub(super) fn websocket(&self) -> WebSocketOptions {
        WebSocketOptions {
            paths: self.websocket_path.clone(),
            origins: self.websocket_origin.clone(),
            max_message: self.websocket_max_message,
            ping: self.websocket_ping,
        }
    }
}

/// One listener alone, or several, each a URL or a table.
fn listeners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ListenTable>, D::Error> {
    struct Listeners;

    impl<'de> de::Visitor<'de> for Listeners {
        type Value = Vec<ListenTable>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the URL of a listener, a table with its url, or a list of these")
        }

        fn visit_str<E: de::Error>(self, url: &str) -> Result<Self::Value, E> {
            Ok(vec![url.to_owned().into()])
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            ListenTable::deserialize(MapAccessDeserializer::new(map)).map(|table| vec![table])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(Listed(listeners)) = list.next_element()? {
                all.extend(listeners);
            }
            Ok(all)
        }
    }

    /// What stands in a list.
    struct Listed(Vec<ListenTable>);

    impl<'de> Deserialize<'de> for Listed {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Listeners).map(Self)
        }
    }

    deserializer.deserialize_any(Listeners)
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
        const FLAG: &str = "--config";
        let text = read(FLAG, path)?;
        Self::parse(&text).map_err(|error| SettingsError::File(FLAG, path.to_owned(), error))
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
    fn a_listener_may_be_a_table() {
        let texts = [
            "[[listen]]\nurl = \"wss://[::1]:1\"\nas = \"msrps://[::1]:2\"\nwebsocket-path = \"/msrp\"\n\
             [[listen]]\nurl = \"msrps://[::1]:2\"\nhost = \"a.example\"",
            "listen = [{ url = \"wss://[::1]:1\", as = \"msrps://[::1]:2\", websocket-path = [\"/msrp\"] }, \
             { url = \"msrps://[::1]:2\", host = \"a.example\" }]",
        ];
        for text in texts {
            let file = File::parse(text).unwrap_or_default();
            assert_eq!(file.listen.len(), 2, "{text}");
            let [first, second] = &file.listen[..] else {
                continue;
            };
            assert_eq!(first.named_as.as_deref(), Some("msrps://[::1]:2"));
            assert_eq!(first.websocket_path, ["/msrp"]);
            assert_eq!(second.host.as_deref(), Some("a.example"));
        }
        let mixed = File::parse("listen = [\"msrp://[::1]:1\", { url = \"msrp://[::1]:2\" }]");
        assert_eq!(mixed.unwrap_or_default().listen.len(), 2);
    }

    #[test]
    fn errors_name_the_line_and_quote_nothing() {
        for (text, line) in [
            ("listen = []\nuser = [\"alice:secret\"", "line 2: "),
            ("realm = \"r\"\n\nuser = [\"alice:secret\", 7]", "line 3: "),
            ("user = [\"alice:secret\"]\nusr = \"bob:secret\"", "line 2: "),
            ("listen = [\"x\",\n 7]", "line 2: "),
            ("[[listen]]\nurl = \"x\"\nhots = \"secret\"", "line 3: "),
        ] {
            let error = File::parse(text).err().unwrap_or_default();
            assert!(error.starts_with(line), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
