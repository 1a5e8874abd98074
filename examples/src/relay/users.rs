//! The users of the relay: those of the command line and those of the file.

use msrp_core::{digest::Ha1, lookup::Lookup};
use msrp_relay::{
    HtdigestFile, MemoryAuthStore,
    policy::{AuthQuery, AuthStore},
};

use super::{Settings, SettingsError, settings};

/// Users of both sources; the command line wins.
#[derive(Clone)]
pub(super) struct Users {
    given: MemoryAuthStore,
    file: HtdigestFile,
}

impl Users {
    /// Reads the file again.
    ///
    /// # Errors
    /// [`SettingsError`], naming the file and the line.
    pub(super) fn load(settings: &Settings) -> Result<Self, SettingsError> {
        let mut given = MemoryAuthStore::new();
        for (name, password) in &settings.user {
            given.set_password(name, &settings.realm, password);
        }
        let file = match &settings.users {
            None => HtdigestFile::default(),
            Some(path) => {
                const FLAG: &str = "--users";
                let file = HtdigestFile::parse(&settings::read(FLAG, path)?)
                    .map_err(|error| SettingsError::File(FLAG, path.clone(), error.to_string()))?;
                if !file.is_empty() && !file.has_realm(&settings.realm) {
                    tracing::warn!(
                        file = %path.display(),
                        realm = settings.realm,
                        "no user in the file is of our realm (--realm): nobody in it can be let in"
                    );
                }
                file
            }
        };
        Ok(Self { given, file })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.given.len() + self.file.len()
    }
}

impl AuthStore for Users {
    fn credentials(&mut self, query: &AuthQuery<'_>) -> Lookup<Option<Ha1>> {
        match self.given.credentials(query) {
            Lookup::Ready(None) => self.file.credentials(query),
            answer => answer,
        }
    }
}
