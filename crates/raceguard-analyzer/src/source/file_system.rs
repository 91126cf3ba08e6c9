//! The real disk. No other file of this crate touches `std::fs`.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::tree::{Entry, EntryKind, Metadata, SourceTree, TreeError, TreeErrorKind};

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl SourceTree for FileSystem {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        // Opening a pipe would wait for its writer, so the kind is asked for first.
        let metadata = fs::metadata(path).map_err(|error| tree_error(path, &error))?;
        if !metadata.is_file() {
            return Err(TreeError::new(TreeErrorKind::NotAFile, "not a regular file"));
        }
        let length = metadata.len();
        if length > limit {
            return Err(too_large(length, limit));
        }
        let mut file = File::open(path).map_err(|error| tree_error(path, &error))?;
        read_all(&mut file, length, limit).map_err(|error| match error {
            ReadFailure::Io(error) => tree_error(path, &error),
            ReadFailure::Grown(length) => too_large(length, limit),
        })
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, TreeError> {
        let failed = |error: io::Error| tree_error(directory, &error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_or(EntryKind::Other, entry_kind);
            entries.push(Entry { name: entry.file_name(), kind });
        }
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, TreeError> {
        let failed = |error: io::Error| tree_error(path, &error);
        let kind = entry_kind(fs::metadata(path).map_err(failed)?.file_type());
        Ok(Metadata { kind, canonical: fs::canonicalize(path).map_err(failed)? })
    }
}

/// Why a file that was opened could not be read.
enum ReadFailure {
    Io(io::Error),
    Grown(u64),
}

/// Reads a file of an expected length straight into its final place; a file that has changed its length
/// meanwhile is read as it is now, up to the limit.
fn read_all(file: &mut File, length: u64, limit: u64) -> Result<Arc<[u8]>, ReadFailure> {
    let expected = usize::try_from(length).map_err(|_| ReadFailure::Grown(length))?;
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, expected).collect();
    let mut filled = 0;
    if let Some(buffer) = Arc::get_mut(&mut bytes) {
        while filled < expected {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadFailure::Io(error)),
            }
        }
    }
    let mut rest = Vec::new();
    let room = limit.saturating_sub(length).saturating_add(1);
    file.take(room).read_to_end(&mut rest).map_err(ReadFailure::Io)?;
    if filled == expected && rest.is_empty() {
        return Ok(bytes);
    }
    let total = (filled + rest.len()) as u64;
    if total > limit {
        return Err(ReadFailure::Grown(total));
    }
    Ok([&bytes[..filled], &rest].concat().into())
}

fn too_large(length: u64, limit: u64) -> TreeError {
    TreeError::new(TreeErrorKind::TooLarge(length), format!("{length} bytes, more than the limit of {limit}"))
}

fn entry_kind(kind: FileType) -> EntryKind {
    if kind.is_file() {
        EntryKind::File
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Other
    }
}

fn tree_error(path: &Path, error: &io::Error) -> TreeError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => TreeErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => TreeErrorKind::Denied,
        // The standard library has no stable kind for a loop: what is left for a link is one.
        _ if path.is_symlink() => TreeErrorKind::SymlinkLoop,
        _ => TreeErrorKind::Other,
    };
    TreeError::new(kind, error.to_string())
}
