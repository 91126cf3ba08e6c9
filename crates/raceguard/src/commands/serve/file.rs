//! `raceguard-server.toml`: the flags of `raceguard serve` in a file, `keep_days = 90` for `--keep-days 90`.
//!
//! Each line becomes the flag, unless that was given too. So whatever has a flag can stand in the file, and is checked alike.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _};
use toml::Value;

use super::ServeArgs;
use crate::error::CommandError;

/// The flags that the words of the command line and the file say together.
pub(super) fn with_file(path: &Path, words: &[OsString]) -> Result<ServeArgs, CommandError> {
    let wrong = |what: String| CommandError::ServeConfig { path: path.to_owned(), what };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
    let command = ServeArgs::augment_args(Command::new("raceguard serve").no_binary_name(true));
    let given = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(words)
        .map_err(|error| wrong(error.to_string()))?;
    let mut all = words.to_vec();
    for (key, value) in &table {
        let at = |what: String| wrong(format!("line {}: {what}", line_of(&text, key)));
        let flags = flags(&command, &given, key, value).map_err(at)?;
        // Each line by itself first, so that what is wrong with it is told with its number.
        // The flag --config stands for all that is needed.
        let alone = flags.iter().cloned().chain(["--config=FILE".into()]);
        command.clone().try_get_matches_from(alone).map_err(|error| at(first_line(&error)))?;
        all.extend(flags);
    }
    let matches = command.try_get_matches_from(all).map_err(|error| wrong(first_line(&error)))?;
    ServeArgs::from_arg_matches(&matches).map_err(|error| wrong(first_line(&error)))
}

/// A line of the file as flags; none when the command line says it otherwise.
fn flags(command: &Command, given: &ArgMatches, key: &str, value: &Value) -> Result<Vec<OsString>, String> {
    let argument = command.get_arguments().find(|argument| argument.get_id() == key && key != "config");
    let Some(argument) = argument else { return Err(format!("there is no setting {key}")) };
    if given.value_source(key) == Some(ValueSource::CommandLine) {
        return Ok(Vec::new());
    }
    let flag = format!("--{}", key.replace('_', "-"));
    let text = match value {
        Value::Boolean(truth) if matches!(argument.get_action(), ArgAction::SetTrue) => {
            return Ok(truth.then(|| flag.into()).into_iter().collect());
        }
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        _ => return Err(format!("{key} takes a text or a number")),
    };
    Ok(vec![format!("{flag}={text}").into()])
}

/// The line in which a key stands, from 1.
fn line_of(text: &str, key: &str) -> usize {
    let begins = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(begins).map_or(1, |index| index + 1)
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, words: &[&str]) -> Result<ServeArgs, String> {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("server.toml");
        fs::write(&path, text).expect("it is written");
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        with_file(&path, &words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_gives_what_the_command_line_does_not() {
        let text = "data = \"/d\"\nlisten = \"127.0.0.1:1\"\ninsecure = true\nkeep_days = 7\nmax_body = 3\n";
        let arguments = read(text, &["--listen", "127.0.0.1:2"]).expect("it is right");
        assert_eq!((arguments.data.as_deref(), arguments.listen.port()), (Some(Path::new("/d")), 2));
        assert_eq!((arguments.insecure, arguments.keep_days), (true, 7));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, line, what) in [
            ("data = \"/d\"\nlisen = \"x\"\n", "line 2", "no setting lisen"),
            ("data = \"/d\"\n\nlisten = \"x\"\n", "line 3", "--listen"),
            ("data = \"/d\"\nkeep_days = 0\n", "line 2", "--keep-days"),
            ("data = \"/d\"\nkeep_days = [1]\n", "line 2", "takes a text or a number"),
            ("data = \n", "line 1", ""),
        ] {
            let error = read(text, &[]).expect_err(text);
            assert!(error.contains(line) && error.contains(what), "{text}: {error}");
        }
    }
}
