//! How many findings each rule has.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Look, text};
use crate::check::filter::Report;
use crate::check::registry;

/// How many findings each rule has, by code.
pub fn by_rule(report: &Report) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(finding.rule.as_str()).or_insert(0) += 1;
    }
    counts
}

/// Writes a line for each rule, the most frequent first.
pub fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: Vec<(&str, usize)> = by_rule(report).into_iter().collect();
    counts.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let painter = text::painter(look);
    for (code, count) in counts {
        let summary = registry::rule(code).map_or("", |rule| rule.summary);
        writeln!(out, "{count:>6}  {}  {summary}", painter.bold(code))?;
    }
    if look.quiet { Ok(()) } else { text::write_end(report, &painter, out) }
}
