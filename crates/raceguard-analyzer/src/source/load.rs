//! The entry: from patterns to packages with all that they import, read in parallel waves.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::build_context::BuildContext;
use super::environment::Environment;
use super::goroot::Goroot;
use super::loaded::{Loaded, Meaning, assemble};
use super::modules::Modules;
use super::package::{ModuleId, Role};
use super::problem::SourceProblem;
use super::read_directory::{Contents, Draft, Reader};
use super::resolve::Candidate;
use super::roots::{DirectoryRequest, RootFinder};
use super::tree::SourceTree;
use super::versions::LanguageVersion;

/// What to load beside what patterns and build say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Whether the tests of matched packages are loaded.
    pub tests: bool,
    /// Largest file in bytes; larger ones are skipped, and told.
    pub largest_file: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { tests: true, largest_file: 64 << 20 }
    }
}

/// How far loading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadProgress {
    /// Packages read so far.
    pub packages: usize,
    /// Files read so far.
    pub files: usize,
}

/// Loads the packages that patterns match, as [`Role::Root`], and all that they import, as [`Role::Dependency`].
///
/// Patterns are Go's, see [`super`]; none at all means `./...`. Whatever goes wrong is in [`Loaded::problems`] and
/// [`Loaded::missing`]; loading always ends with what there is. `progress` is called between waves.
pub fn load(
    tree: &dyn SourceTree,
    environment: &Environment,
    build: &BuildContext,
    patterns: &[String],
    options: &LoadOptions,
    progress: &mut dyn FnMut(LoadProgress),
) -> Loaded {
    let goroot = Goroot::find(tree, environment);
    let build = goroot.as_ref().map_or_else(|| build.clone(), |goroot| goroot.complete(tree, build));
    let sources = goroot.as_ref().map(Goroot::sources);
    let newest = LanguageVersion::go1(build.newest_release());
    let mut loader = Loader {
        modules: Modules::new(tree, environment, sources.as_deref(), newest),
        reader: Reader {
            tree,
            build: &build,
            limit: options.largest_file,
            tests: options.tests,
            files_read: AtomicUsize::new(0),
        },
        drafts: Vec::new(),
        problems: Vec::new(),
        meanings: HashMap::new(),
    };
    let roots = loader.roots(patterns, &environment.working_directory);
    loader.read_in_waves(roots, progress);
    let finished = loader.finish();
    Loaded { build, goroot, ..finished }
}

struct Loader<'a> {
    modules: Modules<'a>,
    reader: Reader<'a>,
    drafts: Vec<Draft>,
    problems: Vec<SourceProblem>,
    /// What import paths mean, by workspace. `None` is an import that leads nowhere.
    meanings: HashMap<usize, HashMap<String, Option<Meaning>>>,
}

impl<'a> Loader<'a> {
    /// What the patterns match.
    fn roots(&mut self, patterns: &[String], working_directory: &'a Path) -> Vec<DirectoryRequest> {
        let everything = ["./...".to_owned()];
        let patterns = if patterns.is_empty() { &everything } else { patterns };
        let mut finder = RootFinder::new(&mut self.modules, self.reader.tree, working_directory);
        for pattern in patterns {
            finder.add(pattern);
        }
        let RootFinder { found, mut problems, .. } = finder;
        self.problems.append(&mut problems);
        found
    }

    /// Reads directories, then those that they import, until nothing new is imported.
    fn read_in_waves(&mut self, roots: Vec<DirectoryRequest>, progress: &mut dyn FnMut(LoadProgress)) {
        let importable = roots.iter().filter(|request| !request.is_files);
        let mut requested: HashSet<Meaning> = importable.map(DirectoryRequest::meaning).collect();
        let mut wave = roots;
        while !wave.is_empty() {
            let (reader, modules) = (&self.reader, &self.modules);
            let read = wave.par_iter().map(|request| reader.read(request, modules.get(request.module)));
            let contents: Vec<Contents> = read.collect();
            let first_new = self.drafts.len();
            for Contents { mut drafts, mut problems } in contents {
                self.drafts.append(&mut drafts);
                self.problems.append(&mut problems);
            }
            let files = self.reader.files_read.load(Ordering::Relaxed);
            progress(LoadProgress { packages: self.drafts.len(), files });
            wave = self.next_wave(first_new, &mut requested);
        }
    }

    /// The directories that drafts from an index on import, and nobody before them.
    fn next_wave(&mut self, first_new: usize, requested: &mut HashSet<Meaning>) -> Vec<DirectoryRequest> {
        let mut wanted: BTreeSet<(usize, &str)> = BTreeSet::new();
        for draft in &self.drafts[first_new..] {
            let workspace = self.modules.workspace_of(draft.module);
            let known = self.meanings.entry(workspace).or_default();
            let paths = draft.files.iter().flat_map(|file| &file.imports).map(|import| import.path.as_str());
            wanted.extend(paths.filter(|path| !known.contains_key(*path)).map(|path| (workspace, path)));
        }
        let modules = &self.modules;
        let wanted: Vec<(usize, &str)> = wanted.into_iter().filter(|(_, path)| *path != "C").collect();
        let resolved = wanted
            .into_par_iter()
            .map(|(workspace, path)| (workspace, path.to_owned(), modules.resolve(workspace, path)));
        let resolved: Vec<(usize, String, Option<Candidate>)> = resolved.collect();
        let mut wave = Vec::new();
        for (workspace, path, candidate) in resolved {
            let meaning = candidate.map(|candidate| {
                let request = self.dependency(workspace, candidate);
                let meaning = request.meaning();
                if requested.insert(meaning.clone()) {
                    wave.push(request);
                }
                meaning
            });
            self.meanings.entry(workspace).or_default().insert(path, meaning);
        }
        wave
    }

    fn dependency(&mut self, workspace: usize, candidate: Candidate) -> DirectoryRequest {
        let module = self.modules.intern(workspace, candidate.owner);
        DirectoryRequest {
            module,
            import_path: candidate.import_path,
            directory: candidate.directory,
            entries: candidate.entries,
            role: Role::Dependency,
            is_literal: false,
            is_files: false,
        }
    }

    fn finish(self) -> Loaded {
        let Self { modules, drafts, mut problems, meanings, .. } = self;
        let meaning = |module: ModuleId, path: &str| -> Option<&Meaning> {
            meanings.get(&modules.workspace_of(module))?.get(path)?.as_ref()
        };
        let mut loaded = assemble(drafts, &meaning);
        loaded.problems.append(&mut problems);
        loaded.problems.extend(modules.problems.iter().cloned());
        loaded.problems.sort();
        loaded.problems.dedup();
        loaded.modules = modules.all;
        loaded
    }
}
