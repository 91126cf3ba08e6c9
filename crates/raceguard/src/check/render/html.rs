//! One self-contained page that works from a file, in the form of the report on a run: no request leaves it.
//!
//! The template escapes every value; the only markup made outside of it is highlighted source and inline code.

use std::collections::HashMap;
use std::io::{self, Write};

use askama::Template;
use raceguard_evidence::StaticFinding;

use super::excerpt::Sources;
use super::{Look, calls, counted, hidden, label, located, statistics, summary};
use crate::check::filter::Report;
use crate::check::registry;
use crate::report::html::highlight::{CodeLine, inline_code, lines};

/// Lines before and after a statement.
const CONTEXT: usize = 4;

#[derive(Template)]
#[template(path = "check.html")]
struct Page {
    summary: String,
    facts: Vec<(&'static str, String)>,
    warnings: Vec<String>,
    rules: Vec<RuleCount>,
    findings: Vec<Card>,
}

/// How many findings fall under a rule.
struct RuleCount {
    code: String,
    summary: &'static str,
    count: usize,
}

/// A finding.
struct Card {
    /// Unique on the page.
    id: String,
    code: String,
    severity: String,
    rule_summary: &'static str,
    /// Markup.
    why: String,
    /// Markup.
    headline: String,
    position: String,
    /// Markup.
    remedy: String,
    sides: Vec<Side>,
    reasons: Vec<String>,
    fingerprint: String,
    /// What the filter looks in, in lower case.
    filter_text: String,
}

/// One statement.
struct Side {
    label: String,
    position: String,
    code: Vec<CodeLine>,
    way: Vec<String>,
}

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let sources = Sources::new(look);
    let rules = statistics::by_rule(report).into_iter().map(|(code, count)| RuleCount {
        code: code.to_owned(),
        summary: registry::rule(code).map_or("", |rule| rule.summary),
        count,
    });
    let mut ids = HashMap::new();
    let page = Page {
        summary: summary(report),
        facts: facts(report, look),
        warnings: report
            .problems
            .iter()
            .map(|problem| format!("{}: {}", look.paths.problem(problem), problem.message))
            .collect(),
        rules: rules.collect(),
        findings: report.findings.iter().map(|finding| card(finding, look, &sources, &mut ids)).collect(),
    };
    page.write_into(out).map_err(io::Error::other)
}

fn facts(report: &Report, look: &Look<'_>) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Root", look.paths.root().to_string_lossy().into_owned()),
        ("Analysed", counted(report.packages, "package")),
        ("Duration", format!("{:.1} s", report.seconds)),
        ("Raceguard", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    facts.extend(hidden(report).map(|text| ("Hidden", text.trim_start_matches("not shown: ").to_owned())));
    facts
}

fn card<'f>(
    finding: &'f StaticFinding,
    look: &Look<'_>,
    sources: &Sources<'_>,
    ids: &mut HashMap<&'f str, usize>,
) -> Card {
    let rule = registry::rule(&finding.rule);
    let position = finding.sites.first().map(|site| look.paths.position(&site.place)).unwrap_or_default();
    let number = ids.entry(finding.fingerprint.as_str()).or_insert(0);
    *number += 1;
    let sides: Vec<Side> =
        (0..finding.sites.len()).map(|index| side(finding, index, look, sources)).collect();
    let reason = |it: &raceguard_evidence::Reason| located(&it.text, it.place.as_ref(), look.paths);
    let words = [finding.rule.as_str(), &finding.message, &finding.subject, finding.fingerprint.as_str()];
    let functions = finding.sites.iter().map(|site| format!("{} {}", site.function, site.place.file));
    let filter_text = words.into_iter().map(str::to_owned).chain(functions).collect::<Vec<_>>().join(" ");
    Card {
        id: format!("{}-{number}", finding.fingerprint),
        code: finding.rule.clone(),
        severity: finding.severity.as_str().to_owned(),
        rule_summary: rule.map_or("", |rule| rule.summary),
        why: inline_code(rule.map_or("", |rule| rule.why)),
        headline: inline_code(&finding.message),
        position,
        remedy: inline_code(&finding.remedy),
        sides,
        reasons: finding.reasons.iter().map(reason).collect(),
        fingerprint: finding.fingerprint.to_string(),
        filter_text: filter_text.to_lowercase(),
    }
}

fn side(finding: &StaticFinding, index: usize, look: &Look<'_>, sources: &Sources<'_>) -> Side {
    let site = &finding.sites[index];
    let mut way: Vec<String> =
        site.origin.iter().map(|reason| located(&reason.text, reason.place.as_ref(), look.paths)).collect();
    way.extend(calls(site, look.paths));
    Side {
        label: label(finding, index),
        position: look.paths.position(&site.place),
        code: sources.around(&site.place, CONTEXT).map(|excerpt| lines(&excerpt)).unwrap_or_default(),
        way,
    }
}
