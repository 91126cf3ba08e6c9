//! `cargo xtask tidy`: what no compiler checks, as docs/style rules that a program enforces.
//!
//! Checks: the length of files and functions, a `//!` page at the top of every module, no logic in `mod.rs`, words that
//! must not be in the repository, the files that each rule of the analyzer has, and generated docs that are up to date.
//! An exception stands beside the place it excuses and carries its reason:
//! `// tidy: allow(file-length) one table, read top to bottom`. An exception without a reason, or one that excuses
//! nothing, is itself a finding.

mod exceptions;
mod rule_files;
mod rust_source;
mod sources;
mod words;

use crate::docs;
use crate::failure::Failure;

use exceptions::Exceptions;
use sources::SourceFile;

/// Most lines of a source file.
const FILE_LINES: usize = 600;

/// What a check found: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

/// The task `tidy`.
pub(crate) fn run() -> Result<(), Failure> {
    let mut findings = Vec::new();
    for file in sources::all()? {
        findings.extend(check(&file));
    }
    findings.extend(rule_files::check());
    for stale in docs::stale()? {
        let message = "is not what `cargo xtask docs` would write: run it and commit the result".to_owned();
        findings.push(Finding { path: stale, line: 1, message });
    }
    findings.sort();
    for finding in &findings {
        println!("{}:{}: {}", finding.path, finding.line, finding.message);
    }
    if findings.is_empty() {
        println!("tidy: nothing found");
        return Ok(());
    }
    Err(Failure::Findings(format!("tidy: {} findings", findings.len())))
}

/// Everything that is wrong with one file.
fn check(file: &SourceFile) -> Vec<Finding> {
    let mut exceptions = Exceptions::read(&file.text);
    let mut problems = words::check(&file.text, &mut exceptions);
    let lines = file.text.lines().count();
    if file.is_code() && lines > FILE_LINES && !exceptions.excuse_file("file-length") {
        problems.push((1, format!("{lines} lines, at most {FILE_LINES}: split it by what its parts mean")));
    }
    if file.is_rust() {
        problems.extend(rust_source::check(file, &mut exceptions));
    }
    problems.extend(exceptions.leftovers());
    problems.into_iter().map(|(line, message)| Finding { path: file.path.clone(), line, message }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    #[test]
    fn a_long_file_is_found_and_excused() {
        let long = format!("//! Page.\n{}", "// x\n".repeat(FILE_LINES));
        assert!(messages("a.rs", &long)[0].1.starts_with("601 lines"));
        assert!(messages("a.md", &long).is_empty());
        let excused =
            format!("//! Page.\n// tidy: allow(file-length) one table\n{}", "// x\n".repeat(FILE_LINES));
        assert!(messages("a.rs", &excused).is_empty());
    }

    #[test]
    fn an_exception_needs_a_reason_and_a_use() {
        let found = messages("a.rs", "//! Page.\n// tidy: allow(file-length)\n");
        assert_eq!(found, [(2, "this exception carries no reason".to_owned())]);
        let found = messages("a.rs", "//! Page.\n// tidy: allow(file-length) a table\n");
        assert_eq!(found, [(2, "this exception excuses nothing: remove it".to_owned())]);
    }
}
