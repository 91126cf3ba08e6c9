//! Runs the cases: a race has to be reported in the tree before its fix, and no longer in the one after it.

use std::path::Path;

use raceguard_analyzer::finding::Location;

use super::analysis::{Analysis, Counts, Size, analyse};
use super::cases::{self, Case};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::Go;
use crate::workspace;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) case: Case,
    /// The rules that report it before the fix.
    pub(super) before: Vec<&'static str>,
    /// The rules that still report it after the fix.
    pub(super) after: Vec<&'static str>,
    /// The repaired tree, and everything reported in it.
    pub(super) size: Size,
    pub(super) counts: Counts,
}

impl Outcome {
    /// Reported before the fix, and not after it.
    pub(super) fn is_found(&self) -> bool {
        !self.before.is_empty() && self.after.is_empty()
    }
}

/// Analyses each case's two trees.
pub(super) fn measure(folder: &Path, go: &Go) -> Result<Vec<Outcome>, Failure> {
    let list = folder.join("cases.tsv");
    let folder = folder.canonicalize().map_err(|error| Failure::file("find", folder, &error))?;
    let cases = cases::read(&workspace::read(&list)?).map_err(|problem| {
        Failure::environment(
            format!("{}: {problem}", list.display()),
            "give it the columns that docs/analyzer-quality.md describes",
        )
    })?;
    let all = cases.len();
    let run = |(number, case): (usize, Case)| {
        step(&format!("case {} of {all}: {}", number + 1, case.folder));
        outcome(&folder, case, go)
    };
    cases.into_iter().enumerate().map(run).collect()
}

fn outcome(folder: &Path, case: Case, go: &Go) -> Result<Outcome, Failure> {
    let (before, _) = reported(folder, &case, "bug", go)?;
    let (after, analysis) = reported(folder, &case, "fix", go)?;
    let (size, counts) = (Size::of(&analysis.loaded), Counts::of(&analysis.checked.findings));
    Ok(Outcome { case, before, after, size, counts })
}

fn reported(
    folder: &Path,
    case: &Case,
    tree: &str,
    go: &Go,
) -> Result<(Vec<&'static str>, Analysis), Failure> {
    let path = folder.join(&case.folder).join(tree);
    let analysis = analyse(&path, go, &["./..."]);
    if analysis.loaded.roots().next().is_none() {
        let what = format!("{} holds no Go package", path.display());
        return Err(Failure::environment(what, "check the tree out there"));
    }
    let file = |location: &Location| {
        analysis.path(location).strip_prefix(&path).ok().and_then(Path::to_str).unwrap_or_default()
    };
    let at_map = analysis.checked.findings.iter().filter(|finding| case.is_at(finding, file));
    let mut rules: Vec<&'static str> = at_map.map(|finding| finding.rule.code).collect();
    rules.sort_unstable();
    rules.dedup();
    Ok((rules, analysis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain;

    const BUG: &str = "package p\n\nfunc Fill() map[int]int {\n\tm := map[int]int{}\n\tgo func() { m[1] = 1 }()\n\tm[2] = 2\n\treturn m\n}\n";
    const FIX: &str = "package p\n\nfunc Fill() map[int]int {\n\tm := map[int]int{}\n\tm[1] = 1\n\tm[2] = 2\n\treturn m\n}\n";

    fn checkout(folder: &Path, tree: &str, source: &str) {
        let path = folder.join("a").join(tree);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("go.mod"), "module example.com/a\n\ngo 1.22\n").unwrap();
        std::fs::write(path.join("a.go"), source).unwrap();
    }

    #[test]
    fn a_case_is_found_if_it_is_reported_before_its_fix_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("cases.tsv"),
            "dir\tclass\tfiles\tmaps\tfunctions\na\tno lock\ta.go\tm\tFill\n",
        )
        .unwrap();
        let go = toolchain::any().unwrap();
        let found = |bug, fix| {
            checkout(folder.path(), "bug", bug);
            checkout(folder.path(), "fix", fix);
            measure(folder.path(), &go).unwrap()[0].is_found()
        };
        assert!(found(BUG, FIX));
        assert!(!found(BUG, BUG));
        assert!(!found(FIX, FIX));
    }

    #[test]
    fn a_missing_checkout_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("cases.tsv"),
            "dir\tclass\tfiles\tmaps\tfunctions\nb\tx\tb.go\tm\tf\n",
        )
        .unwrap();
        let failure = measure(folder.path(), &toolchain::any().unwrap()).unwrap_err();
        assert!(failure.to_string().contains("b/bug"), "{failure}");
    }
}
