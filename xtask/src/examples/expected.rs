//! The table of what each example shows, `examples/expected.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::evidence::{Evidence, Pair};
use crate::failure::Failure;
use crate::workspace;

/// One example and what must be found in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    /// Its folder under `examples/`.
    #[serde(skip)]
    pub(crate) name: String,
    /// What is wrong with it, in one line.
    pub(crate) what: String,
    /// Races that every run finds.
    races: BTreeSet<Pair>,
    /// Races that only some schedules show.
    #[serde(default)]
    sometimes: BTreeSet<Pair>,
    /// The Go runtime's last words, where the example is meant to die.
    crash: Option<String>,
}

impl Example {
    /// How `evidence` differs from what must be found, one line each.
    pub(super) fn differences(&self, evidence: &Evidence) -> Vec<String> {
        let mut differences = Vec::new();
        for missed in self.races.difference(&evidence.races) {
            differences.push(format!("not found: {missed}"));
        }
        for found in &evidence.races {
            if !self.races.contains(found) && !self.sometimes.contains(found) {
                differences.push(format!("found, but not expected: {found}"));
            }
        }
        if !evidence.fixed_passed {
            differences.push("the tests of the package `fixed` did not pass".to_owned());
        }
        match &self.crash {
            Some(message) if !evidence.crashes.iter().any(|crash| crash.contains(message.as_str())) => {
                differences.push(format!("no crash `{message}` in the evidence: {:?}", evidence.crashes));
            }
            None if !evidence.crashes.is_empty() => {
                differences.push(format!("crashed: {:?}", evidence.crashes));
            }
            _ => {}
        }
        differences
    }
}

/// All examples, in the order of their names.
pub(crate) fn all() -> Result<Vec<Example>, Failure> {
    let path = workspace::root().join("examples/expected.toml");
    let table: BTreeMap<String, Example> = toml::from_str(&workspace::read(&path)?).map_err(|error| {
        Failure::environment(format!("{} is malformed: {error}", workspace::shown(&path)), "mend the table")
    })?;
    Ok(table.into_iter().map(|(name, example)| Example { name, ..example }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Example {
        toml::from_str(
            r#"
                what = "balances drift"
                races = ["insert Debit with lookup Refund"]
                sometimes = ["insert Debit with insert Refund"]
            "#,
        )
        .unwrap()
    }

    fn evidence(races: &[&str]) -> Evidence {
        let races = races.iter().map(|race| Pair::try_from((*race).to_owned()).unwrap()).collect();
        Evidence { races, fixed_passed: true, crashes: Vec::new() }
    }

    #[test]
    fn the_expected_races_are_no_difference() {
        assert!(example().differences(&evidence(&["lookup Refund with insert Debit"])).is_empty());
    }

    #[test]
    fn misses_and_surprises_are_differences() {
        let differences = example().differences(&evidence(&["write Debit with write fixed.Debit"]));
        assert_eq!(
            differences,
            [
                "not found: insert Debit with lookup Refund",
                "found, but not expected: write Debit with write fixed.Debit"
            ]
        );
    }

    #[test]
    fn an_unexpected_crash_and_a_failing_fix_are_differences() {
        let mut evidence = evidence(&["insert Debit with lookup Refund"]);
        evidence.crashes.push("fatal error: concurrent map writes".to_owned());
        evidence.fixed_passed = false;
        assert_eq!(example().differences(&evidence).len(), 2);
    }

    #[test]
    fn every_example_folder_is_in_the_table() {
        let listed: BTreeSet<String> = all().unwrap().into_iter().map(|example| example.name).collect();
        let folders: BTreeSet<String> = std::fs::read_dir(workspace::root().join("examples"))
            .unwrap()
            .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir()))
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert_eq!(listed, folders);
    }
}
