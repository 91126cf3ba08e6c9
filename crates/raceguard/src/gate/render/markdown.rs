//! Markdown: a comment on a pull request, and GitHub's summary of a step.

use std::io::{self, Write};

use raceguard_policy::policy::Level;
use raceguard_policy::{Outcome, Status};

use super::{Verdict, details, headline, place, shown, summary};

/// Matches shown of one policy; a comment has a limit.
const SHOWN: usize = 20;

pub(super) fn render(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    let level = verdict.evaluation.level();
    writeln!(out, "## Raceguard gate {}\n", headline(level))?;
    writeln!(out, "{}.\n", text(&capital(&summary(verdict.evaluation))))?;
    let outcomes = shown(verdict.evaluation, false);
    if !outcomes.is_empty() {
        writeln!(out, "| | policy | why |\n|---|---|---|")?;
        for outcome in &outcomes {
            let (level, reason) = (outcome.level.word(), text(&outcome.reason));
            writeln!(out, "| {level} | `{}` v{} | {reason} |", outcome.policy, outcome.version)?;
        }
        writeln!(out)?;
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.matched.is_empty()) {
        policy(outcome, out)?;
    }
    notes(verdict, out)
}

fn policy(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let open = if outcome.level >= Level::Fail { " open" } else { "" };
    writeln!(out, "<details{open}><summary>{}</summary>\n", text(&outcome.description))?;
    for item in outcome.matched.iter().take(SHOWN) {
        let place = place(item);
        let place = if place.is_empty() { place } else { format!("`{}` ", place.replace('`', "'")) };
        writeln!(out, "- {place}{}", text(&item.title))?;
        for detail in details(item) {
            writeln!(out, "  - {}", text(&detail))?;
        }
    }
    if outcome.matched.len() > SHOWN {
        writeln!(out, "- and {} more", outcome.matched.len() - SHOWN)?;
    }
    writeln!(out, "\n</details>\n")
}

fn notes(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    let silent = |outcome: &&Outcome| {
        outcome.level == Level::Pass && matches!(outcome.status, Status::Unmeasured | Status::NotInForce)
    };
    for outcome in verdict.evaluation.outcomes.iter().filter(silent) {
        writeln!(out, "- `{}`: {}", outcome.policy, text(&outcome.reason))?;
    }
    for aside in &verdict.evaluation.set_aside {
        let (title, reason) = (text(&aside.found.title), text(&aside.reason));
        writeln!(out, "- set aside until {} by `{}`: {title} ({reason})", aside.until, aside.policy)?;
    }
    if let Some(baseline) = &verdict.baseline {
        let (known, seen, gone) = (baseline.known, baseline.seen.len(), baseline.gone);
        writeln!(out, "- baseline: {known} known, {seen} still there, {gone} gone")?;
        for known in baseline.seen.iter().take(SHOWN) {
            writeln!(out, "  - {}", text(known))?;
        }
        if seen > SHOWN {
            writeln!(out, "  - and {} more", seen - SHOWN)?;
        }
    }
    let runs: Vec<String> = verdict.runs.iter().map(|(mode, name)| format!("{mode} `{name}`")).collect();
    writeln!(out, "- judged: {}; by {}", runs.join(", "), text(&verdict.policies))
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}", chars.as_str())
}

/// Text that stays text: what Markdown or HTML would take as their own is escaped, and lines are joined.
pub fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // A mention would notify people.
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(text("a|b <x> `m` [l](u)\n@all"), "a\\|b &lt;x&gt; \\`m\\` \\[l\\](u) @\u{200b}all");
    }
}
