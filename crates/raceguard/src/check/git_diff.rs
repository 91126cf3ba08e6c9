//! Which lines a change touches, by the `git` program.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use raceguard_evidence::StaticFinding;

use super::error::CheckError;

/// Changed lines, by absolute path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedLines {
    files: HashMap<PathBuf, Vec<RangeInclusive<u32>>>,
}

impl ChangedLines {
    /// What the working tree has changed since it left `base`: committed or not, new files included.
    pub fn since(base: &str, folder: &Path) -> Result<Self, CheckError> {
        let git = Git { base, folder };
        let root =
            git.run(&["rev-parse", "--show-toplevel"], "run it in a git repository, or leave --diff out")?;
        let root = PathBuf::from(root.trim_end());
        let hint =
            "name a commit, branch or tag that is there; in CI the checkout may have to fetch it first";
        git.run(
            &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{base}^{{commit}}")],
            hint,
        )?;
        // Changes on `base` itself are no part of this one. Without a common commit there is but `base`.
        let common = git.run(&["merge-base", "--", base, "HEAD"], hint).unwrap_or_else(|_| base.to_owned());
        let diff = git.run(
            &[
                "diff",
                "--unified=0",
                "--no-color",
                "--no-ext-diff",
                "--no-renames",
                "--src-prefix=a/",
                "--dst-prefix=b/",
                common.trim_end(),
                "--",
            ],
            hint,
        )?;
        let mut changed = Self::parse(&diff, &root);
        let new =
            git.run(&["ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"], hint)?;
        for file in new.split('\0').filter(|name| !name.is_empty()) {
            changed.files.insert(root.join(file), vec![1..=u32::MAX]);
        }
        Ok(changed)
    }

    /// Reads a diff without context lines.
    fn parse(diff: &str, root: &Path) -> Self {
        let mut changed = Self::default();
        let mut file: Option<PathBuf> = None;
        // Lines of a hunk that are still to come: they may look like anything.
        let mut content = 0;
        for line in diff.lines() {
            if content > 0 && line.starts_with(['+', '-']) {
                content -= 1;
            } else if let Some(name) = line.strip_prefix("+++ ") {
                file = unquoted(name).strip_prefix("b/").map(|name| root.join(name));
            } else if let Some(hunk) = line.strip_prefix("@@ ").and_then(Hunk::parse) {
                content = hunk.content;
                if let Some(file) = &file {
                    changed.files.entry(file.clone()).or_default().push(hunk.lines);
                }
            }
        }
        changed
    }

    /// The changed files with their changed lines.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[RangeInclusive<u32>])> {
        self.files.iter().map(|(path, lines)| (path.as_path(), lines.as_slice()))
    }

    /// Whether a line is changed.
    pub fn contains(&self, file: &Path, line: u32) -> bool {
        self.files.get(file).is_some_and(|ranges| ranges.iter().any(|range| range.contains(&line)))
    }

    /// Whether a statement of the finding is on a changed line.
    pub fn touches(&self, finding: &StaticFinding) -> bool {
        finding.sites.iter().any(|site| {
            let lines = site.place.line..=site.place.end_line.max(site.place.line);
            let changed = self.files.get(Path::new(&site.place.file)).map(Vec::as_slice).unwrap_or_default();
            changed.iter().any(|range| range.start() <= lines.end() && lines.start() <= range.end())
        })
    }
}

/// A hunk's header, `-1,2 +3,4 @@ …`.
struct Hunk {
    /// Its lines in the new file. Where lines went, the one that closed up counts.
    lines: RangeInclusive<u32>,
    /// How many lines follow, old and new.
    content: u32,
}

impl Hunk {
    fn parse(header: &str) -> Option<Self> {
        let range = |sign: char| {
            let range = header.split(' ').find_map(|word| word.strip_prefix(sign))?;
            let (start, count) = range.split_once(',').unwrap_or((range, "1"));
            Some((start.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
        };
        let ((_, old), (start, new)) = (range('-')?, range('+')?);
        let end = start.saturating_add(new.max(1)) - 1;
        Some(Self { lines: start.max(1)..=end.max(1), content: old.saturating_add(new) })
    }
}

/// A name as git writes it: with quotes and escapes where it has unusual bytes.
fn unquoted(name: &str) -> String {
    let name = name.trim_end_matches('\t');
    let Some(inner) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(digit @ b'0'..=b'3') => {
                let low =
                    rest.by_ref().take(2).fold(0, |value, it| value * 8 + u32::from(it.wrapping_sub(b'0')));
                bytes.push(u8::try_from(u32::from(digit - b'0') * 64 + low).unwrap_or(b'?'));
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Git<'a> {
    base: &'a str,
    folder: &'a Path,
}

impl Git<'_> {
    fn run(&self, arguments: &[&str], hint: &'static str) -> Result<String, CheckError> {
        let failed = |reason: String, hint| CheckError::Diff { base: self.base.to_owned(), reason, hint };
        let output =
            Command::new("git").arg("-C").arg(self.folder).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| {
            failed(format!("`git` could not be run: {error}"), "install git, or leave --diff out")
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned();
        Err(failed(
            if words.is_empty() { format!("git knows no commit {:?}", self.base) } else { words },
            hint,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_name_the_lines_of_the_new_file() {
        let diff = "diff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1,0 +3,4 @@ func F() {\n+x\n+++ b/c.go\n+\n+\n\
                    @@ -9 +12 @@\n-a\n+b\n@@ -20,1 +15,0 @@\n-c\n\
                    diff --git a/b.go b/b.go\n--- a/b.go\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n\
                    --- /dev/null\n+++ \"b/\\303\\274.go\"\n@@ -0,0 +1,5 @@\n";
        let changed = ChangedLines::parse(diff, Path::new("/r"));
        assert_eq!(changed.files[Path::new("/r/a.go")], [3..=6, 12..=12, 15..=15]);
        assert_eq!(changed.files[Path::new("/r/ü.go")], [1..=5]);
        assert_eq!(changed.files.len(), 2);
    }
}
