//! The example that embeds a relay with policies in a database, and what it says.
#![cfg(target_os = "linux")]

#[path = "../examples/sqlite_relay.rs"]
mod sqlite_relay;

#[test]
fn policies_of_a_database() {
    let mut story = Vec::new();
    sqlite_relay::run(&mut story).unwrap();
    let story = String::from_utf8(story).unwrap();
    let lines: Vec<_> = story.lines().collect();
    let name = "alice came in by localhost, and her URI names msrps://relay.example.com:";
    assert!(lines[0].starts_with(name), "{lines:?}");
    assert!(
        lines[1].starts_with("bob is refused: ") && lines[1].contains("403"),
        "{lines:?}"
    );
    assert_eq!(lines[2], "alice's session leaves for 127.0.0.1 from 127.0.0.2");
    assert_eq!(lines.len(), 3);
}
