//! How a task ends when it does not end well.

use std::path::Path;
use std::process::ExitCode;

/// Why a task failed; printed once, by `main`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The task did its work and found something wrong. What it was, the task has printed already.
    #[error("{0}")]
    Findings(String),
    /// The task could not do its work on this machine.
    #[error("{what}\n  next: {next}")]
    Environment {
        /// What happened, and where.
        what: String,
        /// What the user can do about it.
        next: String,
    },
}

impl Failure {
    /// A failure of this machine, with the step that mends it.
    pub(crate) fn environment(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Environment { what: what.into(), next: next.into() }
    }

    /// A file or folder that could not be used as `action` says ("read", "write", ...).
    pub(crate) fn file(action: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::environment(
            format!("cannot {action} {}: {error}", path.display()),
            "check that the path exists, that you own it, and that the disk has room",
        )
    }

    /// 1 for findings, 2 for this machine.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Findings(_) => ExitCode::from(1),
            Self::Environment { .. } => ExitCode::from(2),
        }
    }
}
