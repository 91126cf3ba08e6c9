//! What went wrong while sources were loaded: collected, never thrown away, never fatal.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a text file: line and column counted from 1, the column in bytes, as Go's tools print them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

impl Position {
    /// The position of a byte offset. An offset beyond the end is the end.
    pub fn of(bytes: &[u8], offset: usize) -> Self {
        let before = &bytes[..offset.min(bytes.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(before.len() - line_start + 1) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// What a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// A file or directory could not be read.
    Unreadable,
    /// A file has more bytes than the limit, and was skipped.
    TooLarge,
    /// A Go file holds bytes that are not UTF-8, a NUL byte, or a byte order mark after its start.
    NotText,
    /// A Go file has no readable package clause.
    Header,
    /// A build constraint does not parse.
    Constraint,
    /// go.mod, go.work or vendor/modules.txt has an error.
    Manifest,
    /// A symbolic link leads to itself or to a directory around it, or is a directory that is not followed.
    Symlink,
    /// One directory holds files of several packages.
    MixedPackages,
    /// Packages import each other in a circle.
    ImportCycle,
    /// A pattern names nothing that can be analysed.
    NoMatch,
    /// A module nested in a matched directory is not part of the match.
    NestedModule,
}

/// Whether something the user asked for is missing from the analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; everything that was asked for is analysed.
    Notice,
    /// Source that was asked for is not, or not fully, analysed: the exit code says so.
    Loss,
}

/// One problem with the sources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceProblem {
    /// The file or directory it is about; for a pattern, the pattern itself.
    pub path: PathBuf,
    /// Where in the file, when it is about one place.
    pub position: Option<Position>,
    /// What it is about.
    pub kind: ProblemKind,
    /// Whether analysis lost something by it.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// What the user can do next.
    pub hint: String,
}

impl SourceProblem {
    /// A problem by which something is missing from the analysis.
    pub(crate) fn loss(kind: ProblemKind, path: &Path, message: impl Into<String>, hint: &str) -> Self {
        let (path, message, hint) = (path.to_path_buf(), message.into(), hint.to_owned());
        Self { path, position: None, kind, severity: Severity::Loss, message, hint }
    }

    /// A problem that is only worth knowing.
    pub(crate) fn notice(kind: ProblemKind, path: &Path, message: impl Into<String>, hint: &str) -> Self {
        Self { severity: Severity::Notice, ..Self::loss(kind, path, message, hint) }
    }

    /// The same problem at a place in the file.
    pub(crate) fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.path.display())?;
        if let Some(position) = self.position {
            write!(formatter, "{position}:")?;
        }
        write!(formatter, " {}", self.message)
    }
}
