//! Sources in memory, for tests, fixtures, and callers that have no disk.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::path_names::absolute;
use super::tree::{Entry, EntryKind, Metadata, SourceTree, TreeError, TreeErrorKind};
use super::txtar::txtar_files;

/// As many links as Linux follows before it speaks of a loop.
const MOST_LINKS: usize = 40;

/// Files by absolute path. Directories exist by what lies in them.
#[derive(Debug, Clone)]
pub struct MemoryTree {
    nodes: BTreeMap<PathBuf, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Directory(BTreeMap<OsString, EntryKind>),
    File(Arc<[u8]>),
    Symlink(PathBuf),
    Denied,
}

impl Default for MemoryTree {
    fn default() -> Self {
        Self { nodes: BTreeMap::from([(PathBuf::from("/"), Node::Directory(BTreeMap::new()))]) }
    }
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the files of a [txtar](super::txtar_files) text below a directory.
    #[must_use]
    pub fn with_txtar(mut self, directory: &str, archive: &str) -> Self {
        for (name, text) in txtar_files(archive) {
            let path = absolute(Path::new(directory), Path::new(&name));
            self.insert(&path, Node::File(text.into_bytes().into()));
        }
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.insert(Path::new(path), Node::File(bytes.as_ref().into()));
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn with_symlink(mut self, path: &str, target: &str) -> Self {
        self.insert(Path::new(path), Node::Symlink(target.into()));
        self
    }

    /// Adds a file that may not be read.
    #[must_use]
    pub fn with_unreadable(mut self, path: &str) -> Self {
        self.insert(Path::new(path), Node::Denied);
        self
    }

    fn insert(&mut self, path: &Path, node: Node) {
        let mut kind = match &node {
            Node::Directory(_) => EntryKind::Directory,
            Node::File(_) | Node::Denied => EntryKind::File,
            Node::Symlink(_) => EntryKind::Symlink,
        };
        let path = absolute(Path::new("/"), path);
        self.nodes.insert(path.clone(), node);
        let mut child = path.as_path();
        while let (Some(parent), Some(name)) = (child.parent(), child.file_name()) {
            let slot = self.nodes.entry(parent.to_path_buf());
            match slot.or_insert_with(|| Node::Directory(BTreeMap::new())) {
                Node::Directory(entries) => entries.insert(name.to_owned(), kind),
                Node::File(_) | Node::Symlink(_) | Node::Denied => return,
            };
            kind = EntryKind::Directory;
            child = parent;
        }
    }

    /// The path and node that a path leads to, links followed.
    fn resolve(&self, path: &Path) -> Result<(PathBuf, &Node), TreeError> {
        let mut remaining: Vec<OsString> = names_reversed(path);
        let mut resolved = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = remaining.pop() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&name);
            match self.nodes.get(&next) {
                None => return Err(TreeError::new(TreeErrorKind::NotFound, "no such file or directory")),
                Some(Node::Symlink(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        let message = "too many levels of symbolic links";
                        return Err(TreeError::new(TreeErrorKind::SymlinkLoop, message));
                    }
                    if target.is_absolute() {
                        resolved = PathBuf::from("/");
                    }
                    remaining.extend(names_reversed(target));
                }
                Some(_) => resolved = next,
            }
        }
        match self.nodes.get(&resolved) {
            Some(node) => Ok((resolved, node)),
            None => Err(TreeError::new(TreeErrorKind::NotFound, "no such file or directory")),
        }
    }
}

/// The names of a path, last one first; `.` and the root left out.
fn names_reversed(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

impl SourceTree for MemoryTree {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        match self.resolve(path)?.1 {
            Node::File(bytes) if bytes.len() as u64 > limit => {
                let length = bytes.len() as u64;
                let message = format!("{length} bytes, more than the limit of {limit}");
                Err(TreeError::new(TreeErrorKind::TooLarge(length), message))
            }
            Node::File(bytes) => Ok(bytes.clone()),
            Node::Denied => Err(TreeError::new(TreeErrorKind::Denied, "permission denied")),
            Node::Directory(_) | Node::Symlink(_) => {
                Err(TreeError::new(TreeErrorKind::NotAFile, "not a regular file"))
            }
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, TreeError> {
        match self.resolve(directory)?.1 {
            Node::Directory(entries) => {
                Ok(entries.iter().map(|(name, kind)| Entry { name: name.clone(), kind: *kind }).collect())
            }
            Node::Denied => Err(TreeError::new(TreeErrorKind::Denied, "permission denied")),
            Node::File(_) | Node::Symlink(_) => {
                Err(TreeError::new(TreeErrorKind::NotFound, "not a directory"))
            }
        }
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, TreeError> {
        let (canonical, node) = self.resolve(path)?;
        let kind = match node {
            Node::Directory(_) => EntryKind::Directory,
            Node::File(_) | Node::Denied | Node::Symlink(_) => EntryKind::File,
        };
        Ok(Metadata { kind, canonical })
    }
}
