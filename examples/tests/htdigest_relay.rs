//! The example that embeds a relay with users in a file, and what it says.

#[path = "../examples/htdigest_relay.rs"]
mod htdigest_relay;

#[test]
fn users_of_a_file_that_changes() {
    let mut story = Vec::new();
    htdigest_relay::run(&mut story).unwrap();
    let story = String::from_utf8(story).unwrap();
    let lines: Vec<_> = story.lines().collect();
    assert!(lines[0].starts_with("relay at msrps://localhost:"), "{lines:?}");
    assert_eq!(lines[1], "alice is given a URI");
    assert!(lines[2].starts_with("bob is refused: "), "{lines:?}");
    assert_eq!(lines[3], "bob is given a URI");
    assert_eq!(lines.len(), 4);
}
