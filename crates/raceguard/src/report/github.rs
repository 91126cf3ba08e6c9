//! Workflow commands that GitHub shows as annotations on the changed files.
//!
//! Each finding is an error at the later statement and a notice at the earlier one; the other way round when only
//! the earlier one is in the user's code.

use std::io::{self, Write};

use raceguard_evidence::{Origin, TestName};

use super::Options;
use super::view::{AccessView, CrashView, FindingView, FrameView, ReportView, counted, test_label};

/// Tests named in an annotation.
const SHOWN_TESTS: usize = 5;

pub(super) fn render(view: &ReportView<'_>, options: &Options<'_>, out: &mut dyn Write) -> io::Result<()> {
    let module = view.evidence.run.as_ref().map_or("", |run| run.module.as_str());
    let file = |place: &FrameView<'_>| annotated_path(place, view, options);
    for finding in &view.findings {
        let title = format!("{} {}", finding.rule.code, finding.headline);
        // Code of other modules is not in the repository, where nobody would see the error.
        let later_is_elsewhere = !is_user(finding.later()) && is_user(finding.earlier());
        let (error, notice) = if later_is_elsewhere {
            (finding.earlier(), finding.later())
        } else {
            (finding.later(), finding.earlier())
        };
        annotate(out, "error", error.place.as_ref(), &file, &title, &message(finding, module))?;
        let text = format!("{}\n{}", notice.label, opposite(error.place.as_ref()));
        annotate(out, "notice", notice.place.as_ref(), &file, &title, text.trim_end())?;
    }
    for crash in &view.crashes {
        let title = format!("{} {}", crash.rule.code, crash.headline);
        annotate(out, "error", crash.place.as_ref(), &file, &title, &crash_message(crash, module))?;
    }
    for warning in &view.summary.warnings {
        writeln!(out, "::warning title=raceguard::{}", escape_message(warning))?;
    }
    Ok(())
}

fn is_user(access: &AccessView<'_>) -> bool {
    access.place.as_ref().is_some_and(|place| place.origin == Origin::User)
}

fn message(view: &FindingView<'_>, module: &str) -> String {
    let finding = view.finding;
    let statement = |access: &AccessView<'_>| {
        let position = access.place.as_ref().map(|place| format!(": {}", place.position()));
        format!("{}{}", access.label, position.unwrap_or_default())
    };
    let mut lines: Vec<String> = view.accesses.iter().map(statement).collect();
    lines.push(format!("Help: {}", view.advice));
    lines.push(format!(
        "Seen {}{}",
        counted(finding.occurrences, "time", "times"),
        in_tests(&finding.tests, module)
    ));
    lines.join("\n")
}

fn crash_message(view: &CrashView<'_>, module: &str) -> String {
    format!("{}{}\nHelp: {}", view.label, in_tests(&view.finding.tests, module), view.advice)
}

fn in_tests(tests: &[TestName], module: &str) -> String {
    if tests.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = tests.iter().take(SHOWN_TESTS).map(|test| test_label(test, module)).collect();
    let more = tests.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(" in {}{more}", shown.join(", "))
}

fn opposite(place: Option<&FrameView<'_>>) -> String {
    place.map(|place| format!("The access it races with: {}", place.position())).unwrap_or_default()
}

/// The path GitHub knows the file by: relative to the repository.
fn annotated_path(place: &FrameView<'_>, view: &ReportView<'_>, options: &Options<'_>) -> String {
    let located = view.paths.locate(&place.frame.file);
    let inside = options.repository_root.and_then(|root| located.strip_prefix(root).ok());
    match inside {
        Some(path) => path.to_string_lossy().into_owned(),
        None => view.paths.relative(&place.frame.file).to_owned(),
    }
}

fn annotate(
    out: &mut dyn Write,
    command: &str,
    place: Option<&FrameView<'_>>,
    file: &dyn Fn(&FrameView<'_>) -> String,
    title: &str,
    message: &str,
) -> io::Result<()> {
    let mut properties = Vec::new();
    if let Some(place) = place.filter(|place| !place.frame.file.is_empty()) {
        properties.push(format!("file={}", escape_property(&file(place))));
        if place.frame.line > 0 {
            properties.push(format!("line={}", place.frame.line));
        }
    }
    properties.push(format!("title={}", escape_property(title)));
    writeln!(out, "::{command} {}::{}", properties.join(","), escape_message(message))
}

pub(crate) fn escape_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(crate) fn escape_property(text: &str) -> String {
    escape_message(text).replace(':', "%3A").replace(',', "%2C")
}
