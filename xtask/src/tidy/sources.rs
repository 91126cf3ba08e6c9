//! The files that tidy reads: every text file of the repository that git tracks or would track.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{process, workspace};

/// One file.
pub(super) struct SourceFile {
    /// From the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    /// Whether it is code, whose length is limited.
    pub(super) fn is_code(&self) -> bool {
        ["rs", "go", "js", "css", "html", "sh", "s", "c"].contains(&self.extension())
    }

    /// Whether it is Rust.
    pub(super) fn is_rust(&self) -> bool {
        self.extension() == "rs"
    }

    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

/// All files, without those that were taken over from elsewhere (folders named `vendor`) or are made by tools.
pub(super) fn all() -> Result<Vec<SourceFile>, Failure> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace::root());
    let listing = process::demand(&mut git, "run tidy in a git checkout")?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty() && !is_foreign(path)) {
        // A file that is deleted but not committed, or that is not text, has nothing to check.
        if let Ok(text) = std::fs::read_to_string(workspace::root().join(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

fn is_foreign(path: &str) -> bool {
    path.split('/').any(|part| part == "vendor") || path == "Cargo.lock"
}
