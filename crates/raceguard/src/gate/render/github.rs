//! Workflow commands that GitHub shows as annotations: one for each match of a policy that annotates, and one for each
//! policy that fails or warns without a place to show it at.

use std::io::{self, Write};

use raceguard_policy::policy::Level;
use raceguard_policy::{Match, Outcome};

use super::{Verdict, details, in_repository};
use crate::report::github::{escape_message, escape_property};

pub(super) fn render(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    for outcome in &verdict.evaluation.outcomes {
        let command = match outcome.level {
            Level::Fail | Level::Broken => "error",
            Level::Warn => "warning",
            Level::Note if outcome.annotates() => "notice",
            Level::Note | Level::Pass => continue,
        };
        let placed: Vec<&Match> =
            outcome.matched.iter().filter(|item| outcome.annotates() && !item.file.is_empty()).collect();
        if placed.is_empty() {
            whole(outcome, command, out)?;
        }
        for item in placed {
            annotate(outcome, item, command, &verdict.prefix, out)?;
        }
    }
    Ok(())
}

fn whole(outcome: &Outcome, command: &str, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("raceguard gate: {}", outcome.policy);
    let mut lines = vec![format!("{}: {}", outcome.description, outcome.reason)];
    for item in outcome.matched.iter().take(10) {
        lines.push(item.title.clone());
        lines.extend(details(item).into_iter().map(|detail| format!("  {detail}")));
    }
    writeln!(out, "::{command} title={}::{}", escape_property(&title), escape_message(&lines.join("\n")))
}

fn annotate(
    outcome: &Outcome,
    item: &Match,
    command: &str,
    prefix: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut properties = vec![format!("file={}", escape_property(&in_repository(item, prefix)))];
    if item.line > 0 {
        properties.push(format!("line={}", item.line));
    }
    properties.push(format!("title={}", escape_property(&format!("raceguard gate: {}", outcome.policy))));
    let mut lines = vec![item.title.clone()];
    lines.extend(details(item));
    lines.push(outcome.description.clone());
    writeln!(out, "::{command} {}::{}", properties.join(","), escape_message(&lines.join("\n")))
}
