//! Which file a file is, and how far it was read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use raceguard_evidence::foreign::LogPosition;
use serde::{Deserialize, Serialize};

/// Bytes at the beginning of a file that it is known by, besides its inode: it may be truncated and written again.
const HEAD: u64 = 256;

/// The beginning of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many bytes.
    pub length: u64,
    /// Their BLAKE3 hash.
    pub hash: String,
}

/// How far a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// Where it was seen last.
    pub path: PathBuf,
    /// Its beginning.
    pub head: Head,
    /// Place in it; of evidence only the offset and the lines count.
    pub log: LogPosition,
    /// The source that its records name.
    pub source: String,
    /// How often the file at this place was another one before.
    pub generation: u64,
}

/// The file's device and inode, by which it is known when it is renamed, and when it was made, where the system says so:
/// inodes are used again.
pub fn key(metadata: &Metadata) -> String {
    let made = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{}:{}:{}", metadata.dev(), metadata.ino(), made.unwrap_or_default().as_nanos())
}

impl Head {
    /// The beginning of a file.
    pub fn of(file: &File) -> io::Result<Self> {
        Self::first(file, HEAD)
    }

    /// Whether the file begins like this.
    pub fn fits(&self, file: &File) -> io::Result<bool> {
        Ok(Self::first(file, self.length)? == *self)
    }

    /// Whether more of the file would tell more.
    pub fn is_short(&self) -> bool {
        self.length < HEAD
    }

    fn first(file: &File, length: u64) -> io::Result<Self> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(Self { length: filled as u64, hash: blake3::hash(&bytes).to_hex()[..32].to_owned() })
    }
}
