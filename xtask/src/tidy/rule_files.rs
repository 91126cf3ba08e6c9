//! The files that belong to each rule of the analyzer: its own, named by code and name, and its fixtures.

use std::fs;
use std::path::Path;

use raceguard_analyzer::rules::{ALL, Rule};

use super::Finding;
use crate::workspace;

const RULES: &str = "crates/raceguard-analyzer/src/rules";
const FIXTURES: &str = "crates/raceguard-analyzer/tests/fixtures";

/// As few fixtures as a rule may have.
const LEAST_FIXTURES: usize = 3;

/// What is missing, or too much.
pub(super) fn check() -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in ALL {
        findings.extend(check_rule(rule));
    }
    let known: Vec<String> = ALL.iter().map(|rule| file_name(rule)).collect();
    for name in names(&workspace::root().join(RULES)) {
        let is_rust = Path::new(&name).extension().is_some_and(|extension| extension == "rs");
        if name.starts_with("rg") && is_rust && !known.contains(&name) {
            findings.push(finding(
                format!("{RULES}/{name}"),
                "is in no line of rules::ALL, or not named after its rule",
            ));
        }
    }
    findings
}

fn check_rule(rule: &Rule) -> Vec<Finding> {
    let mut findings = Vec::new();
    let file = format!("{RULES}/{}", file_name(rule));
    if !workspace::root().join(&file).is_file() {
        findings.push(finding(file, "does not exist: a rule's file has its code and its name"));
    }
    let folder = format!("{FIXTURES}/{}", rule.code.to_lowercase());
    let count = names(&workspace::root().join(&folder)).len();
    if count < LEAST_FIXTURES {
        findings.push(finding(folder, &format!("{count} fixtures, at least {LEAST_FIXTURES}")));
    }
    if !rule.bad.contains(&format!("want {} ", rule.code)) {
        findings.push(finding(
            format!("{RULES}/{}", file_name(rule)),
            "its failing example has no `want` comment of the rule",
        ));
    }
    findings
}

/// `rg103_map_iteration_during_write.rs`
fn file_name(rule: &Rule) -> String {
    format!("{}_{}.rs", rule.code.to_lowercase(), rule.name.replace('-', "_"))
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.file_name().display().to_string()).collect()
}

fn finding(path: String, message: &str) -> Finding {
    Finding { path, line: 1, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_rule_has_its_code_and_name() {
        let rule = ALL.iter().find(|rule| rule.code == "RG103").expect("a rule");
        assert_eq!(file_name(rule), "rg103_map_iteration_during_write.rs");
    }
}
