//! Walking directories for packages: in parallel, without following links, leaving out what Go leaves out.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::path_names::below;
use super::problem::{ProblemKind, SourceProblem};
use super::resolve::has_go_files;
use super::tree::{Entry, EntryKind, SourceTree, TreeErrorKind};

/// How to walk.
pub(crate) struct Walk<'a> {
    pub(crate) tree: &'a dyn SourceTree,
    /// Root of the module that is walked.
    pub(crate) module_root: &'a Path,
    /// `ignore` directives of its go.mod.
    pub(crate) ignores: &'a [String],
    /// Whether directories named `vendor` are entered: only the standard library's is.
    pub(crate) enters_vendor: bool,
}

/// What a walk found.
#[derive(Default)]
pub(crate) struct Walked {
    /// Directories with Go files, and their entries.
    pub(crate) directories: Vec<(PathBuf, Vec<Entry>)>,
    /// Roots of modules in it, which were not entered.
    pub(crate) nested: Vec<PathBuf>,
    pub(crate) problems: Vec<SourceProblem>,
}

impl Walked {
    fn join(mut self, mut other: Self) -> Self {
        self.directories.append(&mut other.directories);
        self.nested.append(&mut other.nested);
        self.problems.append(&mut other.problems);
        self
    }
}

impl Walk<'_> {
    /// Walks a directory. The directory itself is entered whatever its name, and may be a link.
    pub(crate) fn from(&self, top: &Path) -> Walked {
        let mut walked = self.directory(top, true);
        walked.directories.sort_by(|(left, _), (right, _)| left.cmp(right));
        walked.nested.sort();
        walked.problems.sort();
        walked
    }

    fn directory(&self, directory: &Path, is_top: bool) -> Walked {
        let mut walked = Walked::default();
        let entries = match self.tree.list(directory) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("the directory can't be read: {error}");
                let problem = SourceProblem::loss(ProblemKind::Unreadable, directory, message, error.hint());
                walked.problems.push(problem);
                return walked;
            }
        };
        let is_module = |entry: &Entry| entry.name == "go.mod" && entry.kind != EntryKind::Directory;
        if !is_top && entries.iter().any(is_module) {
            walked.nested.push(directory.to_path_buf());
            return walked;
        }
        let below = entries.par_iter().filter(|entry| self.enters(directory, entry)).map(|entry| {
            let path = directory.join(&entry.name);
            match entry.kind {
                EntryKind::Directory => self.directory(&path, false),
                EntryKind::Symlink => self.link(directory, &path),
                EntryKind::File | EntryKind::Other => Walked::default(),
            }
        });
        let below = below.reduce(Walked::default, Walked::join);
        if has_go_files(&entries) {
            walked.directories.push((directory.to_path_buf(), entries));
        }
        walked.join(below)
    }

    /// Whether an entry's name lets patterns go into it.
    fn enters(&self, directory: &Path, entry: &Entry) -> bool {
        let Some(name) = entry.name.to_str() else { return true };
        if name.starts_with(['.', '_']) || name == "testdata" || (name == "vendor" && !self.enters_vendor) {
            return false;
        }
        if self.ignores.is_empty() {
            return true;
        }
        let path = below(self.module_root, &directory.join(name)).unwrap_or_default();
        !self.ignores.iter().any(|ignored| is_ignored(ignored, &path))
    }

    /// A link is not followed if it leads to a directory, as in Go; this says so.
    fn link(&self, directory: &Path, path: &Path) -> Walked {
        let mut walked = Walked::default();
        let notice = |message: String, hint| SourceProblem::notice(ProblemKind::Symlink, path, message, hint);
        match self.tree.metadata(path) {
            Ok(target) if target.kind == EntryKind::Directory => {
                let around = self.tree.metadata(directory).map(|metadata| metadata.canonical);
                let is_loop = around.is_ok_and(|around| around.starts_with(&target.canonical));
                walked.problems.push(if is_loop {
                    let target = target.canonical.display();
                    let message = format!("a symbolic link to {target}, which is around it: not followed");
                    notice(message, "nothing is lost: the directory is read where it lies")
                } else {
                    let message = format!("a symbolic link to {}: not followed", target.canonical.display());
                    notice(message, "name the link itself to have it analysed")
                });
            }
            // A link named like a Go file is read as one, which says what is wrong.
            Err(error) if error.kind == TreeErrorKind::SymlinkLoop && !is_go_name(path) => {
                let message = "a symbolic link that leads back to itself: not followed".to_owned();
                walked.problems.push(notice(message, error.hint()));
            }
            _ => {}
        }
        walked
    }
}

fn is_go_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "go")
}

/// Whether go.mod's `ignore` leaves out a path below the module's root: `./x` at that place, `x` anywhere.
fn is_ignored(ignored: &str, path: &str) -> bool {
    let ignored = ignored.trim_end_matches('/');
    match ignored.strip_prefix("./") {
        Some(rooted) => path == rooted,
        None => path.strip_suffix(ignored).is_some_and(|front| front.is_empty() || front.ends_with('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_directories_are_named_from_the_root_or_anywhere() {
        assert!(is_ignored("./web", "web") && !is_ignored("./web", "a/web"));
        assert!(is_ignored("node_modules", "node_modules") && is_ignored("node_modules", "a/node_modules"));
        assert!(!is_ignored("modules", "a/node_modules"));
        assert!(is_ignored("a/b/", "x/a/b"));
    }
}
