//! Why a gate could not be judged, or policies could not be used, and what the user does next.

use std::io;
use std::path::PathBuf;

use raceguard_policy::Problems;
use raceguard_policy::store::StoreError;

/// An error of `raceguard gate` or `raceguard policy`.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Policies with mistakes.
    #[error("{}, so nothing was evaluated\n{problems}", counted(problems.list().len()))]
    Problems {
        /// All of them.
        problems: Problems,
    },
    /// A revision could not be read or applied.
    #[error("{0}")]
    Store(StoreError),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Flags or arguments that can't be used.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// There is nothing to judge.
    #[error("there is no evidence in {}: a gate does not pass without", module.display())]
    NoEvidence {
        /// The module.
        module: PathBuf,
    },
    /// `git` failed.
    #[error("git cannot {action}: {reason}")]
    Git {
        /// What was tried.
        action: String,
        /// Git's own words.
        reason: String,
    },
}

fn counted(count: usize) -> String {
    if count == 1 { "1 mistake in policies".to_owned() } else { format!("{count} mistakes in policies") }
}

impl From<StoreError> for GateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Problems(problems) => Self::Problems { problems },
            other => Self::Store(other),
        }
    }
}

impl GateError {
    /// What the user does next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Problems { .. } => "mend them, then `raceguard policy check` looks again".to_owned(),
            Self::Store(StoreError::Example(_)) => {
                "`raceguard policy test` shows all examples; what was in force still is".to_owned()
            }
            Self::Store(StoreError::NoRevision { .. } | StoreError::NothingBefore { .. }) => {
                "`raceguard policy history` lists the revisions".to_owned()
            }
            Self::Store(StoreError::Damaged { .. }) => {
                "bring a revision into force with `raceguard policy rollback NUMBER`".to_owned()
            }
            Self::Store(_) | Self::File { .. } => "check the path and its permissions".to_owned(),
            Self::Usage { hint, .. } => hint.clone(),
            Self::NoEvidence { .. } => {
                "run `raceguard test ./...` and `raceguard check` first, in the same module".to_owned()
            }
            Self::Git { .. } => return None,
        })
    }
}
