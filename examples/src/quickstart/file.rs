//! A file that nobody has to provide.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// A file of octets that do not compress.
pub(super) struct MadeUpFile {
    pub(super) path: PathBuf,
    pub(super) size: usize,
}

impl MadeUpFile {
    /// Writes it into a folder.
    pub(super) fn new(folder: &Path, name: &str, size: usize) -> io::Result<Self> {
        // An xorshift generator: every value comes.
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let words = std::iter::from_fn(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state.to_le_bytes())
        });
        let octets: Vec<u8> = words.flatten().take(size).collect();
        let path = folder.join(name);
        std::fs::write(&path, octets)?;
        Ok(Self { path, size })
    }
}

/// The hash of a file, in hexadecimal digits.
pub(super) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash
        .finalize()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect())
}
