//! Versions of a file of policies in git: its commits, its text at each, by the `git` program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::GateError;

/// A file that git tracks.
#[derive(Debug, Clone)]
pub struct TrackedFile {
    path: PathBuf,
}

/// A commit that changed the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// When, as ISO 8601.
    pub time: String,
    /// Who.
    pub author: String,
    /// First line of its message.
    pub subject: String,
}

impl TrackedFile {
    /// The file, if git tracks it.
    pub fn find(path: &Path) -> Option<Self> {
        let file = Self { path: path.to_owned() };
        let name = file.name();
        file.git(&["ls-files", "--error-unmatch", "--", &name], "look at the file").ok().map(|_| file)
    }

    /// The commits that changed it, the newest first.
    pub fn commits(&self) -> Result<Vec<Commit>, GateError> {
        let name = self.name();
        let format = "--format=%H%x1f%aI%x1f%an%x1f%s";
        let log = self.git(&["log", "--no-color", format, "--", &name], "list the commits")?;
        let commit = |line: &str| {
            let mut parts = line.split('\x1f').map(str::to_owned);
            Some(Commit {
                hash: parts.next()?,
                time: parts.next()?,
                author: parts.next()?,
                subject: parts.next()?,
            })
        };
        Ok(log.lines().filter_map(commit).collect())
    }

    /// Its text at a commit.
    pub fn at(&self, commit: &str) -> Result<String, GateError> {
        if commit.starts_with('-') {
            return Err(GateError::Git {
                action: "name a commit".to_owned(),
                reason: format!("{commit} is an option"),
            });
        }
        let object = format!("{commit}:./{}", self.name());
        self.git(&["show", "--no-color", &object], &format!("show {commit}"))
    }

    fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn git(&self, arguments: &[&str], action: &str) -> Result<String, GateError> {
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |reason: String| GateError::Git { action: action.to_owned(), reason };
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
