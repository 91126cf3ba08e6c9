//! Findings for people and for tools: one module for each format, all of the same [`Report`].
//!
//! Sources are read through [`Look::read_source`], so nothing here touches the disk by itself. Names and messages come
//! from source that may hold anything: each format escapes them where it writes them.

mod excerpt;
mod github;
mod gitlab;
mod html;
mod json;
pub(crate) mod junit;
mod paths;
mod sarif;
pub mod statistics;
mod text;

use std::fmt;
use std::io::{self, Read as _, Write};
use std::path::Path;

use clap::ValueEnum;
use raceguard_evidence::{Severity, Site, SourcePlace, StaticFinding};

use super::filter::Report;
pub(crate) use crate::report::text::layout::clean;
pub use paths::Paths;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a terminal
    #[default]
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations of GitHub workflows
    Github,
    /// GitLab's code quality report
    Gitlab,
    /// JUnit XML, for what shows test results
    Junit,
    /// One self-contained page
    Html,
}

/// How a report looks, and where its sources come from.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Whether text is coloured.
    pub color: bool,
    /// Columns that text may take.
    pub width: usize,
    /// Whether text has no summary.
    pub quiet: bool,
    /// What paths are shown relative to.
    pub paths: &'a Paths,
    /// Reads a source file; none when it is not there.
    pub read_source: &'a dyn Fn(&Path) -> Option<String>,
}

impl fmt::Debug for Look<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("color", &self.color).field("width", &self.width).finish_non_exhaustive()
    }
}

impl<'a> Look<'a> {
    /// Plain text with sources from the disk.
    pub fn plain(paths: &'a Paths) -> Self {
        let width = crate::report::DEFAULT_WIDTH;
        Self { color: false, width, quiet: false, paths, read_source: &read_source }
    }
}

/// Source files larger than this are not shown.
const MAX_SOURCE: u64 = 16 << 20;

/// Reads a source file. Bytes that are no text are replaced: the lines with findings are to be shown nevertheless.
fn read_source(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).ok()?.take(MAX_SOURCE + 1).read_to_end(&mut bytes).ok()?;
    (read as u64 <= MAX_SOURCE).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a report.
pub fn render(report: &Report, format: Format, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::render(report, look, out),
        Format::Json => json::render(report, look, out),
        Format::Sarif => sarif::render(report, look, out),
        Format::Github => github::render(report, look, out),
        Format::Gitlab => gitlab::render(report, look, out),
        Format::Junit => junit::render(report, look, out),
        Format::Html => html::render(report, look, out),
    }
}

/// `1 finding`, `2 findings`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The findings in one line: `2 errors, 1 warning`, or that there are none.
pub fn summary(report: &Report) -> String {
    let advice = report.count(&Severity::Advice);
    let counts = [(report.count(&Severity::Error), "error"), (report.count(&Severity::Warning), "warning")];
    let mut parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| counted(*count, noun)).collect();
    match advice {
        0 => {}
        1 => parts.push("1 piece of advice".to_owned()),
        more => parts.push(format!("{more} pieces of advice")),
    }
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// What is not shown, in one line; nothing if there is nothing.
pub fn hidden(report: &Report) -> Option<String> {
    let hidden = report.hidden;
    let counts = [
        (hidden.known, "in the baseline"),
        (hidden.suppressed, "suppressed"),
        (hidden.unchanged, "on unchanged lines"),
        (hidden.not_selected, "not selected"),
        (hidden.too_mild, "of lower severity (--severity advice)"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!parts.is_empty()).then(|| format!("not shown: {}", parts.join(", ")))
}

/// What a statement does, for people: `write in (*Router).Set, holding r.mu`.
fn label(finding: &StaticFinding, index: usize) -> String {
    let site = &finding.sites[index];
    let mut text = site.action.clone();
    if !site.function.is_empty() {
        text.push_str(" in ");
        text.push_str(&short_function(&site.function));
    }
    if !site.locks.is_empty() {
        text.push_str(", holding ");
        text.push_str(&site.locks.join(", "));
    } else if is_race(finding) {
        text.push_str(", no lock held");
    }
    text
}

/// Whether it is about accesses that nothing orders, so that locks matter even where there are none.
fn is_race(finding: &StaticFinding) -> bool {
    let races = finding.rule.starts_with("RG1") || finding.rule.starts_with("RG2");
    races && finding.sites.len() > 1
}

/// The name of a statement among those of its finding: `1st`, or nothing where there is but one.
fn ordinal(finding: &StaticFinding, index: usize) -> String {
    match (finding.sites.len(), index) {
        (0 | 1, _) => String::new(),
        (_, 0) => "1st".to_owned(),
        (_, 1) => "2nd".to_owned(),
        (_, 2) => "3rd".to_owned(),
        (_, index) => format!("{}th", index + 1),
    }
}

/// A function without the folders of its package.
fn short_function(function: &str) -> String {
    raceguard_evidence::FunctionName::parse(function).short()
}

/// How the goroutine of a statement comes there: its origin, and the calls since; none where nothing is known.
fn way(site: &Site, paths: &Paths) -> Option<String> {
    let mut parts: Vec<String> =
        site.origin.iter().map(|reason| located(&reason.text, reason.place.as_ref(), paths)).collect();
    if let Some(calls) = calls(site, paths) {
        parts.push(calls);
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The calls on the way to a statement, outermost first; those in the middle of a long way are left out.
fn calls(site: &Site, paths: &Paths) -> Option<String> {
    const SHOWN: usize = 4;
    if site.calls.is_empty() {
        return None;
    }
    let step = |index: usize| {
        let call = &site.calls[index];
        located(&short_function(&call.function), Some(&call.place), paths)
    };
    let count = site.calls.len();
    let mut names: Vec<String> = (0..count).rev().map(step).collect();
    if count > SHOWN {
        names.splice(2..count - 2, [format!("{} more", count - SHOWN)]);
    }
    Some(format!("through {}", names.join(" → ")))
}

/// A sentence: it begins with a capital letter, and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// A text with the place it speaks of.
fn located(text: &str, place: Option<&SourcePlace>, paths: &Paths) -> String {
    match place {
        Some(place) if !place.file.is_empty() => format!("{text} ({})", paths.position(place)),
        _ => text.to_owned(),
    }
}
