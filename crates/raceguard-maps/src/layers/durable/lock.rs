//! [`LockFile`]: keeps a second map from writing the same log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::error::OpenError;

/// Name of the lock file.
pub(super) const NAME: &str = "lock";

/// A locked file; the operating system unlocks it when the process ends, however it does.
#[derive(Debug)]
pub(super) struct LockFile(#[expect(dead_code, reason = "closing it unlocks it")] File);

impl LockFile {
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        match folder.metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                let source = io::ErrorKind::NotADirectory.into();
                return Err(OpenError::Io { operation: "use as a folder", path: folder.to_owned(), source });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::FolderMissing(folder.to_owned()));
            }
            Err(source) => return Err(OpenError::io("look at", folder)(source)),
        }
        let path = folder.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(OpenError::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => {
                let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                written.map_err(OpenError::io("write", &path))?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let process = holder(&mut file);
                Err(OpenError::Locked { path, process })
            }
            Err(TryLockError::Error(source)) => Err(OpenError::io("lock", &path)(source)),
        }
    }
}

/// The process named in the file. Its holder may be writing it right now: then it is unknown.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
