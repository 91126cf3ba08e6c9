//! [`Files`]: the door to the disk, so that tests can put a faulty one behind it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The files of one folder. What a crash leaves of them is what the `sync` methods promise, no more.
///
/// ```
/// use raceguard_maps::durable::{DiskFiles, Files, LogFile};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// // What a door of one's own (that counts, limits or fails) has to do, as the one to the disk does it.
/// let files: &dyn Files = &DiskFiles::new(folder);
/// let file: Box<dyn LogFile> = files.create("part", 0)?;
/// assert_eq!(file.write_at(0, b"abc")?, 3);
/// file.sync()?;
/// files.rename("part", "whole")?;
/// files.sync_folder()?;
/// assert_eq!(files.list()?, ["whole"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Files: Send + Sync {
    /// The folder, for messages.
    fn folder(&self) -> &Path;

    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// An empty file to write, with room for `reserve` bytes that read as zeros; one of this name is replaced. Fails
    /// when the disk cannot hold that many.
    fn create(&self, name: &str, reserve: u64) -> io::Result<Box<dyn LogFile>>;

    /// A file to read.
    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// Gives a file another name, replacing what had it; all or nothing, even in a crash.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names of files durable, as `LogFile::sync` does with their bytes.
    fn sync_folder(&self) -> io::Result<()>;
}

impl fmt::Debug for dyn Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.folder()).finish()
    }
}

/// One file.
///
/// ```
/// use raceguard_maps::durable::{DiskFiles, Files};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let file = DiskFiles::new(folder).create("log", 4096)?;
/// assert_eq!(file.len()?, 4096);
/// let mut reserved = [1; 4];
/// assert_eq!(file.read_at(0, &mut reserved)?, 4);
/// assert_eq!(reserved, [0; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is that of a file; nobody asks whether it is empty"
)]
pub trait LogFile: Send + Sync {
    /// Its length in bytes, with what was reserved.
    fn len(&self) -> io::Result<u64>;

    /// Reads from `offset` into `buffer`; how many bytes, 0 at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes` at `offset`; how many.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes everything written before durable. After an error nothing is known about any of it.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off, or adds zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

impl dyn LogFile + '_ {
    /// Writes all of `bytes`.
    pub(super) fn write_all(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written.min(bytes.len())..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until `buffer` is full or the file ends; how many bytes.
    pub(super) fn read_full(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(offset + filled as u64, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// All bytes.
    pub(super) fn read_all(&self) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.len()?).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(io::Error::other)?;
        bytes.resize(length, 0);
        let read = self.read_full(0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// A folder of the operating system.
///
/// ```
/// use std::sync::Arc;
/// use raceguard_maps::MutexMap;
/// use raceguard_maps::durable::{DiskFiles, DurableOptions, Native};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let files = Arc::new(DiskFiles::new(folder));
/// let map = DurableOptions::<u64, u64>::new(Native, Native).open_on(files, MutexMap::new())?;
/// # drop(map);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DiskFiles {
    folder: PathBuf,
}

impl DiskFiles {
    /// The files of this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl Files for DiskFiles {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn list(&self) -> io::Result<Vec<String>> {
        // Names of logs are ASCII; a name that is no text is somebody else's.
        fs::read_dir(&self.folder)?
            .map(|entry| entry.map(|entry| entry.file_name().into_string().ok()))
            .filter_map(Result::transpose)
            .collect()
    }

    fn create(&self, name: &str, reserve: u64) -> io::Result<Box<dyn LogFile>> {
        let path = self.folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        reserve_room(&file, reserve)?;
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(File::open(self.folder.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// Allocates the blocks of a file, so that appending to it later changes no metadata and cannot fill the disk.
fn reserve_room(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        // Some file systems cannot: the log then works as well, at the price of a slower sync.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        other => return Ok(other?),
    }
    file.set_len(bytes)
}

impl LogFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }
}
