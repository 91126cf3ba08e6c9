//! The examples of policies as tests: what must match, and what must not.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use crate::evaluate::{Outcome, Question, Snapshot, evaluate};
use crate::policy::{Example, Level, Policy, PolicySet, Response, Validity};
use crate::problem::Position;

/// What became of an example.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// The policy.
    pub policy: String,
    /// The example's name, or its number.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    #[serde(skip)]
    pub at: Position,
    /// Why it failed; nothing when it is as its author says.
    pub failure: Option<String>,
}

/// Runs the examples of all policies.
pub fn test(set: &PolicySet, now: Timestamp) -> Vec<Tested> {
    set.policies.iter().flat_map(|policy| test_policy(policy, now)).collect()
}

fn test_policy(policy: &Policy, now: Timestamp) -> Vec<Tested> {
    let numbered = policy.examples.iter().enumerate();
    let tested = numbered.map(|(index, example)| Tested {
        policy: policy.id.clone(),
        name: match (example.name.is_empty(), example.must_match) {
            (false, _) => example.name.clone(),
            (true, true) => format!("example {} (match)", index + 1),
            (true, false) => format!("example {} (no match)", index + 1),
        },
        file: policy.file.clone(),
        at: example.at,
        failure: failure(policy, example, now),
    });
    tested.collect()
}

fn failure(policy: &Policy, example: &Example, now: Timestamp) -> Option<String> {
    let outcome = outcome(policy, example, now);
    if outcome.level == Level::Broken {
        return Some(outcome.reason);
    }
    let matches = !outcome.reached.is_empty();
    match (example.must_match, matches) {
        (true, false) => Some(format!("it must match, and does not: {}", outcome.reason)),
        (false, true) => Some(format!("it must not match, and does: {}", outcome.reason)),
        _ => example.expect.filter(|level| *level != outcome.level).map(|level| {
            let (got, wanted) = (outcome.level.word(), level.word());
            format!("it comes to {got}, not to {wanted}: {}", outcome.reason)
        }),
    }
}

/// The policy on the example's facts. Days do not matter here: an example holds for as long as it stands.
fn outcome(policy: &Policy, example: &Example, now: Timestamp) -> Outcome {
    let mut policy = Policy { valid: Validity::default(), ..policy.clone() };
    for threshold in &mut policy.responses {
        if let Response::Quarantine(quarantine) = &mut threshold.response {
            quarantine.until.time = Timestamp::MAX;
        }
    }
    let set = PolicySet { policies: vec![policy], ..PolicySet::default() };
    let snapshots = [Snapshot { name: "example".to_owned(), started: now, facts: example.facts.clone() }];
    let question = Question { snapshots: &snapshots, now, owners: None, allowed: &[] };
    let mut evaluation = evaluate(&set, &question);
    evaluation.outcomes.swap_remove(0)
}
