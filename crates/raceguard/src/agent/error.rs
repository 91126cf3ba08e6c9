//! Why the agent can't work.

use std::io;
use std::path::PathBuf;

use crate::fleet::error::SendError;

/// Why the agent can't work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A file that the command line or the configuration names can't be read.
    #[error("cannot read {}: {source}", path.display())]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        what: String,
    },
    /// There is no token.
    #[error(
        "there is no token; give token_file or token in [server], or RACEGUARD_TOKEN in the environment \
         (raceguard token add NAME makes one)"
    )]
    NoToken,
    /// The folder of the agent's state can't be used.
    #[error("cannot use the state folder {}: {source}; make it writable, or name another one", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another agent uses it.
    #[error("another raceguard agent uses {}; stop it, or name another state folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// What was kept can't be understood.
    #[error(
        "{} is damaged: {what}; move the folder it is in away: all files are then read again from their beginning",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The spool has no room.
    #[error(
        "the spool is full: {limit} bytes wait to be sent; files wait to be read until the server takes some"
    )]
    Full {
        /// Most bytes that may wait.
        limit: u64,
    },
    /// The spool can't be written.
    #[error("cannot write {}: {source}; nothing of it counts as read", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The server's address or certificates make no sense.
    #[error(transparent)]
    Connection(#[from] SendError),
    /// The system has no chance to give.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}
