//! The files that the words of the command line name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// As shown to the user, and as [`raceguard_evidence::Source::path`] has it.
    pub name: String,
    /// Where it lies; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Whether it was found in a folder, where files that are no evidence are to be expected.
    pub walked: bool,
}

/// A word of the command line that names nothing readable.
#[derive(Debug)]
pub struct Unreadable {
    /// As the user wrote it.
    pub name: String,
    /// Why.
    pub reason: io::Error,
}

/// Folders in which no evidence is looked for.
const SKIPPED_FOLDERS: [&str; 5] = [".git", ".raceguard", "node_modules", ".hg", ".svn"];
/// Deepest nesting of folders.
const MAX_DEPTH: usize = 64;

/// The files that `words` name, in their order; of folders all files, sorted.
pub fn find(words: &[PathBuf]) -> (Vec<InputFile>, Vec<Unreadable>) {
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    for word in words {
        let name = word.to_string_lossy().into_owned();
        if name == "-" {
            files.push(InputFile { name, path: None, walked: false });
            continue;
        }
        match fs::metadata(word) {
            Ok(metadata) if metadata.is_dir() => walk(word, MAX_DEPTH, &mut files, &mut unreadable),
            Ok(_) => files.push(InputFile { name, path: Some(word.clone()), walked: false }),
            Err(reason) => unreadable.push(Unreadable { name, reason }),
        }
    }
    (files, unreadable)
}

/// Symbolic links are not followed: a folder may hold itself.
fn walk(folder: &Path, depth: usize, files: &mut Vec<InputFile>, unreadable: &mut Vec<Unreadable>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(reason) => {
            unreadable.push(Unreadable { name: folder.to_string_lossy().into_owned(), reason });
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let is_skipped = SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped);
        if kind.is_dir() && depth > 0 && !is_skipped {
            walk(&path, depth - 1, files, unreadable);
        } else if kind.is_file() {
            files.push(InputFile {
                name: path.to_string_lossy().into_owned(),
                path: Some(path),
                walked: true,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_missing_files_told() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a/c.log", ".git/x", ".raceguard/y"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let words = [folder.path().to_owned(), folder.path().join("none"), "-".into()];
        let (files, unreadable) = find(&words);
        let names: Vec<_> = files.iter().map(|file| file.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["c.log", "b.log", "-"]);
        assert_eq!(unreadable.len(), 1);
    }
}
