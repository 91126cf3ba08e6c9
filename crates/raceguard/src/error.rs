//! Errors of the command: printed once, with a hint what to do next, and always exit code 2.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use raceguard_evidence::EvidenceError;
use raceguard_gotool::error::{EnvironmentError, FlagError, ToolexecError};

use raceguard_server::backup::BackupError;
use raceguard_server::server::ServerError;
use raceguard_server::store::StoreError;

use crate::agent::error::AgentError;
use crate::check::error::CheckError;
use crate::fleet::error::SendError;
use crate::gate::error::GateError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The machine or its Go can't run programs under raceguard.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Flags that can't be passed on.
    #[error(transparent)]
    Flags(#[from] FlagError),
    /// A step of the build failed in our hands.
    #[error(transparent)]
    Toolexec(#[from] ToolexecError),
    /// Evidence could not be read or written.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The folder for evidence can't be made or written.
    #[error("cannot write evidence into {}: {reason}", folder.display())]
    EvidenceFolder {
        /// The module's `.raceguard`.
        folder: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot run {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something else of the system failed.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried, as it goes on after "cannot".
        action: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A run was asked for that is not there.
    #[error("there is no run {}, neither as a path nor in {}", name.display(), runs.display())]
    UnknownRun {
        /// As the user wrote it.
        name: PathBuf,
        /// Where the module's runs are.
        runs: PathBuf,
    },
    /// A comparison was asked for with a commit that no run is of.
    #[error(
        "{base} is commit {commit}, of which no run is kept; run `raceguard check` and `raceguard test` there first"
    )]
    NoRunOfCommit {
        /// As the user wrote it.
        base: String,
        /// What git says it is.
        commit: String,
    },
    /// Advice was asked for on something that the evidence does not know.
    #[error("the evidence knows no lock or map named {name}")]
    NothingToAdvise {
        /// As the user wrote it; empty for any.
        name: String,
        /// What it knows.
        known: Vec<String>,
    },
    /// A map profile was asked for, and more than one lock or map has the name.
    #[error("a map profile is about one lock or map, and {} have that name", names.len())]
    SeveralToProfile {
        /// Which.
        names: Vec<String>,
    },
    /// `RACEGUARD` holds something that the runtime does not understand.
    #[error("`{word}` in the environment variable RACEGUARD is no option of the race runtime")]
    RuntimeOption {
        /// As the user wrote it.
        word: String,
    },
    /// A file that holds no record of evidence.
    #[error("there is no evidence in {}", path.display())]
    NoEvidence {
        /// The file.
        path: PathBuf,
    },
    /// No foreign format has this name.
    #[error("there is no format of evidence named {name}")]
    UnknownEvidenceFormat {
        /// As the user wrote it.
        name: String,
        /// All names.
        known: String,
    },
    /// A check could not be made.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Policies could not be read, or the gate could not be judged.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Evidence did not reach a server.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The agent can't work.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The server can't run.
    #[error(transparent)]
    Serve(#[from] ServerError),
    /// There is no backup, or nothing could be made of it.
    #[error(transparent)]
    Backup(BackupError),
    /// The server's configuration is wrong.
    #[error("{}: {what}", path.display())]
    ServeConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        what: String,
    },
    /// The server's store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file for a report has a name that says no format.
    #[error("cannot tell a report format from the name {}", path.display())]
    UnknownReportFormat {
        /// As the user wrote it.
        path: PathBuf,
    },
}

impl CommandError {
    /// What the user does next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Environment(error) => error.hint(),
            Self::Flags(error) => error.hint(),
            Self::Toolexec(error) => error.hint(),
            Self::Check(error) => return error.hint(),
            Self::Gate(error) => return error.hint(),
            // These say it in their message.
            Self::Evidence(_)
            | Self::NoRunOfCommit { .. }
            | Self::Send(_)
            | Self::Agent(_)
            | Self::Backup(_)
            | Self::ServeConfig { .. }
            | Self::Serve(_)
            | Self::Store(_) => return None,
            Self::EvidenceFolder { .. } => {
                "make the module's folder writable (`raceguard doctor` checks it), or free some space on its disk"
                    .to_owned()
            }
            Self::Start { .. } | Self::System { .. } => "`raceguard doctor` checks this machine".to_owned(),
            Self::UnknownRun { runs, .. } => match newest(runs) {
                names if names.is_empty() => "start one with `raceguard test ./...`".to_owned(),
                names => format!("the newest are {}", names.join(", ")),
            },
            Self::NothingToAdvise { known, .. } if known.is_empty() => {
                "ingest a mutex or block profile first (`raceguard ingest mutex.pb.gz`), or describe it: \
                 --reads 95 --hold 5us --keys 10000"
                    .to_owned()
            }
            Self::NothingToAdvise { known, .. } => format!("it knows {}", known.join(", ")),
            Self::SeveralToProfile { names } => format!("name one of {}", names.join(", ")),
            Self::RuntimeOption { .. } => {
                "it takes sample=1% and memory_limit=2GiB, with commas between".to_owned()
            }
            Self::NoEvidence { .. } => {
                "name a run, its folder, or the file that RACEGUARD_EVIDENCE named; `raceguard test ./...` starts a run"
                    .to_owned()
            }
            Self::UnknownEvidenceFormat { known, .. } => format!("the formats are {known}"),
            Self::UnknownReportFormat { .. } => {
                "end it in .txt, .json, .html or .sarif, or give the format with --format".to_owned()
            }
        })
    }

    /// Prints the error and its hint to stderr.
    pub fn print(&self) {
        eprintln!("raceguard: {self}");
        if let Some(hint) = self.hint() {
            print_hint(hint);
        }
    }
}

/// The names of a few runs; they begin with the time of their start.
fn newest(runs: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(runs)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_by(|a, b| b.cmp(a));
    names.truncate(3);
    names
}

/// Prints what the user does next, below the message it belongs to.
pub fn print_hint(hint: impl fmt::Display) {
    eprintln!("  hint: {hint}");
}

/// Prints something the user should know, that does not stop the work.
pub fn print_warning(warning: impl fmt::Display) {
    eprintln!("raceguard: warning: {warning}");
}
