//! The fuzz targets on their corpora and on seeded mutations of them.
//!
//! `MSRP_FUZZ_ROUNDS=n` runs n mutations of each target instead of the usual few thousand.

use std::{fs, path::PathBuf};

use msrp_sim::{
    Rng,
    fuzz::{TARGETS, Target},
};

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// Runs a target and says with which input it failed.
fn run(name: &str, target: fn(&[u8]), origin: &str, input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| target(input)) {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-failed"));
        fs::write(&kept, input).unwrap();
        eprintln!("{name} fails on {origin}; the input is in {}", kept.display());
        std::panic::resume_unwind(panic);
    }
}

/// A few changes of the kinds that fuzzers make.
fn mutate(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.size(1..=6) {
        let at = rng.index(input.len() + 1);
        let len = rng.size(0..=40).min(input.len() - at);
        match rng.below(8) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..at + len)),
            2 => {
                let copy = input[at..at + len].to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                let from = rng.index(other.len() + 1);
                let piece = &other[from..(from + 60).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
            4 => input.insert(at, rng.pick(b"\0\r\n -+$#:;/@%\"\\,=<>{}\x1e\x7f\xff")),
            5 => input.insert(at, rng.below(256) as u8),
            _ if input.is_empty() => {}
            6 => input[at.saturating_sub(1)] ^= 1 << rng.below(8),
            _ => input[at.saturating_sub(1)] = rng.below(256) as u8,
        }
    }
}

fn target(name: &str) -> (&'static str, Target) {
    TARGETS.into_iter().find(|(known, _)| *known == name).unwrap()
}

fn replay(name: &str, rounds: u64) {
    let (_, target) = target(name);
    let seeds = corpus(name);
    assert!(seeds.len() >= 4, "a corpus worth the name");
    for (file, input) in &seeds {
        run(name, target, file, input);
    }
    let rounds = std::env::var("MSRP_FUZZ_ROUNDS").map_or(rounds, |text| text.parse().unwrap());
    for round in 0..rounds {
        let mut rng = Rng::new(round);
        let mut input = rng.pick(&seeds).1;
        let other = rng.pick(&seeds).1;
        mutate(&mut rng, &mut input, &other);
        run(name, target, &format!("mutation {round}"), &input);
    }
}

#[test]
fn anchor_sdp() {
    replay("anchor_sdp", 5000);
}

#[test]
fn composing() {
    replay("composing", 5000);
}

#[test]
fn connection_ops() {
    replay("connection_ops", 1000);
}

/// Operations of every kind in any order, not only the corpus's.
#[test]
fn connection_ops_by_chance() {
    let (name, target) = target("connection_ops");
    for round in 0..500 {
        let mut rng = Rng::new(round);
        let mut input = vec![0; rng.size(10..=1500)];
        rng.fill(&mut input);
        run(name, target, &format!("chance {round}"), &input);
    }
}

#[test]
fn cpim() {
    replay("cpim", 5000);
}

#[test]
fn decode_split() {
    replay("decode_split", 5000);
}

#[test]
fn digest_params() {
    replay("digest_params", 5000);
}

#[test]
fn head_edit() {
    replay("head_edit", 5000);
}

#[test]
fn imdn() {
    replay("imdn", 5000);
}

#[test]
fn relay_world() {
    replay("relay_world", 1000);
}

#[test]
fn sdp() {
    replay("sdp", 5000);
}

#[test]
fn uri() {
    replay("uri", 5000);
}

#[test]
fn each_target_has_a_program_and_a_corpus() {
    let names = |folder: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz")
            .join(folder);
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    };
    let known = TARGETS.map(|(name, _)| name.to_owned());
    assert_eq!(names("corpus"), known);
    assert_eq!(names("fuzz_targets"), known);
}
