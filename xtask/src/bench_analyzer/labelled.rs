//! Go's own labelled set: runtime/race/testdata, where `TestRace…` functions race and `TestNoRace…` functions don't.
//!
//! A racing function counts as found if a rule about races (RG1xx, RG2xx) reports it. A function that does not race
//! counts as a false positive if any rule reports it as a warning or worse.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use raceguard_analyzer::finding::{Finding, Severity};
use raceguard_analyzer::types::FuncId;

use super::analysis::{Analysis, analyse};
use super::attribution::Attribution;
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::Go;

/// How the labelled functions were judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labelled {
    pub(super) racing: Tally,
    pub(super) clean: Tally,
}

/// Functions with one label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) total: usize,
    /// Those that were reported, with the rules that did.
    pub(super) reported: Vec<Function>,
    pub(super) silent: Vec<Function>,
}

/// A labelled function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) rules: BTreeSet<&'static str>,
}

/// Analyses the labelled set of a Go.
pub(super) fn measure(go: &Go) -> Result<Labelled, Failure> {
    step("Go's labelled functions");
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::environment(format!("cannot make a folder: {error}"), "make room in the temporary folder")
    })?;
    copy(&go.root.join("src/runtime/race/testdata"), folder.path())?;
    let language = go.version.trim_start_matches("go");
    let module = format!("module labelled\n\ngo {language}\n");
    crate::workspace::write(&folder.path().join("go.mod"), &module)?;
    Ok(judge(&analyse(folder.path(), go, &["."])))
}

/// Copies the Go files that need no C compiler.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir(from).map_err(|error| Failure::file("read", from, &error))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with("cgo_test") || path.extension().is_none_or(|extension| extension != "go") {
            continue;
        }
        fs::copy(&path, to.join(name)).map_err(|error| Failure::file("copy", &path, &error))?;
    }
    Ok(())
}

fn judge(analysis: &Analysis) -> Labelled {
    let Analysis { loaded, checked } = analysis;
    let attribution = Attribution::new(&checked.lowered);
    let mut judged = Labelled::default();
    for function in &attribution.labelled {
        let counts =
            |finding: &&Finding| if function.races { is_about_races(finding) } else { is_shown(finding) };
        let rules = rules(&attribution, checked.findings.iter().filter(counts), function.func);
        let (package, file) = function.file;
        let origin = checked.lowered.origins[package.0 as usize][file as usize];
        let file = loaded.package(origin.package).files[origin.file].relative.clone();
        let tally = if function.races { &mut judged.racing } else { &mut judged.clean };
        tally.total += 1;
        let judged = Function { name: function.name.clone(), file, rules };
        if judged.rules.is_empty() { tally.silent.push(judged) } else { tally.reported.push(judged) }
    }
    judged
}

fn rules<'a>(
    attribution: &Attribution,
    findings: impl Iterator<Item = &'a Finding>,
    function: FuncId,
) -> BTreeSet<&'static str> {
    findings
        .filter(|finding| attribution.of(finding).contains(&function))
        .map(|finding| finding.rule.code)
        .collect()
}

fn is_about_races(finding: &Finding) -> bool {
    is_shown(finding) && ["RG1", "RG2"].iter().any(|kind| finding.rule.code.starts_with(kind))
}

fn is_shown(finding: &Finding) -> bool {
    finding.severity >= Severity::Warning
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain;

    #[test]
    fn functions_are_judged_by_their_label() {
        let folder = tempfile::tempdir().unwrap();
        let source = "package p\n\nfunc TestRaceFound() {\n\tm := map[int]int{}\n\tgo func() { m[1] = 1 }()\n\tm[2] = 2\n}\n\n\
                      func TestRaceMissed() {}\n\nfunc TestNoRaceClean() {}\n";
        fs::write(folder.path().join("p.go"), source).unwrap();
        let go = toolchain::any().unwrap();
        let judged = judge(&analyse(folder.path(), &go, &["."]));
        let names = |functions: &[Function]| -> Vec<String> {
            functions.iter().map(|function| function.name.clone()).collect()
        };
        assert_eq!((judged.racing.total, judged.clean.total), (2, 1));
        assert_eq!(names(&judged.racing.reported), ["TestRaceFound"]);
        assert_eq!(names(&judged.racing.silent), ["TestRaceMissed"]);
        assert_eq!(names(&judged.clean.silent), ["TestNoRaceClean"]);
        assert_eq!(judged.racing.reported[0].file, "p.go");
    }

    #[test]
    fn files_for_a_c_compiler_are_left_out() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["a_test.go", "cgo_test.go", "cgo_test_main.go", "a.s"] {
            fs::write(from.path().join(name), "").unwrap();
        }
        copy(from.path(), to.path()).unwrap();
        let copied: Vec<_> =
            fs::read_dir(to.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(copied, ["a_test.go"]);
    }
}
