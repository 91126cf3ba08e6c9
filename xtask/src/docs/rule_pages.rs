//! The pages of the analyzer's rules: docs/rules/RG101.md and so on, and their list.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use raceguard_analyzer::rules::ALL;

use crate::failure::Failure;
use crate::workspace;

const FOLDER: &str = "docs/rules";

/// The groups of codes, and what they are about.
const GROUPS: [(&str, &str); 4] = [
    ("RG1", "Map traps"),
    ("RG2", "Other races, by root cause"),
    ("RG3", "Locks"),
    ("RG4", "Performance of maps"),
];

/// All pages, by path from the root of the repository.
fn pages() -> BTreeMap<String, String> {
    let mut pages: BTreeMap<String, String> =
        ALL.iter().map(|rule| (format!("{FOLDER}/{}.md", rule.code), rule.page())).collect();
    let mut list = String::from(
        "# Rules\n\nA code never changes its meaning. `raceguard rule RG101` prints the same pages.\n",
    );
    for (prefix, title) in GROUPS {
        let _ = write!(list, "\n## {title}\n\n| rule | severity | what it finds |\n|---|---|---|\n");
        for rule in ALL.iter().filter(|rule| rule.code.starts_with(prefix)) {
            let (code, name, severity) = (rule.code, rule.name, rule.severity.name());
            let _ = writeln!(list, "| [{code} {name}]({code}.md) | {severity} | {} |", rule.summary);
        }
    }
    pages.insert(format!("{FOLDER}/README.md"), list);
    pages
}

/// Pages that are there although no rule has them.
fn leftovers(pages: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
    let folder = workspace::root().join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).map_err(|error| Failure::file("read", &folder, &error))?;
    let names =
        entries.filter_map(Result::ok).map(|entry| format!("{FOLDER}/{}", entry.file_name().display()));
    Ok(names.filter(|name| !pages.contains_key(name)).collect())
}

fn path_of(name: &str) -> PathBuf {
    workspace::root().join(name)
}

/// Writes the pages, and removes those of rules that are gone.
pub(super) fn write() -> Result<(), Failure> {
    let pages = pages();
    let folder = workspace::root().join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| Failure::file("create", &folder, &error))?;
    for (name, page) in &pages {
        let path = path_of(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(page) {
            workspace::write(&path, page)?;
            println!("wrote {name}");
        }
    }
    for name in leftovers(&pages)? {
        let path = path_of(&name);
        fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, &error))?;
        println!("removed {name}");
    }
    Ok(())
}

/// The pages that are out of date, missing, or of no rule.
pub(super) fn stale() -> Result<Vec<String>, Failure> {
    let pages = pages();
    let mut stale = leftovers(&pages)?;
    for (name, page) in &pages {
        if fs::read_to_string(path_of(name)).ok().as_ref() != Some(page) {
            stale.push(name.clone());
        }
    }
    Ok(stale)
}
