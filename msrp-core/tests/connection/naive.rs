//! A decoder that anybody can read: it needs the whole input, copies everything and searches from zero each time.

use msrp_core::grammar::ContinuationFlag;

/// One chunk or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) id: String,
    pub(crate) third: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) flag: ContinuationFlag,
}

impl Frame {
    /// The value of a header that stands there at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values
            .next()
            .map(|(_, value)| std::str::from_utf8(value).unwrap());
        assert!(values.next().is_none(), "more than one {name}");
        value
    }

    pub(crate) fn body_len(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.len() as u64)
    }
}

fn split_once<'a>(octets: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let index = octets.windows(at.len()).position(|window| window == at)?;
    Some((&octets[..index], &octets[index + at.len()..]))
}

/// All whole chunks of well-formed input.
pub(crate) fn frames(mut octets: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((start, mut rest)) = split_once(octets, b"\r\n") {
        let start = String::from_utf8(start.to_vec()).unwrap();
        let mut words = start.splitn(3, ' ');
        assert_eq!(words.next(), Some("MSRP"));
        let id = words.next().unwrap().to_owned();
        let third = words.next().unwrap().to_owned();
        let mut frame = Frame {
            id,
            third,
            headers: Vec::new(),
            body: None,
            flag: ContinuationFlag::More,
        };
        let hyphens = format!("-------{}", frame.id);
        loop {
            let Some((line, after)) = split_once(rest, b"\r\n") else {
                return frames;
            };
            if line.is_empty() {
                // The body lasts until the first CRLF, hyphens, identifier, flag, CRLF.
                let ends = [
                    ContinuationFlag::Complete,
                    ContinuationFlag::More,
                    ContinuationFlag::Abort,
                ]
                .map(|flag| (flag, format!("\r\n{hyphens}{}\r\n", flag.as_byte() as char)));
                let found = (0..after.len()).find_map(|at| {
                    let (flag, end) = ends
                        .iter()
                        .find(|(_, end)| after[at..].starts_with(end.as_bytes()))?;
                    Some((at, *flag, end.len()))
                });
                let Some((at, flag, len)) = found else {
                    return frames;
                };
                frame.body = Some(after[..at].to_vec());
                frame.flag = flag;
                rest = &after[at + len..];
                break;
            }
            if line.starts_with(b"-------") {
                assert!(line.starts_with(hyphens.as_bytes()));
                frame.flag = ContinuationFlag::from_byte(line[hyphens.len()]).unwrap();
                rest = after;
                break;
            }
            let (name, value) = split_once(line, b": ").unwrap();
            frame
                .headers
                .push((String::from_utf8(name.to_vec()).unwrap(), value.to_vec()));
            rest = after;
        }
        frames.push(frame);
        octets = rest;
    }
    frames
}
