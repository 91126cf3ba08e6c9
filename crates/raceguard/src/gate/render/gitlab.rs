//! GitLab's code quality report: an issue for each match that has a file.

use std::io::{self, Write};

use raceguard_policy::policy::{Level, Severity};
use raceguard_policy::{Match, Outcome};
use serde_json::{Value, json};

use super::{Verdict, in_repository};

pub(super) fn render(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut issues: Vec<Value> = Vec::new();
    for outcome in verdict.evaluation.outcomes.iter().filter(|outcome| outcome.level > Level::Pass) {
        if outcome.matched.is_empty() && outcome.level >= Level::Warn {
            issues.push(issue(outcome, &Match { id: "gate".to_owned(), ..Match::default() }, verdict));
        }
        issues.extend(outcome.matched.iter().map(|item| issue(outcome, item, verdict)));
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

/// GitLab shows an issue only at a file: what has none stands at the file of its policy.
fn issue(outcome: &Outcome, item: &Match, verdict: &Verdict<'_>) -> Value {
    let path = match item.file.as_str() {
        "" => outcome.file.display().to_string(),
        _ => in_repository(item, &verdict.prefix),
    };
    let about = if item.title.is_empty() { &outcome.reason } else { &item.title };
    json!({
        "description": format!("{}: {about}", outcome.description),
        "check_name": format!("raceguard/{}", outcome.policy),
        "fingerprint": format!("{}-{}", outcome.policy, item.id),
        "severity": severity(outcome),
        "categories": ["Bug Risk"],
        "location": {"path": path, "lines": {"begin": item.line.max(1)}},
    })
}

fn severity(outcome: &Outcome) -> &'static str {
    match (outcome.level, outcome.severity) {
        (Level::Fail | Level::Broken, Severity::Error) => "blocker",
        (Level::Fail | Level::Broken, _) => "critical",
        (Level::Warn, _) => "major",
        _ => "info",
    }
}
