//! The command line: what there is, what help says about it, and how the process ends.
//!
//! `test`, `run` and `build` take go's flags and ours in any order. Ours are declared here once, for clap; they
//! are picked out of the user's words first, and clap then reads only them.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use raceguard_gotool::flags::{CommandLine, OwnFlag, Verb};

use crate::commands;
use crate::commands::advise::AdviseArgs;
use crate::commands::agent::AgentArgs;
use crate::commands::audit::AuditArgs;
use crate::commands::backup::{BackupArgs, RestoreArgs};
use crate::commands::check::CheckArgs;
use crate::commands::doctor::DoctorArgs;
use crate::commands::explain::ExplainArgs;
use crate::commands::gate::GateArgs;
use crate::commands::ingest::IngestArgs;
use crate::commands::policy::PolicyArgs;
use crate::commands::push::PushArgs;
use crate::commands::queue::QueueArgs;
use crate::commands::report::ReportArgs;
use crate::commands::rule::RuleArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::token::TokenArgs;
use crate::error::CommandError;
use crate::report_output::ReportOptions;

const TEST_HELP: &str = "\
Go's own flags are passed on (`go help test`, `go help testflag`, `go help build`): -run, -count,
-bench, -cover, -json, -timeout, -tags, -C, -args and the rest. Flags of raceguard have two dashes
and stand before -args. With --format json, html or sarif the report is all that goes to stdout;
the output of tests then goes to stderr.

Examples:
  raceguard test ./...
  raceguard test -run 'TestReload/.*' -count=5 ./routes
  raceguard test --format github --report races.html ./...

Exit codes:
  0    no races, all tests pass
  1    races or failing tests
  2    wrong usage, something is missing on this machine (`raceguard doctor`), or a package does not compile
  130  interrupted by Ctrl-C, the evidence so far is kept; a second Ctrl-C kills the tests

Environment:
  GORACE     options of Go's race detector: log_path, exitcode, halt_on_error and the rest
  RACEGUARD  options of the race runtime, with commas between: sample=1%,memory_limit=2GiB

Evidence is kept in .raceguard/ of the module; `raceguard report` shows it again.";

const RUN_HELP: &str = "\
Go's build flags are passed on; everything after the package goes to the program. Stdin, stdout,
stderr and signals are the program's own; the report follows on stderr when it has ended.

Examples:
  raceguard run ./cmd/server -port 8080
  raceguard run --report races.html main.go

The exit code is the program's own where that is not 0, or else 1 when races were found, 2 for
wrong usage or when something is missing on this machine.";

const BUILD_HELP: &str = "\
All flags of `go build` are passed on. The program prints races to stderr as with `go build -race`.
With RACEGUARD_EVIDENCE=/absolute/file.jsonl in its environment it also writes evidence, which
`raceguard report FILE` shows. The exit code is Go's own, or 2 when something is missing on this
machine.

Example:
  raceguard build -o server ./cmd/server";

const REPORT_HELP: &str = "\
Examples:
  raceguard report
  raceguard report -o races.html
  raceguard report --format json 20260131T101500-4242

Exit codes: 0 when the run has no findings, 1 when it has, 2 when there is no such run, when it can't
be read, or when it could not test anything. Reports need no Go; sources are shown where they are
still there.";

const CHECK_HELP: &str = "\
No Go installation is needed, and no code is run. Settings are read from raceguard.toml of the
module or of a folder above it. A comment `//raceguard:ignore RG101 reason` on or above one of the
lines of a finding, or above its function, suppresses it.

Examples:
  raceguard check
  raceguard check --select RG1 ./internal/...
  raceguard check --diff origin/main --format github
  raceguard check --fix --diff

Exit codes: 0 when nothing was found, 1 when something was, 2 for wrong usage or when a file could not
be read or parsed; the findings in all others are shown nevertheless.";

const EXPLAIN_HELP: &str = "\
Joins what `check` and `test` found and what `ingest` read into root causes, says which statement is
wrong and which lock it lacks, and links lock profiles, coverage, traces and spans to it.

Examples:
  raceguard explain
  raceguard explain --since main --format markdown -o comment.md
  raceguard explain --by http.route --operations 5

Exit codes: 0 when there is no root cause, 1 when there is, 2 when there is no evidence.";

const INGEST_HELP: &str = "\
Race reports, crashes and goroutine dumps in logs of any collector, results of tests, coverage,
profiles, traces, spans, and findings of other analysers: `raceguard ingest --formats` lists all.
They become a run in .raceguard/ of the module, which other commands read like one of their own.

Examples:
  raceguard ingest crash.log mutex.pprof cover.out
  raceguard ingest ci-artifacts/
  kubectl logs --prefix --timestamps -l app=gateway | raceguard ingest -

Exit codes: 0 when all files were read, 2 when one was not; the others are ingested nevertheless.";

const GATE_HELP: &str = "\
Judges the newest run of each kind (`raceguard test` or `run`, `raceguard check`, `raceguard ingest`), or
the runs that are named. Policies are those of --policy, else of raceguard-policy.yaml of the module or
of a folder above it, else those that `raceguard policy apply` put in force, else the default ones.

Examples:
  raceguard gate
  raceguard gate --base origin/main --format github
  raceguard gate --report junit=gate.xml --report gitlab=gl-code-quality-report.json
  raceguard gate --update-baseline --accept-new

Exit codes: 0 when no policy fails, 1 when one does, 2 for wrong usage, a mistake in a policy, or when there
is no evidence.";

const POLICY_HELP: &str = "\
Exit codes: 0 when all is well, 1 when an example fails or policies differ, 2 for a mistake in a policy.";

const SERVE_HELP: &str = "\
Everything is kept in the data folder, in one SQLite database; no other service is needed.

Examples:
  raceguard token add ci --data /var/lib/raceguard
  raceguard serve --data /var/lib/raceguard

SIGTERM and Ctrl-C stop it: requests under way are answered first. Exit codes: 0 when it was stopped, 2 when
it could not start.";

const PUSH_HELP: &str = "\
Each batch is acknowledged when it is durable on the server. Sending a run again sends nothing twice.

Examples:
  raceguard push --server http://127.0.0.1:7766 --token rgt_...
  RACEGUARD_SERVER=... RACEGUARD_TOKEN=... raceguard push --service gateway --environment ci

Exit codes: 0 when the server has everything, 2 when it has not.";

const AUDIT_HELP: &str = "\
Each entry holds the hash of the one before it, so a change to any of them shows. Who can write the database
can also make a whole new log: note what `verify` prints elsewhere, and give it to --since next time.

Examples:
  raceguard audit list --data /var/lib/raceguard
  raceguard audit verify --server https://raceguard.example:7766 --since 17:3f0c...

Exit codes: 0 when the log is whole, 1 when it was tampered with, 2 when it can't be read.";

const QUEUE_HELP: &str = "\
Exit codes: 0 when nothing is set aside, 1 when something is, 2 when that can't be known.";

const AGENT_HELP: &str = "\
Follows crash logs, log_path files of GORACE and evidence of runs, and takes profiles. What it finds waits on
the disk until the server has it; killed at any moment it neither loses nor doubles a record.

Example of a configuration:
  state = \"/var/lib/raceguard-agent\"
  [server]
  url = \"https://raceguard.example:7766\"
  token_file = \"/etc/raceguard/token\"
  [[tail]]
  paths = [\"/var/log/gateway/*.log\", \"/var/log/gateway/race.*\"]
  service = \"gateway\"
  [[pprof]]
  url = \"http://127.0.0.1:6060\"
  service = \"gateway\"

SIGTERM and Ctrl-C stop it. Exit codes: 0 when it was stopped, 2 when it could not start or go on.";

const DOCTOR_HELP: &str = "\
Run it in the module that you want to test. Exit codes: 0 when programs can be built and run under
raceguard here, else 2.";

/// Finds, explains, fixes and guards against data races in Go services
#[derive(Debug, Parser)]
#[command(name = "raceguard", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Go tests under the race runtime, like `go test`
    #[command(after_help = TEST_HELP, override_usage = "raceguard test [OPTIONS] [go test flags] [packages] [-args ...]")]
    Test(ReportOptions),
    /// Build and run a Go program under the race runtime, like `go run`
    #[command(after_help = RUN_HELP, override_usage = "raceguard run [OPTIONS] [go build flags] package [arguments]")]
    Run(ReportOptions),
    /// Build a Go program with the race runtime in it, like `go build`
    #[command(after_help = BUILD_HELP, override_usage = "raceguard build [go build flags] [packages]")]
    Build,
    /// Find races in Go source without running it
    #[command(after_help = CHECK_HELP)]
    Check(Box<CheckArgs>),
    /// Explain a rule of `raceguard check`, or list all
    Rule(RuleArgs),
    /// Show the findings of the last run, or of another one, again
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Join all evidence into root causes, ranked, with their evidence
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Say which lock or map suits, with the numbers it rests on
    Advise(AdviseArgs),
    /// Read evidence that other tools wrote: logs, crashes, profiles, coverage, results of tests
    #[command(after_help = INGEST_HELP)]
    Ingest(IngestArgs),
    /// Judge evidence by policies, for CI
    #[command(after_help = GATE_HELP)]
    Gate(Box<GateArgs>),
    /// Check, test, explain and version policies
    #[command(after_help = POLICY_HELP)]
    Policy(PolicyArgs),
    /// Keep a fleet's evidence and answer what is broken in it
    #[command(after_help = SERVE_HELP)]
    Serve(Box<ServeArgs>),
    /// Send the evidence of a run to a server
    #[command(after_help = PUSH_HELP)]
    Push(PushArgs),
    /// Send the evidence of this machine's services to a server as it comes
    #[command(after_help = AGENT_HELP)]
    Agent(AgentArgs),
    /// Make, list and revoke tokens for a server
    Token(TokenArgs),
    /// Show what administrators of a server did, and check that the log is whole
    #[command(after_help = AUDIT_HELP)]
    Audit(AuditArgs),
    /// Show messages of a cluster's queue that could not be written, and try them again
    #[command(after_help = QUEUE_HELP)]
    Queue(QueueArgs),
    /// Copy the data of a server into a file, while it runs
    Backup(BackupArgs),
    /// Make a data folder for a server from a backup
    Restore(RestoreArgs),
    /// Check what is missing on this machine, and how to mend it
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Called by cmd/go in front of each tool of a build
    #[command(hide = true, override_usage = "raceguard toolexec [--chain WORD]... -- tool [arguments]")]
    Toolexec,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let result = match words.get(1).and_then(|word| word.to_str()) {
        // In front of everything: this runs for each file of each build.
        Some("toolexec") => commands::toolexec::run(words.into_iter().skip(2)),
        Some("test") => with_go_flags(Verb::Test, &words),
        Some("run") => with_go_flags(Verb::Run, &words),
        Some("build") => with_go_flags(Verb::Build, &words),
        _ => dispatch(Cli::parse_from(words).command, &CommandLine::default()),
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            error.print();
            ExitCode::from(2)
        }
    }
}

fn with_go_flags(verb: Verb, words: &[OsString]) -> Result<u8, CommandError> {
    let (command, arguments) = words.split_at(2);
    let own = own_flags(&command[1]);
    // Asked for help, an incomplete command line is not to be complained about.
    let asks_for_help = CommandLine::asks_for_help(verb, &own, arguments);
    let (own_words, line) = if asks_for_help {
        (vec!["--help".into()], CommandLine::default())
    } else {
        let line = CommandLine::parse(verb, &own, arguments)?;
        (line.own.clone(), line)
    };
    let matches = Cli::command().get_matches_from(command.iter().cloned().chain(own_words));
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => dispatch(cli.command, &line),
        Err(error) => error.exit(),
    }
}

/// The flags that clap knows for a command.
fn own_flags(command: &OsStr) -> Vec<OwnFlag> {
    let cli = Cli::command();
    let command = command.to_str().and_then(|name| cli.find_subcommand(name));
    let arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    arguments
        .filter_map(|argument| {
            let takes_value = argument.get_action().takes_values();
            Some(OwnFlag { name: argument.get_long()?.to_owned(), takes_value })
        })
        .collect()
}

fn dispatch(command: Command, line: &CommandLine) -> Result<u8, CommandError> {
    match command {
        Command::Test(options) => commands::test::run(&options, line),
        Command::Run(options) => commands::run::run(&options, line),
        Command::Build => commands::build::run(line),
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::Rule(arguments) => commands::rule::run(&arguments),
        Command::Report(arguments) => commands::report::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments),
        Command::Advise(arguments) => commands::advise::run(&arguments),
        Command::Ingest(arguments) => commands::ingest::run(&arguments),
        Command::Gate(arguments) => commands::gate::run(&arguments),
        Command::Policy(arguments) => commands::policy::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::Push(arguments) => commands::push::run(&arguments),
        Command::Agent(arguments) => commands::agent::run(&arguments),
        Command::Token(arguments) => commands::token::run(&arguments),
        Command::Audit(arguments) => commands::audit::run(&arguments),
        Command::Queue(arguments) => commands::queue::run(&arguments),
        Command::Backup(arguments) => commands::backup::backup(&arguments),
        Command::Restore(arguments) => commands::backup::restore(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        // Only reached by `raceguard help toolexec` and the like, which clap answers.
        Command::Toolexec => commands::toolexec::run([]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn own_flags_are_those_that_help_lists() {
        let own = own_flags(OsStr::new("test"));
        let expected = [("format", true), ("report", true), ("no-report", false)];
        assert_eq!(own.len(), expected.len());
        for (name, takes_value) in expected {
            assert!(own.contains(&OwnFlag { name: name.to_owned(), takes_value }), "{name}");
        }
    }
}
