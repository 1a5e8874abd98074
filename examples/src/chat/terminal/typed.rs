//! What a person types: text, or a command that begins with a slash.

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Something to be said.
    Text(String),
    /// `/call URI`
    Call(String),
    /// `/accept`
    Accept,
    /// `/refuse [CODE]`
    Refuse(u16),
    /// `/send FILE`
    Send(String),
    /// `/cancel`
    Cancel,
    /// `/bye`
    Bye,
    /// `/quit`
    Quit,
    /// `/help`
    Help,
    /// Nothing.
    Nothing,
    /// A command that is none, and why.
    Mistake(String),
}

/// The commands, what stands behind them, and what they do.
pub(super) const COMMANDS: [(&str, &str, &str); 9] = [
    ("/call", "SIPURI", "call somebody"),
    ("/accept", "", "answer the call that comes in"),
    (
        "/refuse",
        "[CODE]",
        "refuse it, with 486 unless another code is given",
    ),
    ("/send", "FILE", "send a file"),
    ("/cancel", "", "give up the file that is being sent"),
    ("/bye", "", "end the session"),
    ("/quit", "", "end the session and the program (also Ctrl-D)"),
    ("/help", "", "this list"),
    ("//", "TEXT", "say something that begins with a slash"),
];

/// What `/help` shows.
pub(super) fn help() -> String {
    let mut lines: Vec<String> = COMMANDS
        .iter()
        .map(|(name, value, what)| {
            // The text stands right behind the slashes.
            let gap = if *name == "//" { "" } else { " " };
            format!("  {:16} {what}", format!("{name}{gap}{value}"))
        })
        .collect();
    lines.push("  Tab completes commands and file names, Up brings back what was typed,".to_owned());
    lines.push("  Ctrl-C empties the line, and ends the program where it is empty".to_owned());
    lines.join("\n")
}

impl Typed {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end();
        let Some(rest) = line.strip_prefix('/') else {
            return match line.is_empty() {
                true => Self::Nothing,
                false => Self::Text(line.to_owned()),
            };
        };
        if rest.starts_with('/') {
            return Self::Text(rest.to_owned());
        }
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let value = value.trim();
        let with_value = |make: fn(String) -> Self, wanted: &str| match value {
            "" => Self::Mistake(format!("/{name} {wanted}")),
            value => make(value.to_owned()),
        };
        match name {
            "call" => with_value(Self::Call, "SIPURI: whom?"),
            "send" => with_value(Self::Send, "FILE: which?"),
            "accept" => Self::Accept,
            "refuse" if value.is_empty() => Self::Refuse(486),
            "refuse" => match value.parse() {
                Ok(code @ 300..=699) => Self::Refuse(code),
                _ => Self::Mistake("/refuse CODE: a code of SIP from 300 to 699".to_owned()),
            },
            "cancel" => Self::Cancel,
            "bye" => Self::Bye,
            "quit" | "exit" => Self::Quit,
            "help" | "?" => Self::Help,
            _ => Self::Mistake(format!("/{name} is no command; /help lists them")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_text_or_commands() {
        for (line, typed) in [
            ("hello ", Typed::Text("hello".to_owned())),
            ("", Typed::Nothing),
            ("   ", Typed::Nothing),
            ("//etc is a folder", Typed::Text("/etc is a folder".to_owned())),
            (
                "/call sip:bob@example.com",
                Typed::Call("sip:bob@example.com".to_owned()),
            ),
            ("/send  my file.txt ", Typed::Send("my file.txt".to_owned())),
            ("/accept", Typed::Accept),
            ("/refuse", Typed::Refuse(486)),
            ("/refuse 603", Typed::Refuse(603)),
            ("/cancel", Typed::Cancel),
            ("/bye", Typed::Bye),
            ("/quit", Typed::Quit),
            ("/help", Typed::Help),
        ] {
            assert_eq!(Typed::parse(line), typed, "{line}");
        }
        for (line, wanted) in [
            ("/refuse 200", "300 to 699"),
            ("/call", "SIPURI"),
            ("/send ", "FILE"),
            ("/caal x", "/caal is no command"),
        ] {
            match Typed::parse(line) {
                Typed::Mistake(text) => assert!(text.contains(wanted), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn help_has_every_command() {
        for (name, value, _) in COMMANDS {
            assert!(help().contains(name));
            let line = format!("{name} {}", value.trim_matches(['[', ']']));
            assert!(
                !matches!(Typed::parse(&line), Typed::Nothing) || name.is_empty(),
                "{line}"
            );
        }
    }
}
