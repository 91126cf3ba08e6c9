//! `raceguard check --fix`: from findings to files that are written, or to a patch.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raceguard_analyzer::source::{FileSystem, ModuleKind, SourceFile, SourceTree as _};
use raceguard_evidence::StaticFinding;
use similar::TextDiff;

use super::atomic::replace_file;
use super::edits::{Contents, EditSet};
use super::gofmt;
use super::rounds::{self, Mended};
use crate::check::analysis::{Analysed, Request};
use crate::check::error::CheckError;
use crate::check::progress::CheckProgress;
use crate::check::render::counted;
use crate::error::CommandError;

/// Chooses the findings that the user wants to see.
pub type Shown<'a> = dyn Fn(&Analysed) -> Vec<StaticFinding> + 'a;

/// What to fix, and in what.
pub struct Fixing<'a> {
    /// How the sources were loaded.
    pub request: &'a Request,
    /// The sources, and everything found in them.
    pub analysed: &'a Analysed,
    /// The findings that the user wants to be mended.
    pub findings: &'a [StaticFinding],
    /// No more than errors is told.
    pub quiet: bool,
    /// Which findings of an analysis of the result are to be mended too. None: one round is all.
    pub shown: Option<&'a Shown<'a>>,
}

impl std::fmt::Debug for Fixing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixing").field("findings", &self.findings.len()).finish_non_exhaustive()
    }
}

/// Changes that hold, not yet written.
#[derive(Debug)]
pub struct Changes {
    contents: Contents,
    mended: usize,
}

impl Fixing<'_> {
    /// Finds out which fixes hold. Tells how many do not.
    pub fn changes(&self, progress: &CheckProgress) -> Changes {
        progress.message("verifying fixes");
        let Mended { contents, findings, refused } = rounds::run(self);
        progress.finish();
        self.tell_refused(refused);
        Changes { contents: self.formatted(contents), mended: findings }
    }

    /// Whether it has a fix, in files that are the user's to change.
    pub(super) fn may_fix(&self, finding: &StaticFinding) -> bool {
        let files: BTreeSet<PathBuf> =
            EditSet::of(&[finding]).iter().flat_map(|edits| edits.files().map(Path::to_owned)).collect();
        !files.is_empty()
            && files.iter().all(|path| self.source_file(path).is_some_and(|file| !file.generated))
    }

    fn source_file(&self, path: &Path) -> Option<&SourceFile> {
        let loaded = &self.analysed.loaded;
        let ours = loaded
            .roots()
            .filter(|package| matches!(loaded.module_of(package).kind, ModuleKind::Main | ModuleKind::AdHoc));
        ours.flat_map(|package| &package.files).find(|file| file.path == path)
    }

    pub(super) fn original(&self, path: &Path) -> Option<Arc<[u8]>> {
        self.source_file(path).map(|file| Arc::clone(&file.bytes))
    }

    fn formatted(&self, contents: Contents) -> Contents {
        let Some(gofmt) = gofmt::find(&self.request.environment) else { return contents };
        let format = |(path, new): (PathBuf, Arc<[u8]>)| {
            let old = self.original(&path).unwrap_or_default();
            let new = gofmt::formatted(&gofmt, &old, new);
            (path, new)
        };
        contents.into_iter().map(format).collect()
    }

    fn tell_refused(&self, count: usize) {
        if count > 0 && !self.quiet {
            let fixes = if count == 1 { "1 fix is".to_owned() } else { format!("{count} fixes are") };
            eprintln!("raceguard: {fixes} not applied: with it the analysis finds no less, or something new");
        }
    }
}

impl Changes {
    /// Prints the changes as a patch.
    pub fn print(&self, fixing: &Fixing<'_>, folder: &Path) -> Result<(), CommandError> {
        let mut text = String::new();
        for (path, new) in &self.contents {
            let old = fixing.original(path).unwrap_or_default();
            let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(new));
            let diff = TextDiff::from_lines(&*old, &*new);
            text.push_str(
                &diff.unified_diff().header(&format!("a/{name}"), &format!("b/{name}")).to_string(),
            );
        }
        match io::stdout().lock().write_all(text.as_bytes()) {
            Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
                Err(CommandError::System { action: "print the patch".to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    /// Writes the files, unless one of them has changed since it was read; gives the number of mended findings.
    pub fn write(&self, fixing: &Fixing<'_>) -> Result<usize, CheckError> {
        for path in self.contents.keys() {
            let read = fixing.original(path).unwrap_or_default();
            let now = FileSystem.read(path, u64::MAX);
            if !now.is_ok_and(|now| now == read) {
                return Err(CheckError::Changed { path: path.clone() });
            }
        }
        for (path, new) in &self.contents {
            replace_file(path, new).map_err(|source| CheckError::File {
                action: "write",
                path: path.clone(),
                source,
            })?;
        }
        if !fixing.quiet {
            let files = counted(self.contents.len(), "file");
            eprintln!("raceguard: {} fixed in {files}", counted(self.mended, "finding"));
        }
        Ok(self.mended)
    }
}
