//! Why a log could not be opened: [`OpenError`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::report::LogReport;
use crate::error::MapError;

/// Why a log could not be opened. Nothing was changed in its folder, but that leftovers of unfinished files may be
/// gone.
///
/// ```
/// use raceguard_maps::MutexMap;
/// use raceguard_maps::durable::{Durable, OpenError};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let open = |folder: &std::path::Path| Durable::<u64, u64, _>::open(folder, MutexMap::new());
/// assert!(matches!(open(&folder.join("missing")), Err(OpenError::FolderMissing(_))));
/// let limits = open(folder)?;
/// assert!(matches!(open(folder), Err(OpenError::Locked { .. })));
/// drop(limits);
///
/// // The same log with values of another type.
/// let other = Durable::<u64, String, _>::open(folder, MutexMap::new());
/// assert!(matches!(other, Err(OpenError::Encoding { what: "value", .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the log does not exist.
    #[error("the log folder {} does not exist: create it first", .0.display())]
    FolderMissing(PathBuf),
    /// Another map, of this or another process, has the log open.
    #[error("{} is locked by process {}: only one map may write a log; close the other one", .path.display(), Holder(*.process))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, if the file says so.
        process: Option<u32>,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The log was written by a newer version of this crate.
    #[error(
        "{} has log format {found}, this version reads up to {supported}: open it with a newer version",
        .path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
    },
    /// The log holds values in another encoding.
    #[error("{} holds {what}s encoded as {found:?}, not {expected:?}: open it with that codec", .path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// `key` or `value`.
        what: &'static str,
        /// The name in the file.
        found: String,
        /// The name of the codec that was given.
        expected: String,
    },
    /// An intact record holds bytes that the codec refuses.
    #[error("{} holds record {sequence}, which the codec does not understand: {cause}", .path.display())]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The record.
        sequence: u64,
        /// What the codec says.
        cause: String,
    },
    /// Records that were acknowledged are damaged or missing.
    #[error("{0}\nRead what is left with `inspect`, or restore the folder from a copy")]
    Damaged(Box<LogReport>),
    /// The given map refused, or is not empty, or a setting makes no sense.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl OpenError {
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }
}

/// A process that may be unknown.
struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(process) => process.fmt(f),
            None => f.write_str("(unknown)"),
        }
    }
}

/// What made a map refuse writes: kept so that every later caller gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) operation: &'static str,
    pub(super) path: PathBuf,
    pub(super) cause: String,
}

impl Failure {
    pub(super) fn new(operation: &'static str, path: PathBuf, cause: &(impl ToString + ?Sized)) -> Self {
        Self { operation, path, cause: cause.to_string() }
    }
}

impl From<Failure> for MapError {
    fn from(Failure { operation, path, cause }: Failure) -> Self {
        Self::Durability { operation, path, cause }
    }
}
