//! The disk with other contents in some of its files.

use std::path::Path;
use std::sync::Arc;

use raceguard_analyzer::source::{Entry, FileSystem, Metadata, SourceTree, TreeError};

use super::edits::Contents;

/// Files as they would be.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    pub(super) contents: &'a Contents,
}

impl SourceTree for Overlay<'_> {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        match self.contents.get(path) {
            Some(bytes) => Ok(Arc::clone(bytes)),
            None => FileSystem.read(path, limit),
        }
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, TreeError> {
        FileSystem.list(directory)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, TreeError> {
        FileSystem.metadata(path)
    }
}
