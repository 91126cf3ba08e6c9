//! A verdict for people and for tools: one module for each format, all of the same [`Verdict`].

mod github;
mod gitlab;
pub mod json;
mod junit;
pub mod markdown;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use raceguard_policy::policy::Level;
use raceguard_policy::{Evaluation, Match, Outcome};
use serde::Serialize;

/// How a verdict is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// One screen for a terminal
    #[default]
    Text,
    /// One JSON document
    Json,
    /// Text, and annotations of GitHub workflows
    Github,
    /// GitLab's code quality report
    Gitlab,
    /// JUnit XML, for what shows test results
    Junit,
    /// Markdown, for a comment on a pull request
    Markdown,
}

/// Everything there is to say on a gate.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What policies came to.
    pub evaluation: &'a Evaluation,
    /// Where the policies come from.
    pub policies: String,
    /// The runs that were judged: kind and name.
    pub runs: Vec<(String, String)>,
    /// The baseline, when it knows anything.
    pub baseline: Option<BaselineView>,
    /// The tickets that were drafted.
    pub tickets: Vec<PathBuf>,
    /// What stands before files in the paths of the repository: the folder of the module.
    pub prefix: String,
}

/// The baseline in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaselineView {
    /// Its file.
    pub path: String,
    /// How many findings it knows.
    pub known: usize,
    /// Those that the runs still show.
    pub seen: Vec<String>,
    /// How many certainly no longer occur.
    pub gone: u64,
}

/// How text looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether it is coloured.
    pub color: bool,
    /// Whether policies that pass are shown too.
    pub verbose: bool,
}

/// Writes a verdict.
pub fn render(verdict: &Verdict<'_>, format: Format, look: Look, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::render(verdict, look, out),
        Format::Json => json::render(verdict, out),
        Format::Github => {
            text::render(verdict, Look { color: false, ..look }, out)?;
            github::render(verdict, out)
        }
        Format::Gitlab => gitlab::render(verdict, out),
        Format::Junit => junit::render(verdict, out),
        Format::Markdown => markdown::render(verdict, out),
    }
}

/// The exit code of a level.
pub fn exit_code(level: Level) -> u8 {
    match level {
        Level::Pass | Level::Note | Level::Warn => 0,
        Level::Fail => 1,
        Level::Broken => 2,
    }
}

/// `2 policies fail, 1 warns, 8 pass`.
pub fn summary(evaluation: &Evaluation) -> String {
    let words = [
        (Level::Broken, "can't be evaluated", "can't be evaluated"),
        (Level::Fail, "fails", "fail"),
        (Level::Warn, "warns", "warn"),
        (Level::Note, "has a note", "have notes"),
        (Level::Pass, "passes", "pass"),
    ];
    let counted = words.iter().filter_map(|(level, one, many)| match evaluation.at(*level).count() {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    });
    let parts: Vec<String> = counted.collect();
    let policies = if evaluation.outcomes.len() == 1 { "policy" } else { "policies" };
    format!("of {} {policies} {}", evaluation.outcomes.len(), parts.join(", "))
}

/// The word on the whole gate.
fn headline(level: Level) -> &'static str {
    match level {
        Level::Pass | Level::Note => "passed",
        Level::Warn => "passed with warnings",
        Level::Fail => "failed",
        Level::Broken => "could not be judged",
    }
}

/// `file:line`, or what of it is known.
fn place(item: &Match) -> String {
    match (item.file.as_str(), item.line) {
        ("", _) => String::new(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}

/// The file of a match in its repository.
fn in_repository(item: &Match, prefix: &str) -> String {
    match (prefix, item.file.starts_with('/')) {
        ("", _) | (_, true) => item.file.clone(),
        (prefix, false) => format!("{prefix}/{}", item.file),
    }
}

/// What a match says beside its title, a line each.
fn details(item: &Match) -> Vec<String> {
    const TESTS: usize = 3;
    let mut lines = item.details.clone();
    if !item.tests.is_empty() {
        let shown: Vec<&str> = item.tests.iter().take(TESTS).map(String::as_str).collect();
        let more = item.tests.len().saturating_sub(TESTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!("shown by {}{more}", shown.join(", ")));
    }
    if item.seen_in.len() > 1 {
        lines.push(format!("seen in {} runs", item.seen_in.len()));
    }
    if !item.owners.is_empty() {
        lines.push(format!("owned by {}", item.owners.join(", ")));
    }
    lines
}

/// Policies worth a look, the worst first; those that pass only if asked.
fn shown(evaluation: &Evaluation, verbose: bool) -> Vec<&Outcome> {
    let least = if verbose { Level::Pass } else { Level::Note };
    let is_shown = |outcome: &&Outcome| outcome.level >= least || !outcome.reached.is_empty();
    let mut outcomes: Vec<&Outcome> = evaluation.outcomes.iter().filter(is_shown).collect();
    outcomes.sort_by_key(|outcome| std::cmp::Reverse(outcome.level));
    outcomes
}
