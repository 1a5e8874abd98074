//! Options of a program from its command line and from a file: everything that a flag can say, the file can say under the
//! same name. Flags win.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgAction, Command, CommandFactory, FromArgMatches, parser::ValueSource};
use toml::{Spanned, de::DeTable, de::DeValue};

use crate::failure::Failure;

/// Flags that make no sense in a file.
const NOT_IN_A_FILE: [&str; 3] = ["config", "help", "version"];

/// Reads the options of a program: those of the command line, and those of the file that its flag `--config` names.
///
/// # Errors
/// [`Failure::Asked`], which names what is wrong: flag, or file and line. Values are not quoted from the file, as there may
/// be passwords in it. What clap says itself (bad flags, `--help`) it says, and ends the program.
pub fn options<O: CommandFactory + FromArgMatches>() -> Result<O, Failure> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match merged(O::command(), &arguments)? {
        Ok(matches) => O::from_arg_matches(&matches).map_err(|error| error.exit()),
        Err(error) => error.exit(),
    }
}

/// As [`options`], once more for a program that runs already: nothing ends it.
///
/// # Errors
/// [`Failure::Asked`].
pub fn options_again<O: CommandFactory + FromArgMatches>() -> Result<O, Failure> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    merged(O::command(), &arguments)?
        .and_then(|matches| O::from_arg_matches(&matches))
        .map_err(|error| Failure::Asked(error.to_string().trim_end().to_owned()))
}

/// A secret, or what stands in the file that is named by `@FILE`.
///
/// # Errors
/// [`Failure::Asked`].
pub fn secret(flag: &str, text: &str) -> Result<String, Failure> {
    let secret = match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(path)
            .map_err(|error| Failure::asked(flag, format!("cannot read {path}: {error}")))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        None => text.to_owned(),
    };
    if secret.is_empty() {
        return Err(Failure::asked(flag, "it is empty"));
    }
    Ok(secret)
}

/// What the command line says, and then the file.
fn merged(
    command: Command,
    arguments: &[OsString],
) -> Result<Result<clap::ArgMatches, clap::Error>, Failure> {
    let matches = match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(error)),
    };
    let Some(path) = matches.get_one::<PathBuf>("config") else {
        return Ok(Ok(matches));
    };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Asked(format!("--config: cannot read {}: {error}", path.display())))?;
    let said = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let more = from_file(&command, &text, path, said)?;
    let mut all = arguments.to_vec();
    all.extend(more);
    // The program's name ends its own message; the file is named in front.
    Ok(command
        .try_get_matches_from(all)
        .map_err(|error| in_file(error, path)))
}

/// A mistake in a value of the file: what the command line says is known to be good.
fn in_file(error: clap::Error, path: &Path) -> clap::Error {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    clap::Error::raw(error.kind(), format!("{}: {first}\n", path.display()))
}

/// The flags that a file stands for, but for those that the command line has `said`.
fn from_file(
    command: &Command,
    text: &str,
    path: &Path,
    said: impl Fn(&str) -> bool,
) -> Result<Vec<OsString>, Failure> {
    let at = |place: usize, error: &str| {
        let line = text.get(..place).unwrap_or_default().matches('\n').count() + 1;
        Failure::Asked(format!("{}: line {line}: {error}", path.display()))
    };
    let table = DeTable::parse(text)
        .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut flags = Vec::new();
    // Maps of this parser are sorted by name; for what may be repeated the order is that of its list.
    for (name, value) in table.get_ref() {
        let place = name.span().start;
        let name = name.get_ref().as_ref();
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_long() == Some(name) && !NOT_IN_A_FILE.contains(&name))
            .ok_or_else(|| at(place, &format!("there is no setting {name:?}")))?;
        if said(argument.get_id().as_str()) {
            continue;
        }
        let flag = |value: &str| OsString::from(format!("--{name}={value}"));
        if matches!(argument.get_action(), ArgAction::SetTrue) {
            match value.get_ref().as_bool() {
                Some(true) => flags.push(OsString::from(format!("--{name}"))),
                Some(false) => {}
                None => return Err(at(place, &format!("{name}: true or false is wanted"))),
            }
            continue;
        }
        let many = matches!(argument.get_action(), ArgAction::Append);
        let one = |value: &Spanned<DeValue<'_>>| {
            let wanted = if many {
                "a text or a list of texts is wanted"
            } else {
                "a text or a number is wanted"
            };
            scalar(value.get_ref()).ok_or_else(|| at(place, &format!("{name}: {wanted}")))
        };
        match value.get_ref().as_array() {
            Some(values) if many => {
                for value in values {
                    flags.push(flag(&one(value)?));
                }
            }
            _ => flags.push(flag(&one(value)?)),
        }
    }
    Ok(flags)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, PartialEq, Parser)]
    struct Options {
        #[arg(long)]
        config: Option<PathBuf>,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        number: Option<u16>,
        #[arg(long)]
        listen: Vec<String>,
        #[arg(long)]
        loud: bool,
    }

    fn flags(text: &str, said: &[&str]) -> Result<Vec<String>, String> {
        from_file(&Options::command(), text, Path::new("it.toml"), |id| {
            said.contains(&id)
        })
        .map(|flags| {
            flags
                .iter()
                .map(|flag| flag.to_string_lossy().into_owned())
                .collect()
        })
        .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_file_says_what_flags_say() {
        let text = "name = \"-x y\"\nnumber = 7\nlisten = [\"b\", \"a\"]\nloud = true\n";
        assert_eq!(
            flags(text, &[]).unwrap(),
            ["--listen=b", "--listen=a", "--loud", "--name=-x y", "--number=7"]
        );
        assert_eq!(
            flags("listen = \"a\"\nloud = false", &[]).unwrap(),
            ["--listen=a"]
        );
    }

    #[test]
    fn flags_win() {
        let text = "name = \"file\"\nlisten = [\"b\", \"a\"]\n";
        assert_eq!(flags(text, &["name"]).unwrap(), ["--listen=b", "--listen=a"]);
        assert_eq!(flags(text, &["listen"]).unwrap(), ["--name=file"]);
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_nothing_is_quoted() {
        for (text, wanted) in [
            (
                "\nnmae = \"secret\"",
                "it.toml: line 2: there is no setting \"nmae\"",
            ),
            (
                "config = \"secret\"",
                "it.toml: line 1: there is no setting \"config\"",
            ),
            (
                "name = [\"secret\"]",
                "it.toml: line 1: name: a text or a number is wanted",
            ),
            (
                "listen = [\"secret\", [1]]",
                "it.toml: line 1: listen: a text or a list",
            ),
            (
                "loud = \"secret\"",
                "it.toml: line 1: loud: true or false is wanted",
            ),
            ("name = \"secret\"\nnumber = ", "it.toml: line 2: "),
            ("name = \"secret\nnumber = 1", "it.toml: line 1: "),
        ] {
            let error = flags(text, &[]).unwrap_err();
            assert!(error.starts_with(wanted), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_command_line_names_the_file() {
        let folder = std::env::temp_dir().join(format!("msrp-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("options.toml");
        fs::write(&path, "name = \"file\"\nnumber = 7\n").unwrap();
        let arguments = |more: &[&str]| -> Vec<OsString> {
            let path = format!("--config={}", path.display());
            ["program", &path]
                .iter()
                .chain(more)
                .map(OsString::from)
                .collect()
        };
        let matches = merged(Options::command(), &arguments(&["--number", "8"]))
            .unwrap()
            .unwrap();
        let options = Options::from_arg_matches(&matches).unwrap();
        assert_eq!((options.name.as_deref(), options.number), (Some("file"), Some(8)));
        fs::write(&path, "number = 70000\n").unwrap();
        let error = merged(Options::command(), &arguments(&[])).unwrap().unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("options.toml: ") && error.contains("--number"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let gone = merged(Options::command(), &arguments(&[])).unwrap_err();
        assert!(gone.to_string().contains("options.toml"), "{gone}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
