//! `raceguard policy explain`: which policy decided, and why.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use raceguard_policy::policy::{Level, Policy, Window};
use raceguard_policy::{Outcome, Status};

use super::print;
use crate::check::render::clean;
use crate::commands::gate::{GateArgs, judge, refuse_unknown};
use crate::error::CommandError;
use crate::gate::render::summary;

/// Flags of `raceguard policy explain`.
#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArgs {
    /// Runs, as for `raceguard gate` [default: the newest of each kind]
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// Policies: a file, a folder of .yaml files, or a folder of revisions
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,

    /// What the change is compared with [default: as the CI system says]
    #[arg(long, value_name = "COMMIT")]
    base: Option<String>,

    /// Coverage profile of `go test -coverprofile`, looked at instead of ingested ones (may be repeated)
    #[arg(long, value_name = "FILE")]
    coverage: Vec<PathBuf>,

    /// Only this policy (may be repeated)
    #[arg(long, value_name = "POLICY")]
    only: Vec<String>,
}

/// Judges as the gate does, and says everything on it. Nothing is written.
pub(super) fn run(arguments: &ExplainArgs) -> Result<u8, CommandError> {
    let gate = GateArgs {
        runs: arguments.runs.clone(),
        policy: arguments.policy.clone(),
        base: arguments.base.clone(),
        coverage: arguments.coverage.clone(),
        ..GateArgs::default()
    };
    let judged = judge(&gate)?;
    refuse_unknown("only", &arguments.only, &judged.policies)?;
    let mut text = String::new();
    let decided: Vec<&str> = judged
        .evaluation
        .outcomes
        .iter()
        .filter(|outcome| outcome.level >= Level::Fail)
        .map(|outcome| outcome.policy.as_str())
        .collect();
    for (policy, outcome) in judged.policies.policies.iter().zip(&judged.evaluation.outcomes) {
        if arguments.only.is_empty() || arguments.only.contains(&policy.id) {
            explain(policy, outcome, &mut text);
        }
    }
    let _ = writeln!(text, "By {}: {}.", judged.source, summary(&judged.evaluation));
    match decided.as_slice() {
        [] => text.push_str("No policy fails.\n"),
        ids => {
            let _ = writeln!(text, "Decided by {}.", ids.join(", "));
        }
    }
    print(&text)
}

fn explain(policy: &Policy, outcome: &Outcome, text: &mut String) {
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!("{} v{} ({}): {}", policy.id, policy.version, policy.hash, outcome.level.word()));
    line(format!("  demands    {}", clean(&policy.description)));
    line(format!("  stands     {}:{}", policy.file.display(), policy.at.line));
    let window = match policy.window {
        Window::Runs(1) => String::new(),
        Window::Runs(runs) => format!(", {runs} runs back"),
        Window::Days(days) => format!(", {days} days back"),
    };
    line(format!("  goes over  {}{window}", policy.over.word()));
    if let Some(needs) = &policy.needs {
        line(format!("  needs      {}", one_line(needs.source())));
    }
    line(format!("  when       {}", one_line(policy.when.source())));
    let given: Vec<String> = outcome
        .thresholds
        .iter()
        .map(|it| {
            let reached = if outcome.gives(&it.response) { " (reached)" } else { "" };
            format!("{} from {}{reached}", it.response, it.at)
        })
        .collect();
    line(format!("  responses  {}, counting {}", given.join(", "), policy.count.word()));
    line(format!(
        "  looked at  {}, {} matched, {} could not be judged",
        outcome.looked_at,
        outcome.matched.len(),
        outcome.unmeasured
    ));
    for item in &outcome.matched {
        line(format!("    - {} {}", clean(&item.id), clean(&item.title)));
        if !item.file.is_empty() {
            line(format!("      {}:{}", clean(&item.file), item.line));
        }
        for detail in &item.details {
            line(format!("      {}", clean(detail)));
        }
        if !item.tests.is_empty() {
            line(format!("      shown by {}", clean(&item.tests.join(", "))));
        }
    }
    let how = match outcome.status {
        Status::Judged => "",
        Status::Unmeasured => " (by `unmeasured`)",
        Status::NotInForce => " (by `valid`)",
        Status::Allowed => " (by --allow)",
        Status::Broken => " (its condition failed)",
    };
    line(format!("  so         {}: {}{how}\n", outcome.level.word(), clean(&outcome.reason)));
}

/// A condition without its line breaks.
fn one_line(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}
