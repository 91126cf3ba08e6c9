//! The analysis of a folder, as `raceguard check` runs it.

use std::collections::BTreeMap;
use std::path::Path;

use raceguard_analyzer::check::{Checked, check};
use raceguard_analyzer::finding::{Finding, Location, Severity};
use raceguard_analyzer::source::{BuildContext, Environment, FileSystem, LoadOptions, Loaded, load};

use crate::toolchain::Go;

/// What was loaded, and what was found in it.
pub(super) struct Analysis {
    pub(super) loaded: Loaded,
    pub(super) checked: Checked,
}

impl Analysis {
    /// The file of a location.
    pub(super) fn path(&self, location: &Location) -> &Path {
        let origin = self.checked.lowered.origins[location.package.0 as usize][location.file as usize];
        &self.loaded.package(origin.package).files[origin.file].path
    }
}

/// Analyses what patterns match in a folder, against the library of the given Go.
pub(super) fn analyse(folder: &Path, go: &Go, patterns: &[&str]) -> Analysis {
    let loaded = load_only(folder, go, patterns);
    let checked = check(&loaded);
    Analysis { loaded, checked }
}

/// Loads what patterns match in a folder.
pub(super) fn load_only(folder: &Path, go: &Go, patterns: &[&str]) -> Loaded {
    let variables =
        Environment::from_variables(&FileSystem, folder.to_owned(), &|name| std::env::var_os(name));
    let environment = Environment { goroot: Some(go.root.clone()), ..variables };
    let build = BuildContext::new("linux", "amd64");
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    load(&FileSystem, &environment, &build, &patterns, &LoadOptions::default(), &mut |_| ())
}

/// The size of what was analysed: files of the packages asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) files: usize,
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let mut size = Self::default();
        for file in loaded.roots().flat_map(|package| &package.files) {
            size.files += 1;
            size.lines += file.bytes.split(|&byte| byte == b'\n').count().saturating_sub(1);
            size.bytes += file.bytes.len();
        }
        size
    }
}

/// How many findings there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    by_severity: BTreeMap<Severity, usize>,
    by_rule: BTreeMap<(&'static str, Severity), usize>,
}

impl Counts {
    pub(super) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            *counts.by_severity.entry(finding.severity).or_default() += 1;
            *counts.by_rule.entry((finding.rule.code, finding.severity)).or_default() += 1;
        }
        counts
    }

    /// Adds those of another program.
    pub(super) fn add(&mut self, other: &Self) {
        for (severity, count) in &other.by_severity {
            *self.by_severity.entry(*severity).or_default() += count;
        }
        for (rule, count) in &other.by_rule {
            *self.by_rule.entry(*rule).or_default() += count;
        }
    }

    /// Findings of a severity.
    pub(super) fn of_severity(&self, severity: Severity) -> usize {
        self.by_severity.get(&severity).copied().unwrap_or(0)
    }

    /// Rules with how many findings of a severity they have.
    pub(super) fn rules(&self, severity: Severity) -> impl Iterator<Item = (&'static str, usize)> {
        let rules = self.by_rule.iter().filter(move |((_, of), _)| *of == severity);
        rules.map(|((code, _), count)| (*code, *count))
    }
}
