//! One self-contained page that works from a file: no request leaves it.
//!
//! The template escapes every value; the only markup made outside of it is highlighted source, in [`highlight`].

mod card;
pub(crate) mod highlight;

use std::io::{self, Write};

use askama::Template;
use jiff::Timestamp;

use super::view::{ReportView, Summary, test_label};
use card::{CrashCard, FindingCard};

/// Findings that a browser shows without effort.
const SHOWN_FINDINGS: usize = 1000;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    summary: &'a Summary,
    summary_text: String,
    /// Name and value of what is known of the run.
    facts: Vec<(&'static str, String)>,
    rules: Vec<RuleCount>,
    findings: Vec<FindingCard>,
    /// How many findings are not shown.
    left_out: usize,
    crashes: Vec<CrashCard>,
    failed_otherwise: Vec<String>,
}

/// How many findings fall under a rule.
struct RuleCount {
    code: &'static str,
    summary: &'static str,
    count: usize,
}

pub(super) fn render(view: &ReportView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let run = view.evidence.run.as_ref();
    let module = run.map_or("", |run| run.module.as_str());
    let shown = &view.findings[..view.findings.len().min(SHOWN_FINDINGS)];
    let page = Page {
        title: if module.is_empty() {
            "raceguard report".to_owned()
        } else {
            format!("{module} · raceguard")
        },
        summary: &view.summary,
        summary_text: view.summary.text(),
        facts: facts(view),
        rules: rules(view),
        findings: shown.iter().map(|finding| FindingCard::new(finding, module)).collect(),
        left_out: view.findings.len() - shown.len(),
        crashes: view.crashes.iter().map(|crash| CrashCard::new(crash, module)).collect(),
        failed_otherwise: view.summary.failed_otherwise.iter().map(|test| test_label(test, module)).collect(),
    };
    page.write_into(out).map_err(io::Error::other)
}

fn facts(view: &ReportView<'_>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(run) = &view.evidence.run {
        let dirty = if run.dirty == Some(true) { " with local changes" } else { "" };
        facts.push(("Module", run.module.clone()));
        facts.push(("Command", run.command.join(" ")));
        facts.push((
            "Commit",
            run.commit.as_ref().map(|commit| format!("{commit}{dirty}")).unwrap_or_default(),
        ));
        facts.push(("Go", format!("{} {}/{}", run.go_version, run.goos, run.goarch)));
        facts.push(("Host", run.host.clone()));
        facts.push(("Started", time(run.started_unix_ns)));
        if let Some(end) = &view.evidence.end {
            facts.push(("Duration", duration(run.started_unix_ns, end.ended_unix_ns)));
            facts.push(("Exit code", end.exit_code.to_string()));
        }
    }
    facts.retain(|(_, value)| !value.trim().is_empty());
    facts
}

fn time(unix_ns: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(unix_ns)).ok().filter(|_| unix_ns > 0);
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()
}

fn duration(from_ns: u64, to_ns: u64) -> String {
    let tenths = to_ns.saturating_sub(from_ns) / 100_000_000;
    if to_ns == 0 { String::new() } else { format!("{}.{} s", tenths / 10, tenths % 10) }
}

/// The rules of the report with their number of findings and crashes, in the order of their codes.
fn rules(view: &ReportView<'_>) -> Vec<RuleCount> {
    let used: Vec<_> =
        view.findings.iter().map(|f| f.rule).chain(view.crashes.iter().map(|crash| crash.rule)).collect();
    let counts = raceguard_diagnosis::rule::RULES.iter().map(|rule| RuleCount {
        code: rule.code,
        summary: rule.summary,
        count: used.iter().filter(|used| **used == *rule).count(),
    });
    counts.filter(|rule| rule.count > 0).collect()
}
