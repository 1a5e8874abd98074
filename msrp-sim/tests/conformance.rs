//! `docs/conformance.md`: which test shows which requirement of the RFCs.
//!
//! The rows stand in `docs/catalogue/*.tsv`, the reasons for rows that no test shows in `docs/catalogue/reasons/`, and
//! tests name the rows they show in a comment directly above them, `// shows: 4975-7.1-10, 4975-7.1-12`. This test fails
//! when a MUST row is neither shown nor explained, when a comment or a reason names a row that does not exist, when a
//! reason has become stale, and when the document is not what follows from all that. `MSRP_BLESS=1` writes it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The catalogues that are watched, with the beginning of their rows' names.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("rfc4975", "4975-", "RFC 4975: the protocol"),
    ("rfc4976", "4976-", "RFC 4976: relays"),
    ("rfc7977", "7977-", "RFC 7977: WebSocket"),
    ("rfc3264", "3264-", "RFC 3264: offer and answer"),
    ("rfc3862", "3862-", "RFC 3862: message/cpim"),
    ("rfc3994", "3994-", "RFC 3994: isComposing"),
    ("rfc4145", "4145-", "RFC 4145: who connects"),
    ("rfc5438", "5438-", "RFC 5438: disposition notifications"),
    ("rfc5547", "5547-", "RFC 5547: files"),
    ("rfc6135", "6135-", "RFC 6135: who connects, with MSRP"),
    ("rfc6714", "6714-", "RFC 6714: middleboxes"),
    ("rfc8122", "8122-", "RFC 8122: certificates told by signalling"),
    ("rfc8866", "8866-", "RFC 8866: SDP"),
    ("gateway", "GW-", "Page mode and session mode: the gateway"),
    ("rfc3428", "3428-", "RFC 3428: MESSAGE"),
    ("rfc8591", "8591-", "RFC 8591: S/MIME in MESSAGE and MSRP"),
];

struct Row {
    id: String,
    level: String,
    requirement: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows(document: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/catalogue").join(format!("{document}.tsv"))).unwrap();
    text.lines()
        .map(|line| {
            let cells: Vec<_> = line.split('\t').collect();
            let [id, level, _role, requirement] = cells[..] else {
                panic!("four cells in {line:?}")
            };
            Row {
                id: id.to_owned(),
                level: level.to_owned(),
                requirement: requirement.to_owned(),
            }
        })
        .collect()
}

fn reasons() -> BTreeMap<String, String> {
    let text: String = DOCUMENTS
        .iter()
        .map(|(document, ..)| {
            let path = root().join(format!("docs/catalogue/reasons/{document}.tsv"));
            fs::read_to_string(path).unwrap()
        })
        .collect();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (id, reason) = line
                .split_once('\t')
                .unwrap_or_else(|| panic!("two cells in {line:?}"));
            (id.to_owned(), reason.to_owned())
        })
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Row → the tests that name it, as `file::function`.
fn shown() -> BTreeMap<String, Vec<String>> {
    let root = root();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let mut pending: Vec<String> = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(list) = line.strip_prefix("// shows:") {
                pending.extend(
                    list.split(',')
                        .map(|id| id.trim().to_owned())
                        .filter(|id| !id.is_empty()),
                );
            } else if let Some(rest) = line
                .strip_prefix("async fn ")
                .or_else(|| line.strip_prefix("pub(crate) fn "))
                .or_else(|| line.strip_prefix("fn "))
                && !pending.is_empty()
            {
                let function = rest.split(['(', '<']).next().unwrap();
                for id in pending.drain(..) {
                    shown.entry(id).or_default().push(format!("{name}::{function}"));
                }
            }
        }
        assert!(
            pending.is_empty(),
            "{name}: `// shows: {}` stands above no function",
            pending.join(", ")
        );
    }
    shown
}

#[test]
fn every_requirement_is_shown_or_explained() {
    let shown = shown();
    let reasons = reasons();
    let mut known = Vec::new();
    let mut text = String::from(
        "# Conformance\n\nWhich test shows which requirement. This file is written by a test: `MSRP_BLESS=1 cargo test -p msrp-sim --test conformance`.\n",
    );
    let mut missing = Vec::new();
    let mut stale = Vec::new();
    for (document, _, title) in DOCUMENTS {
        let rows = rows(document);
        let count = |level: &str| rows.iter().filter(|row| row.level == level).count();
        let done = |level: &str| {
            rows.iter()
                .filter(|row| row.level == level && shown.contains_key(&row.id))
                .count()
        };
        let _ = write!(
            text,
            "\n## {title}\n\n| level | rows | shown by a test |\n|---|---|---|\n"
        );
        for level in ["MUST", "SHOULD", "MAY", "ABNF", "fact", "errata", "example"] {
            let _ = writeln!(text, "| {level} | {} | {} |", count(level), done(level));
        }
        text.push_str("\n| row | level | requirement | shown by, or why not |\n|---|---|---|---|\n");
        for row in rows {
            let how = match (shown.get(&row.id), reasons.get(&row.id)) {
                (Some(tests), reason) => {
                    if reason.is_some() {
                        stale.push(row.id.clone());
                    }
                    tests
                        .iter()
                        .map(|test| format!("`{test}`"))
                        .collect::<Vec<_>>()
                        .join("<br>")
                }
                (None, Some(reason)) => format!("— {reason}"),
                (None, None) => {
                    if row.level == "MUST" {
                        missing.push(row.id.clone());
                    }
                    String::new()
                }
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {how} |",
                row.id, row.level, row.requirement
            );
            known.push(row.id);
        }
    }
    let of_these = |id: &&String| DOCUMENTS.iter().any(|(_, prefix, _)| id.starts_with(prefix));
    let unknown: Vec<_> = shown
        .keys()
        .chain(reasons.keys())
        .filter(of_these)
        .filter(|id| !known.contains(id))
        .collect();
    assert!(unknown.is_empty(), "no such rows: {unknown:?}");
    assert!(
        stale.is_empty(),
        "shown by a test, so without need of a reason: {stale:?}"
    );
    let path = root().join("docs/conformance.md");
    if std::env::var_os("MSRP_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        missing.is_empty(),
        "{} MUST rows are neither shown nor explained: {missing:?}",
        missing.len()
    );
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        current == text,
        "docs/conformance.md is out of date; MSRP_BLESS=1 writes it"
    );
}
