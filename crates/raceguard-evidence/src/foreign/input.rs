//! A foreign file on its way to its parser: decompressed, counted, hashed, recognised.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::{FORMATS, Format, Recognition, Sink};
use crate::hex::hex;
use crate::record::Record;
use crate::source::Source;

/// Why a foreign file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// No format recognises it.
    #[error(
        "{path}: no known format begins like this ({beginning}); `raceguard ingest --formats` lists those that are, \
         and --format NAME reads it as one of them"
    )]
    Unrecognised {
        /// The file.
        path: String,
        /// Its first bytes, printable.
        beginning: String,
    },

    /// It is empty.
    #[error("{path}: is empty")]
    Empty {
        /// The file.
        path: String,
    },

    /// It can't be read as its format.
    #[error("{path}: not a {format}: {what} (at {at})")]
    Malformed {
        /// The file.
        path: String,
        /// Title of the format.
        format: &'static str,
        /// What is wrong.
        what: String,
        /// `line 3`, `byte 1234`.
        at: String,
    },

    /// It is larger than a format that is read whole may be.
    #[error("{path}: is larger than {limit} bytes, the most that a {format} is read of")]
    TooLarge {
        /// The file.
        path: String,
        /// Title of the format.
        format: &'static str,
        /// In bytes, decompressed.
        limit: usize,
    },

    /// Reading failed.
    #[error("{path}: can't be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },

    /// What takes the records failed.
    #[error(transparent)]
    Sink(#[from] crate::error::EvidenceError),
}

/// A foreign file, decompressed. Reads as [`BufRead`].
pub struct Input<'a> {
    path: &'a str,
    format: &'static str,
    reader: BufReader<Box<dyn Read + 'a>>,
    position: u64,
    cut_off: &'a AtomicBool,
}

impl Input<'_> {
    /// How many bytes a format sees to recognise a file by.
    pub const HEAD: usize = 64 << 10;

    /// The file as the user named it.
    pub fn path(&self) -> &str {
        self.path
    }

    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether the file was found to end in the middle of its compressed data; known at the end.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// All that is left, at most `limit` bytes.
    pub fn read_whole(&mut self, limit: usize) -> Result<Vec<u8>, ForeignError> {
        let mut content = Vec::new();
        let read = (&mut *self).take(limit as u64 + 1).read_to_end(&mut content);
        read.map_err(|source| self.read_error(source))?;
        if content.len() > limit {
            return Err(ForeignError::TooLarge { path: self.path.to_owned(), format: self.format, limit });
        }
        Ok(content)
    }

    /// Reads the next line into `line`, without its newline, and of it at most `limit` bytes; `false` at the end.
    pub fn read_line(&mut self, line: &mut Vec<u8>, limit: usize) -> Result<bool, ForeignError> {
        line.clear();
        let mut any = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.read_error(source)),
            };
            if available.is_empty() {
                return Ok(any);
            }
            any = true;
            let newline = memchr::memchr(b'\n', available);
            let part = &available[..newline.unwrap_or(available.len())];
            line.extend_from_slice(&part[..part.len().min(limit.saturating_sub(line.len()))]);
            let used = newline.map_or(available.len(), |at| at + 1);
            self.consume(used);
            if newline.is_some() {
                return Ok(true);
            }
        }
    }

    /// An error of the content, at `at`: `line 3`, `byte 1234`.
    pub fn malformed(&self, what: impl Into<String>, at: impl Into<String>) -> ForeignError {
        ForeignError::Malformed {
            path: self.path.to_owned(),
            format: self.format,
            what: what.into(),
            at: at.into(),
        }
    }

    /// An error of reading.
    pub fn read_error(&self, source: io::Error) -> ForeignError {
        ForeignError::Read { path: self.path.to_owned(), source }
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        self.reader.consume(amount);
    }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Input").field("path", &self.path).field("position", &self.position).finish()
    }
}

/// Reads the file `path`, whose bytes `raw` gives, as `format` or as the one that recognises it. Hands the records
/// to `take`, each marked with the source `id`, and returns the description of the file, which is no record yet.
/// `progress` is called with the count of raw bytes read, about every 64 KiB.
pub fn read(
    id: &str,
    path: &str,
    raw: &mut dyn Read,
    format: Option<&'static Format>,
    take: &mut dyn FnMut(Record) -> Result<(), ForeignError>,
    progress: &mut dyn FnMut(u64),
) -> Result<Source, ForeignError> {
    let cut_off = AtomicBool::new(false);
    let mut tap = Tap { raw, digest: Sha256::new(), bytes: 0, progress };
    let mut sink =
        Collector { source: Source { id: id.to_owned(), path: path.to_owned(), ..Source::default() }, take };
    {
        let read_error = |source| ForeignError::Read { path: path.to_owned(), source };
        let magic = head_of(&mut tap, 2).map_err(read_error)?;
        let gzip = magic == [0x1f, 0x8b];
        let raw = io::Cursor::new(magic).chain(&mut tap);
        let plain: Box<dyn Read + '_> = if gzip {
            Box::new(Lenient { inner: MultiGzDecoder::new(raw), cut_off: &cut_off })
        } else {
            Box::new(raw)
        };
        let mut plain = plain;
        let head = head_of(&mut plain, Input::HEAD).map_err(read_error)?;
        if head.is_empty() {
            return Err(ForeignError::Empty { path: path.to_owned() });
        }
        let Some(format) = format.or_else(|| recognise(&head)) else {
            return Err(ForeignError::Unrecognised { path: path.to_owned(), beginning: printable(&head) });
        };
        format.name.clone_into(&mut sink.source.format);
        let reader: Box<dyn Read + '_> = Box::new(io::Cursor::new(head).chain(plain));
        let reader = BufReader::with_capacity(256 << 10, reader);
        let mut input = Input { path, format: format.title, reader, position: 0, cut_off: &cut_off };
        (format.read)(&mut input, &mut sink)?;
        // What a parser leaves unread belongs to the digest all the same.
        io::copy(&mut input, &mut io::sink()).map_err(read_error)?;
    }
    if cut_off.load(Ordering::Relaxed) {
        sink.warn("the compressed data ends early or is damaged: what came before was read".to_owned());
    }
    sink.source.bytes = tap.bytes;
    sink.source.digest = hex(&tap.digest.finalize());
    Ok(sink.source)
}

/// The format that is most sure; of equally sure ones the first.
fn recognise(head: &[u8]) -> Option<&'static Format> {
    let mut best: Option<(Recognition, &'static Format)> = None;
    for &format in FORMATS {
        let recognition = (format.recognise)(head);
        if recognition > best.map_or(Recognition::No, |(recognition, _)| recognition) {
            best = Some((recognition, format));
        }
    }
    best.map(|(_, format)| format)
}

fn head_of(reader: &mut dyn Read, length: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(length as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn printable(head: &[u8]) -> String {
    if let Some(archive) = archive(head) {
        return format!("{archive}: unpack it first");
    }
    let text = String::from_utf8_lossy(&head[..head.len().min(48)]);
    format!("{:?}", text.lines().next().unwrap_or_default())
}

/// What kind of container of other files it is.
fn archive(head: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"BZh", "compressed with bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    ];
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// Counts and hashes what is read.
struct Tap<'a> {
    raw: &'a mut dyn Read,
    digest: Sha256,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        (self.progress)(self.bytes);
        Ok(read)
    }
}

/// Ends where compressed data is cut off or damaged, and says so.
struct Lenient<'a, R> {
    inner: R,
    cut_off: &'a AtomicBool,
}

impl<R: Read> Read for Lenient<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cut_off.load(Ordering::Relaxed) {
            return Ok(0);
        }
        match self.inner.read(buffer) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
                ) =>
            {
                self.cut_off.store(true, Ordering::Relaxed);
                Ok(0)
            }
            result => result,
        }
    }
}

/// Marks records with their source and counts them.
struct Collector<'a> {
    source: Source,
    take: &'a mut dyn FnMut(Record) -> Result<(), ForeignError>,
}

impl Sink for Collector<'_> {
    fn record(&mut self, mut record: Record) -> Result<(), ForeignError> {
        record.set_source(&self.source.id);
        self.source.records += 1;
        (self.take)(record)
    }

    fn source(&mut self) -> &mut Source {
        &mut self.source
    }
}
