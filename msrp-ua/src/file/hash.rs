//! Hashes of files, taken while their octets pass.

use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::{
    message::{MessageSource, Pull, SourceError},
    sdp::FileHash,
};

/// The functions that file transfer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// `sha-1`, which every offer with a hash has to have (RFC 5547 §6). It finds accidents, and no longer attackers.
    Sha1,
    /// `sha-256`, which later documents use (RFC 8873 §4.8).
    Sha256,
}

impl HashAlgorithm {
    /// The function of this name, in any case; none where it is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            HashAlgorithm::Sha1 => "sha-1",
            HashAlgorithm::Sha256 => "sha-256",
        }
    }
}

/// Running hashes of a file, by one function or both.
///
/// A clone goes on by itself from where it was taken, which is how a transfer is resumed without reading what is there
/// already.
#[derive(Clone, Default)]
pub struct FileHasher {
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    octets: u64,
}

impl FileHasher {
    /// Hashes by these functions, of nothing so far.
    pub fn new(algorithms: impl IntoIterator<Item = HashAlgorithm>) -> Self {
        let mut hasher = Self::default();
        for algorithm in algorithms {
            match algorithm {
                HashAlgorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
                HashAlgorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
            }
        }
        hasher
    }

    /// Hashes by the functions of these hashes, as far as they are known.
    pub fn like(hashes: &[FileHash]) -> Self {
        Self::new(
            hashes
                .iter()
                .filter_map(|hash| HashAlgorithm::from_name(&hash.algorithm)),
        )
    }

    /// The next octets of the file.
    pub fn update(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        if let Some(hash) = &mut self.sha1 {
            hash.update(octets);
        }
        if let Some(hash) = &mut self.sha256 {
            hash.update(octets);
        }
    }

    /// How many octets have passed.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The hashes of what has passed, the one that is mandatory first.
    pub fn hashes(&self) -> Vec<FileHash> {
        let sha1 = self.sha1.clone().map(|hash| FileHash {
            algorithm: HashAlgorithm::Sha1.name().to_owned(),
            value: hash.finalize().to_vec(),
        });
        let sha256 = self.sha256.clone().map(|hash| FileHash {
            algorithm: HashAlgorithm::Sha256.name().to_owned(),
            value: hash.finalize().to_vec(),
        });
        sha1.into_iter().chain(sha256).collect()
    }

    /// The first function by which what has passed is not what `hashes` say. Functions that are not known, or were not
    /// asked for, say nothing.
    pub fn differs(&self, hashes: &[FileHash]) -> Option<HashAlgorithm> {
        let ours = self.hashes();
        let differs = |hash: &&FileHash| {
            ours.iter()
                .any(|own| own.algorithm.eq_ignore_ascii_case(&hash.algorithm) && own.value != hash.value)
        };
        hashes
            .iter()
            .find(differs)
            .and_then(|hash| HashAlgorithm::from_name(&hash.algorithm))
    }

    /// Reads a source to its end, for an offer that tells the file's hash.
    ///
    /// # Errors
    /// [`SourceError`] where the source fails, or has nothing to give at once.
    pub fn read_all(&mut self, source: &mut dyn MessageSource) -> Result<(), SourceError> {
        loop {
            match source.pull(64 * 1024)? {
                Pull::Octets(octets) => self.update(&octets),
                Pull::Pending => return Err(SourceError),
                Pull::End => return Ok(()),
            }
        }
    }
}

impl std::fmt::Debug for FileHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileHasher")
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}
