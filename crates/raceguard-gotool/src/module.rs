//! Facts on the user's module that go into the record of a run: its path, its commit, its packages' folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment::Environment;

/// The state of the repository that a folder belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full hash of HEAD.
    pub hash: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

/// The path in the `module` line of `go_mod`'s text.
pub fn module_path(go_mod: &str) -> Option<String> {
    let line = go_mod.lines().map(str::trim).find_map(|line| line.strip_prefix("module"))?;
    let path = line.split("//").next()?.trim().trim_matches(['"', '`']);
    (!path.is_empty() && line.starts_with(char::is_whitespace)).then(|| path.to_owned())
}

/// The commit that `folder` is at, or `None` when it is in no git repository (or git is not installed).
pub fn commit_of(folder: &Path) -> Option<Commit> {
    let hash = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    let status = git(folder, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(Commit { hash: hash.trim().to_owned(), dirty: !status.trim().is_empty() })
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder of each of `packages`, by import path. Packages that Go can't find are left out.
pub fn package_folders(environment: &Environment, packages: &[&str]) -> BTreeMap<String, PathBuf> {
    if packages.is_empty() {
        return BTreeMap::new();
    }
    let output = Command::new(&environment.go)
        .args(["list", "-e", "-find", "-f", "{{.ImportPath}}\t{{.Dir}}", "--"])
        .args(packages)
        .current_dir(&environment.folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return BTreeMap::new() };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, folder)| !folder.is_empty())
        .map(|(package, folder)| (package.to_owned(), PathBuf::from(folder)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_path_is_read_in_every_spelling() {
        for text in [
            "module example.com/m\n\ngo 1.22\n",
            "// comment\nmodule \"example.com/m\" // why\n",
            "module\texample.com/m",
        ] {
            assert_eq!(module_path(text).as_deref(), Some("example.com/m"), "{text}");
        }
        assert_eq!(module_path("go 1.22\n"), None);
        assert_eq!(module_path("modules example.com/m\n"), None);
    }

    #[test]
    fn the_commit_tells_clean_from_changed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit_of(folder.path()), None);
        let run = |arguments: &[&str]| {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
            git(folder.path(), &[&identity, arguments].concat()).expect("git is installed")
        };
        run(&["init", "-q"]);
        std::fs::write(folder.path().join("a"), "1").unwrap();
        run(&["add", "a"]);
        run(&["commit", "-q", "-m", "one"]);
        let clean = commit_of(folder.path()).unwrap();
        assert_eq!(clean.hash.len(), 40);
        assert!(!clean.dirty);
        std::fs::write(folder.path().join("a"), "2").unwrap();
        assert!(commit_of(folder.path()).unwrap().dirty);
    }
}
