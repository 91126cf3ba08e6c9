//! `raceguard doctor`: what is missing on this machine, and the command that mends it.

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, ValueEnum};
use raceguard_gotool::environment::Environment;
use raceguard_gotool::error::EnvironmentError;
use serde::Serialize;

use crate::checks::{Check, State, environment_checks, machine_checks};
use crate::error::CommandError;

/// Flags of `raceguard doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// How the checks are printed
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: DoctorFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum DoctorFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Serialize)]
struct Diagnosis<'a> {
    raceguard_version: &'static str,
    usable: bool,
    checks: &'a [Check],
}

/// Runs all checks. The exit code is 0 when programs can be built and run under raceguard here, else 2.
pub fn run(arguments: &DoctorArgs) -> Result<u8, CommandError> {
    let checks = all_checks();
    let usable = checks.iter().all(|check| check.state != State::Failed);
    let mut out = io::stdout().lock();
    let printed = match arguments.format {
        DoctorFormat::Text => print_text(&mut out, &checks, usable),
        DoctorFormat::Json => {
            let raceguard_version = env!("CARGO_PKG_VERSION");
            let diagnosis = Diagnosis { raceguard_version, usable, checks: &checks };
            serde_json::to_writer_pretty(&mut out, &diagnosis)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        }
    };
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::System { action: "print the checks".to_owned(), source: error })
        }
        _ => Ok(if usable { 0 } else { 2 }),
    }
}

fn all_checks() -> Vec<Check> {
    let mut checks = match Environment::load(Path::new(".")) {
        Ok(environment) => environment_checks(&environment),
        Err(error) => vec![Check::failed("Go", error.to_string(), error.hint())],
    };
    checks.extend(machine_checks());
    checks
}

fn print_text(out: &mut dyn Write, checks: &[Check], usable: bool) -> io::Result<()> {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for check in checks {
        let mark = match check.state {
            State::Good => '✓',
            State::Warning => '!',
            State::Failed => '✗',
        };
        let mut details = check.detail.lines();
        writeln!(out, "{mark} {:width$}  {}", check.name, details.next().unwrap_or_default())?;
        for line in details {
            writeln!(out, "  {:width$}  {line}", "")?;
        }
        if let Some(mend) = &check.mend {
            writeln!(out, "  {:width$}  → {mend}", "")?;
        }
    }
    let verdict = if usable { "ready: raceguard test ./..." } else { "not ready: mend what is marked ✗" };
    writeln!(out, "\n{verdict}")
}

impl From<EnvironmentError> for Check {
    fn from(error: EnvironmentError) -> Self {
        let name = match error {
            EnvironmentError::UnsupportedHost { .. } | EnvironmentError::CrossBuild { .. } => "platform",
            EnvironmentError::CgoDisabled => "cgo",
            EnvironmentError::NoCCompiler { .. } => "C compiler",
            _ => "Go",
        };
        Self::failed(name, error.to_string(), error.hint())
    }
}
