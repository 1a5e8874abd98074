//! The attributes of file transfer (RFC 5547 §6).

mod text;

use self::text::{Cursor, encode};
use super::{Attribute, FileAttributeError, attribute::is_token, fingerprint};
use msrp_core::grammar::MediaType;

/// What a section says of the one file that it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileAttributes {
    /// `a=file-selector`: which file.
    pub selector: FileSelector,
    /// `a=file-transfer-id`: which transfer of it.
    pub transfer_id: Option<String>,
    /// `a=file-disposition`: `render` (also where there is none) or `attachment`.
    pub disposition: Option<String>,
    /// `a=file-date`.
    pub dates: FileDates,
    /// `a=file-icon`: the `cid:` URL of the body part with the icon.
    pub icon: Option<String>,
    /// `a=file-range`: which octets of it; all where there is none.
    pub range: Option<FileRange>,
}

/// `a=file-selector`: what the file has to match, all of it. Without any selector it says that file transfer is understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSelector {
    /// Its name, decoded. It is a stranger's text: nothing that may touch a file system.
    pub name: Option<String>,
    /// Its octets. Zero cannot be written (RFC 5547 §6), so it is left out.
    pub size: Option<u64>,
    /// Its media type as in Content-Type.
    pub media_type: Option<String>,
    /// Hashes of the whole file, by different functions.
    pub hashes: Vec<FileHash>,
}

/// The hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    /// The function in lower case: `sha-1` by RFC 5547, `sha-256` in later documents.
    pub algorithm: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// When a file was made, changed and read, as date-times of RFC 5322.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDates {
    /// `creation`.
    pub creation: Option<String>,
    /// `modification`.
    pub modification: Option<String>,
    /// `read`.
    pub read: Option<String>,
}

/// A part of a file: its octets from `start` to `end`, both counted from 1 and both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The first octet.
    pub start: u64,
    /// The last octet; none where it is not known yet.
    pub end: Option<u64>,
}

/// Hashes in one selector: SHA-1 and what else there may be.
const MAX_HASHES: usize = 8;

pub(super) const SELECTOR: &str = "file-selector";
pub(super) const TRANSFER_ID: &str = "file-transfer-id";
const DISPOSITION: &str = "file-disposition";
const DATE: &str = "file-date";
const ICON: &str = "file-icon";
const RANGE: &str = "file-range";

fn error(attribute: &'static str, what: &'static str) -> FileAttributeError {
    FileAttributeError { attribute, what }
}

impl FileSelector {
    /// Whether there is no selector.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.size.is_none() && self.media_type.is_none() && self.hashes.is_empty()
    }

    /// The hash by this function.
    pub fn hash(&self, algorithm: &str) -> Option<&FileHash> {
        self.hashes.iter().find(|hash| hash.algorithm == algorithm)
    }

    /// Whether both may be of one file: nothing that both name differs (RFC 5547 §8.1).
    pub fn agrees_with(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            a.zip(b).is_none_or(|(a, b)| a == b)
        }
        let hashes = self.hashes.iter().all(|hash| {
            other
                .hash(&hash.algorithm)
                .is_none_or(|found| found.value == hash.value)
        });
        let types = match (&self.media_type, &other.media_type) {
            (Some(a), Some(b)) => MediaType::parse(a.as_bytes()) == MediaType::parse(b.as_bytes()),
            _ => true,
        };
        hashes
            && types
            && same(self.name.as_ref(), other.name.as_ref())
            && same(self.size.as_ref(), other.size.as_ref())
    }

    /// Parses the value of the attribute, without one where it has none.
    ///
    /// # Errors
    /// [`FileAttributeError`].
    pub fn parse(value: Option<&str>) -> Result<Self, FileAttributeError> {
        let wrong = |what| error(SELECTOR, what);
        let mut selector = Self::default();
        let mut rest = Cursor::new(value.unwrap_or_default());
        while let Some(kind) = rest.label() {
            match kind {
                "name" => {
                    let name = rest.quoted().ok_or(wrong("name"))?;
                    if name.is_empty() || selector.name.replace(name).is_some() {
                        return Err(wrong("name"));
                    }
                }
                "size" => {
                    let size = rest.word().parse().map_err(|_| wrong("size"))?;
                    if selector.size.replace(size).is_some() {
                        return Err(wrong("size"));
                    }
                }
                "type" => {
                    let media_type = rest.media_type().ok_or(wrong("type"))?;
                    if selector.media_type.replace(media_type).is_some() {
                        return Err(wrong("type"));
                    }
                }
                "hash" => {
                    let (algorithm, octets) = rest.word().split_once(':').ok_or(wrong("hash"))?;
                    let value = fingerprint::octets(octets).ok_or(wrong("hash"))?;
                    let algorithm = algorithm.to_ascii_lowercase();
                    let len = match algorithm.as_str() {
                        "sha-1" => Some(20),
                        "sha-256" => Some(32),
                        _ => None,
                    };
                    if !is_token(&algorithm) || len.is_some_and(|len| len != value.len()) {
                        return Err(wrong("hash"));
                    }
                    if selector.hashes.len() == MAX_HASHES {
                        return Err(wrong("more than 8 hashes"));
                    }
                    selector.hashes.push(FileHash { algorithm, value });
                }
                _ => return Err(wrong("unknown selector")),
            }
        }
        if rest.is_empty() {
            // There is no such size (RFC 5547 §6), and who says it all the same means an empty file: nothing is known of it.
            selector.size = selector.size.filter(|&size| size > 0);
            Ok(selector)
        } else {
            Err(wrong("selector without a value"))
        }
    }

    fn print(&self) -> Option<String> {
        let mut selectors = Vec::new();
        if let Some(name) = self.name.as_ref().filter(|name| !name.is_empty()) {
            selectors.push(format!("name:\"{}\"", encode(name)));
        }
        if let Some(media_type) = self.media_type.as_deref().and_then(text::media_type) {
            selectors.push(format!("type:{media_type}"));
        }
        if let Some(size) = self.size.filter(|&size| size > 0) {
            selectors.push(format!("size:{size}"));
        }
        for hash in &self.hashes {
            let octets = fingerprint::hex(&hash.value);
            selectors.push(format!("hash:{}:{octets}", hash.algorithm));
        }
        (!selectors.is_empty()).then(|| selectors.join(" "))
    }
}

impl FileDates {
    fn parse(value: &str) -> Result<Self, FileAttributeError> {
        let mut dates = Self::default();
        let mut rest = Cursor::new(value);
        while let Some(kind) = rest.label() {
            let date = rest.verbatim().ok_or(error(DATE, "no quoted date"))?.to_owned();
            let slot = match kind {
                "creation" => &mut dates.creation,
                "modification" => &mut dates.modification,
                "read" => &mut dates.read,
                _ => return Err(error(DATE, "unknown kind of date")),
            };
            if slot.replace(date).is_some() {
                return Err(error(DATE, "a date that stands twice"));
            }
        }
        if rest.is_empty() {
            Ok(dates)
        } else {
            Err(error(DATE, "date without a value"))
        }
    }

    fn print(&self) -> Option<String> {
        let dates: Vec<_> = [
            ("creation", &self.creation),
            ("modification", &self.modification),
            ("read", &self.read),
        ]
        .into_iter()
        .filter_map(|(kind, date)| Some((kind, date.as_ref().filter(|date| !date.contains('"'))?)))
        .map(|(kind, date)| format!("{kind}:\"{date}\""))
        .collect();
        (!dates.is_empty()).then(|| dates.join(" "))
    }
}

impl FileRange {
    fn parse(value: &str) -> Option<Self> {
        let (start, end) = value.split_once('-')?;
        let range = Self {
            start: start.parse().ok()?,
            end: match end {
                "*" => None,
                digits => Some(digits.parse().ok()?),
            },
        };
        (range.start > 0 && range.end.is_none_or(|end| end >= range.start)).then_some(range)
    }

    fn print(self) -> String {
        match self.end {
            Some(end) => format!("{}-{end}", self.start),
            None => format!("{}-*", self.start),
        }
    }
}

impl FileAttributes {
    /// A transfer of the file that the selector describes.
    pub fn new(selector: FileSelector, transfer_id: impl Into<String>) -> Self {
        Self {
            selector,
            transfer_id: Some(transfer_id.into()),
            ..Self::default()
        }
    }

    /// Reads the attributes of a section; none where it has no `a=file-selector`. Which of them were understood is
    /// told by [`is_one`](Self::is_one).
    pub(super) fn parse(attributes: &[Attribute]) -> Result<Option<Self>, FileAttributeError> {
        let value = |name| {
            attributes
                .iter()
                .find(|attribute| attribute.name() == name)
                .map(Attribute::value)
        };
        let Some(selector) = value(SELECTOR) else {
            return Ok(None);
        };
        let token = |name| match value(name).flatten() {
            Some(token) if !is_token(token) => Err(error(name, "not a token")),
            token => Ok(token.map(str::to_owned)),
        };
        let icon = value(ICON).flatten();
        if icon.is_some_and(|icon| !icon.starts_with("cid:") || icon.contains(['<', '>', ' '])) {
            return Err(error(ICON, "not a cid: URL"));
        }
        Ok(Some(Self {
            selector: FileSelector::parse(selector)?,
            transfer_id: token(TRANSFER_ID)?,
            disposition: token(DISPOSITION)?,
            dates: value(DATE)
                .flatten()
                .map(FileDates::parse)
                .transpose()?
                .unwrap_or_default(),
            icon: icon.map(str::to_owned),
            range: value(RANGE)
                .flatten()
                .map(|range| FileRange::parse(range).ok_or(error(RANGE, "not a range")))
                .transpose()?,
        }))
    }

    /// Whether an attribute is one of these.
    pub(super) fn is_one(name: &str) -> bool {
        matches!(name, SELECTOR | TRANSFER_ID | DISPOSITION | DATE | ICON | RANGE)
    }

    /// As attributes; values that cannot stand there are left out.
    pub(super) fn print(&self) -> Vec<Attribute> {
        let selector = self.selector.print();
        let values = [
            (TRANSFER_ID, self.transfer_id.clone().filter(|id| is_token(id))),
            (
                DISPOSITION,
                self.disposition.clone().filter(|value| is_token(value)),
            ),
            (DATE, self.dates.print()),
            (ICON, self.icon.clone()),
            (RANGE, self.range.map(FileRange::print)),
        ];
        let others = values
            .into_iter()
            .filter_map(|(name, value)| Attribute::new(name, Some(value?.as_str())));
        Attribute::new(SELECTOR, selector.as_deref())
            .into_iter()
            .chain(others)
            .collect()
    }
}
