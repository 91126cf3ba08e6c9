//! The go commands that raceguard starts.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::environment::Environment;
use crate::error::FlagError;
use crate::flags::{CommandLine, Verb};
use crate::quoting;
use crate::toolexec::{CHAIN, END_OF_CHAIN};

/// `go test -json` over the user's flags, or plain `go test` where no test runs (`-c`, `-n`, `-list`).
///
/// With `options_set` (the race runtime's own options are in the environment) cached results are not used:
/// cmd/go does not know that they depend on those options.
pub fn test(
    environment: &Environment,
    line: &CommandLine,
    raceguard: &Path,
    options_set: bool,
) -> Result<Command, FlagError> {
    let runs_tests = runs_tests(line);
    let mut flags: Vec<OsString> = Vec::new();
    if runs_tests || line.is_on("json") {
        flags.push("-json".into());
    }
    if runs_tests && options_set && line.value("count").is_none() {
        flags.push("-count=1".into());
    }
    go(environment, line, raceguard, Verb::Test, flags)
}

/// Whether the tests are run at all.
pub fn runs_tests(line: &CommandLine) -> bool {
    !line.is_on("c") && !line.is_on("n") && line.value("list").is_none()
}

/// `go build` over the user's flags, packages and `-o` included.
pub fn build(environment: &Environment, line: &CommandLine, raceguard: &Path) -> Result<Command, FlagError> {
    go(environment, line, raceguard, Verb::Build, Vec::new())
}

/// `go build -o program` of what `raceguard run` is to run.
pub fn build_to_run(
    environment: &Environment,
    line: &CommandLine,
    raceguard: &Path,
    program: &Path,
) -> Result<Command, FlagError> {
    let mut command = go(environment, line, raceguard, Verb::Build, Vec::new())?;
    command.arg("-o").arg(program).arg("--").args(&line.packages);
    Ok(command)
}

fn go(
    environment: &Environment,
    line: &CommandLine,
    raceguard: &Path,
    verb: Verb,
    flags: Vec<OsString>,
) -> Result<Command, FlagError> {
    let chain = line.toolexec(&environment.env.goflags)?;
    let mut command = Command::new(&environment.go);
    command
        .arg(match verb {
            Verb::Test => "test",
            Verb::Run => "run",
            Verb::Build => "build",
        })
        .args(flags)
        .arg("-race")
        .arg(format!("-toolexec={}", toolexec_value(raceguard, &chain)?))
        .args(&line.forwarded);
    if line.value("C").is_some() {
        command.current_dir(&environment.folder).env("PWD", &environment.folder);
    }
    Ok(command)
}

/// The value of `-toolexec` that makes cmd/go call `raceguard`, and it the user's own `chain`.
fn toolexec_value(raceguard: &Path, chain: &[String]) -> Result<String, FlagError> {
    let raceguard =
        raceguard.to_str().ok_or_else(|| FlagError::Unquotable { word: raceguard.display().to_string() })?;
    let chain = chain.iter().flat_map(|word| [CHAIN, word]);
    quoting::join([raceguard, "toolexec"].into_iter().chain(chain).chain([END_OF_CHAIN]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::GoEnv;
    use crate::toolexec::ToolCall;

    fn environment(goflags: &str) -> Environment {
        let env = GoEnv { goflags: goflags.to_owned(), ..GoEnv::default() };
        Environment { go: "/go/bin/go".into(), folder: "/module/sub".into(), env }
    }

    fn line(verb: Verb, words: &[&str]) -> CommandLine {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        CommandLine::parse(verb, &[], &words).unwrap()
    }

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn tests_run_with_events_race_and_toolexec() {
        let command =
            test(&environment(""), &line(Verb::Test, &["-v", "./..."]), Path::new("/opt/raceguard"), false)
                .unwrap();
        let expected = ["test", "-json", "-race", "-toolexec=/opt/raceguard toolexec --", "-v", "./..."];
        assert_eq!(arguments(&command), expected);
        assert_eq!(command.get_current_dir(), None);
    }

    #[test]
    fn a_folder_given_by_c_is_where_go_works() {
        let command =
            test(&environment(""), &line(Verb::Test, &["-C", "sub", "."]), Path::new("/r"), false).unwrap();
        assert_eq!(command.get_current_dir(), Some(Path::new("/module/sub")));
        assert!(!arguments(&command).contains(&"-C".to_owned()));
    }

    #[test]
    fn cached_results_are_not_used_under_runtime_options() {
        let has_count = |words: &[&str]| {
            let command = test(&environment(""), &line(Verb::Test, words), Path::new("/r"), true).unwrap();
            arguments(&command).contains(&"-count=1".to_owned())
        };
        assert!(has_count(&["."]));
        assert!(!has_count(&["-count", "3", "."]));
        assert!(!has_count(&["-c", "."]));
    }

    #[test]
    fn events_are_not_asked_for_where_no_test_runs_unless_the_user_does() {
        let has_events = |words: &[&str]| {
            let command = test(&environment(""), &line(Verb::Test, words), Path::new("/r"), false).unwrap();
            arguments(&command).contains(&"-json".to_owned())
        };
        assert!(has_events(&["."]));
        assert!(!has_events(&["-list", "X", "."]) && !has_events(&["-c", "."]));
        assert!(has_events(&["-list", "X", "-json", "."]));
    }

    #[test]
    fn the_toolexec_value_is_read_back_by_toolexec() {
        let value =
            toolexec_value(Path::new("/my tools/raceguard"), &["wrap".into(), "it's".into()]).unwrap();
        let mut words = quoting::split(&value).unwrap();
        words.extend(["/go/link".to_owned(), "-V=full".to_owned()]);
        assert_eq!(words[..2], ["/my tools/raceguard", "toolexec"]);
        let call = ToolCall::parse(words.into_iter().skip(2).map(OsString::from)).unwrap();
        assert_eq!(call.chain, ["wrap", "it's"]);
        assert_eq!(call.tool, Path::new("/go/link"));
    }

    #[test]
    fn run_builds_the_package_to_a_file() {
        let line = line(Verb::Run, &["-tags", "x", "./cmd", "arg"]);
        let command =
            build_to_run(&environment("-toolexec=wrap"), &line, Path::new("/r"), Path::new("/tmp/p"))
                .unwrap();
        let expected = [
            "build",
            "-race",
            "-toolexec=/r toolexec --chain wrap --",
            "-tags",
            "x",
            "-o",
            "/tmp/p",
            "--",
            "./cmd",
        ];
        assert_eq!(arguments(&command), expected);
    }
}
