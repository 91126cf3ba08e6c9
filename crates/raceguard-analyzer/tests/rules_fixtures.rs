//! The fixtures of the rules: `tests/fixtures/rgNNN/*.go` and `*.txtar`.

#[path = "rules_support/fixture.rs"]
mod fixture;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fixture::differences;
use raceguard_analyzer::rules::ALL;

/// As few fixtures as a rule may have.
const LEAST: usize = 3;

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn fixtures_report_what_their_comments_say() {
    let mut wrong = String::new();
    for path in entries(&folder()).iter().flat_map(|folder| entries(folder)) {
        let text = fs::read_to_string(&path).expect("a readable fixture");
        let differences = differences(&text);
        if !differences.is_empty() {
            let name = path.strip_prefix(folder()).expect("a path below the folder");
            let _ = writeln!(wrong, "{}:\n{differences}", name.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_rule_has_fixtures() {
    let few: Vec<&str> = ALL
        .iter()
        .filter(|rule| entries(&folder().join(rule.code.to_lowercase())).len() < LEAST)
        .map(|rule| rule.code)
        .collect();
    assert!(few.is_empty(), "fewer than {LEAST} fixtures: {few:?}");
}
