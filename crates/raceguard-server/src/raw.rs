//! Raw files: whatever `raceguard ingest` reads becomes evidence here.
//!
//! A file counts once by its content, decompressed or not, and by the program that it is from.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use raceguard_evidence::foreign::{self, ForeignError};
use raceguard_evidence::{EvidenceError, Record, Source};

use crate::batch::Batch;
use crate::body::BodyError;
use crate::intake::{Refusal, Reservation};
use crate::limits::Limits;
use crate::origin::{Origin, StreamName};

/// Reads a file into a batch. Gives the description of the file too, which is the batch's last record.
pub fn read(
    name: &str,
    origin: Origin,
    file: &[u8],
    limits: &Limits,
    memory: &mut Reservation,
) -> Result<(Batch, Source), Refusal> {
    let content = decompressed(file, limits.decompressed, memory)?;
    let digest = origin.digest(content.as_deref().unwrap_or(file));
    let stream = StreamName::of_content("raw", &digest);
    // Races are told apart by it where evidence of several files is read together.
    let id: String = stream.as_str().trim_start_matches("raw:").chars().take(12).collect();
    let mut lines = Lines { text: Vec::new(), records: 0, limits, beyond: None };
    let read = foreign::read(&id, name, &mut &*file, None, &mut |record| lines.add(&record), &mut |_| {});
    let source = match (lines.beyond, read) {
        (Some((what, limit)), _) => return Err(Refusal::FileTooLarge { what, limit }),
        (None, read) => read?,
    };
    drop(content);
    lines.add(&source.clone().into())?;
    memory.grow(lines.text.len())?;
    // The description of the file is one line more than its records.
    Ok((Batch::read(origin, stream, 0, lines.text, limits.lines + 1)?, source))
}

/// What is in a file that is compressed with gzip; nothing when it is not. What is behind damage is left out, as
/// [`foreign::read`] does.
fn decompressed(file: &[u8], limit: usize, memory: &mut Reservation) -> Result<Option<Vec<u8>>, Refusal> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(None);
    }
    let mut content = Vec::new();
    let mut decoder = MultiGzDecoder::new(file).take(limit as u64 + 1);
    let mut step = vec![0; 64 << 10];
    loop {
        match decoder.read(&mut step) {
            Ok(0) => return Ok(Some(content)),
            Ok(read) => {
                memory.grow(read)?;
                content.extend_from_slice(&step[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(Some(content)),
        }
        if content.len() > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
    }
}

/// The evidence that a file becomes, as lines.
struct Lines<'a> {
    text: Vec<u8>,
    records: usize,
    limits: &'a Limits,
    /// What there was too much of.
    beyond: Option<(&'static str, usize)>,
}

impl Lines<'_> {
    fn add(&mut self, record: &Record) -> Result<(), ForeignError> {
        record.append_line(&mut self.text);
        self.records += 1;
        let (records, bytes) = (self.limits.lines, self.limits.decompressed);
        self.beyond = match () {
            () if self.records > records + 1 => Some(("records", records)),
            () if self.text.len() > bytes => Some(("bytes", bytes)),
            () => return Ok(()),
        };
        // Ends the reading; `beyond` says why.
        Err(EvidenceError::LineTooLong { line: self.records as u64, limit: bytes }.into())
    }
}
