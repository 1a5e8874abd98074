//! A file to offer.

use msrp_ua::{
    negotiate::LocalStream,
    sdp::{Direction, FileAttributes, FileHash, FileSelector},
};

use crate::dialog::{ALICE, PEER_MEDIA, PEER_PATH, body, lines, section, stream};

pub(crate) const SHA1: &str = "72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E";

pub(crate) fn picture() -> FileSelector {
    let mut selector = FileSelector::default();
    selector.name = Some("My cool picture.jpg".to_owned());
    selector.media_type = Some("image/jpeg".to_owned());
    selector.size = Some(4092);
    selector.hashes = vec![FileHash {
        algorithm: "sha-1".to_owned(),
        value: SHA1
            .split(':')
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect(),
    }];
    selector
}

pub(crate) fn pushed(id: &str) -> LocalStream {
    stream(ALICE)
        .with_direction(Direction::SendOnly)
        .with_file(FileAttributes::new(picture(), id))
}

/// The lines about files.
pub(crate) fn about_file(body: &[u8]) -> Vec<&str> {
    lines(body, "a=")
        .into_iter()
        .filter(|line| line.starts_with("file-"))
        .collect()
}

pub(crate) fn offered(direction: &str, more: &[&str]) -> Vec<u8> {
    let lines: Vec<_> = [direction].iter().chain(more).copied().collect();
    body(&section(PEER_MEDIA, PEER_PATH, &lines))
}
