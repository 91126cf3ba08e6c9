//! The modules of a load: which go.mod and go.work count for a directory, and what its imports can mean.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::build_list::{Selected, Selection};
use super::directive_lines::ManifestError;
use super::environment::{Environment, VendorChoice, WorkspaceChoice};
use super::mod_file::ModFile;
use super::package::{Module, ModuleId, ModuleKind};
use super::path_names::{absolute, directory_below};
use super::problem::{ProblemKind, SourceProblem};
use super::tree::{SourceTree, is_directory, is_file};
use super::vendor_list::VendorList;
use super::versions::LanguageVersion;
use super::work_file::WorkFile;

/// No go.mod, go.work or modules.txt is larger.
const LIMIT: u64 = 16 << 20;

/// Main modules that are built together, and the build list that gives meaning to their imports.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(super) main: Vec<ModuleId>,
    /// The standard library that it uses, itself if it is one.
    pub(super) standard: Option<ModuleId>,
    pub(super) is_standard: bool,
    pub(super) vendor: Option<Vendor>,
    pub(super) build_list: BTreeMap<String, Selected>,
    /// Modules of dependencies that were met so far, by module path.
    met: HashMap<String, ModuleId>,
}

/// A vendor directory.
pub(super) struct Vendor {
    pub(super) directory: PathBuf,
    pub(super) list: VendorList,
    /// Whether it replaces the build list, or only helps out where that has nothing.
    pub(super) rules: bool,
}

/// Where an import path was found, before its module is known by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A module that is known already.
    Known(ModuleId),
    /// A module of the build list, by path.
    Selected(String),
    /// A package below the vendor directory, by import path.
    Vendored(String),
}

/// All modules met so far.
pub(crate) struct Modules<'a> {
    pub(super) tree: &'a dyn SourceTree,
    environment: &'a Environment,
    pub(crate) all: Vec<Module>,
    pub(super) workspaces: Vec<Workspace>,
    /// The workspace of each module.
    workspace_of: Vec<usize>,
    /// Directories that patterns pass over, by module.
    ignores: HashMap<ModuleId, Vec<String>>,
    /// Main modules by their root, links followed.
    by_root: HashMap<PathBuf, ModuleId>,
    standard: Option<ModuleId>,
    /// The language of what states none at all.
    newest: LanguageVersion,
    pub(crate) problems: Vec<SourceProblem>,
}

impl<'a> Modules<'a> {
    /// Knows the standard library below `sources`, and nothing else yet.
    pub(crate) fn new(
        tree: &'a dyn SourceTree,
        environment: &'a Environment,
        sources: Option<&Path>,
        newest: LanguageVersion,
    ) -> Self {
        let mut modules = Self {
            tree,
            environment,
            all: Vec::new(),
            workspaces: Vec::new(),
            workspace_of: Vec::new(),
            ignores: HashMap::new(),
            by_root: HashMap::new(),
            standard: None,
            newest,
            problems: Vec::new(),
        };
        if let Some(sources) = sources {
            modules.standard = Some(modules.open_standard(sources));
        }
        modules
    }

    pub(crate) fn get(&self, id: ModuleId) -> &Module {
        &self.all[id.index()]
    }

    /// The standard library of the Go installation.
    pub(crate) fn standard(&self) -> Option<ModuleId> {
        self.standard
    }

    pub(crate) fn workspace_of(&self, id: ModuleId) -> usize {
        self.workspace_of[id.index()]
    }

    /// The main modules of the workspace of a module.
    pub(crate) fn main_modules(&self, id: ModuleId) -> &[ModuleId] {
        &self.workspaces[self.workspace_of(id)].main
    }

    pub(crate) fn ignores(&self, id: ModuleId) -> &[String] {
        self.ignores.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The module around a directory and the root that leads there, which may go by links.
    pub(crate) fn locate(&mut self, directory: &Path) -> (ModuleId, PathBuf) {
        for root in directory.ancestors() {
            if is_file(self.tree, &root.join("go.mod")) {
                return (self.open(root), root.to_path_buf());
            }
        }
        let working = &self.environment.working_directory;
        let root = if directory.starts_with(working) { working.clone() } else { directory.to_path_buf() };
        (self.open_ad_hoc(&root), root)
    }

    /// The module of a place that an import was found in.
    pub(crate) fn intern(&mut self, workspace: usize, owner: Owner) -> ModuleId {
        let (key, module) = match owner {
            Owner::Known(id) => return id,
            Owner::Selected(path) => {
                if let Some(id) = self.workspaces[workspace].met.get(&path) {
                    return *id;
                }
                let selected = self.workspaces[workspace].build_list.get(&path);
                let version =
                    selected.map(|selected| selected.version.clone()).filter(|text| !text.is_empty());
                let directory = selected.and_then(|selected| selected.directory.clone()).unwrap_or_default();
                let file = self.tree.read(&directory.join("go.mod"), LIMIT).ok();
                let file = file.map(|bytes| ModFile::parse(&String::from_utf8_lossy(&bytes)).0);
                let language = file.map_or(LanguageVersion::UNSTATED, |file| file.language());
                (path.clone(), Module { path, version, directory, language, kind: ModuleKind::Dependency })
            }
            Owner::Vendored(import) => {
                let module = self.vendored_module(workspace, &import);
                (format!("vendor/{}", module.path), module)
            }
        };
        if let Some(id) = self.workspaces[workspace].met.get(&key) {
            return *id;
        }
        let id = self.add(module, workspace);
        self.workspaces[workspace].met.insert(key, id);
        id
    }

    fn vendored_module(&self, workspace: usize, import: &str) -> Module {
        let vendor = self.workspaces[workspace].vendor.as_ref();
        let listed = vendor.and_then(|vendor| {
            let module = &vendor.list.modules[*vendor.list.packages.get(import)?];
            Some((module.path.clone(), module.version.clone(), module.language))
        });
        let (path, version, language) =
            listed.unwrap_or_else(|| (import.to_owned(), None, LanguageVersion::UNSTATED));
        let root = vendor.map(|vendor| vendor.directory.clone()).unwrap_or_default();
        let directory = directory_below(&root, &path);
        Module { path, version, directory, language, kind: ModuleKind::Vendored }
    }

    fn add(&mut self, module: Module, workspace: usize) -> ModuleId {
        let id = ModuleId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(module);
        self.workspace_of.push(workspace);
        id
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        self.tree.metadata(path).map_or_else(|_| path.to_path_buf(), |metadata| metadata.canonical)
    }

    /// The main module with a go.mod in a directory.
    fn open(&mut self, root: &Path) -> ModuleId {
        let canonical = self.canonical(root);
        if let Some(id) = self.by_root.get(&canonical) {
            return *id;
        }
        let file = self.read_mod_file(root);
        if file.module.as_deref() == Some("std") && is_directory(self.tree, &root.join("runtime")) {
            return self.open_standard_with(root, &file);
        }
        let Some((work_path, work)) = self.work_file_of(root, &canonical) else {
            return self.open_workspace(vec![(root.to_path_buf(), file)], None)[0];
        };
        let base = work_path.parent().unwrap_or(root).to_path_buf();
        let mut main = vec![(root.to_path_buf(), file)];
        for (used, position) in &work.uses {
            let used = absolute(&base, Path::new(used));
            if self.canonical(&used) == canonical {
                continue;
            }
            if is_file(self.tree, &used.join("go.mod")) {
                main.push((used.clone(), self.read_mod_file(&used)));
            } else {
                let message = format!("it uses {}, where there is no go.mod", used.display());
                let hint = "remove the `use` line, or create the module";
                let problem = SourceProblem::loss(ProblemKind::Manifest, &work_path, message, hint);
                self.problems.push(problem.at(*position));
            }
        }
        self.open_workspace(main, Some((&base, &work)))[0]
    }

    /// Makes a workspace of main modules. Gives their numbers.
    fn open_workspace(
        &mut self,
        main: Vec<(PathBuf, ModFile)>,
        work: Option<(&Path, &WorkFile)>,
    ) -> Vec<ModuleId> {
        let selection = Selection {
            tree: self.tree,
            main: &main,
            workspace: work.map(|(base, work)| (base, work.replaces.as_slice())),
            module_cache: self.environment.module_cache_directory(),
        };
        let build_list = selection.select();
        let (vendor_base, language) = match work {
            Some((base, work)) => (base.to_path_buf(), work.language()),
            None => (main[0].0.clone(), main[0].1.language()),
        };
        let vendor = self.vendor(&vendor_base.join("vendor"), language);
        let index = self.workspaces.len();
        let standard = self.standard_for(&main[0]);
        self.workspaces.push(Workspace { standard, vendor, build_list, ..Workspace::default() });
        let mut ids = Vec::new();
        for (root, file) in main {
            let path = file.module.clone().unwrap_or_else(|| directory_name(&root));
            let (language, kind) = (file.language(), ModuleKind::Main);
            let canonical = self.canonical(&root);
            let id = self.add(Module { path, version: None, directory: root, language, kind }, index);
            self.by_root.insert(canonical, id);
            self.ignores.insert(id, file.ignores);
            ids.push(id);
        }
        self.workspaces[index].main.clone_from(&ids);
        ids
    }

    /// The standard library for a module: its own source tree's if it is Go's `cmd`.
    fn standard_for(&mut self, (root, file): &(PathBuf, ModFile)) -> Option<ModuleId> {
        if file.module.as_deref() == Some("cmd") {
            let sources = root.parent()?;
            if is_directory(self.tree, &sources.join("runtime")) {
                return Some(self.open(sources));
            }
        }
        self.standard
    }

    fn open_ad_hoc(&mut self, root: &Path) -> ModuleId {
        let canonical = self.canonical(root);
        if let Some(id) = self.by_root.get(&canonical) {
            return *id;
        }
        let (path, language) = (directory_name(&canonical), self.newest);
        let index = self.workspaces.len();
        self.workspaces.push(Workspace { standard: self.standard, ..Workspace::default() });
        let (directory, kind) = (root.to_path_buf(), ModuleKind::AdHoc);
        let id = self.add(Module { path, version: None, directory, language, kind }, index);
        self.workspaces[index].main.push(id);
        self.by_root.insert(canonical, id);
        id
    }

    fn open_standard(&mut self, sources: &Path) -> ModuleId {
        if is_file(self.tree, &sources.join("go.mod")) {
            return self.open(sources);
        }
        let newest = format!("{}", self.newest);
        self.open_standard_with(sources, &ModFile { go: Some(newest), ..ModFile::default() })
    }

    fn open_standard_with(&mut self, sources: &Path, file: &ModFile) -> ModuleId {
        let index = self.workspaces.len();
        let (path, directory, kind) = ("std".to_owned(), sources.to_path_buf(), ModuleKind::Standard);
        let id = self.add(Module { path, version: None, directory, language: file.language(), kind }, index);
        let (main, standard) = (vec![id], Some(id));
        self.workspaces.push(Workspace { main, standard, is_standard: true, ..Workspace::default() });
        let canonical = self.canonical(sources);
        self.by_root.insert(canonical, id);
        id
    }

    fn read_mod_file(&mut self, root: &Path) -> ModFile {
        let path = root.join("go.mod");
        self.read_manifest(&path).map_or_else(ModFile::default, |text| {
            let (file, errors) = ModFile::parse(&text);
            self.report(&path, errors);
            file
        })
    }

    /// The go.work that counts for a module, if it uses the module.
    fn work_file_of(&mut self, root: &Path, canonical: &Path) -> Option<(PathBuf, WorkFile)> {
        let path = match &self.environment.workspace {
            WorkspaceChoice::Off => return None,
            WorkspaceChoice::File(path) => path.clone(),
            WorkspaceChoice::Auto => {
                let mut candidates = root.ancestors().map(|directory| directory.join("go.work"));
                candidates.find(|path| is_file(self.tree, path))?
            }
        };
        let text = self.read_manifest(&path)?;
        let (file, errors) = WorkFile::parse(&text);
        let base = path.parent()?.to_path_buf();
        let mut uses = file.uses.iter().map(|(used, _)| absolute(&base, Path::new(used)));
        if !uses.any(|used| self.canonical(&used) == canonical) {
            return None;
        }
        self.report(&path, errors);
        Some((path, file))
    }

    fn vendor(&mut self, directory: &Path, language: LanguageVersion) -> Option<Vendor> {
        let choice = self.environment.vendor;
        if choice == VendorChoice::Never || !is_directory(self.tree, directory) {
            return None;
        }
        let path = directory.join("modules.txt");
        let text = if is_file(self.tree, &path) { self.read_manifest(&path) } else { None };
        let rules =
            text.is_some() && (choice == VendorChoice::Always || language >= LanguageVersion::go1(14));
        let list = text.map(|text| VendorList::parse(&text)).unwrap_or_default();
        Some(Vendor { directory: directory.to_path_buf(), list, rules })
    }

    fn read_manifest(&mut self, path: &Path) -> Option<String> {
        match self.tree.read(path, LIMIT) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => {
                let message = format!("can't be read: {error}");
                let problem = SourceProblem::loss(ProblemKind::Manifest, path, message, error.hint());
                self.problems.push(problem);
                None
            }
        }
    }

    fn report(&mut self, path: &Path, errors: Vec<ManifestError>) {
        let problem = |error: ManifestError| {
            SourceProblem::loss(ProblemKind::Manifest, path, error.message, &error.hint).at(error.position)
        };
        self.problems.extend(errors.into_iter().map(problem));
    }
}

/// The last name of a path, for a module that has no other.
fn directory_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "main".to_owned(), |name| name.to_string_lossy().into_owned())
}
