//! Drafts of tickets: Markdown files in `.raceguard/tickets`, one for each policy and thing, for people to file.
//!
//! A draft is written anew by each gate that asks for it, so that it never says what is no longer so; it keeps its name.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use raceguard_policy::{Evaluation, Match, Outcome};

use super::render::markdown::text as escaped;
use crate::check::fix::atomic::replace_file;

/// Matches in one draft.
const SHOWN: usize = 50;

/// Writes the drafts that the evaluation asks for; gives their paths.
pub fn write(evaluation: &Evaluation, module: &Path) -> io::Result<Vec<PathBuf>> {
    let asked = evaluation.outcomes.iter().filter(|outcome| outcome.gives("ticket"));
    let folder = module.join(".raceguard").join("tickets");
    let mut paths = Vec::new();
    for outcome in asked {
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.md", outcome.policy));
        replace_file(&path, draft(outcome).as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}

/// The text of a draft.
fn draft(outcome: &Outcome) -> String {
    let ticket = outcome.ticket.clone().unwrap_or_default();
    let title = if ticket.title.is_empty() { &outcome.description } else { &ticket.title };
    let mut text = format!("# {}\n\n", escaped(title));
    if !ticket.labels.is_empty() {
        let _ = writeln!(text, "Labels: {}  ", escaped(&ticket.labels.join(", ")));
    }
    if !ticket.assignee.is_empty() {
        let _ = writeln!(text, "Assignee: {}  ", escaped(&ticket.assignee));
    }
    let _ = write!(
        text,
        "Policy: `{}` version {} (`{}`)  \n\n{}: {}.\n\nCondition, over {}: `{}`\n\n## What matches\n\n",
        outcome.policy,
        outcome.version,
        outcome.hash,
        escaped(&outcome.description),
        escaped(&outcome.reason),
        outcome.over,
        outcome.when.replace('`', "'"),
    );
    for item in outcome.matched.iter().take(SHOWN) {
        line(&mut text, item);
    }
    if outcome.matched.len() > SHOWN {
        let _ = writeln!(text, "- and {} more", outcome.matched.len() - SHOWN);
    }
    text
}

fn line(text: &mut String, item: &Match) {
    let place = match (item.file.as_str(), item.line) {
        ("", _) => String::new(),
        (file, 0) => format!(" in `{file}`"),
        (file, line) => format!(" at `{file}:{line}`"),
    };
    let _ = writeln!(text, "- {}{place}", escaped(&item.title));
    for detail in &item.details {
        let _ = writeln!(text, "  - {}", escaped(detail));
    }
    if !item.tests.is_empty() {
        let _ = writeln!(text, "  - shown by {}", escaped(&item.tests.join(", ")));
    }
    if !item.owners.is_empty() {
        let _ = writeln!(text, "  - owned by {}", escaped(&item.owners.join(", ")));
    }
}
