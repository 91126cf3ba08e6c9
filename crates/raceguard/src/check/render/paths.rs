//! How paths are shown: relative to where the user stands, to the repository, or absolute.

use std::path::{Path, PathBuf};

use raceguard_evidence::{SourcePlace, SourceProblem};

use super::clean;

/// The folders that paths are relative to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    folder: PathBuf,
    root: PathBuf,
}

impl Paths {
    /// For a user in `folder` of the module in `module`.
    pub fn new(folder: &Path, module: &Path) -> Self {
        let root = module.ancestors().find(|above| above.join(".git").exists()).unwrap_or(module);
        Self { folder: folder.to_owned(), root: root.to_owned() }
    }

    /// The repository, or the module where there is none.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The file for people: relative to where they stand, if it is below.
    pub(super) fn shown(&self, file: &str) -> String {
        let below =
            Path::new(file).strip_prefix(&self.folder).ok().filter(|path| !path.as_os_str().is_empty());
        clean(&below.map_or_else(|| file.to_owned(), |path| path.to_string_lossy().into_owned()))
    }

    /// The file for tools: relative to the repository, if it is in there.
    pub(super) fn in_repository(&self, file: &str) -> String {
        let below = Path::new(file).strip_prefix(&self.root).ok();
        below.map_or_else(|| file.to_owned(), |path| path.to_string_lossy().into_owned())
    }

    /// `file:line:column` for people.
    pub(super) fn position(&self, place: &SourcePlace) -> String {
        format!("{}:{}:{}", self.shown(&place.file), place.line, place.column)
    }

    /// Where a problem is.
    pub fn problem(&self, problem: &SourceProblem) -> String {
        let file = self.shown(&problem.path);
        if problem.line == 0 { file } else { format!("{file}:{}:{}", problem.line, problem.column) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_are_relative() {
        let paths = Paths::new(Path::new("/r/m/sub"), Path::new("/r/m"));
        assert_eq!(paths.shown("/r/m/sub/a.go"), "a.go");
        assert_eq!(paths.shown("/r/m/b.go"), "/r/m/b.go");
        assert_eq!(paths.in_repository("/r/m/sub/a.go"), "sub/a.go");
        assert_eq!(paths.in_repository("/x/a.go"), "/x/a.go");
    }
}
