//! To-Path, From-Path, Use-Path: lists of URIs (RFC 4975 section 9, RFC 4976 section 7).

use std::{fmt, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};

use super::{GrammarError, Uri, UriRef};
use crate::redact;

/// How many URIs a path has at most where nothing else is said.
pub const MAX_PATH_URIS: usize = 16;

/// A path, borrowed from the header field's value. Its shape is checked, its URIs are parsed on demand.
#[derive(Clone, Copy)]
pub struct PathRef<'a> {
    text: &'a [u8],
    shape: PathShape,
}

/// How many URIs a path has, and where they begin and end: all that [`PathRef`] has to know of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathShape {
    /// The number of URIs.
    len: u16,
    /// Where the first URI ends.
    first_end: u16,
    /// Where the last URI starts.
    last_start: u16,
}

impl PathShape {
    /// Checks that the value is a list of URIs separated by single spaces, without parsing them.
    pub(crate) fn of(value: &[u8]) -> Result<Self, GrammarError> {
        if value.is_empty() {
            return Err(GrammarError::PathEmpty);
        }
        // Longer than any head: in such a value positions are not told apart, so it is no path.
        let end = u16::try_from(value.len()).map_err(|_| GrammarError::PathTooLong { max: MAX_PATH_URIS })?;
        let mut shape = Self {
            len: 1,
            first_end: end,
            last_start: 0,
        };
        for space in memchr::memchr_iter(b' ', value) {
            // Below `end`, so it fits.
            let space = space as u16;
            if space == shape.last_start {
                return Err(GrammarError::PathSeparator);
            }
            if shape.len == 1 {
                shape.first_end = space;
            }
            shape.len += 1;
            shape.last_start = space + 1;
        }
        if shape.last_start == end {
            return Err(GrammarError::PathSeparator);
        }
        Ok(shape)
    }
}

impl<'a> PathRef<'a> {
    /// Checks that the value is 1 to `max_uris` URIs separated by single spaces, without parsing them.
    ///
    /// # Errors
    /// [`GrammarError::PathEmpty`], [`GrammarError::PathSeparator`], [`GrammarError::PathTooLong`].
    pub fn parse_lazy(value: &'a [u8], max_uris: usize) -> Result<Self, GrammarError> {
        Self::of(value, PathShape::of(value)?, max_uris)
    }

    /// A value whose shape is known.
    pub(crate) fn of(value: &'a [u8], shape: PathShape, max_uris: usize) -> Result<Self, GrammarError> {
        if usize::from(shape.len) > max_uris {
            return Err(GrammarError::PathTooLong { max: max_uris });
        }
        Ok(Self { text: value, shape })
    }

    /// The shape of this value.
    pub(crate) fn shape(&self) -> PathShape {
        self.shape
    }

    /// The number of URIs, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a path is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.shape.len)
    }

    /// The value as written.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.text
    }

    /// The first URI as written.
    #[inline]
    pub fn first_raw(&self) -> &'a [u8] {
        self.text
            .get(..usize::from(self.shape.first_end))
            .unwrap_or_default()
    }

    /// The last URI as written.
    #[inline]
    pub fn last_raw(&self) -> &'a [u8] {
        self.text
            .get(usize::from(self.shape.last_start)..)
            .unwrap_or_default()
    }

    /// What follows the first URI and its space, as written; `None` if there is only one URI.
    #[inline]
    pub fn after_first(&self) -> Option<&'a [u8]> {
        self.text.get(usize::from(self.shape.first_end) + 1..)
    }

    /// The first URI: in To-Path the next hop, in From-Path the previous one.
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn first(&self) -> Result<UriRef<'a>, GrammarError> {
        UriRef::parse(self.first_raw())
    }

    /// The second URI, if there is one.
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn second(&self) -> Result<Option<UriRef<'a>>, GrammarError> {
        let Some(rest) = self.after_first() else {
            return Ok(None);
        };
        let len = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        UriRef::parse(rest.get(..len).unwrap_or_default()).map(Some)
    }

    /// The last URI: in To-Path the target, in From-Path the originator.
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn last(&self) -> Result<UriRef<'a>, GrammarError> {
        UriRef::parse(self.last_raw())
    }

    /// Each URI as written, in order.
    pub fn iter_raw(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        self.text.split(|&octet| octet == b' ')
    }

    /// Each URI, in order, parsed.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Result<UriRef<'a>, GrammarError>> + use<'a> {
        self.iter_raw().map(UriRef::parse)
    }

    /// An owned path; copies the text and parses every URI.
    ///
    /// # Errors
    /// As [`UriRef::parse`].
    pub fn to_path(&self) -> Result<Path, GrammarError> {
        Path::parse(Bytes::copy_from_slice(self.text), self.len())
    }
}

impl AsRef<[u8]> for PathRef<'_> {
    fn as_ref(&self) -> &[u8] {
        self.text
    }
}

impl fmt::Debug for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathRef({})", redact::Path(self))
    }
}

/// An owned path of at least one URI. Cloning it copies no text.
///
/// `==` compares the URIs one by one; `Display` prints the path as on the wire, `Debug` hides the session-ids.
#[derive(Clone)]
pub struct Path(Arc<Inner>);

/// Most paths have one URI, and every session has some of them.
enum Inner {
    One(Uri),
    More(Box<More>),
}

struct More {
    text: Bytes,
    uris: Vec<Uri>,
    /// The ends of `uris`, held apart because a path cannot be empty.
    first: Uri,
    last: Uri,
}

impl Path {
    /// Parses a path of at most `max_uris` URIs and each URI in it. `text` is kept, not copied.
    ///
    /// # Errors
    /// The `Path…` and `Uri…` variants of [`GrammarError`].
    pub fn parse(text: Bytes, max_uris: usize) -> Result<Self, GrammarError> {
        let shape = PathRef::parse_lazy(&text, max_uris)?;
        let uris = shape
            .iter_raw()
            .map(|uri| Uri::parse(text.slice_ref(uri)))
            .collect::<Result<_, _>>()?;
        Self::assemble(text, uris)
    }

    /// A path of these URIs, in this order.
    ///
    /// # Errors
    /// [`GrammarError::PathEmpty`].
    pub fn from_uris(uris: &[Uri]) -> Result<Self, GrammarError> {
        let mut text = BytesMut::with_capacity(uris.iter().map(|uri| uri.as_bytes().len() + 1).sum());
        for (index, uri) in uris.iter().enumerate() {
            if index > 0 {
                text.put_u8(b' ');
            }
            text.put_slice(uri.as_bytes());
        }
        Self::assemble(text.freeze(), uris.to_vec())
    }

    fn assemble(text: Bytes, uris: Vec<Uri>) -> Result<Self, GrammarError> {
        match (uris.first().cloned(), uris.last().cloned()) {
            // Its text is that of the path.
            (Some(only), _) if uris.len() == 1 => Ok(only.into()),
            (Some(first), Some(last)) => Ok(Self(Arc::new(Inner::More(Box::new(More {
                text,
                uris,
                first,
                last,
            }))))),
            _ => Err(GrammarError::PathEmpty),
        }
    }

    /// The URIs, in order; at least one.
    pub fn uris(&self) -> &[Uri] {
        match &*self.0 {
            Inner::One(uri) => std::slice::from_ref(uri),
            Inner::More(more) => &more.uris,
        }
    }

    /// The number of URIs, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a path is never empty")]
    pub fn len(&self) -> usize {
        self.uris().len()
    }

    /// The first URI.
    pub fn first(&self) -> &Uri {
        match &*self.0 {
            Inner::One(uri) => uri,
            Inner::More(more) => &more.first,
        }
    }

    /// The last URI.
    pub fn last(&self) -> &Uri {
        match &*self.0 {
            Inner::One(uri) => uri,
            Inner::More(more) => &more.last,
        }
    }

    /// The path as on the wire.
    pub fn as_bytes(&self) -> &Bytes {
        match &*self.0 {
            Inner::One(uri) => uri.as_bytes(),
            Inner::More(more) => &more.text,
        }
    }

    /// The path as on the wire.
    pub fn as_str(&self) -> &str {
        super::text::ascii(self.as_bytes())
    }

    /// The same URIs from last to first: a client's Use-Path as its SDP shows it (RFC 4976 section 5.1).
    pub fn reversed(&self) -> Self {
        let uris: Vec<Uri> = self.uris().iter().rev().cloned().collect();
        // A path has at least one URI, so the reverse of it does too.
        Self::from_uris(&uris).unwrap_or_else(|_| self.clone())
    }
}

impl From<Uri> for Path {
    fn from(uri: Uri) -> Self {
        Self(Arc::new(Inner::One(uri)))
    }
}

impl std::str::FromStr for Path {
    type Err = GrammarError;

    /// Parses a path of at most [`MAX_PATH_URIS`] URIs; copies it.
    fn from_str(text: &str) -> Result<Self, GrammarError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()), MAX_PATH_URIS)
    }
}

impl AsRef<[u8]> for Path {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.uris() == other.uris()
    }
}

impl Eq for Path {}

impl std::hash::Hash for Path {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uris().hash(state);
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", redact::Path(self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "msrps://alice.example.com:9892/98cjs;tcp";
    const B: &str = "msrps://intra.example.com:9000/jui787s2f;tcp";
    const C: &str = "msrps://extra.example.com:9000/mywdEe1233;tcp";

    fn path(uris: &[&str]) -> Path {
        uris.join(" ").parse().unwrap()
    }

    // shows: 4975-9-17, 4976-7-14
    #[test]
    fn rfc4975_9_17_path_is_uris_separated_by_single_spaces() {
        let error = |text: &str, max| {
            let lazy = PathRef::parse_lazy(text.as_bytes(), max).err();
            let whole = Path::parse(Bytes::copy_from_slice(text.as_bytes()), max).err();
            assert_eq!(lazy, whole);
            lazy
        };
        assert_eq!(error("", 16), Some(GrammarError::PathEmpty));
        for bad in [" ", &format!(" {A}"), &format!("{A} "), &format!("{A}  {B}")] {
            assert_eq!(error(bad, 16), Some(GrammarError::PathSeparator), "{bad:?}");
        }
        let ten = [A; 10].join(" ");
        assert_eq!(error(&ten, 10), None);
        assert_eq!(error(&ten, 9), Some(GrammarError::PathTooLong { max: 9 }));
        assert_eq!(ten.parse::<Path>().unwrap().len(), 10);
        assert_eq!(
            [A; MAX_PATH_URIS + 1].join(" ").parse::<Path>(),
            Err(GrammarError::PathTooLong { max: 16 })
        );
        // A tab is no separator, so it is part of a malformed URI.
        assert!(format!("{A}\t{B}").parse::<Path>().is_err());
    }

    #[test]
    fn lazy_path_gives_its_ends_raw_and_parsed() {
        let three = [A, B, C].join(" ");
        let lazy = PathRef::parse_lazy(three.as_bytes(), 3).unwrap();
        assert_eq!((lazy.len(), lazy.raw()), (3, three.as_bytes()));
        assert_eq!((lazy.first_raw(), lazy.last_raw()), (A.as_bytes(), C.as_bytes()));
        assert_eq!(lazy.after_first(), Some([B, C].join(" ").as_bytes()));
        let text = |uri: Result<UriRef<'_>, GrammarError>| uri.unwrap().as_str().to_owned();
        assert_eq!((text(lazy.first()), text(lazy.last())), (A.into(), C.into()));
        assert_eq!(lazy.second().unwrap().unwrap().as_str(), B);
        assert_eq!(lazy.iter().map(text).collect::<Vec<_>>(), [A, B, C]);
        assert_eq!(lazy.to_path().unwrap(), path(&[A, B, C]));

        let one = PathRef::parse_lazy(A.as_bytes(), 1).unwrap();
        assert_eq!((one.first_raw(), one.last_raw()), (A.as_bytes(), A.as_bytes()));
        assert_eq!((one.after_first(), one.second()), (None, Ok(None)));
    }

    #[test]
    fn lazy_path_parses_only_what_is_asked_for() {
        let text = format!("{A} rubbish {B}");
        let lazy = PathRef::parse_lazy(text.as_bytes(), 16).unwrap();
        assert!(lazy.first().is_ok() && lazy.last().is_ok());
        assert_eq!(lazy.second(), Err(GrammarError::UriScheme));
        assert_eq!(lazy.to_path(), Err(GrammarError::UriScheme));
    }

    // shows: 4976-X-06
    #[test]
    fn rfc4976_x_06_paths_of_two_clients_behind_two_relays_each() {
        let uri = |name: char| {
            format!("msrps://{name}.example:9000/id{name};tcp")
                .parse::<Uri>()
                .unwrap()
        };
        let path = |names: &str| Path::from_uris(&names.chars().map(uri).collect::<Vec<_>>()).unwrap();
        let join =
            |front: &Path, back: &Path| Path::from_uris(&[front.uris(), back.uris()].concat()).unwrap();
        // What each client's outermost relay gave it, and what it therefore puts into its SDP.
        let (use_path_a, use_path_f) = (path("BC"), path("ED"));
        let sdp_a = join(&use_path_a.reversed(), &uri('A').into());
        let sdp_f = join(&use_path_f.reversed(), &uri('F').into());
        assert_eq!((&sdp_a, &sdp_f), (&path("CBA"), &path("DEF")));
        assert_eq!(join(&use_path_a, &sdp_f).to_string(), path("BCDEF").to_string());
        assert_eq!(join(&use_path_f, &sdp_a).to_string(), path("EDCBA").to_string());
    }

    #[test]
    fn owned_path_is_never_empty() {
        assert_eq!(Path::from_uris(&[]), Err(GrammarError::PathEmpty));
        let one = Path::from(A.parse::<Uri>().unwrap());
        assert_eq!((one.first(), one.last(), one.len()), (one.last(), one.first(), 1));
        assert_eq!(one, path(&[A]));
        assert_eq!(one.to_string(), A);
        let two = path(&[A, B]);
        assert_eq!((two.first().as_str(), two.last().as_str()), (A, B));
    }

    #[test]
    fn paths_compare_by_their_uris() {
        let upper = A.replace("alice.example", "ALICE.EXAMPLE");
        assert_eq!(path(&[A, B]), path(&[&upper, B]));
        assert_ne!(path(&[A, B]), path(&[B, A]));
        assert_ne!(path(&[A]), path(&[A, A]));
    }

    #[test]
    fn debug_hides_the_session_ids() {
        let path = path(&[B, C]);
        let lazy = PathRef::parse_lazy(path.as_bytes(), 2).unwrap();
        for text in [format!("{path:?}"), format!("{lazy:?}")] {
            assert!(
                text.contains("intra.example.com:9000/ju…;tcp msrps://extra"),
                "{text}"
            );
            assert!(!text.contains("jui") && !text.contains("myw"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_path_round_trips(ids in proptest::collection::vec("[a-z]{1,8}", 1..=16)) {
            let uris: Vec<Uri> = ids.iter().map(|id| format!("msrp://h:1/{id};tcp").parse().unwrap()).collect();
            let path = Path::from_uris(&uris).unwrap();
            prop_assert_eq!(path.uris(), &uris[..]);
            prop_assert_eq!(&path.to_string().parse::<Path>().unwrap(), &path);
            prop_assert_eq!(path.reversed().reversed().to_string(), path.to_string());
        }

        #[test]
        fn parsing_any_octets_ends(octets: Vec<u8>, max in 0..5_usize) {
            if let Ok(lazy) = PathRef::parse_lazy(&octets, max) {
                let _ = (lazy.first(), lazy.second(), lazy.last(), lazy.to_path());
                prop_assert_eq!(lazy.iter_raw().count(), lazy.len());
                prop_assert_eq!(lazy.iter_raw().next(), Some(lazy.first_raw()));
                prop_assert_eq!(lazy.iter_raw().next_back(), Some(lazy.last_raw()));
            }
        }
    }
}
