//! A file that is received.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use msrp_ua::message::{MessageSink, SinkError};

/// Names that are tried: `photo.jpg`, `photo (1).jpg` and so on.
const ATTEMPTS: u32 = 1000;

/// Where a file has been saved, or why it cannot be; once it is known.
pub type SavedAs = Arc<OnceLock<io::Result<PathBuf>>>;

/// Writes a file into a folder as it comes, as `NAME.part`; it gets its name when it is complete, and goes away when it will
/// not be. Nothing that exists is written over.
#[derive(Debug)]
pub struct FileSink {
    file: File,
    /// Where the next octet would go without a seek, counted from 0.
    at: u64,
    part: PathBuf,
    folder: PathBuf,
    name: String,
    saved: SavedAs,
    done: bool,
}

impl FileSink {
    /// A sink for a file that is to have this name, which has to be one without a path.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: &Path, name: &str) -> io::Result<Self> {
        let mut new = OpenOptions::new();
        new.write(true).create_new(true);
        let (part, file) = free_name(name, |name| {
            let part = folder.join(format!("{name}.part"));
            Ok((part.clone(), new.open(part)?))
        })?;
        Ok(Self {
            file,
            at: 0,
            part,
            folder: folder.to_owned(),
            name: name.to_owned(),
            saved: SavedAs::default(),
            done: false,
        })
    }

    /// Where it will be said where the file has been saved, or why it cannot be.
    pub fn saved(&self) -> SavedAs {
        self.saved.clone()
    }

    fn put(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let place = offset
            .checked_sub(1)
            .ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        if place != self.at {
            self.file.seek(SeekFrom::Start(place))?;
            self.at = place;
        }
        self.file.write_all(data)?;
        self.at += data.len() as u64;
        Ok(())
    }

    /// Gives the file its name: a new file is made, so that the name is ours, and is then replaced.
    fn keep(&mut self) -> io::Result<PathBuf> {
        let mut new = OpenOptions::new();
        new.write(true).create_new(true);
        let path = free_name(&self.name, |name| {
            let path = self.folder.join(name);
            new.open(&path)?;
            Ok(path)
        })?;
        fs::rename(&self.part, &path)?;
        Ok(path)
    }

    /// It cannot be saved; the first reason is the one that counts.
    fn fail(&self, error: io::Error) -> SinkError {
        tracing::debug!(path = %self.part.display(), %error, "the file cannot be saved");
        let _first = self.saved.set(Err(error));
        SinkError
    }

    fn discard(&mut self) {
        if !std::mem::replace(&mut self.done, true)
            && let Err(error) = fs::remove_file(&self.part)
        {
            tracing::warn!(path = %self.part.display(), %error, "an unfinished file stays");
        }
    }
}

impl MessageSink for FileSink {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        self.put(offset, data).map_err(|error| self.fail(error))
    }

    fn complete(&mut self, _size: u64) -> Result<(), SinkError> {
        match self.keep() {
            Ok(path) => {
                self.done = true;
                // There is one file in a sink.
                let _once = self.saved.set(Ok(path));
                Ok(())
            }
            Err(error) => {
                self.discard();
                Err(self.fail(error))
            }
        }
    }

    fn abort(&mut self) {
        self.discard();
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Tries `name`, and then with numbers, until `make` does not find something there.
fn free_name<T>(name: &str, mut make: impl FnMut(&str) -> io::Result<T>) -> io::Result<T> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    for attempt in 0..ATTEMPTS {
        let made = match attempt {
            0 => make(name),
            _ => make(&format!("{stem} ({attempt}){extension}")),
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("msrp-sink-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _best_effort = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_complete_file_gets_its_name() {
        let folder = Folder::new("complete");
        let mut sink = FileSink::create(&folder.0, "a.txt").unwrap();
        let saved = sink.saved();
        sink.write(4, &Bytes::from_static(b"def")).unwrap();
        sink.write(1, &Bytes::from_static(b"abc")).unwrap();
        assert_eq!(folder.names(), ["a.txt.part"]);
        assert!(saved.get().is_none());
        sink.complete(6).unwrap();
        drop(sink);
        assert_eq!(folder.names(), ["a.txt"]);
        let path = saved.get().unwrap().as_ref().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"abcdef");
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = Folder::new("over");
        fs::write(folder.0.join("a.txt"), "old").unwrap();
        let mut first = FileSink::create(&folder.0, "a.txt").unwrap();
        let mut second = FileSink::create(&folder.0, "a.txt").unwrap();
        first.write(1, &Bytes::from_static(b"1")).unwrap();
        second.write(1, &Bytes::from_static(b"2")).unwrap();
        second.complete(1).unwrap();
        first.complete(1).unwrap();
        assert_eq!(folder.names(), ["a (1).txt", "a (2).txt", "a.txt"]);
        assert_eq!(fs::read(folder.0.join("a.txt")).unwrap(), b"old");
        for (sink, octet) in [(first, b"1"), (second, b"2")] {
            let saved = sink.saved();
            assert_eq!(fs::read(saved.get().unwrap().as_ref().unwrap()).unwrap(), octet);
        }
    }

    #[test]
    fn what_is_not_completed_leaves_nothing() {
        let folder = Folder::new("nothing");
        let mut aborted = FileSink::create(&folder.0, "a").unwrap();
        aborted.write(1, &Bytes::from_static(b"1")).unwrap();
        aborted.abort();
        drop(aborted);
        drop(FileSink::create(&folder.0, ".hidden").unwrap());
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn an_offset_that_is_none_is_refused() {
        let folder = Folder::new("offset");
        let mut sink = FileSink::create(&folder.0, "a").unwrap();
        assert_eq!(sink.write(0, &Bytes::from_static(b"1")), Err(SinkError));
    }

    #[test]
    fn why_it_cannot_be_saved_is_said() {
        let folder = Folder::new("why");
        let mut sink = FileSink::create(&folder.0, "a").unwrap();
        let saved = sink.saved();
        sink.write(1, &Bytes::from_static(b"1")).unwrap();
        fs::remove_dir_all(&folder.0).unwrap();
        assert_eq!(sink.complete(1), Err(SinkError));
        let error = saved.get().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
