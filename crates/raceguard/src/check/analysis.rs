//! Loads and analyses; the result of sources that were analysed before comes from the cache.

use std::collections::BTreeSet;
use std::path::PathBuf;

use raceguard_analyzer::check::check;
use raceguard_analyzer::source::{
    BuildContext, Environment, FileSystem, Goroot, LoadOptions, LoadProgress, Loaded, SourceTree, load,
};
use raceguard_analyzer::types::standard_library::WithStandardLibrary;
use raceguard_evidence::{SourceProblem, StaticFinding};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::cache::Cache;
use super::convert::Converter;

/// What to analyse, and how its build is chosen.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the user stands, and Go's variables.
    pub environment: Environment,
    /// Platform and tags.
    pub build: BuildContext,
    /// Go's patterns.
    pub patterns: Vec<String>,
    /// Whether tests are analysed.
    pub tests: bool,
}

/// How far an analysis is.
#[derive(Debug, Clone, Copy)]
pub enum Phase {
    /// Files are read.
    Loading(LoadProgress),
    /// That many packages are analysed.
    Analysing(usize),
}

/// What the analysis of the same sources always gives. Kept in the cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Everything found, by place.
    pub findings: Vec<StaticFinding>,
    /// What does not parse.
    pub syntax_errors: Vec<SourceProblem>,
}

/// Sources, and what was found in them.
#[derive(Debug)]
pub struct Analysed {
    /// What was loaded.
    pub loaded: Loaded,
    /// What was found.
    pub outcome: Outcome,
    /// Whether it came from the cache.
    pub from_cache: bool,
}

/// Analyses what is on the disk.
pub fn analyse(request: &Request, cache: Option<&Cache>, progress: &mut dyn FnMut(Phase)) -> Analysed {
    let loaded = read(&FileSystem, request, progress);
    let packages = loaded.roots().count();
    let key = cache.map(|cache| (cache, cache.key(&loaded)));
    if let Some(outcome) = key.as_ref().and_then(|(cache, key)| cache.get(key)) {
        return Analysed { loaded, outcome, from_cache: true };
    }
    progress(Phase::Analysing(packages));
    let outcome = outcome(&loaded);
    if let Some((cache, key)) = key {
        cache.put(&key, &outcome);
    }
    Analysed { loaded, outcome, from_cache: false }
}

/// Analyses what is in another tree, without a cache.
pub fn analyse_tree(tree: &dyn SourceTree, request: &Request) -> Analysed {
    let loaded = read(tree, request, &mut |_| {});
    let outcome = outcome(&loaded);
    Analysed { loaded, outcome, from_cache: false }
}

fn read(tree: &dyn SourceTree, request: &Request, progress: &mut dyn FnMut(Phase)) -> Loaded {
    let options = LoadOptions { tests: request.tests, ..LoadOptions::default() };
    let Request { environment, build, patterns, .. } = request;
    let mut progress = |at| progress(Phase::Loading(at));
    if Goroot::find(tree, environment).is_some() {
        return load(tree, environment, build, patterns, &options, &mut progress);
    }
    // Without Go on the machine, the types of its standard library come from the bundled summary.
    let environment = Environment { goroot: Some(WithStandardLibrary::GOROOT.into()), ..environment.clone() };
    load(&WithStandardLibrary::new(tree), &environment, build, patterns, &options, &mut progress)
}

fn outcome(loaded: &Loaded) -> Outcome {
    let checked = check(loaded);
    let converter = Converter::new(loaded, &checked.lowered);
    let findings = checked.findings.iter().map(|finding| converter.finding(finding)).collect();
    let mut syntax_errors: Vec<SourceProblem> =
        checked.lowered.errors.iter().map(|error| converter.syntax_error(error)).collect();
    syntax_errors.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    syntax_errors.dedup();
    // Freeing millions of small objects takes long, and nothing waits for it: the process may end meanwhile.
    std::thread::spawn(move || drop(checked));
    Outcome { findings, syntax_errors }
}

impl Analysed {
    /// What went wrong with the sources: what could not be read, what does not parse, imports that lead nowhere.
    pub fn problems(&self) -> Vec<SourceProblem> {
        let mut problems: Vec<SourceProblem> = self.loaded.problems.iter().map(problem).collect();
        // A file without a package clause is told by the loader in its own words.
        let told: BTreeSet<(String, u32)> =
            problems.iter().filter(|it| it.line > 0).map(|it| (it.path.clone(), it.line)).collect();
        let new = |error: &&SourceProblem| !told.contains(&(error.path.clone(), error.line));
        problems.extend(self.outcome.syntax_errors.iter().filter(new).cloned());
        problems.extend(self.missing_imports());
        problems
    }

    /// The files whose findings are looked for.
    pub fn root_files(&self) -> impl Iterator<Item = &raceguard_analyzer::source::SourceFile> {
        self.loaded.roots().flat_map(|package| &package.files)
    }

    /// All imports that lead nowhere, as one notice.
    fn missing_imports(&self) -> Option<SourceProblem> {
        let missing: Vec<_> = self.loaded.missing.iter().filter(|import| import.from_root).collect();
        let first = missing.first()?;
        let shown: Vec<&str> = missing.iter().take(3).map(|import| import.path.as_str()).collect();
        let more = missing.len() - shown.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (imports, them) =
            if missing.len() == 1 { ("import leads", "it") } else { ("imports lead", "them") };
        let needs_go = missing.iter().all(|import| import.looks_standard);
        let hint = if needs_go {
            "install Go, or set GOROOT to where it lies"
        } else {
            "`go mod download` fetches dependencies; no code of theirs is run"
        };
        Some(SourceProblem {
            path: first.file.to_string_lossy().into_owned(),
            line: first.position.line,
            column: first.position.column,
            message: format!(
                "{} {imports} nowhere, so types from {them} are unknown: {}{more}",
                missing.len(),
                shown.join(", ")
            ),
            hint: hint.to_owned(),
            loss: false,
            extra: Map::new(),
        })
    }
}

fn problem(problem: &raceguard_analyzer::source::SourceProblem) -> SourceProblem {
    SourceProblem {
        path: problem.path.to_string_lossy().into_owned(),
        line: problem.position.map_or(0, |position| position.line),
        column: problem.position.map_or(0, |position| position.column),
        message: problem.message.clone(),
        hint: problem.hint.clone(),
        loss: problem.severity == raceguard_analyzer::source::Severity::Loss,
        extra: Map::new(),
    }
}

/// The root of the module that a folder lies in, or the folder itself.
pub fn module_root(folder: &std::path::Path) -> PathBuf {
    let root = folder.ancestors().find(|above| above.join("go.mod").is_file());
    root.unwrap_or(folder).to_owned()
}
