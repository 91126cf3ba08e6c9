//! The policies that hold where nobody has written any.

use std::path::Path;

use crate::policy::PolicySet;
use crate::problem::Problems;
use crate::reader::read;

/// Their text, which `raceguard policy default` prints.
pub const TEXT: &str = include_str!("default-policy.yaml");

/// The name that stands for a file in messages.
pub const NAME: &str = "(default policy)";

/// The policies.
pub fn default_policy() -> Result<PolicySet, Problems> {
    read([(Path::new(NAME), TEXT)])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::evaluate::{Question, Snapshot, evaluate};
    use crate::examples::test;
    use crate::facts::{CoverageFact, Facts, FindingFact, LockFact};
    use crate::policy::Level;

    /// What one of the policies comes to.
    fn level(id: &str, facts: Facts) -> Level {
        let set = default_policy().unwrap();
        let now = Timestamp::now();
        let snapshots = [Snapshot { name: String::new(), started: now, facts }];
        let question = Question { snapshots: &snapshots, now, owners: None, allowed: &[] };
        let evaluation = evaluate(&set, &question);
        evaluation.outcomes.iter().find(|outcome| outcome.policy == id).unwrap().level
    }

    #[test]
    fn thresholds_are_as_documented() {
        let warnings = |count: usize| {
            let warning = FindingFact {
                kind: "static".into(),
                severity: "warning".into(),
                rule: "RG213".into(),
                is_new: true,
                ..FindingFact::default()
            };
            level("few-new-warnings", Facts { findings: vec![warning; count], ..Facts::default() })
        };
        assert_eq!([1, 2, 3].map(warnings), [Level::Pass, Level::Warn, Level::Fail]);
        let coverage = |percent: f64| {
            let coverage =
                CoverageFact { compared: true, changed_percent: Some(percent), ..CoverageFact::default() };
            level("changes-are-covered", Facts { coverage: Some(coverage), ..Facts::default() })
        };
        assert_eq!([84.9, 85.0].map(coverage), [Level::Fail, Level::Pass]);
        let wait = |mean_wait_ms: f64| {
            let lock = LockFact { mean_wait_ms, ..LockFact::default() };
            level("short-waits-for-locks", Facts { locks: vec![lock], ..Facts::default() })
        };
        assert_eq!([50.0, 50.1].map(wait), [Level::Pass, Level::Fail]);
    }

    #[test]
    fn every_default_policy_is_sound_and_has_examples_both_ways() {
        let set = default_policy().unwrap_or_else(|problems| panic!("{problems}"));
        assert!(set.policies.len() >= 10);
        for policy in &set.policies {
            assert!(policy.examples.iter().any(|example| example.must_match), "{}", policy.id);
            assert!(policy.examples.iter().any(|example| !example.must_match), "{}", policy.id);
        }
        let failures: Vec<_> =
            test(&set, Timestamp::now()).into_iter().filter(|it| it.failure.is_some()).collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }
}
