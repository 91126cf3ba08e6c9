//! Why a request was not taken: one sentence for people, a status for programs, a reason for counters.

use std::time::Duration;

use axum::http::StatusCode;
use raceguard_evidence::EvidenceError;
use raceguard_evidence::foreign::ForeignError;
use raceguard_evidence::foreign::otlp::RequestError;

use super::memory::OutOfMemory;
use crate::batch::BatchError;
use crate::body::BodyError;
use crate::http::Problem;
use crate::limits::{TooFast, TooManyNames};
use crate::origin::BadName;
use crate::store::StoreError;

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The token does not allow it.
    #[error("{}", .0.message())]
    Token(Problem),
    /// The token's holder sends too fast.
    #[error(transparent)]
    TooFast(TooFast),
    /// The token's holder sent too many different names.
    #[error(transparent)]
    TooManyNames(TooManyNames),
    /// Other requests hold all memory.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The body is longer than one may be.
    #[error("the body is larger than {limit} bytes; send smaller batches")]
    BodyTooLarge {
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The body took too long.
    #[error("the body took longer than {0:?}; send smaller batches")]
    SlowBody(Duration),
    /// The connection broke while the body was read.
    #[error("the body could not be read: {0}")]
    BrokenBody(String),
    /// The body does not decompress.
    #[error(transparent)]
    Encoding(#[from] BodyError),
    /// A header makes no sense.
    #[error("{0}")]
    Header(String),
    /// A name that makes no sense.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The body is of a type that is not taken here.
    #[error("{0}")]
    MediaType(String),
    /// No batch of evidence.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// No request of OTLP.
    #[error(transparent)]
    Otlp(#[from] RequestError),
    /// No file of a known format.
    #[error(transparent)]
    File(#[from] ForeignError),
    /// A file becomes more evidence than one may.
    #[error(
        "the file becomes more than {limit} {what} of evidence; split it, or use raceguard ingest and push the run"
    )]
    FileTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the server.
    #[error("the request could not be read, which is a fault of the server: {0}")]
    Fault(String),
}

/// What refusals are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No token, an unknown one, or one that may not send.
    Token,
    /// Too many records or bytes in too short a time.
    Rate,
    /// Too many different streams or findings.
    Cardinality,
    /// Too much is being received at once.
    Memory,
    /// The body, what it decompresses to, or what it becomes is too large.
    TooLarge,
    /// The body took too long.
    Slow,
    /// The body ended early.
    Broken,
    /// The body does not decompress, or its encoding is not supported.
    Encoding,
    /// A header, a name or a type makes no sense.
    Header,
    /// The body is not what it should be.
    Malformed,
    /// A record of a newer schema.
    NewerSchema,
    /// Too much waits to be written.
    Busy,
    /// The server is stopping.
    Stopping,
    /// The database or the queue cannot be reached.
    Unavailable,
    /// The database could not be written.
    NotWritten,
    /// A fault of the server.
    Fault,
}

impl Reason {
    /// All of them, in order.
    pub const ALL: [Self; 16] = [
        Self::Token,
        Self::Rate,
        Self::Cardinality,
        Self::Memory,
        Self::TooLarge,
        Self::Slow,
        Self::Broken,
        Self::Encoding,
        Self::Header,
        Self::Malformed,
        Self::NewerSchema,
        Self::Busy,
        Self::Stopping,
        Self::Unavailable,
        Self::NotWritten,
        Self::Fault,
    ];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Rate => "rate",
            Self::Cardinality => "cardinality",
            Self::Memory => "memory",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::Encoding => "encoding",
            Self::Header => "header",
            Self::Malformed => "malformed",
            Self::NewerSchema => "newer_schema",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Unavailable => "unavailable",
            Self::NotWritten => "not_written",
            Self::Fault => "fault",
        }
    }
}

impl Refusal {
    /// What it is counted by.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Token(problem) if problem.status().is_client_error() => Reason::Token,
            Self::TooFast(_) => Reason::Rate,
            Self::TooManyNames(_) => Reason::Cardinality,
            Self::BodyTooLarge { .. }
            | Self::FileTooLarge { .. }
            | Self::Encoding(BodyError::TooLarge { .. })
            | Self::Batch(BatchError::TooManyLines { .. })
            | Self::Otlp(RequestError::TooLarge { .. })
            | Self::Store(StoreError::TooLarge { .. })
            | Self::File(ForeignError::TooLarge { .. }) => Reason::TooLarge,
            Self::SlowBody(_) => Reason::Slow,
            Self::BrokenBody(_) => Reason::Broken,
            Self::Memory(_) | Self::Encoding(BodyError::Memory(_)) => Reason::Memory,
            Self::Encoding(_) => Reason::Encoding,
            Self::Header(_) | Self::Name(_) | Self::MediaType(_) | Self::Batch(BatchError::Sequence(_)) => {
                Reason::Header
            }
            Self::Batch(BatchError::Evidence(EvidenceError::NewerSchema { .. }))
            | Self::File(ForeignError::Sink(EvidenceError::NewerSchema { .. })) => Reason::NewerSchema,
            Self::Batch(_) | Self::Otlp(_) | Self::File(_) => Reason::Malformed,
            Self::Store(StoreError::Busy) => Reason::Busy,
            Self::Store(StoreError::Stopping) => Reason::Stopping,
            Self::Store(StoreError::Unreachable(_) | StoreError::Conflict(_) | StoreError::Queue(_)) => {
                Reason::Unavailable
            }
            Self::Store(StoreError::NotWritten { .. }) => Reason::NotWritten,
            // Of a token: whether it is known could not be found out.
            Self::Token(_) | Self::Store(_) | Self::Fault(_) => Reason::Fault,
        }
    }

    /// The status of an HTTP answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Token(problem) => problem.status(),
            Self::Encoding(BodyError::UnknownEncoding(_)) | Self::MediaType(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::Otlp(RequestError::Malformed(_)) => StatusCode::BAD_REQUEST,
            _ => match self.reason() {
                Reason::Token => StatusCode::UNAUTHORIZED,
                Reason::Rate | Reason::Cardinality | Reason::Memory | Reason::Busy => {
                    StatusCode::TOO_MANY_REQUESTS
                }
                Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Reason::Slow => StatusCode::REQUEST_TIMEOUT,
                Reason::Broken | Reason::Encoding => StatusCode::BAD_REQUEST,
                Reason::Header | Reason::Malformed | Reason::NewerSchema => StatusCode::UNPROCESSABLE_ENTITY,
                Reason::Stopping | Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Reason::NotWritten => StatusCode::INSUFFICIENT_STORAGE,
                Reason::Fault => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// When sending the same again may help; nothing when it never will.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast(too_fast) => Some(too_fast.wait),
            Self::TooManyNames(too_many) => Some(too_many.wait),
            _ => match self.reason() {
                Reason::Memory | Reason::Busy | Reason::Stopping | Reason::Unavailable => {
                    Some(Duration::from_secs(1))
                }
                // Someone has to make room on the disk first.
                Reason::NotWritten => Some(Duration::from_secs(10)),
                _ => None,
            },
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Token(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Token(problem) = refusal {
            return problem;
        }
        let problem = Self::new(refusal.status(), refusal.to_string());
        match refusal.retry_after() {
            Some(wait) => problem.retry_after(wait),
            None => problem,
        }
    }
}
