//! Why evidence did not reach a server.

use std::io;
use std::path::PathBuf;

/// Why evidence did not reach a server. Sending again sends only what is missing.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of certificates has none.
    #[error("there is no certificate in {}; it must be PEM, with BEGIN CERTIFICATE", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The server refused; sending again will not help.
    #[error("{server} refused the evidence ({status}): {reason}")]
    Refused {
        /// The server.
        server: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The server did not do what it was asked.
    #[error("{server} answered {status}: {reason}")]
    Denied {
        /// The server.
        server: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The server did not answer.
    #[error(
        "{server} does not answer: {reason}; check the address, and whether `raceguard serve` runs there"
    )]
    Unanswered {
        /// The server.
        server: String,
        /// What failed.
        reason: String,
    },
    /// The server's certificate is not signed by anybody who is known, or what answers speaks no TLS.
    #[error("{server} does not show who it is ({reason}); --ca names the certificate of who signed its own")]
    Untrusted {
        /// The server.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The server could not be reached, or could not take it, for as long as we tried.
    #[error(
        "{server} took nothing in {tries} tries: {reason}; send again later, what it took is not sent twice"
    )]
    Unreachable {
        /// The server.
        server: String,
        /// How often it was tried.
        tries: u32,
        /// What failed last.
        reason: String,
    },
}
