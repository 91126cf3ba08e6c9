//! Go sources with expectations in their comments.
//!
//! `// want RG103 "routes"` says that on its line a finding of this rule is reported whose subject and message, joined by
//! `: `, match the regular expression. `// miss RG103 "routes"` says that one should be, but is not yet: a known miss,
//! which fails the test once it is found, so that it becomes a `want`. `// wrong RG103 "routes"` says that one is
//! reported that should not be. `want-2` speaks of the line two above. Nothing else may be reported. One `want` is enough for several findings that it
//! describes.

use std::fmt::Write as _;

use raceguard_analyzer::check::{Checked, check};
use raceguard_analyzer::finding::Finding;
use raceguard_analyzer::source::{
    BuildContext, Environment, LoadOptions, Loaded, MemoryTree, load, txtar_files,
};
use raceguard_analyzer::syntax::LineIndex;
use raceguard_analyzer::types::standard_library::WithStandardLibrary;
use regex_lite::Regex;

const MODULE: &str = "module example.com/fixture\n\ngo 1.24\n";

/// A finding, or the expectation of one.
struct Expected {
    file: String,
    line: usize,
    code: String,
    pattern: Regex,
    missed: bool,
    found: bool,
}

/// A finding as the comments see it.
struct Reported {
    file: String,
    line: usize,
    code: &'static str,
    text: String,
}

/// What is wrong with the expectations of a fixture: nothing if it is empty. A txtar archive, or a single Go file.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) fn differences(fixture: &str) -> String {
    let mut files = txtar_files(fixture);
    if files.is_empty() {
        files.push(("fixture.go".to_owned(), fixture.to_owned()));
    }
    if files.iter().all(|(name, _)| name != "go.mod") {
        files.push(("go.mod".to_owned(), MODULE.to_owned()));
    }
    let mut wants: Vec<Expected> = files.iter().flat_map(|(name, text)| expectations(name, text)).collect();
    let mut differences = String::new();
    for found in reported(&files, &mut differences) {
        let fits = |want: &Expected| {
            want.file == found.file
                && want.line == found.line
                && want.code == found.code
                && want.pattern.is_match(&found.text)
        };
        let Reported { file, line, code, text } = &found;
        match wants.iter().position(fits) {
            Some(position) => wants[position].found = true,
            None => {
                let _ = writeln!(differences, "{file}:{line}: not expected: {code} {text}");
            }
        }
    }
    for want in wants.iter().filter(|want| want.missed == want.found) {
        let problem = if want.missed { "is found now: make this miss a want" } else { "not found" };
        let _ =
            writeln!(differences, "{}:{}: {problem}: {} {}", want.file, want.line, want.code, want.pattern);
    }
    differences
}

/// A single Go file after the fixes of all findings of a rule.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) fn fixed(text: &str, code: &str) -> String {
    let files = [("fixture.go".to_owned(), text.to_owned()), ("go.mod".to_owned(), MODULE.to_owned())];
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    with_findings(&files, |loaded, checked| {
        assert!(loaded.problems.is_empty() && checked.lowered.errors.is_empty(), "{text}");
        let of_rule = checked.findings.iter().filter(|finding| finding.rule.code == code);
        for fix in of_rule.filter_map(|finding| finding.fix.as_ref()) {
            edits.extend(fix.edits.iter().map(|edit| {
                let span = edit.location.span;
                (span.start as usize..span.end as usize, edit.text.clone())
            }));
        }
    });
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    edits.dedup();
    let mut fixed = text.to_owned();
    for (range, replacement) in edits.into_iter().rev() {
        fixed.replace_range(range, &replacement);
    }
    fixed
}

fn with_findings(files: &[(String, String)], look: impl FnOnce(&Loaded, &Checked)) {
    let mut tree = MemoryTree::new();
    for (name, text) in files {
        tree = tree.with_file(&format!("/m/{name}"), text);
    }
    let tree = WithStandardLibrary::new(&tree);
    let mut environment = Environment::new("/m");
    environment.goroot = Some(WithStandardLibrary::GOROOT.into());
    let build = BuildContext::new("linux", "amd64");
    let loaded =
        load(&tree, &environment, &build, &["./...".to_owned()], &LoadOptions::default(), &mut |_| ());
    let checked = check(&loaded);
    look(&loaded, &checked);
}

fn reported(files: &[(String, String)], problems: &mut String) -> Vec<Reported> {
    let mut reported = Vec::new();
    with_findings(files, |loaded, checked| {
        reported = describe(loaded, checked, problems);
    });
    reported
}

fn describe(loaded: &Loaded, checked: &Checked, problems: &mut String) -> Vec<Reported> {
    for problem in &loaded.problems {
        let _ = writeln!(problems, "{}: {}", problem.path.display(), problem.message);
    }
    for error in &checked.lowered.errors {
        let _ = writeln!(problems, "syntax error: {:?}", error.error);
    }
    let of_finding = |finding: &Finding| {
        let location = finding.sites[0].location;
        let origin = checked.lowered.origins[location.package.0 as usize][location.file as usize];
        let file = &loaded.packages[origin.package.index()].files[origin.file];
        let line = LineIndex::new(&file.bytes).position(location.span.start).line as usize;
        let text = format!("{}: {}", finding.subject, finding.message);
        Reported { file: file.relative.clone(), line, code: finding.rule.code, text }
    };
    checked.findings.iter().map(of_finding).collect()
}

/// The expectations in the comments of a file.
fn expectations(name: &str, text: &str) -> Vec<Expected> {
    let comment = Regex::new(r#"(want|miss|wrong)(?:-(\d))? (RG\d+) "([^"]*)""#).expect("a valid pattern");
    let mut expected = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let Some((_, comments)) = line.split_once("//") else { continue };
        for capture in comment.captures_iter(comments) {
            let above: usize = capture.get(2).map_or(0, |lines| lines.as_str().parse().expect("a digit"));
            expected.push(Expected {
                file: name.to_owned(),
                line: number - above,
                code: capture[3].to_owned(),
                pattern: Regex::new(&capture[4]).expect("a valid pattern in a want comment"),
                missed: &capture[1] == "miss",
                found: false,
            });
        }
    }
    expected
}
