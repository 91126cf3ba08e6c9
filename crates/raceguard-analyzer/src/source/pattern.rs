//! What the user names: directories, files, import paths, each also with `...` for "anything".

use std::path::{Path, PathBuf};

use super::path_names::{absolute, slashed};
use super::tree::{SourceTree, is_directory, is_file};

/// A pattern, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// One directory.
    Directory(PathBuf),
    /// All directories at or below one whose path matches.
    Directories(PathBuf, Wildcard),
    /// One file.
    File(PathBuf),
    /// One import path.
    Import(String),
    /// All import paths that match.
    Imports(Wildcard),
    /// The standard library.
    Standard,
}

impl Pattern {
    /// Reads a pattern as Go does, with one difference: a path that exists needs no `./` before it.
    pub(crate) fn parse(tree: &dyn SourceTree, working_directory: &Path, text: &str) -> Self {
        let path = absolute(working_directory, Path::new(text));
        let Some((prefix, _)) = text.split_once("...") else {
            return match text {
                _ if is_directory(tree, &path) => Self::Directory(path),
                _ if has_go_extension(&path) || is_file(tree, &path) => Self::File(path),
                "std" => Self::Standard,
                _ if is_written_as_path(text) => Self::Directory(path),
                _ => Self::Import(text.to_owned()),
            };
        };
        // Up to the last separator before the first wildcard all names are plain.
        let plain = prefix.rfind(is_separator).map_or("", |end| &prefix[..end]);
        let rooted = if plain.is_empty() && prefix.starts_with(is_separator) { "/" } else { plain };
        let base = absolute(working_directory, Path::new(rooted));
        let is_path =
            is_written_as_path(text) || (!plain.is_empty() || prefix.is_empty()) && is_directory(tree, &base);
        if !is_path {
            return Self::Imports(Wildcard::new(text));
        }
        let rest = text[plain.len()..].trim_start_matches(is_separator).replace('\\', "/");
        let wildcard = Wildcard::new(&format!("{}/{rest}", slashed(&base).trim_end_matches('/')));
        Self::Directories(base, wildcard)
    }
}

fn has_go_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "go")
}

fn is_separator(character: char) -> bool {
    character == '/' || character == std::path::MAIN_SEPARATOR
}

fn is_written_as_path(text: &str) -> bool {
    let dotted = text == "." || text == ".." || ["./", "../"].iter().any(|start| text.starts_with(start));
    dotted || Path::new(text).is_absolute() || text.starts_with('\\') || text.starts_with(".\\")
}

/// A text in which `...` stands for any text. `x/...` matches `x` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    text: String,
}

impl Wildcard {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// What every match begins with, up to a whole name.
    pub(crate) fn plain_prefix(&self) -> &str {
        let prefix = self.text.split("...").next().unwrap_or("");
        prefix.rfind('/').map_or("", |end| &prefix[..end])
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let without = self.text.strip_suffix("/...");
        without.is_some_and(|pattern| matches_pieces(pattern, name)) || matches_pieces(&self.text, name)
    }
}

fn matches_pieces(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once("...") else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split("...").collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(start) = name.find(piece) else { return false };
        name = &name[start + piece.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryTree;

    #[test]
    fn three_dots_stand_for_anything() {
        let matches = |pattern: &str, name: &str| Wildcard::new(pattern).matches(name);
        assert!(matches("a/...", "a") && matches("a/...", "a/b/c"));
        assert!(!matches("a/...", "ab"));
        assert!(matches("a...", "ab") && matches("...", "anything"));
        assert!(matches("a/.../c", "a/b/c") && matches("a/.../c", "a/b/b/c") && !matches("a/.../c", "a/c"));
        assert!(matches("a/...test/...", "a/xtest") && matches("a/...test/...", "a/xtest/y"));
        assert!(!matches("a...b...c", "axc") && matches("a...b...c", "a-b-c"));
    }

    #[test]
    fn what_exists_needs_no_dot() {
        let tree = MemoryTree::new().with_txtar("/w", "-- sub/a.go --\npackage sub\n-- b.go --\npackage w\n");
        let parse = |text| Pattern::parse(&tree, Path::new("/w"), text);
        let directories = |base: &str, text: &str| Pattern::Directories(base.into(), Wildcard::new(text));
        assert_eq!(parse("."), Pattern::Directory("/w".into()));
        assert_eq!(parse("sub"), Pattern::Directory("/w/sub".into()));
        assert_eq!(parse("./none"), Pattern::Directory("/w/none".into()));
        assert_eq!(parse("net/http"), Pattern::Import("net/http".into()));
        assert_eq!(parse("./..."), directories("/w", "/w/..."));
        assert_eq!(parse("..."), directories("/w", "/w/..."));
        assert_eq!(parse("sub/..."), directories("/w/sub", "/w/sub/..."));
        assert_eq!(parse("../w/s...b"), directories("/w", "/w/s...b"));
        assert_eq!(parse("/..."), directories("/", "/..."));
        assert_eq!(parse("net/..."), Pattern::Imports(Wildcard::new("net/...")));
        assert_eq!(parse("b.go"), Pattern::File("/w/b.go".into()));
        assert_eq!(parse("std"), Pattern::Standard);
    }
}
