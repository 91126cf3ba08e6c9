//! `raceguard run`: `go run` under the race runtime.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use raceguard_evidence::{Crash, CrashParser, Record, RunMode};
use raceguard_gotool::command;
use raceguard_gotool::environment::{Environment, find_program};
use raceguard_gotool::error::FlagError;
use raceguard_gotool::flags::CommandLine;

use super::{Prepared, prepare};
use crate::child::{Group, Message, RunningChild, shell_code};
use crate::crashes::is_finding;
use crate::error::CommandError;
use crate::go_build;
use crate::report_output::{ReportOptions, Stream};
use crate::runtime_options;
use crate::session::{EVIDENCE_VARIABLE, Session, unix_ns};

/// The exit code of a program whose race runtime found something, unless GORACE sets another one.
const RACES_FOUND: u8 = 66;

/// Builds and runs the program.
pub fn run(options: &ReportOptions, line: &CommandLine) -> Result<u8, CommandError> {
    options.check()?;
    runtime_options::check()?;
    let Prepared { environment, raceguard } = prepare(line)?;
    let folder = tempfile::Builder::new()
        .prefix("raceguard-run-")
        .tempdir()
        .map_err(|source| CommandError::System { action: "make a temporary folder".to_owned(), source })?;
    let program = folder.path().join(program_name(line));
    let build = command::build_to_run(&environment, line, &raceguard, &program)?;
    match go_build::run(build, &environment)? {
        0 => {}
        code => return Ok(code),
    }
    if !is_executable(&program) {
        let package =
            line.packages.first().map(|package| package.to_string_lossy().into_owned()).unwrap_or_default();
        return Err(FlagError::NotMain { package }.into());
    }
    let mut session = Session::start(&environment, RunMode::Run)?;
    let mut command = program_command(&environment, line, &program)?;
    command.env(EVIDENCE_VARIABLE, session.evidence_path());
    let (status, crashes) = follow(RunningChild::start(command, Group::Shared)?)?;

    let mut has_findings = crashes.iter().any(is_finding);
    let damaged = session.for_each_record(|record| has_findings |= matches!(record, Record::Race(_)))?;
    for crash in crashes {
        session.write(crash);
    }
    let is_complete = session.is_complete() && damaged == 0;
    let code = exit_code(shell_code(status), has_findings, is_complete, races_found_code());
    let ended = session.end(code, false)?;
    options.write(&ended.evidence, Stream::Stderr)?;
    options.warn(&ended.evidence);
    ended.failure.map_or(Ok(code), |error| Err(error.into()))
}

/// Of a package that is no program Go builds an archive.
fn is_executable(program: &Path) -> bool {
    find_program(&program.to_string_lossy()).is_some()
}

/// The program's own code where that is not 0, or else 1 when something was found.
fn exit_code(program: u8, has_findings: bool, is_complete: bool, races_found: u8) -> u8 {
    match program {
        0 if !is_complete => 2,
        0 => u8::from(has_findings),
        // The runtime's code, not the program's own.
        code if has_findings && code == races_found => 1,
        code => code,
    }
}

fn races_found_code() -> u8 {
    let options = env::var("GORACE").unwrap_or_default();
    let code = options.split([' ', ',', ':']).find_map(|option| option.strip_prefix("exitcode="));
    code.and_then(|code| code.parse().ok()).unwrap_or(RACES_FOUND)
}

/// The name that `go run` gives to the program: that of its first file or of its folder.
fn program_name(line: &CommandLine) -> String {
    let package = line.packages.first().map_or(Path::new("."), Path::new);
    let name = package.file_stem().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty() && !name.contains("...")).unwrap_or_else(|| "program".to_owned())
}

fn program_command(
    environment: &Environment,
    line: &CommandLine,
    program: &Path,
) -> Result<Command, CommandError> {
    let exec = line.exec(&environment.env.goflags)?;
    let mut words = exec.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
    command.args(words).args(&line.program_arguments).stderr(Stdio::piped());
    if line.value("C").is_some() {
        command.current_dir(&environment.folder).env("PWD", &environment.folder);
    }
    Ok(command)
}

/// Passes stderr and signals on until the program has ended; returns the crashes in its stderr.
fn follow(mut child: RunningChild) -> Result<(ExitStatus, Vec<Crash>), CommandError> {
    let mut stderr = StderrCrashes::default();
    loop {
        match child.next(Duration::from_millis(200))? {
            Message::Stderr(text) => {
                // Where stderr is closed the program would have been the one to find out.
                let _ = io::stderr().write_all(&text);
                stderr.note(&text);
            }
            Message::Signal(signal, from_terminal) => child.pass_on(signal, from_terminal),
            Message::Stdout(_) | Message::Tick => {}
            Message::Ended(status) => return Ok((status, stderr.finish())),
        }
    }
}

/// Looks for crashes in pieces of text.
#[derive(Debug, Default)]
struct StderrCrashes {
    parser: CrashParser,
    partial_line: Vec<u8>,
    found: Vec<Crash>,
}

impl StderrCrashes {
    fn note(&mut self, text: &[u8]) {
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else {
            return self.partial_line.extend_from_slice(text);
        };
        let mut lines = std::mem::replace(&mut self.partial_line, text[end + 1..].to_owned());
        lines.extend_from_slice(&text[..=end]);
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            self.found.extend(self.parser.line(&String::from_utf8_lossy(line)));
        }
    }

    fn finish(mut self) -> Vec<Crash> {
        self.note(b"\n");
        self.found.extend(self.parser.finish());
        let time_unix_ns = unix_ns(Timestamp::now());
        self.found.into_iter().map(|crash| Crash { time_unix_ns, ..crash }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_gotool::flags::Verb;

    #[test]
    fn the_programs_own_exit_code_wins() {
        assert_eq!(exit_code(0, false, true, 66), 0);
        assert_eq!(exit_code(0, true, true, 66), 1);
        assert_eq!(exit_code(66, true, true, 66), 1);
        assert_eq!(exit_code(66, false, true, 66), 66);
        assert_eq!(exit_code(3, true, true, 66), 3);
        assert_eq!(exit_code(0, true, false, 66), 2);
    }

    #[test]
    fn the_program_is_named_as_by_go_run() {
        for (word, name) in [("./cmd/server", "server"), ("main.go", "main"), (".", "program"), ("../x", "x")]
        {
            let line = CommandLine::parse(Verb::Run, &[], &[word.into()]).unwrap();
            assert_eq!(program_name(&line), name);
        }
    }

    #[test]
    fn crashes_are_found_across_pieces() {
        let mut stderr = StderrCrashes::default();
        let text = b"log\nfatal error: concurrent map writes\n\ngoroutine 9 [running]:\nmain.f()\n\t/m/x.go:1 +0x1\n";
        for piece in text.chunks(7) {
            stderr.note(piece);
        }
        let found = stderr.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].goroutines[0].stack[0].function, "main.f");
    }
}
