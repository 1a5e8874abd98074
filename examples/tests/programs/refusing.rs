//! What a program says to options, files and material that it cannot use.

use std::process::Command;

/// Runs a program, which has to refuse with exit code 2 and a message that has all of `texts`.
#[track_caller]
pub(crate) fn refuses(mut program: Command, texts: &[&str]) -> String {
    let output = program.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(output.stdout, b"", "nothing listens");
    for text in texts {
        assert!(message.contains(text), "{text:?} is missing: {message}");
    }
    assert!(message.lines().count() < 12, "too long: {message}");
    message
}
