//! A file that is sent.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use msrp_ua::message::{MessageSource, Pull, SourceError};

/// Octets that are read at a time: enough that the disk is not asked too often, and little enough that nobody waits for it.
const SLICE: usize = 64 * 1024;

/// A file, read slice by slice as the connection takes it.
///
/// What was promised is sent: a file that grows meanwhile is sent as long as it was, one that shrinks is given up.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
    at: u64,
}

impl FileSource {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok(Self {
            file,
            size: about.len(),
            at: 0,
        })
    }

    /// How many octets it has.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }
}

impl MessageSource for FileSource {
    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let left = self.size.saturating_sub(self.at);
        let wanted = left.min(most.min(SLICE) as u64);
        if left == 0 {
            return Ok(Pull::End);
        }
        let mut octets = Vec::with_capacity(wanted as usize);
        let read = (&mut self.file).take(wanted).read_to_end(&mut octets);
        if let Err(error) = read {
            tracing::warn!(%error, "the file cannot be read any more");
            return Err(SourceError);
        }
        if octets.is_empty() {
            tracing::warn!("the file has become shorter");
            return Err(SourceError);
        }
        self.at += octets.len() as u64;
        Ok(Pull::Octets(Bytes::from(octets)))
    }

    fn rewind(&mut self) -> bool {
        self.at = 0;
        self.file.seek(SeekFrom::Start(0)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("msrp-source-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _best_effort = fs::remove_dir_all(&self.0);
        }
    }

    fn all(source: &mut FileSource, most: usize) -> Result<Vec<u8>, SourceError> {
        let mut octets = Vec::new();
        loop {
            match source.pull(most)? {
                Pull::Octets(slice) => {
                    assert!(!slice.is_empty() && slice.len() <= most);
                    octets.extend_from_slice(&slice);
                }
                Pull::End => return Ok(octets),
                _ => panic!("a file is always there"),
            }
        }
    }

    #[test]
    fn a_file_comes_whole_and_again() {
        let folder = Folder::new("whole");
        let path = folder.0.join("it");
        let octets: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        fs::write(&path, &octets).unwrap();
        let mut source = FileSource::open(&path).unwrap();
        assert_eq!(source.size(), Some(200_000));
        assert_eq!(all(&mut source, 1000).unwrap(), octets);
        assert!(source.rewind());
        assert_eq!(all(&mut source, usize::MAX).unwrap(), octets);
    }

    #[test]
    fn what_was_promised_is_sent_or_nothing() {
        let folder = Folder::new("promised");
        let path = folder.0.join("it");
        fs::write(&path, [7; 1000]).unwrap();
        let mut source = FileSource::open(&path).unwrap();
        fs::write(&path, [7; 2000]).unwrap();
        assert_eq!(all(&mut source, 64).unwrap(), [7; 1000]);
        let mut source = FileSource::open(&path).unwrap();
        fs::write(&path, [7; 100]).unwrap();
        assert_eq!(all(&mut source, 64), Err(SourceError));
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = Folder::new("folder");
        assert_eq!(
            FileSource::open(&folder.0).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(FileSource::open(&folder.0.join("none")).is_err());
    }
}
