//! Paths as names: cleaning and comparing them without asking any disk.

use std::path::{Component, Path, PathBuf};

/// An absolute path without `.`, `..` and doubled separators, as Go's `filepath.Join` makes it.
pub(crate) fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// A path with `/` between its names on every system.
pub(crate) fn slashed(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace('\\', "/") }
}

/// A path below a directory, with `/` between its names; empty for the directory itself.
pub(crate) fn below(directory: &Path, path: &Path) -> Option<String> {
    path.strip_prefix(directory).ok().map(slashed)
}

/// Joins two parts of an import path, either of which may be empty.
pub(crate) fn join_import(prefix: &str, rest: &str) -> String {
    match (prefix.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (_, true) => prefix.to_owned(),
        (false, false) => format!("{prefix}/{rest}"),
    }
}

/// What follows a module path in an import path: empty for the module's own root.
pub(crate) fn import_below<'a>(module: &str, import: &'a str) -> Option<&'a str> {
    let rest = import.strip_prefix(module)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Appends a slash-separated path to a directory.
pub(crate) fn directory_below(directory: &Path, rest: &str) -> PathBuf {
    let mut path = directory.to_path_buf();
    path.extend(rest.split('/').filter(|name| !name.is_empty()));
    path
}

/// Whether every element of an import path is a plain name, so that joined to a directory it stays below it.
pub(crate) fn is_plain_import(path: &str) -> bool {
    !path.is_empty()
        && path.split('/').all(|name| !name.is_empty() && name != "." && name != "..")
        && !path.contains(['\\', '\0'])
}
