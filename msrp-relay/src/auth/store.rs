//! Users in memory, and users in an htdigest file.

use hashbrown::HashMap;
use msrp_core::{
    digest::{Algorithm, Ha1},
    lookup::Lookup,
};

use crate::policy::{AuthQuery, AuthStore};

/// The secrets of one user in one realm.
#[derive(Clone, Debug, Default)]
struct Secrets {
    md5: Option<Ha1>,
    sha256: Option<Ha1>,
}

impl Secrets {
    fn get(&self, algorithm: Algorithm) -> Option<&Ha1> {
        match algorithm {
            Algorithm::Md5 => self.md5.as_ref(),
            Algorithm::Sha256 => self.sha256.as_ref(),
        }
    }

    fn set(&mut self, ha1: Ha1) {
        match ha1.algorithm() {
            Algorithm::Md5 => self.md5 = Some(ha1),
            Algorithm::Sha256 => self.sha256 = Some(ha1),
        }
    }
}

/// Users held in memory, as H(A1) only. About 250 octets for each.
#[derive(Clone, Debug, Default)]
pub struct MemoryAuthStore {
    realms: HashMap<String, HashMap<String, Secrets>>,
}

impl MemoryAuthStore {
    /// A store without users.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user, or replaces the password of one.
    pub fn with_password(mut self, user: &str, realm: &str, password: &str) -> Self {
        self.set_password(user, realm, password);
        self
    }

    /// Adds a user, or replaces the password of one.
    pub fn set_password(&mut self, user: &str, realm: &str, password: &str) {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            self.set_ha1(user, realm, Ha1::compute(algorithm, user, realm, password));
        }
    }

    /// Adds a user whose password is not known here, or replaces the H(A1) of this algorithm.
    pub fn set_ha1(&mut self, user: &str, realm: &str, ha1: Ha1) {
        self.realms
            .entry_ref(realm)
            .or_default()
            .entry_ref(user)
            .or_default()
            .set(ha1);
    }

    /// How many users there are, over all realms.
    pub fn len(&self) -> usize {
        self.realms.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find(&self, query: &AuthQuery<'_>) -> Option<Ha1> {
        self.realms
            .get(query.realm)?
            .get(query.user)?
            .get(query.algorithm)
            .cloned()
    }
}

impl AuthStore for MemoryAuthStore {
    fn credentials(&mut self, query: &AuthQuery<'_>) -> Lookup<Option<Ha1>> {
        Lookup::Ready(self.find(query))
    }
}

/// The users of an htdigest file: lines `user:realm:HA1` (MD5) or `user:realm:SHA-256:HA1`. Empty lines and lines that
/// begin with `#` are skipped. Reading the file is the caller's part.
#[derive(Clone, Debug, Default)]
pub struct HtdigestFile {
    users: MemoryAuthStore,
}

/// What is wrong in an htdigest file. The text holds no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct HtdigestError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: HtdigestErrorKind,
}

/// What is wrong with a line of an htdigest file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HtdigestErrorKind {
    /// Another number of fields than three or four.
    #[error("not user:realm:HA1 or user:realm:SHA-256:HA1")]
    Fields,
    /// The user or the realm is empty.
    #[error("user or realm is empty")]
    Empty,
    /// The third of four fields names no known algorithm.
    #[error("unknown algorithm, MD5 or SHA-256 is wanted")]
    Algorithm,
    /// The hash is not as many hexadecimal digits as its algorithm gives.
    #[error("HA1 is not {digits} hexadecimal digits")]
    Hash {
        /// As many are wanted.
        digits: usize,
    },
    /// The user is there twice for this realm and algorithm.
    #[error("user is there twice")]
    Duplicate,
}

impl HtdigestFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`HtdigestError`] for the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, HtdigestError> {
        let mut users = MemoryAuthStore::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            parse_line(&mut users, line).map_err(|kind| HtdigestError {
                line: index + 1,
                kind,
            })?;
        }
        Ok(Self { users })
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether any of them is of this realm. Users of other realms than the relay's are never asked for, so a file without
    /// any is most likely a mistake.
    pub fn has_realm(&self, realm: &str) -> bool {
        self.users.realms.contains_key(realm)
    }
}

fn parse_line(users: &mut MemoryAuthStore, line: &str) -> Result<(), HtdigestErrorKind> {
    let fields: Vec<&str> = line.split(':').collect();
    let (user, realm, algorithm, hash) = match fields[..] {
        [user, realm, hash] => (user, realm, Algorithm::Md5, hash),
        [user, realm, algorithm, hash] => (
            user,
            realm,
            Algorithm::from_name(algorithm).ok_or(HtdigestErrorKind::Algorithm)?,
            hash,
        ),
        _ => return Err(HtdigestErrorKind::Fields),
    };
    if user.is_empty() || realm.is_empty() {
        return Err(HtdigestErrorKind::Empty);
    }
    let ha1 = Ha1::from_hex(hash)
        .ok()
        .filter(|ha1| ha1.algorithm() == algorithm)
        .ok_or(HtdigestErrorKind::Hash {
            digits: algorithm.hex_len(),
        })?;
    let query = AuthQuery {
        realm,
        user,
        algorithm,
    };
    if users.find(&query).is_some() {
        return Err(HtdigestErrorKind::Duplicate);
    }
    users.set_ha1(user, realm, ha1);
    Ok(())
}

impl AuthStore for HtdigestFile {
    fn credentials(&mut self, query: &AuthQuery<'_>) -> Lookup<Option<Ha1>> {
        self.users.credentials(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "228077dd83232f11146688d20e4810da";

    #[test]
    fn an_htdigest_file_gives_its_users() {
        let sha = "a".repeat(64);
        let text =
            format!("# users\n\nAlice:intra.example.com:{ALICE}\nAlice:intra.example.com:SHA-256:{sha}\r\n");
        let mut file = HtdigestFile::parse(&text).unwrap();
        assert_eq!(file.len(), 1);
        assert!(file.has_realm("intra.example.com") && !file.has_realm("example.com"));
        for (algorithm, hash) in [(Algorithm::Md5, ALICE), (Algorithm::Sha256, sha.as_str())] {
            let query = AuthQuery {
                realm: "intra.example.com",
                user: "Alice",
                algorithm,
            };
            let Lookup::Ready(Some(ha1)) = file.credentials(&query) else {
                panic!("no credentials")
            };
            assert_eq!(ha1.expose_hex(), hash);
        }
        let secret = Ha1::compute(Algorithm::Md5, "Alice", "intra.example.com", "secret");
        assert_eq!(secret.expose_hex(), ALICE);
    }

    #[test]
    fn a_broken_htdigest_file_names_its_line() {
        let cases = [
            ("Alice", 1, HtdigestErrorKind::Fields),
            ("#\n\nA:b:MD5:c:d", 3, HtdigestErrorKind::Fields),
            (":realm:x", 1, HtdigestErrorKind::Empty),
            ("A:r:x", 1, HtdigestErrorKind::Hash { digits: 32 }),
            (
                &format!("A:r:SHA-256:{ALICE}"),
                1,
                HtdigestErrorKind::Hash { digits: 64 },
            ),
            (&format!("A:r:MD4:{ALICE}"), 1, HtdigestErrorKind::Algorithm),
            (
                &format!("A:r:{ALICE}\nA:r:{ALICE}"),
                2,
                HtdigestErrorKind::Duplicate,
            ),
        ];
        for (text, line, kind) in cases {
            let error = HtdigestFile::parse(text).unwrap_err();
            assert_eq!(error, HtdigestError { line, kind }, "{text}");
        }
    }
}
