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
    use crate::examples::test;

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
