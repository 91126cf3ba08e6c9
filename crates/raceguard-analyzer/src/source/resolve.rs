//! From an import path to a directory, in Go's order: standard library, main modules, vendor directory, build list.

use std::path::{Path, PathBuf};

use super::modules::{Modules, Owner, Workspace};
use super::path_names::{directory_below, import_below, is_plain_import, join_import};
use super::tree::{Entry, EntryKind, SourceTree, is_file};

/// A directory with Go files that an import path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) owner: Owner,
    /// The package's own import path: for the standard library's vendored packages it begins with `vendor/`.
    pub(crate) import_path: String,
    pub(crate) directory: PathBuf,
    pub(crate) entries: Vec<Entry>,
}

impl Modules<'_> {
    /// What an import path means in the packages of a workspace.
    pub(crate) fn resolve(&self, workspace: usize, path: &str) -> Option<Candidate> {
        if !is_plain_import(path) {
            return None;
        }
        let workspace = &self.workspaces[workspace];
        self.in_standard(workspace, path)
            .or_else(|| self.in_main(workspace, path))
            .or_else(|| self.in_vendor(workspace, path, true))
            .or_else(|| self.in_build_list(workspace, path))
            .or_else(|| self.in_vendor(workspace, path, false))
    }

    fn in_standard(&self, workspace: &Workspace, path: &str) -> Option<Candidate> {
        let standard = workspace.standard?;
        let first = path.split('/').next().unwrap_or(path);
        let import_path = match (looks_standard(path), workspace.is_standard) {
            (true, _) if first != "cmd" => path.to_owned(),
            (false, true) => join_import("vendor", path),
            _ => return None,
        };
        let directory = directory_below(&self.get(standard).directory, &import_path);
        let entries = go_directory(self.tree, &directory)?;
        Some(Candidate { owner: Owner::Known(standard), import_path, directory, entries })
    }

    fn in_main(&self, workspace: &Workspace, path: &str) -> Option<Candidate> {
        let mut around: Vec<_> = workspace
            .main
            .iter()
            .filter_map(|id| Some((*id, import_below(&self.get(*id).path, path)?)))
            .collect();
        around.sort_by_key(|(_, rest)| rest.len());
        around.into_iter().find_map(|(id, rest)| {
            let root = &self.get(id).directory;
            let directory = directory_below(root, rest);
            let entries = go_directory(self.tree, &directory)?;
            if is_in_nested_module(self.tree, root, &directory) {
                return None;
            }
            Some(Candidate { owner: Owner::Known(id), import_path: path.to_owned(), directory, entries })
        })
    }

    fn in_vendor(&self, workspace: &Workspace, path: &str, rules: bool) -> Option<Candidate> {
        let vendor = workspace.vendor.as_ref().filter(|vendor| vendor.rules == rules)?;
        let directory = directory_below(&vendor.directory, path);
        let entries = go_directory(self.tree, &directory)?;
        let owner = Owner::Vendored(path.to_owned());
        Some(Candidate { owner, import_path: path.to_owned(), directory, entries })
    }

    fn in_build_list(&self, workspace: &Workspace, path: &str) -> Option<Candidate> {
        if workspace.vendor.as_ref().is_some_and(|vendor| vendor.rules) {
            return None;
        }
        // The longest module path first.
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let prefixes = ends.collect::<Vec<_>>().into_iter().rev().map(|end| &path[..end]);
        prefixes.into_iter().find_map(|module| {
            let selected = workspace.build_list.get(module)?;
            let root = selected.directory.as_ref()?;
            let directory = directory_below(root, import_below(module, path)?);
            let entries = go_directory(self.tree, &directory)?;
            let owner = Owner::Selected(module.to_owned());
            Some(Candidate { owner, import_path: path.to_owned(), directory, entries })
        })
    }
}

/// Whether an import path has the form of the standard library's: no dot in its first element.
pub(crate) fn looks_standard(path: &str) -> bool {
    !path.split('/').next().unwrap_or(path).contains('.')
}

/// The entries of a directory that has Go files.
pub(crate) fn go_directory(tree: &dyn SourceTree, directory: &Path) -> Option<Vec<Entry>> {
    tree.list(directory).ok().filter(|entries| has_go_files(entries))
}

/// Whether some entry may be a Go file.
pub(crate) fn has_go_files(entries: &[Entry]) -> bool {
    entries.iter().any(is_go_entry)
}

/// Whether an entry may be a Go file. A link may lead to one.
pub(crate) fn is_go_entry(entry: &Entry) -> bool {
    entry.kind != EntryKind::Directory && entry.name.as_encoded_bytes().ends_with(b".go")
}

/// Whether a module's root lies between a directory and the root of the module around it.
fn is_in_nested_module(tree: &dyn SourceTree, root: &Path, directory: &Path) -> bool {
    let between = directory.ancestors().take_while(|ancestor| *ancestor != root);
    between.into_iter().any(|ancestor| is_file(tree, &ancestor.join("go.mod")))
}
