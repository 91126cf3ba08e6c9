//! What CI systems say of themselves: the branch that a change is compared with, and where GitHub shows a summary.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Variables that name the base of a change, and what stands before the name.
const BASES: [(&str, &str); 4] = [
    ("GITHUB_BASE_REF", "origin/"),
    ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "origin/"),
    ("CHANGE_TARGET", "origin/"),
];

/// What the change under test is compared with, where a CI system says so.
pub fn base(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let set = |(name, prefix): &(&str, &str)| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some(format!("{prefix}{value}"))
    };
    BASES.iter().find_map(set)
}

/// The file that GitHub shows as the summary of a step.
pub fn step_summary(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    variable("GITHUB_STEP_SUMMARY").filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Adds to the summary; other steps may have written to it.
pub fn append(path: &PathBuf, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_what_the_system_says() {
        let only =
            |name: &'static str, value: &'static str| move |it: &str| (it == name).then(|| value.to_owned());
        assert_eq!(base(&only("GITHUB_BASE_REF", "main")).as_deref(), Some("origin/main"));
        assert_eq!(base(&only("CI_MERGE_REQUEST_DIFF_BASE_SHA", "abc")).as_deref(), Some("abc"));
        assert_eq!(base(&only("CHANGE_TARGET", "develop")).as_deref(), Some("origin/develop"));
        assert_eq!(base(&only("GITHUB_BASE_REF", "")), None, "set and empty outside of pull requests");
    }
}
