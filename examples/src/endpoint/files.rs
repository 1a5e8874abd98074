//! Files: what is said of them, and where they go.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use msrp_ua::{
    call::{FileOffer, FileReceiver},
    file::safe_file_name,
    message::{MessageSink, MessageSource, Pull, SinkError, SourceError},
    sdp::{FileAttributes, FileHash, FileSelector},
};
use sha1::{Digest, Sha1};

use super::{FileInfo, FileSink, FileSource, SavedAs};

/// Octets that are hashed at a time.
const SLICE: usize = 256 * 1024;

/// A file that is going to be offered.
#[derive(Debug)]
pub struct PreparedFile {
    info: FileInfo,
    selector: FileSelector,
    source: FileSource,
}

/// A file on its way.
pub(super) struct Transfer {
    pub(super) info: FileInfo,
    /// Where it has been saved to.
    pub(super) saved: Option<SavedAs>,
    /// Octets that have passed.
    pub(super) passed: Arc<AtomicU64>,
    /// Of which so many have been told.
    pub(super) told: u64,
    /// The identifier of the message in which it is sent.
    pub(super) message_id: Option<String>,
}

impl Transfer {
    /// How many octets have passed, if it is time to tell.
    pub(super) fn news(&mut self) -> Option<u64> {
        let passed = self.passed.load(Ordering::Relaxed);
        (passed != std::mem::replace(&mut self.told, passed)).then_some(passed)
    }
}

impl PreparedFile {
    /// Opens a file and hashes it, which takes a while where it is long.
    ///
    /// # Errors
    /// When it cannot be read, or is none, or is empty.
    pub(super) fn new(path: &Path, name: Option<&str>, content_type: Option<&str>) -> io::Result<Self> {
        let source = FileSource::open(path)?;
        if source.is_empty() {
            // RFC 5547 has no way of saying so.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is empty"));
        }
        let digest = sha1(path)?;
        let name = match name {
            Some(name) => safe_file_name(name),
            None => safe_file_name(&path.file_name().unwrap_or_default().to_string_lossy()),
        };
        let mut selector = FileSelector::default();
        selector.name = Some(name);
        selector.size = Some(source.len());
        selector.media_type = Some(content_type.unwrap_or_else(|| media_type(path)).to_owned());
        selector.hashes = vec![FileHash {
            algorithm: "sha-1".to_owned(),
            value: digest,
        }];
        Ok(Self {
            info: describe(&selector),
            selector,
            source,
        })
    }

    /// What is said of it.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// What is offered, and what is kept of it.
    pub(super) fn offer(self) -> (FileOffer, Transfer) {
        let passed = Arc::new(AtomicU64::new(0));
        let source = Counted {
            inner: self.source,
            passed: passed.clone(),
        };
        let offer = FileOffer::push(self.selector, source).with_disposition("attachment");
        let transfer = Transfer {
            info: self.info,
            saved: None,
            passed,
            told: 0,
            message_id: None,
        };
        (offer, transfer)
    }
}

/// What is said of a file. Its name is one that a file may have.
pub(super) fn describe(selector: &FileSelector) -> FileInfo {
    let hash = selector.hash("sha-256").or(selector.hash("sha-1"));
    FileInfo {
        name: safe_file_name(selector.name.as_deref().unwrap_or_default()),
        size: selector.size,
        content_type: selector.media_type.clone(),
        hash: hash.map(|hash| {
            let digits: Vec<String> = hash.value.iter().map(|octet| format!("{octet:02X}")).collect();
            format!("{}:{}", hash.algorithm, digits.join(":"))
        }),
    }
}

/// Where an offered file goes: into the folder, if it is not larger than it may be.
pub(super) fn receive(
    attributes: &FileAttributes,
    folder: &Path,
    most: Option<u64>,
) -> Result<(FileReceiver, Transfer), String> {
    let selector = &attributes.selector;
    if let (Some(size), Some(most)) = (selector.size, most)
        && size > most
    {
        return Err(format!("it has {size} octets, and at most {most} are accepted"));
    }
    let info = describe(selector);
    let sink = FileSink::create(folder, &info.name)
        .map_err(|error| format!("it cannot be saved in {}: {error}", folder.display()))?;
    let saved = sink.saved();
    let passed = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        inner: sink,
        passed: passed.clone(),
    };
    // It is let through to its end only if it is what was described.
    let mut receiver = FileReceiver::new(counted);
    // Where its size is known no more than that is taken anyway.
    if let (None, Some(most)) = (selector.size, most) {
        receiver = receiver.with_max_size(most);
    }
    let transfer = Transfer {
        info,
        saved: Some(saved),
        passed,
        told: 0,
        message_id: None,
    };
    Ok((receiver, transfer))
}

/// Counts what passes.
struct Counted<S> {
    inner: S,
    passed: Arc<AtomicU64>,
}

/// What is pulled is on its way, but for what little waits in the connection.
impl<S: MessageSource> MessageSource for Counted<S> {
    fn size(&self) -> Option<u64> {
        self.inner.size()
    }

    fn pull(&mut self, most: usize) -> Result<Pull, SourceError> {
        let pulled = self.inner.pull(most)?;
        if let Pull::Octets(octets) = &pulled {
            self.passed.fetch_add(octets.len() as u64, Ordering::Relaxed);
        }
        Ok(pulled)
    }

    fn rewind(&mut self) -> bool {
        self.passed.store(0, Ordering::Relaxed);
        self.inner.rewind()
    }
}

impl<S: MessageSink> MessageSink for Counted<S> {
    fn write(&mut self, offset: u64, data: &Bytes) -> Result<(), SinkError> {
        self.passed.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.write(offset, data)
    }

    fn complete(&mut self, size: u64) -> Result<(), SinkError> {
        self.inner.complete(size)
    }

    fn abort(&mut self) {
        self.inner.abort();
    }
}

fn sha1(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hash = Sha1::new();
    let mut slice = vec![0; SLICE];
    loop {
        match file.read(&mut slice)? {
            0 => return Ok(hash.finalize().to_vec()),
            read => hash.update(slice.get(..read).unwrap_or_default()),
        }
    }
}

/// The media types that are known by the ends of names; a small list of what people send.
const MEDIA_TYPES: [(&str, &str); 16] = [
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("vcf", "text/vcard"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

fn media_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    MEDIA_TYPES
        .iter()
        .find(|(end, _)| *end == extension)
        .map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("msrp-files-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _best_effort = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_described_by_name_size_type_and_hash() {
        let folder = Folder::new("described");
        let path = folder.0.join("A photo.JPG");
        fs::write(&path, b"abc").unwrap();
        let prepared = PreparedFile::new(&path, None, None).unwrap();
        assert_eq!(
            prepared.info,
            FileInfo {
                name: "A photo.JPG".to_owned(),
                size: Some(3),
                content_type: Some("image/jpeg".to_owned()),
                hash: Some("sha-1:A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D".to_owned()),
            }
        );
        let prepared = PreparedFile::new(&path, Some("../b"), Some("application/x")).unwrap();
        assert_eq!(prepared.info.name, "b");
        assert_eq!(prepared.info.content_type.as_deref(), Some("application/x"));
    }

    #[test]
    fn an_empty_file_cannot_be_offered() {
        let folder = Folder::new("empty");
        let path = folder.0.join("nothing");
        fs::write(&path, b"").unwrap();
        let Err(error) = PreparedFile::new(&path, None, None) else {
            panic!("offered");
        };
        assert!(error.to_string().contains("empty"), "{error}");
    }

    fn attributes(folder: &Folder, octets: &[u8], name: &str) -> FileAttributes {
        let path = folder.0.join("source");
        fs::write(&path, octets).unwrap();
        let prepared = PreparedFile::new(&path, Some(name), None).unwrap();
        let mut attributes = FileAttributes::default();
        attributes.selector = prepared.selector;
        attributes
    }

    #[test]
    fn a_file_is_accepted_under_a_name_that_harms_nobody() {
        let folder = Folder::new("accepted");
        let attributes = attributes(&folder, b"abc", "../../x");
        let (_, transfer) = receive(&attributes, &folder.0, Some(3)).unwrap();
        assert_eq!(transfer.info.name, "x");
        let Err(error) = receive(&attributes, &folder.0, Some(2)) else {
            panic!("accepted");
        };
        assert!(error.contains("at most 2"), "{error}");
        let Err(error) = receive(&attributes, &folder.0.join("gone"), None) else {
            panic!("accepted");
        };
        assert!(error.contains("cannot be saved"), "{error}");
    }
}
