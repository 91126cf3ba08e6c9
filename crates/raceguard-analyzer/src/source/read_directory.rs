//! One directory read: which of its files belong to the build, and to which package.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::build_context::BuildContext;
use super::header::Header;
use super::package::{FileKind, IgnoreReason, IgnoredFile, Module, ModuleId, ModuleKind, Role, SourceFile};
use super::path_names::{import_below, join_import};
use super::problem::{Position, ProblemKind, SourceProblem};
use super::resolve::is_go_entry;
use super::roots::DirectoryRequest;
use super::text_check::first_flaw;
use super::tree::{Entry, SourceTree, TreeErrorKind, is_directory};

/// What all directories are read with.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a dyn SourceTree,
    pub(crate) build: &'a BuildContext,
    /// Largest file, in bytes.
    pub(crate) limit: u64,
    /// Whether the tests of root packages are read.
    pub(crate) tests: bool,
    /// Files read so far.
    pub(crate) files_read: AtomicUsize,
}

/// A package of a directory, before packages have numbers.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) import_path: String,
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) module: ModuleId,
    pub(crate) role: Role,
    pub(crate) files: Vec<SourceFile>,
    pub(crate) ignored: Vec<IgnoredFile>,
    /// Whether imports of its path mean it.
    pub(crate) is_importable: bool,
}

/// What a directory holds. The first draft is the one that others can import.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) problems: Vec<SourceProblem>,
}

/// What became of one file.
struct Outcome {
    file: Result<Chosen, IgnoredFile>,
    problem: Option<SourceProblem>,
}

/// A file that belongs to the build.
struct Chosen {
    file: SourceFile,
    /// The name in its package clause and where it stands.
    package: (String, usize),
}

impl Reader<'_> {
    /// Reads a directory.
    pub(crate) fn read(&self, request: &DirectoryRequest, module: &Module) -> Contents {
        let mut entries: Vec<&Entry> = request.entries.iter().filter(|entry| is_go_entry(entry)).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        let tests = self.tests && request.role == Role::Root;
        let wanted = entries.into_par_iter().filter(|entry| tests || !is_test_name(&name_of(entry)));
        let outcomes: Vec<Outcome> =
            wanted.filter_map(|entry| self.read_file(request, module, entry)).collect();
        let (mut contents, mut chosen, mut ignored) = (Contents::default(), Vec::new(), Vec::new());
        for outcome in outcomes {
            contents.problems.extend(outcome.problem);
            match outcome.file {
                Ok(file) => chosen.push(file),
                Err(file) => ignored.push(file),
            }
        }
        if chosen.is_empty() && request.is_literal && contents.problems.is_empty() {
            let message = "no Go file in this directory belongs to the build";
            let hint = "set the platform or tags that its build constraints ask for";
            let problem = SourceProblem::loss(ProblemKind::NoMatch, &request.directory, message, hint);
            contents.problems.push(problem);
        }
        contents.group(request, chosen, ignored);
        contents
    }

    /// Reads a file. `None` for what only looks like one: a link to a directory.
    fn read_file(&self, request: &DirectoryRequest, module: &Module, entry: &Entry) -> Option<Outcome> {
        let path = request.directory.join(&entry.name);
        let name = name_of(entry);
        let ignored = |reason, problem| {
            Some(Outcome { file: Err(IgnoredFile { path: path.clone(), reason }), problem })
        };
        if !request.is_files && name.starts_with(['_', '.']) {
            return ignored(IgnoreReason::HiddenName, None);
        }
        if !request.is_files && !self.build.matches_file_name(&name) {
            return ignored(IgnoreReason::Platform, None);
        }
        let bytes = match self.tree.read(&path, self.limit) {
            Ok(bytes) => bytes,
            Err(error) if error.kind == TreeErrorKind::NotAFile && is_directory(self.tree, &path) => {
                return None;
            }
            Err(error) => {
                let too_large = matches!(error.kind, TreeErrorKind::TooLarge(_));
                let kind = if too_large { ProblemKind::TooLarge } else { ProblemKind::Unreadable };
                let message = format!("the file is not analysed: {error}");
                let problem = problem_of(request.role, kind, &path, message, error.hint());
                return ignored(IgnoreReason::Problem, Some(problem));
            }
        };
        self.files_read.fetch_add(1, Ordering::Relaxed);
        let header = Header::scan(&bytes);
        if let Some(reason) = self.reason_to_ignore(&header).filter(|_| !request.is_files) {
            return ignored(reason, None);
        }
        if let Some(error) = &header.error {
            let (kind, hint) = if error.in_constraint {
                (ProblemKind::Constraint, "correct the //go:build line; Go rejects the file as well")
            } else {
                (ProblemKind::Header, "a Go file begins with a line such as `package service`")
            };
            let message = format!("the file is not analysed: {}", error.message);
            let problem = problem_of(request.role, kind, &path, message, hint);
            return ignored(IgnoreReason::Problem, Some(problem.at(Position::of(&bytes, error.offset))));
        }
        let flaw = (request.role == Role::Root).then(|| first_flaw(&bytes)).flatten();
        let problem = flaw.map(|flaw| {
            let problem = problem_of(request.role, ProblemKind::NotText, &path, flaw.message, flaw.hint);
            problem.at(Position::of(&bytes, flaw.offset))
        });
        let file = chosen(request, module, (path, &name), header, bytes);
        file.map(|file| Outcome { file: Ok(file), problem })
    }

    fn reason_to_ignore(&self, header: &Header) -> Option<IgnoreReason> {
        if header.error.as_ref().is_some_and(|error| error.in_constraint) {
            return None;
        }
        let holds = header.constraint.as_ref().is_none_or(|it| it.holds(&|tag| self.build.is_set(tag)));
        let is_documentation = header.package.as_ref().is_some_and(|(name, _)| name == "documentation");
        if !holds {
            Some(IgnoreReason::Constraint)
        } else if is_documentation {
            Some(IgnoreReason::Documentation)
        } else if header.imports_c() && !self.build.cgo {
            Some(IgnoreReason::NoCgo)
        } else {
            None
        }
    }
}

/// A file that belongs to the build. Whether a test is one beside the package is decided when its name is known.
fn chosen(
    request: &DirectoryRequest,
    module: &Module,
    (path, name): (PathBuf, &str),
    header: Header,
    bytes: Arc<[u8]>,
) -> Option<Chosen> {
    let kind = match (is_test_name(name), header.imports_c()) {
        (true, _) => FileKind::Test,
        (false, true) => FileKind::Cgo,
        (false, false) => FileKind::Go,
    };
    let below = match module.kind {
        ModuleKind::Standard => &request.import_path,
        _ => import_below(&module.path, &request.import_path).unwrap_or(""),
    };
    let implied = header.constraint.as_ref().filter(|_| header.has_go_build);
    let file = SourceFile {
        path,
        relative: join_import(below, name),
        bytes,
        kind,
        generated: header.generated,
        imports: header.imports,
        language: module.language.of_file(implied.and_then(super::Constraint::implied_version)),
        constraint: header.constraint,
    };
    Some(Chosen { file, package: header.package? })
}

impl Contents {
    /// Sorts files into packages by the names in their package clauses.
    fn group(&mut self, request: &DirectoryRequest, chosen: Vec<Chosen>, mut ignored: Vec<IgnoredFile>) {
        let Some(primary) = primary_name(&chosen) else { return };
        let mut packages: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
        let mut odd = None;
        for Chosen { mut file, package: (name, offset) } in chosen {
            let beside = name.strip_suffix("_test").filter(|_| file.is_test() && name != primary);
            if beside.is_some() {
                file.kind = FileKind::XTest;
            }
            let base = beside.unwrap_or(&name).to_owned();
            if base != primary && odd.is_none() {
                odd = Some((file.path.clone(), Position::of(&file.bytes, offset), base.clone()));
            }
            packages.entry(base).or_default().push(file);
        }
        if let Some((path, position, other)) = odd {
            let message =
                format!("package {other} in a directory of package {primary}: both are analysed, apart");
            let hint = "Go does not build such a directory: move one of the packages";
            let problem = problem_of(request.role, ProblemKind::MixedPackages, &path, message, hint);
            self.problems.push(problem.at(position));
        }
        let first = packages.remove_entry(&primary);
        for (index, (name, mut files)) in first.into_iter().chain(packages).enumerate() {
            files.sort_by(|left, right| (left.kind, &left.path).cmp(&(right.kind, &right.path)));
            self.drafts.push(Draft {
                import_path: request.import_path.clone(),
                name,
                directory: request.directory.clone(),
                module: request.module,
                role: request.role,
                files,
                ignored: std::mem::take(&mut ignored),
                is_importable: index == 0 && !request.is_files,
            });
        }
    }
}

/// The name of the package that a directory is taken for: that of most files, the first of equals. Tests count
/// only where there is nothing else.
fn primary_name(chosen: &[Chosen]) -> Option<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    let mut count = |name| match counts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count += 1,
        None => counts.push((name, 1)),
    };
    let has_package = chosen.iter().any(|chosen| !chosen.file.is_test());
    for Chosen { file, package: (name, _) } in chosen {
        if !has_package {
            count(name.strip_suffix("_test").unwrap_or(name));
        } else if !file.is_test() {
            count(name);
        }
    }
    let best = counts.iter().map(|(_, count)| *count).max()?;
    counts.iter().find(|(_, count)| *count == best).map(|(name, _)| (*name).to_owned())
}

fn problem_of(
    role: Role,
    kind: ProblemKind,
    path: &Path,
    message: impl Into<String>,
    hint: &str,
) -> SourceProblem {
    match role {
        Role::Root => SourceProblem::loss(kind, path, message, hint),
        Role::Dependency => SourceProblem::notice(kind, path, message, hint),
    }
}

fn name_of(entry: &Entry) -> std::borrow::Cow<'_, str> {
    entry.name.to_string_lossy()
}

fn is_test_name(name: &str) -> bool {
    name.ends_with("_test.go")
}
