//! The result of loading: packages in order, with numbers, and what their imports mean.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::build_context::BuildContext;
use super::goroot::Goroot;
use super::import_order::{circle, components};
use super::package::{Module, ModuleId, Package, PackageId, Role, SourceFile, UnitKind};
use super::problem::{Position, ProblemKind, Severity, SourceProblem};
use super::read_directory::Draft;
use super::resolve::looks_standard;

/// Everything that was loaded.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// All modules that packages belong to or that were looked at for them.
    pub modules: Vec<Module>,
    /// All packages. A package comes after those that its non-test files import, except in an import cycle.
    pub packages: Vec<Package>,
    /// Imports that lead nowhere, by path.
    pub missing: Vec<MissingImport>,
    /// What went wrong, by path and position.
    pub problems: Vec<SourceProblem>,
    /// The build that files were chosen for, with the Go installation's release and experiments.
    pub build: BuildContext,
    /// The Go installation whose standard library was used.
    pub goroot: Option<Goroot>,
}

/// An import path that leads nowhere: types that come from it are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingImport {
    /// The import path.
    pub path: String,
    /// How many imports of it there are.
    pub count: usize,
    /// The file with the first of them; one of a root package if there is any.
    pub file: PathBuf,
    /// Where in the file.
    pub position: Position,
    /// Whether a package that is analysed imports it, not only a dependency.
    pub from_root: bool,
    /// Whether it has the form of the standard library's paths.
    pub looks_standard: bool,
}

impl Loaded {
    /// A package by its number.
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.index()]
    }

    /// The module of a package.
    pub fn module_of(&self, package: &Package) -> &Module {
        &self.modules[package.module.index()]
    }

    /// The packages that were asked for, in order.
    pub fn roots(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.role == Role::Root)
    }

    /// The package that an import in a package's files means.
    pub fn resolve_import(&self, from: PackageId, path: &str) -> Option<PackageId> {
        self.package(from).resolve_import(path)
    }

    /// How many problems took something away from the analysis.
    pub fn losses(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Loss).count()
    }

    /// Files and bytes of packages with a role.
    pub fn size_of(&self, role: Role) -> (usize, u64) {
        let files = self.packages.iter().filter(|package| package.role == role).flat_map(|it| &it.files);
        files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.bytes.len() as u64))
    }
}

/// The draft that an import means: its module and import path.
pub(crate) type Meaning = (ModuleId, String);

/// Gives drafts their numbers and resolves their imports. `meaning` knows what a path means in a module's files.
pub(crate) fn assemble<'m>(
    mut drafts: Vec<Draft>,
    meaning: &dyn Fn(ModuleId, &str) -> Option<&'m Meaning>,
) -> Loaded {
    drafts.sort_by(|left, right| {
        let key = |draft: &Draft| (draft.import_path.clone(), draft.module, !draft.is_importable);
        key(left).cmp(&key(right)).then_with(|| left.name.cmp(&right.name))
    });
    let importable = drafts.iter().enumerate().filter(|(_, draft)| draft.is_importable);
    let index: HashMap<(ModuleId, &str), usize> =
        importable.map(|(index, draft)| ((draft.module, draft.import_path.as_str()), index)).collect();
    let resolve = |draft: &Draft, path: &str| {
        let (module, import_path) = meaning(draft.module, path)?;
        index.get(&(*module, import_path.as_str())).copied()
    };
    let mut missing = Missing::default();
    let imports: Vec<BTreeMap<String, usize>> =
        drafts.iter().map(|draft| imports_of(draft, &|path| resolve(draft, path), &mut missing)).collect();
    let edges: Vec<Vec<usize>> =
        drafts.iter().zip(&imports).map(|(draft, imports)| package_edges(draft, imports)).collect();
    let order = components(&edges);
    let problems = order.iter().filter_map(|component| cycle_problem(component, &drafts, &edges, &imports));
    let problems = problems.collect();
    let mut ids = vec![PackageId(0); drafts.len()];
    for (number, draft) in (0..).zip(order.iter().flatten()) {
        ids[*draft] = PackageId(number);
    }
    let mut packages: Vec<Package> = drafts
        .into_iter()
        .zip(imports)
        .zip(&ids)
        .map(|((draft, imports), id)| {
            let imports = imports.into_iter().map(|(path, draft)| (path, ids[draft])).collect();
            package(*id, draft, imports)
        })
        .collect();
    packages.sort_by_key(|package| package.id);
    Loaded { packages, missing: missing.finish(), problems, ..Loaded::default() }
}

fn package(id: PackageId, draft: Draft, imports: BTreeMap<String, PackageId>) -> Package {
    let Draft { import_path, name, directory, module, role, files, ignored, is_importable: _ } = draft;
    Package { id, import_path, name, directory, module, role, files, ignored, imports }
}

/// What the imports of a draft's files mean. Those that mean nothing are counted as missing.
fn imports_of(
    draft: &Draft,
    resolve: &dyn Fn(&str) -> Option<usize>,
    missing: &mut Missing,
) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for file in &draft.files {
        // Cgo's "C" is no package; "unsafe" is one that needs no source.
        for import in file.imports.iter().filter(|import| import.path != "C") {
            if found.contains_key(&import.path) {
                continue;
            }
            if let Some(target) = resolve(&import.path) {
                found.insert(import.path.clone(), target);
            } else if import.path != "unsafe" {
                missing.add(&import.path, draft.role, file, import.offset);
            }
        }
    }
    found
}

/// The drafts that a draft's non-test files import.
fn package_edges(draft: &Draft, imports: &BTreeMap<String, usize>) -> Vec<usize> {
    let files = draft.files.iter().filter(|file| UnitKind::Package.has(file.kind));
    let specs = files.flat_map(|file| &file.imports);
    let mut edges: Vec<usize> = specs.filter_map(|spec| imports.get(&spec.path).copied()).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The problem of packages that import each other.
fn cycle_problem(
    component: &[usize],
    drafts: &[Draft],
    edges: &[Vec<usize>],
    imports: &[BTreeMap<String, usize>],
) -> Option<SourceProblem> {
    let first = *component.first()?;
    let is_cycle = component.len() > 1 || edges[first].contains(&first);
    let path = circle(edges, first).filter(|_| is_cycle)?;
    let names: Vec<&str> = path.iter().map(|node| drafts[*node].import_path.as_str()).collect();
    let files = drafts[first].files.iter().filter(|file| UnitKind::Package.has(file.kind));
    let mut specs = files.flat_map(|file| file.imports.iter().map(move |import| (file, import)));
    let (file, import) = specs.find(|(_, import)| imports[first].get(&import.path) == Some(&path[1]))?;
    let message = format!("import cycle: {}", names.join(" → "));
    let hint = "Go does not build it: move what both sides need into a package of its own";
    let problem = if component.iter().any(|node| drafts[*node].role == Role::Root) {
        SourceProblem::loss(ProblemKind::ImportCycle, &file.path, message, hint)
    } else {
        SourceProblem::notice(ProblemKind::ImportCycle, &file.path, message, hint)
    };
    Some(problem.at(Position::of(&file.bytes, import.offset)))
}

/// Imports that mean nothing, while they are counted.
#[derive(Default)]
struct Missing {
    by_path: BTreeMap<String, MissingImport>,
}

impl Missing {
    fn add(&mut self, path: &str, role: Role, file: &SourceFile, offset: usize) {
        let from_root = role == Role::Root;
        let here = |count| MissingImport {
            path: path.to_owned(),
            count,
            file: file.path.clone(),
            position: Position::of(&file.bytes, offset),
            from_root,
            looks_standard: looks_standard(path),
        };
        match self.by_path.get_mut(path) {
            None => {
                self.by_path.insert(path.to_owned(), here(1));
            }
            Some(known) if from_root && !known.from_root => *known = here(known.count + 1),
            Some(known) => known.count += 1,
        }
    }

    fn finish(self) -> Vec<MissingImport> {
        self.by_path.into_values().collect()
    }
}
