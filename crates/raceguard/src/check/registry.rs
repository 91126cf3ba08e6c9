//! All rules that `raceguard check` reports by: those of the analyzer, and those on suppressions.

use raceguard_analyzer::rules::Rule;

use super::meta_rules::META_RULES;

/// All rules, in the order of their codes.
pub fn rules() -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = META_RULES.to_vec();
    rules.extend(raceguard_analyzer::rules::ALL);
    rules.sort_by_key(|rule| rule.code);
    rules
}

/// The rule of a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    rules().into_iter().find(|rule| rule.code == code)
}
