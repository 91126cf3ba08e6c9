//! From patterns to the directories whose packages are analysed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::modules::Modules;
use super::package::{ModuleId, ModuleKind, Role};
use super::path_names::{below, directory_below, import_below, join_import};
use super::pattern::{Pattern, Wildcard};
use super::problem::{ProblemKind, SourceProblem};
use super::resolve::{go_directory, has_go_files, looks_standard};
use super::tree::{Entry, EntryKind, SourceTree, is_directory};
use super::walk::{Walk, Walked};

/// A directory to read as one package, or several if it mixes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryRequest {
    pub(crate) module: ModuleId,
    pub(crate) import_path: String,
    pub(crate) directory: PathBuf,
    pub(crate) entries: Vec<Entry>,
    pub(crate) role: Role,
    /// The user named just this directory: it is a problem if nothing is in it.
    pub(crate) is_literal: bool,
    /// The user named files: their constraints do not count, and nobody imports what they make up.
    pub(crate) is_files: bool,
}

impl DirectoryRequest {
    /// What others import to get this directory's package.
    pub(crate) fn meaning(&self) -> (ModuleId, String) {
        (self.module, self.import_path.clone())
    }
}

/// Understands patterns one after the other.
pub(crate) struct RootFinder<'m, 'a> {
    pub(crate) modules: &'m mut Modules<'a>,
    pub(crate) tree: &'a dyn SourceTree,
    pub(crate) working_directory: &'a Path,
    pub(crate) found: Vec<DirectoryRequest>,
    pub(crate) problems: Vec<SourceProblem>,
    seen: HashSet<(ModuleId, String)>,
}

impl<'m, 'a> RootFinder<'m, 'a> {
    pub(crate) fn new(
        modules: &'m mut Modules<'a>,
        tree: &'a dyn SourceTree,
        working_directory: &'a Path,
    ) -> Self {
        let (found, problems, seen) = (Vec::new(), Vec::new(), HashSet::new());
        Self { modules, tree, working_directory, found, problems, seen }
    }

    /// Adds what a pattern matches.
    pub(crate) fn add(&mut self, text: &str) {
        let before = (self.found.len(), self.problems.len(), self.seen.len());
        let matched_before = match Pattern::parse(self.tree, self.working_directory, text) {
            Pattern::Directory(directory) => self.add_directory(&directory),
            Pattern::Directories(base, wildcard) => self.add_directories(&base, &wildcard),
            Pattern::File(path) => self.add_file(&path),
            Pattern::Import(path) => self.add_import(&path),
            Pattern::Imports(wildcard) => self.add_imports(&wildcard),
            Pattern::Standard => self.add_standard(&Wildcard::new("..."), true),
        };
        let nothing_new = before == (self.found.len(), self.problems.len(), self.seen.len());
        if nothing_new && !matched_before {
            let hint = "check the spelling; `./...` stands for all packages here and below";
            self.no_match(Path::new(text), "the pattern matches no package", hint);
        }
    }

    fn no_match(&mut self, path: &Path, message: &str, hint: &str) {
        self.problems.push(SourceProblem::loss(ProblemKind::NoMatch, path, message, hint));
    }

    /// Adds a directory unless it is there already. Each of these says whether it matched anything at all.
    fn request(&mut self, request: DirectoryRequest) -> bool {
        if self.seen.insert((request.module, request.import_path.clone())) {
            self.found.push(request);
        } else if let Some(earlier) = self.found.iter_mut().find(|earlier| {
            !earlier.is_files
                && (earlier.module, &earlier.import_path) == (request.module, &request.import_path)
        }) {
            earlier.is_literal |= request.is_literal;
        }
        true
    }

    fn add_directory(&mut self, directory: &Path) -> bool {
        let entries = match self.tree.list(directory) {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("the directory can't be read: {error}");
                self.no_match(directory, &message, error.hint());
                return true;
            }
        };
        if !has_go_files(&entries) {
            let hint = if entries.iter().any(|entry| entry.kind == EntryKind::Directory) {
                "add `/...` to analyse the packages below it"
            } else {
                "name a directory with Go files"
            };
            self.no_match(directory, "no Go files in this directory", hint);
            return true;
        }
        let (module, root) = self.modules.locate(directory);
        let import_path = self.import_path(module, &root, directory);
        let (directory, role) = (directory.to_path_buf(), Role::Root);
        let (is_literal, is_files) = (true, false);
        self.request(DirectoryRequest { module, import_path, directory, entries, role, is_literal, is_files })
    }

    fn add_directories(&mut self, base: &Path, wildcard: &Wildcard) -> bool {
        if !is_directory(self.tree, base) {
            self.no_match(base, "there is no such directory", "check the spelling");
            return true;
        }
        let (module, root) = self.modules.locate(base);
        let walked = self.walk(module, &root, base, false);
        let keep = |directory: &Path| wildcard.matches(&super::path_names::slashed(directory));
        self.take(module, &root, walked, &keep)
    }

    fn walk(&self, module: ModuleId, root: &Path, top: &Path, enters_vendor: bool) -> Walked {
        let ignores = self.modules.ignores(module);
        Walk { tree: self.tree, module_root: root, ignores, enters_vendor }.from(top)
    }

    /// Takes what a walk found. Modules in a directory that is none itself are walked as well.
    fn take(&mut self, module: ModuleId, root: &Path, walked: Walked, keep: &dyn Fn(&Path) -> bool) -> bool {
        let mut matched = !walked.problems.is_empty();
        self.problems.extend(walked.problems);
        for (directory, entries) in walked.directories {
            if keep(&directory) {
                let import_path = self.import_path(module, root, &directory);
                let (role, is_literal, is_files) = (Role::Root, false, false);
                matched |= self.request(DirectoryRequest {
                    module,
                    import_path,
                    directory,
                    entries,
                    role,
                    is_literal,
                    is_files,
                });
            }
        }
        let kind = self.modules.get(module).kind;
        for nested in walked.nested {
            if kind == ModuleKind::AdHoc {
                let (inner, inner_root) = self.modules.locate(&nested);
                let walked = self.walk(inner, &inner_root, &nested, false);
                matched |= self.take(inner, &inner_root, walked, keep);
            } else if kind != ModuleKind::Standard && keep(&nested) {
                let message = "a module of its own: not part of the pattern, as in Go";
                let hint = "name it to have it analysed";
                let kind = ProblemKind::NestedModule;
                self.problems.push(SourceProblem::notice(kind, &nested, message, hint));
            }
        }
        matched
    }

    /// A file. Files of one directory make up one package, as on Go's command line.
    fn add_file(&mut self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
        if let Err(error) = self.tree.metadata(path) {
            let message = format!("the file can't be read: {error}");
            self.no_match(path, &message, error.hint());
            return true;
        }
        if !name.as_encoded_bytes().ends_with(b".go") {
            self.no_match(path, "not a Go file", "name a directory or a file that ends in `.go`");
            return true;
        }
        let entry = Entry { name: OsString::from(name), kind: EntryKind::File };
        let earlier =
            self.found.iter_mut().find(|request| request.is_files && request.directory == directory);
        if let Some(request) = earlier {
            if !request.entries.contains(&entry) {
                request.entries.push(entry);
            }
            return true;
        }
        let (module, root) = self.modules.locate(directory);
        let import_path = self.import_path(module, &root, directory);
        let (directory, entries) = (directory.to_path_buf(), vec![entry]);
        let (role, is_literal, is_files) = (Role::Root, true, true);
        self.found.push(DirectoryRequest {
            module,
            import_path,
            directory,
            entries,
            role,
            is_literal,
            is_files,
        });
        true
    }

    fn add_import(&mut self, path: &str) -> bool {
        let (here, _) = self.modules.locate(self.working_directory);
        let workspace = self.modules.workspace_of(here);
        let Some(candidate) = self.modules.resolve(workspace, path) else { return false };
        let module = self.modules.intern(workspace, candidate.owner);
        let (import_path, directory, entries) =
            (candidate.import_path, candidate.directory, candidate.entries);
        let (role, is_literal, is_files) = (Role::Root, true, false);
        self.request(DirectoryRequest { module, import_path, directory, entries, role, is_literal, is_files })
    }

    fn add_imports(&mut self, wildcard: &Wildcard) -> bool {
        let (here, _) = self.modules.locate(self.working_directory);
        let prefix = wildcard.plain_prefix();
        let mut matched = false;
        for id in self.modules.main_modules(here).to_vec() {
            let module = self.modules.get(id).clone();
            let around = import_below(&module.path, prefix);
            if around.is_none() && import_below(prefix, &module.path).is_none() && !prefix.is_empty() {
                continue;
            }
            let top = directory_below(&module.directory, around.unwrap_or(""));
            if go_directory(self.tree, &top).is_none() && !is_directory(self.tree, &top) {
                continue;
            }
            let walked = self.walk(id, &module.directory, &top, false);
            let keep = |directory: &Path| {
                let rest = below(&module.directory, directory).unwrap_or_default();
                wildcard.matches(&join_import(&module.path, &rest))
            };
            matched |= self.take(id, &module.directory, walked, &keep);
        }
        if !matched && looks_standard(prefix) && !prefix.is_empty() {
            matched = self.add_standard(wildcard, false);
        }
        matched
    }

    fn add_standard(&mut self, wildcard: &Wildcard, enters_vendor: bool) -> bool {
        let Some(standard) = self.modules.standard() else {
            let hint = "install Go or set GOROOT to where it lies";
            self.no_match(Path::new("std"), "no Go installation was found", hint);
            return true;
        };
        let root = self.modules.get(standard).directory.clone();
        let top = directory_below(&root, wildcard.plain_prefix());
        if !is_directory(self.tree, &top) {
            return false;
        }
        let walked = self.walk(standard, &root, &top, enters_vendor);
        // `builtin` is there for its documentation only.
        let keep = |directory: &Path| {
            below(&root, directory).is_some_and(|path| path != "builtin" && wildcard.matches(&path))
        };
        self.take(standard, &root, walked, &keep)
    }

    fn import_path(&self, module: ModuleId, root: &Path, directory: &Path) -> String {
        let rest = below(root, directory).unwrap_or_default();
        let module = self.modules.get(module);
        if module.kind == ModuleKind::Standard { rest } else { join_import(&module.path, &rest) }
    }
}
