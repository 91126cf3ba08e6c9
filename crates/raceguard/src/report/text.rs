//! The report for a terminal, in the form of a compiler's diagnostics.
//!
//! Each finding has a headline, both statements in their source, both stacks with the goroutines' ancestry, and
//! notes. Both sides stand below each other, or beside each other on a wide terminal.

mod excerpt;
pub(crate) mod layout;
mod stack;

use std::fmt::Write as _;
use std::io::{self, Write};

use raceguard_evidence::TestName;

use super::Options;
use super::view::{AccessView, CrashView, FindingView, ReportView, Summary, counted};
use layout::{Painter, clean};

/// Columns from which both sides of a race stand beside each other.
const SIDE_BY_SIDE: usize = 160;

/// Columns between both sides.
const GAP: usize = 3;

/// Goroutines of a crash that are shown with their stacks.
const CRASH_GOROUTINES: usize = 3;

/// Tests listed per package.
const TESTS_PER_PACKAGE: usize = 8;

pub(super) fn render(view: &ReportView<'_>, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let painter = Painter::new(options);
    for finding in &view.findings {
        writeln!(out, "{}", finding_text(finding, &painter))?;
    }
    for crash in &view.crashes {
        writeln!(out, "{}", crash_text(crash, &painter))?;
    }
    write_end(&view.summary, &painter, out)
}

fn finding_text(view: &FindingView<'_>, painter: &Painter) -> String {
    let mut text = String::new();
    if painter.width >= SIDE_BY_SIDE {
        let half = painter.with_width((painter.width - GAP) / 2);
        text.push_str(&excerpt::title(view.rule.code, &view.headline, painter));
        text.push('\n');
        let [later, earlier] = view.accesses.each_ref().map(|access| {
            format!(
                "{}\n\n{}",
                excerpt::one(access, access.access == view.later().access, &half),
                side(access, &half)
            )
        });
        text.push_str(&layout::beside(&later, &earlier, half.width, GAP));
    } else {
        text.push_str(&excerpt::both(view, painter));
        text.push_str("\n\n");
        text.push_str(&view.accesses.each_ref().map(|access| side(access, painter)).join("\n"));
    }
    text.push('\n');
    push_notes(&mut text, view, painter);
    text
}

/// One goroutine: what it did, its stack, and where it came from.
fn side(access: &AccessView<'_>, painter: &Painter) -> String {
    let heading = format!("{}, {}:", painter.bold(&access.who_and_state()), access.noun());
    let mut text = format!("  {heading}\n");
    text.push_str(&stack::frames(&access.stack, Some(access.place_index), painter));
    text.push_str(&stack::creations(&access.creations, painter));
    text
}

fn push_notes(text: &mut String, view: &FindingView<'_>, painter: &Painter) {
    if let Some(object) = &view.object {
        let site = object.site.as_ref();
        let at = site.map(|site| format!(" in {} at {}", site.function, site.position())).unwrap_or_default();
        text.push_str(&painter.note("object", &format!("{}{at}", object.text)));
    }
    let finding = view.finding;
    text.push_str(&painter.note("seen", &seen(finding.occurrences, finding.processes.len() as u64)));
    for line in tests_by_package(&finding.tests) {
        text.push_str(&painter.note("test", &line));
    }
    for pair in &view.also_at {
        text.push_str(&painter.note("also at", pair));
    }
    for note in &view.notes {
        text.push_str(&painter.note("note", note));
    }
    text.push_str(&painter.note("fingerprint", finding.fingerprint.as_str()));
    text.push_str(&painter.help(&view.advice));
}

fn crash_text(view: &CrashView<'_>, painter: &Painter) -> String {
    let mut text = excerpt::crash(view, painter);
    text.push_str("\n\n");
    for goroutine in view.goroutines.iter().take(CRASH_GOROUTINES) {
        let heading = format!("goroutine {}", goroutine.goroutine.id);
        let _ = writeln!(text, "  {} [{}]:", painter.bold(&heading), clean(&goroutine.goroutine.state));
        text.push_str(&stack::frames(&goroutine.stack, Some(goroutine.place_index), painter));
        if let Some(created) = &goroutine.created {
            let by = goroutine.goroutine.parent.map(|parent| format!("goroutine {parent}"));
            text.push_str(&stack::created(created, by.as_deref(), 0, painter));
        }
    }
    if let Some(further) = view.further_goroutines(CRASH_GOROUTINES) {
        let _ = writeln!(text, "  {}", painter.dim(&format!("… {further}")));
    }
    text.push('\n');
    text.push_str(&painter.note("seen", &seen(view.finding.occurrences, 0)));
    for line in tests_by_package(&view.finding.tests) {
        text.push_str(&painter.note("test", &line));
    }
    text.push_str(&painter.note("fingerprint", view.finding.fingerprint.as_str()));
    text.push_str(&painter.help(view.advice));
    text
}

fn seen(occurrences: u64, processes: u64) -> String {
    let times = if occurrences == 1 { "once".to_owned() } else { format!("{occurrences} times") };
    if processes > 1 { format!("{times} in {}", counted(processes, "process", "processes")) } else { times }
}

/// `TestA, TestB (example.com/m)`, one line per package; the tests are sorted.
fn tests_by_package(tests: &[TestName]) -> Vec<String> {
    let packages = tests.chunk_by(|a, b| a.package == b.package);
    packages
        .map(|tests| {
            let names: Vec<&str> = tests.iter().filter_map(|test| test.test.as_deref()).collect();
            let package = &tests[0].package;
            if names.is_empty() {
                return format!("package {package}");
            }
            let shown = names[..names.len().min(TESTS_PER_PACKAGE)].join(", ");
            match names.len() - names.len().min(TESTS_PER_PACKAGE) {
                0 => format!("{shown} ({package})"),
                more => format!("{shown} and {more} more ({package})"),
            }
        })
        .collect()
}

fn write_end(summary: &Summary, painter: &Painter, out: &mut dyn Write) -> io::Result<()> {
    for warning in &summary.warnings {
        write!(out, "{}", painter.labelled(&painter.warning("warning"), "warning", warning))?;
    }
    for line in tests_by_package(&summary.failed_otherwise) {
        let text = format!("failed without a race: {line}");
        write!(out, "{}", painter.labelled(&painter.warning("tests"), "tests", &text))?;
    }
    let text = summary.text();
    let found = summary.races + summary.crashes > 0;
    writeln!(out, "{}", if found { painter.error(&text) } else { painter.good(&text) })
}
