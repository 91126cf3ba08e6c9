//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use super::sql::Cell;

/// Why the store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder can't be made or written.
    #[error("cannot use the data folder {}: {source}; give another one with --data, or make it writable", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another server uses the folder.
    #[error("another raceguard serve (process {pid}) uses {}; stop it, or give another folder with --data", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What the lock file says, `unknown` when nothing.
        pid: String,
    },
    /// The database was written by a newer version.
    #[error(
        "the database's tables of {part} have format {found}, this version reads up to {supported}; upgrade raceguard"
    )]
    Newer {
        /// Which part of the tables.
        part: String,
        /// Its format.
        found: u64,
        /// The newest one that is known, 0 when the part is not.
        supported: u64,
    },
    /// The database is damaged.
    #[error("{} is damaged: {what}; move it away and restore a backup with raceguard restore", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A column does not hold what it must; the database was changed by something else.
    #[error(
        "column {column} of an answer is {found:?} instead of {wanted}; was the database changed by something else?"
    )]
    Column {
        /// Which one, counted from 0.
        column: usize,
        /// What was expected.
        wanted: &'static str,
        /// What is there.
        found: Cell,
    },
    /// What is kept as JSON can't be read; the database was changed by something else, or by a newer version.
    #[error("{what} in the database can't be read: {why}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A row that is always there is not.
    #[error("the table {0} of the database lost its row; restore a backup with raceguard restore")]
    Incomplete(&'static str),
    /// A token of this name was made before.
    #[error("there is a token named {0} already; give the new one another name")]
    TokenName(String),
    /// There is no token of this name.
    #[error("there is no token named {0}; raceguard token list shows all")]
    UnknownToken(String),
    /// The system has no chance to give.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// The transaction that held the batch failed; nothing of it is kept.
    #[error("nothing was written: {reason}; send again when that is mended")]
    NotWritten {
        /// What failed.
        reason: String,
    },
    /// More waits to be written than may wait.
    #[error("too much is waiting to be written; send again in a second")]
    Busy,
    /// The writer has stopped.
    #[error("the server is stopping")]
    Stopping,
}
