//! The standard library's declarations, for where no Go installation is found.
//!
//! `cargo xtask std-summary` writes them, see [`summary`](super::summary).

use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::source::{Entry, MemoryTree, Metadata, SourceTree, TreeError};

static COMPRESSED: &[u8] = include_bytes!("../../data/std-summary.zlib");

/// More than this the summary never has, in bytes.
const LIMIT: usize = 64 << 20;

/// A tree, and beside it the bundled summary of the standard library as a Go installation.
#[derive(Clone, Copy)]
pub struct WithStandardLibrary<'t> {
    tree: &'t dyn SourceTree,
}

impl<'t> WithStandardLibrary<'t> {
    /// The bundled installation: what [`Environment::goroot`](crate::source::Environment::goroot) is set to.
    pub const GOROOT: &'static str = "/raceguard:std";

    /// Adds the bundled installation to a tree.
    pub fn new(tree: &'t dyn SourceTree) -> Self {
        Self { tree }
    }

    /// The tree that holds a path.
    fn holding(&self, path: &Path) -> &dyn SourceTree {
        static BUNDLED: LazyLock<MemoryTree> =
            LazyLock::new(|| MemoryTree::new().with_txtar(WithStandardLibrary::GOROOT, &summary()));
        if path.starts_with(Self::GOROOT) { &*BUNDLED } else { self.tree }
    }
}

impl SourceTree for WithStandardLibrary<'_> {
    fn read(&self, path: &Path, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        self.holding(path).read(path, limit)
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, TreeError> {
        self.holding(directory).list(directory)
    }

    fn metadata(&self, path: &Path) -> Result<Metadata, TreeError> {
        self.holding(path).metadata(path)
    }
}

/// The summary as txtar, with the release it was made from in the file VERSION.
pub fn summary() -> String {
    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(COMPRESSED, LIMIT);
    // The bytes are part of this binary: a test holds that they can be read.
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
