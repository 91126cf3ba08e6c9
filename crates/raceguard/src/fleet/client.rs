//! Sends a file of evidence in batches that the server acknowledges one by one.
//!
//! The stream is named after the run, and a line's number in the file is its number in the stream, so a batch that was
//! sent and whose answer was lost is sent again without harm.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use raceguard_server::origin::Origin;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::{Answer, Connection, Outgoing, is_untrusted};
use super::error::SendError;
use super::source_text::SourceText;

/// Lines and bytes after which a batch is sent.
const BATCH_LINES: u64 = 500;
const BATCH_BYTES: usize = 4 << 20;

/// How often a batch is tried, with pauses that double from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`].
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where to, and as whom.
#[derive(Clone)]
pub struct Target {
    /// Base address of the server.
    pub server: String,
    /// A token that may write.
    pub token: String,
    /// Certificates of who signs the server's; without it those of the public authorities.
    pub ca: Option<PathBuf>,
    /// The program that the evidence is from.
    pub origin: Origin,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Sent {
    /// Records that were new to the server.
    pub accepted: u64,
    /// Records that it had.
    pub duplicates: u64,
    /// Lines that are no records.
    #[serde(skip)]
    pub rejected: u64,
}

/// What became of a file of a foreign format.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SentFile {
    /// The format that the server recognised.
    pub format: String,
    /// Records that were new to the server.
    pub accepted: u64,
    /// Records that it had.
    pub duplicates: u64,
    /// What a reader must know to judge the records.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(flatten)]
    sent: Sent,
    rejected: Vec<serde::de::IgnoredAny>,
}

/// Sends evidence to one server.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    origin: Origin,
}

impl Client {
    /// A client for the target.
    pub fn new(target: Target) -> Result<Self, SendError> {
        let connection = Connection::new(&target.server, &target.token, target.ca.as_deref())?;
        Ok(Self { connection, origin: target.origin })
    }

    /// Sends all lines of a file, findings with source if `source` is given.
    pub fn send_file(&self, path: &Path, mut source: Option<&mut SourceText>) -> Result<Sent, SendError> {
        let failed = |source| SendError::Read { path: path.to_owned(), source };
        let stream = stream_name(path);
        let mut lines = BufReader::new(File::open(path).map_err(failed)?);
        let (mut total, mut first) = (Sent::default(), 0);
        loop {
            let (mut batch, mut count, mut line) = (Vec::new(), 0, Vec::new());
            while count < BATCH_LINES && batch.len() < BATCH_BYTES {
                line.clear();
                if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                    break;
                }
                match &mut source {
                    Some(source) => batch.extend_from_slice(&source.add_to(&line)),
                    None => batch.extend_from_slice(&line),
                }
                count += 1;
            }
            if count == 0 {
                return Ok(total);
            }
            let sent = self.send(&stream, first, &batch)?;
            total.accepted += sent.accepted;
            total.duplicates += sent.duplicates;
            total.rejected += sent.rejected;
            first += count;
        }
    }

    /// Sends a file of any format that the server reads, under a name for people.
    pub fn send_raw(&self, path: &Path, name: &str) -> Result<SentFile, SendError> {
        let failed = |source| SendError::Read { path: path.to_owned(), source };
        let body = gzip(&fs::read(path).map_err(failed)?);
        self.deliver(|| self.connection.post_raw(name, &self.origin, "gzip", &body))
    }

    fn send(&self, stream: &str, first: u64, batch: &[u8]) -> Result<Sent, SendError> {
        let body = gzip(batch);
        let outgoing = Outgoing { stream, first, origin: &self.origin, encoding: "gzip", body: &body };
        let known: Acknowledgement = self.deliver(|| self.connection.post_evidence(&outgoing))?;
        Ok(Sent { rejected: known.rejected.len() as u64, ..known.sent })
    }

    /// Posts until the server has taken it, for as long as that makes sense.
    fn deliver<T: DeserializeOwned>(
        &self,
        post: impl Fn() -> Result<Answer, ureq::Error>,
    ) -> Result<T, SendError> {
        let mut pause = FIRST_PAUSE;
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            match post() {
                Ok(answer @ Answer { status: 200, .. }) => match serde_json::from_str(&answer.text) {
                    Ok(known) => return Ok(known),
                    Err(error) => reason = format!("its answer is none of a raceguard server: {error}"),
                },
                Ok(answer @ Answer { status: 408 | 429 | 500.., .. }) => {
                    reason = format!("{}: {}", answer.status, answer.explanation());
                    pause = pause.max(answer.retry_after.unwrap_or_default()).min(LONGEST_PAUSE);
                }
                Ok(answer) => {
                    let server = self.connection.server().to_owned();
                    let reason = answer.explanation();
                    return Err(SendError::Refused { server, status: answer.status, reason });
                }
                Err(error) if is_untrusted(&error) => {
                    let server = self.connection.server().to_owned();
                    return Err(SendError::Untrusted { server, reason: error.to_string() });
                }
                Err(error) => reason = error.to_string(),
            }
        }
        let server = self.connection.server().to_owned();
        Err(SendError::Unreachable { server, tries: TRIES, reason })
    }
}

/// The run's name and this machine's: the same file is the same stream.
pub fn stream_name(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let digest = blake3::hash(absolute.as_os_str().as_encoded_bytes()).to_hex();
    let run = absolute.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let run: String = run.chars().filter(char::is_ascii_graphic).take(60).collect();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(60).collect();
    format!("{run}@{host}/{}", &digest[..16])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|error| unreachable!("memory can be written: {error}"))
}
