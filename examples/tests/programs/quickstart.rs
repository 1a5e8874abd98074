//! `quickstart`: the main job, as the README runs it.

use std::process::{Command, Stdio};

#[test]
fn tells_the_whole_story_and_ends_well() {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let story = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{story}\n{errors}");
    for text in [
        "listens on msrps://",
        "alice   → bob   INVITE sip:bob@127.0.0.1:",
        "alice   → bob   Hi Bob!",
        "bob     → alice Hi Alice!",
        "[file holiday.bin, 10000000 octets]",
        "carol   → bob   INVITE sip:bob@127.0.0.1:",
        "carol   → bob   Hi Bob! Two relays",
        "bob     → carol Hi Carol!",
        "carol   → bob   BYE",
        "dora    → bob   MESSAGE: Hi",
        "bob     → dora  Gladly, Dora! At noon.  ✓✓ (as a MESSAGE)",
        "bob     → alice BYE",
        "over TLS",
    ] {
        assert!(story.contains(text), "{text:?} is missing:\n{story}");
    }
    let hashes: Vec<&str> = story
        .lines()
        .filter_map(|line| line.trim().strip_prefix("sha256 at ")?.split_whitespace().nth(1))
        .collect();
    assert_eq!(hashes.len(), 2, "{story}");
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!(hashes[0].len(), 64);
}
