//! `raceguard test`: `go test` under the race runtime, and a report on what happened.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use raceguard_evidence::{Process, Record, RunMode};
use raceguard_gotool::command;
use raceguard_gotool::environment::Environment;
use raceguard_gotool::events::{Action, TestEvent, parse_line};
use raceguard_gotool::flags::CommandLine;
use raceguard_gotool::module::package_folders;

use super::{Prepared, become_command, prepare};
use crate::attribution::Attributor;
use crate::child::{Group, Message, RunningChild};
use crate::crashes::{TestCrashes, is_finding};
use crate::error::{CommandError, print_hint};
use crate::evidence_tail::EvidenceTail;
use crate::go_failure::{Fault, GoFailure, KEPT_MESSAGES, diagnose};
use crate::interrupt::Interrupts;
use crate::progress::Progress;
use crate::report_output::{ReportOptions, Stream};
use crate::runtime_options;
use crate::session::{EVIDENCE_VARIABLE, Session, unix_ns};
use crate::sightings::Sightings;
use crate::test_output::TestOutput;
use crate::timeline::{Timeline, event_time};

/// Runs the tests.
pub fn run(options: &ReportOptions, line: &CommandLine) -> Result<u8, CommandError> {
    options.check()?;
    let has_options = runtime_options::check()?;
    let Prepared { environment, raceguard } = prepare(line)?;
    let line = &line.with_goflags(&environment.env.goflags)?;
    let mut command = command::test(&environment, line, &raceguard, has_options)?;
    if !command::runs_tests(line) {
        return Err(become_command(command));
    }
    let session = Session::start(&environment, RunMode::Test)?;
    command.env(EVIDENCE_VARIABLE, session.evidence_path());
    let shows_races = !options.is_for_people();
    let tests = RunningTests::start(command, line, &session, options.is_for_a_program(), shows_races)?;
    let outcome = tests.follow()?;
    let stream =
        if line.is_on("json") && !options.is_for_a_program() { Stream::Stderr } else { Stream::Stdout };
    conclude(outcome, session, &environment, options, stream)
}

/// Tests while they run.
struct RunningTests {
    child: RunningChild,
    out: Box<dyn Write>,
    output: TestOutput,
    /// Whether the runtime's own reports of races are shown although ours will follow.
    shows_races: bool,
    progress: Progress,
    tail: EvidenceTail,
    interrupts: Interrupts,
    done: usize,
    running: usize,
    outcome: Outcome,
}

/// What is known when the tests have ended.
#[derive(Debug, Default)]
struct Outcome {
    status: Option<ExitStatus>,
    timeline: Timeline,
    sightings: Sightings,
    crashes: TestCrashes,
    /// What Go printed that is no output of tests.
    messages: String,
    /// Packages that failed, for whatever reason.
    failed_packages: usize,
    /// Packages that Go could not find or load.
    setup_failures: usize,
    /// Packages that do not compile.
    build_failures: usize,
    interrupted: Option<u8>,
}

impl Outcome {
    /// Where the failure of the run lies: in tests as soon as one package failed in them.
    fn fault(&self) -> Fault {
        if self.failed_packages > self.setup_failures + self.build_failures {
            Fault::Tests
        } else if self.build_failures > 0 {
            Fault::Code
        } else {
            Fault::Unknown
        }
    }
}

impl RunningTests {
    fn start(
        mut command: Command,
        line: &CommandLine,
        session: &Session,
        output_to_stderr: bool,
        shows_races: bool,
    ) -> Result<Self, CommandError> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let out: Box<dyn Write> =
            if output_to_stderr { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        Ok(Self {
            child: RunningChild::start(command, Group::Own)?,
            out,
            output: TestOutput::new(line),
            shows_races,
            progress: Progress::start(),
            tail: EvidenceTail::new(&session.evidence_path()),
            interrupts: Interrupts::default(),
            done: 0,
            running: 0,
            outcome: Outcome::default(),
        })
    }

    fn follow(mut self) -> Result<Outcome, CommandError> {
        loop {
            match self.child.next(Duration::from_millis(200))? {
                Message::Stdout(line) => self.note_line(&line)?,
                Message::Stderr(text) => {
                    self.keep_message(&String::from_utf8_lossy(&text));
                    self.print_message(&text)?;
                }
                Message::Signal(signal, _) => self.interrupts.note(signal, &self.child),
                Message::Tick => {
                    self.interrupts.tick(&self.child);
                    self.tail.poll();
                    self.show_progress();
                }
                Message::Ended(status) => {
                    self.tail.poll();
                    let covers = covers(&self.tail, self.shows_races);
                    // With 2 cmd/go has refused the command line, and no test had the chance to fail.
                    let failed = !status.success() && status.code() != Some(2);
                    let rest = self.output.finish(failed, &covers);
                    print(&self.progress, &mut self.out, rest.as_bytes())?;
                    self.progress.finish();
                    self.outcome.status = Some(status);
                    self.outcome.interrupted = self.interrupts.exit_code();
                    return Ok(self.outcome);
                }
            }
        }
    }

    fn note_line(&mut self, line: &[u8]) -> Result<(), CommandError> {
        let event = parse_line(line);
        match &event {
            Some(event) => self.note_event(event),
            None => self.keep_message(&String::from_utf8_lossy(line)),
        }
        let text = String::from_utf8_lossy(line);
        let shown = self.output.line(&text, event.as_ref(), &covers(&self.tail, self.shows_races));
        print(&self.progress, &mut self.out, shown.stdout.as_bytes())?;
        self.print_message(shown.stderr.as_bytes())?;
        self.show_progress();
        Ok(())
    }

    fn note_event(&mut self, event: &TestEvent) {
        let time = event_time(event).unwrap_or_else(|| unix_ns(Timestamp::now()));
        self.outcome.timeline.note(event, time);
        self.outcome.sightings.note(event, &self.outcome.timeline);
        self.outcome.crashes.note(event, time);
        let output = event.output.as_deref().unwrap_or_default();
        match (event.action, &event.test) {
            (Action::BuildOutput, _) => self.keep_message(output),
            (Action::Output, None) if output.contains("[setup failed]") => {
                self.outcome.setup_failures += 1;
                self.keep_message(output);
            }
            (Action::Output, None) if output.contains("[build failed]") => self.outcome.build_failures += 1,
            (Action::Start, None) => self.running += 1,
            (action, None) if action.is_end() => {
                self.running = self.running.saturating_sub(1);
                self.done += 1;
                self.outcome.failed_packages += usize::from(action == Action::Fail);
            }
            // What the test printed is about to be shown, and the races in it must be known by then.
            (action, Some(_)) if action.is_end() => self.tail.poll(),
            _ => {}
        }
        if event.test.is_none() && event.action.is_end() {
            self.tail.poll();
        }
    }

    fn keep_message(&mut self, text: &str) {
        if self.outcome.messages.len() < KEPT_MESSAGES {
            self.outcome.messages.push_str(text);
        }
    }

    fn print_message(&self, text: &[u8]) -> Result<(), CommandError> {
        print(&self.progress, &mut io::stderr(), text)
    }

    fn show_progress(&mut self) {
        self.progress.update(self.done, self.running, self.tail.races());
    }
}

impl fmt::Debug for RunningTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTests").field("child", &self.child).finish_non_exhaustive()
    }
}

fn covers(tail: &EvidenceTail, shows_races: bool) -> impl Fn(u64) -> bool {
    move |address| !shows_races && tail.covers(address)
}

fn print(progress: &Progress, out: &mut dyn Write, text: &[u8]) -> Result<(), CommandError> {
    progress
        .print(out, text)
        .map_err(|source| CommandError::System { action: "print the output of the tests".to_owned(), source })
}

/// Completes the evidence of tests that have ended, reports on it, and says how the command exits.
fn conclude(
    mut outcome: Outcome,
    mut session: Session,
    environment: &Environment,
    options: &ReportOptions,
    stream: Stream,
) -> Result<u8, CommandError> {
    let mut processes = Vec::new();
    let mut has_races = false;
    let damaged = session.for_each_record(|record| match record {
        Record::Process(process) => processes.push(process),
        Record::Race(_) => has_races = true,
        _ => {}
    })?;
    let crashes = std::mem::take(&mut outcome.crashes).finish(unix_ns(Timestamp::now()));
    let has_findings = crashes.iter().any(is_finding) || has_races;
    if has_races {
        attribute(&mut session, &processes, &outcome, environment)?;
    }
    for crash in crashes {
        session.write(crash);
    }

    let failed = outcome.status.is_none_or(|status| !status.success());
    let caches = [environment.env.gomodcache.as_path(), environment.env.gocache.as_path()];
    let failure = failed
        .then(|| diagnose(&outcome.messages, &caches, outcome.fault()))
        .flatten()
        .filter(|_| !has_findings);
    let is_complete = session.is_complete() && damaged == 0;
    let code = exit_code(&Verdict {
        interrupted: outcome.interrupted,
        is_complete,
        has_findings,
        failure: failure.as_ref(),
        status: outcome.status,
    });

    let ended = session.end(code, outcome.interrupted.is_some())?;
    // People have Go's message on why nothing was tested; a report on nothing would only bury it.
    let no_report = options.no_report || (failure.is_some() && options.is_for_people());
    let options = ReportOptions { no_report, ..options.clone() };
    options.write(&ended.evidence, stream)?;
    options.warn(&ended.evidence);
    if has_findings && options.is_for_people() && options.files.is_empty() && io::stderr().is_terminal() {
        print_hint("`raceguard report -o races.html` makes a page of it, to look at in a browser");
    }
    if let Some(GoFailure { hint }) = &failure {
        print_hint(hint);
    }
    match ended.failure {
        Some(error) => Err(error.into()),
        None => Ok(code),
    }
}

/// Adds which tests the races belong to, and the records of those tests.
fn attribute(
    session: &mut Session,
    processes: &[Process],
    outcome: &Outcome,
    environment: &Environment,
) -> Result<(), CommandError> {
    let timeline = &outcome.timeline;
    let packages: Vec<&str> = timeline.packages().collect();
    let folders = package_folders(environment, &packages);
    let mut attributor = Attributor::new(timeline, &outcome.sightings, processes, &folders);
    session.for_each_record(|record| attributor.note(&record))?;
    let attributions = attributor.finish();
    let raced: HashSet<(&str, &str)> = attributions
        .iter()
        .flat_map(|found| found.tests.iter().map(|test| (found.package.as_str(), test.as_str())))
        .collect();
    for test in timeline.records(|package, test| raced.contains(&(package, test))) {
        session.write(test);
    }
    for attribution in attributions {
        session.write(attribution);
    }
    Ok(())
}

/// What the exit code of a run of tests depends on.
#[derive(Debug)]
struct Verdict<'a> {
    interrupted: Option<u8>,
    is_complete: bool,
    has_findings: bool,
    failure: Option<&'a GoFailure>,
    status: Option<ExitStatus>,
}

/// 0 clean, 1 races or failing tests, 2 usage, environment, or code that does not compile, 130 interrupted.
fn exit_code(verdict: &Verdict<'_>) -> u8 {
    let status = verdict.status.and_then(|status| status.code());
    match verdict {
        Verdict { interrupted: Some(code), .. } => *code,
        Verdict { is_complete: false, .. } => 2,
        Verdict { has_findings: true, .. } => 1,
        Verdict { failure: Some(_), .. } => 2,
        // cmd/go exits with 2 on flags that it does not know, and with 1 on everything else.
        _ => status.map_or(1, |code| u8::try_from(code.clamp(0, 2)).unwrap_or(1)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn verdict(status: i32) -> Verdict<'static> {
        Verdict {
            interrupted: None,
            is_complete: true,
            has_findings: false,
            failure: None,
            status: Some(ExitStatus::from_raw(status << 8)),
        }
    }

    #[test]
    fn exit_codes_by_what_matters_most() {
        assert_eq!(exit_code(&verdict(0)), 0);
        assert_eq!(exit_code(&verdict(1)), 1);
        assert_eq!(exit_code(&verdict(2)), 2);
        assert_eq!(exit_code(&Verdict { has_findings: true, ..verdict(0) }), 1);
        let failure = GoFailure { hint: String::new() };
        assert_eq!(exit_code(&Verdict { failure: Some(&failure), ..verdict(1) }), 2);
        assert_eq!(exit_code(&Verdict { has_findings: true, failure: Some(&failure), ..verdict(1) }), 1);
        assert_eq!(exit_code(&Verdict { is_complete: false, has_findings: true, ..verdict(1) }), 2);
        assert_eq!(exit_code(&Verdict { interrupted: Some(130), ..verdict(1) }), 130);
        assert_eq!(exit_code(&Verdict { status: None, ..verdict(0) }), 1);
    }
}
