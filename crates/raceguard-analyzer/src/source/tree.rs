//! The crate's only door to I/O: a tree of directories and files that can be read.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where sources are read from: a disk, or a map in memory.
///
/// Paths are absolute. Implementors never block on anything but regular files: a pipe named `x.go` is
/// [`TreeErrorKind::NotAFile`].
pub trait SourceTree: Sync {
    /// The bytes of a regular file, or [`TreeErrorKind::TooLarge`] if it has more than `limit`.
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError>;

    /// The entries of a directory, in any order, links not followed.
    fn list(&self, directory: &Path) -> Result<Vec<Entry>, TreeError>;

    /// What a path leads to, links followed.
    fn metadata(&self, path: &Path) -> Result<Metadata, TreeError>;
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory.
    pub name: OsString,
    /// What it is itself: a link is a link, whatever it leads to.
    pub kind: EntryKind,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, socket or device.
    Other,
}

/// What a path leads to once all links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Never [`EntryKind::Symlink`].
    pub kind: EntryKind,
    /// The path without any link in it: two paths lead to the same thing exactly if these are equal.
    pub canonical: PathBuf,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeError {
    /// The class of the error.
    pub kind: TreeErrorKind,
    /// The system's own words, or what was expected.
    pub message: String,
}

/// The classes of [`TreeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeErrorKind {
    /// There is nothing of that name.
    NotFound,
    /// It is there, but may not be read.
    Denied,
    /// A symbolic link leads back to itself.
    SymlinkLoop,
    /// A regular file was expected.
    NotAFile,
    /// The file has more bytes than the limit: this many.
    TooLarge(u64),
    /// Anything else.
    Other,
}

impl TreeError {
    /// An error of a class.
    pub fn new(kind: TreeErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            TreeErrorKind::NotFound => "check the spelling, and that the file was not removed meanwhile",
            TreeErrorKind::Denied => "make it readable for the user that runs raceguard, or leave it out",
            TreeErrorKind::SymlinkLoop => "remove the link, or point it at a file",
            TreeErrorKind::NotAFile => "remove it, or name a regular file",
            TreeErrorKind::TooLarge(_) => "raise the limit if the file should be analysed",
            TreeErrorKind::Other => "check that the disk can be read",
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for TreeError {}

/// Whether there is a regular file at a path.
pub(crate) fn is_file(tree: &dyn SourceTree, path: &Path) -> bool {
    tree.metadata(path).is_ok_and(|metadata| metadata.kind == EntryKind::File)
}

/// Whether there is a directory at a path.
pub(crate) fn is_directory(tree: &dyn SourceTree, path: &Path) -> bool {
    tree.metadata(path).is_ok_and(|metadata| metadata.kind == EntryKind::Directory)
}
