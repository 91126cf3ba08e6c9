//! The report for a terminal, in the form of a compiler's diagnostics.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use raceguard_evidence::{Severity, StaticFinding};
use unicode_width::UnicodeWidthStr as _;

use super::excerpt::Sources;
use super::{Look, counted, hidden, is_race, label, located, ordinal, summary, way};
use crate::check::filter::Report;
use crate::report::source::Excerpt;
use crate::report::text::layout::{Painter, clean};

/// Lines shown before and after a statement.
const CONTEXT: usize = 1;

/// Lines between two statements up to which they are shown in one excerpt.
const MERGED_DISTANCE: usize = 4;

/// How excerpts show a tab.
const TAB: &str = "    ";

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let text = Text { look, painter: painter(look), sources: Sources::new(look) };
    let mut explained = BTreeSet::new();
    for finding in &report.findings {
        let is_first = explained.insert(finding.rule.as_str());
        writeln!(out, "{}", text.finding(finding, is_first))?;
    }
    if look.quiet { Ok(()) } else { write_end(report, &text.painter, out) }
}

pub(super) fn painter(look: &Look<'_>) -> Painter {
    let options = crate::report::Options::new(&|_| None);
    Painter::new(&crate::report::Options { color: look.color, width: look.width, ..options })
}

pub(super) fn write_end(report: &Report, painter: &Painter, out: &mut dyn Write) -> io::Result<()> {
    let text =
        format!("{} in {}, {:.1} s", summary(report), counted(report.packages, "package"), report.seconds);
    let line = if report.count(&Severity::Error) > 0 {
        painter.error(&text)
    } else if report.exit_code() > 0 {
        painter.warning(&text)
    } else {
        painter.good(&text)
    };
    writeln!(out, "{line}")?;
    if let Some(text) = hidden(report) {
        writeln!(out, "{}", painter.dim(&text))?;
    }
    match report.findings.iter().filter(|finding| finding.fix.is_some()).count() {
        0 => Ok(()),
        fixable => {
            writeln!(out, "{}", painter.dim(&format!("{fixable} fixable with `raceguard check --fix`")))
        }
    }
}

struct Text<'a> {
    look: &'a Look<'a>,
    painter: Painter,
    sources: Sources<'a>,
}

/// A statement with its source.
struct Shown {
    index: usize,
    excerpt: Excerpt,
}

impl Text<'_> {
    fn finding(&self, finding: &StaticFinding, is_first: bool) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            _ => Level::NOTE,
        };
        let level = if finding.severity == Severity::Advice { level.with_name("advice") } else { level };
        let title = level.primary_title(clean(&finding.message)).id(finding.rule.clone());
        let (shown, missing) = self.statements(finding);
        let renderer = if self.painter.color { Renderer::styled() } else { Renderer::plain() };
        let group = title.elements(self.snippets(finding, &shown));
        let mut text = renderer.term_width(self.painter.width).render(&[group]);
        text.push('\n');
        for index in missing {
            let site = &finding.sites[index];
            let arrow = self.painter.dim("-->");
            let _ = writeln!(text, "  {arrow} {}", self.look.paths.position(&site.place));
            let label = format!("{} (source not found)", full_label(finding, index));
            text.push_str(&self.painter.hanging("      ", &label));
            text.push('\n');
        }
        self.push_notes(&mut text, finding, is_first);
        text
    }

    /// The statements with and without source.
    fn statements(&self, finding: &StaticFinding) -> (Vec<Shown>, Vec<usize>) {
        let (mut shown, mut missing) = (Vec::new(), Vec::new());
        for (index, site) in finding.sites.iter().enumerate() {
            match self.sources.around(&site.place, CONTEXT) {
                Some(excerpt) => shown.push(Shown { index, excerpt }),
                None if site.place.file.is_empty() => {}
                None => missing.push(index),
            }
        }
        (shown, missing)
    }

    fn snippets(
        &self,
        finding: &StaticFinding,
        shown: &[Shown],
    ) -> Vec<Snippet<'static, Annotation<'static>>> {
        let mut snippets = Vec::new();
        let mut rest = shown;
        while let Some((first, others)) = rest.split_first() {
            let near = others.first().filter(|next| are_near(finding, first, next));
            if let Some(next) = near {
                snippets.push(self.merged(finding, first, next));
                rest = &others[1..];
            } else {
                let annotation = self.annotation(finding, first, &first.excerpt, first.excerpt.marked);
                snippets.push(self.snippet(finding, first, &first.excerpt).annotation(annotation));
                rest = others;
            }
        }
        snippets
    }

    /// Two statements in one excerpt.
    fn merged(
        &self,
        finding: &StaticFinding,
        one: &Shown,
        other: &Shown,
    ) -> Snippet<'static, Annotation<'static>> {
        let distance = one.excerpt.marked_number().abs_diff(other.excerpt.marked_number());
        let place = &finding.sites[one.index].place;
        let wide = self.sources.around(place, CONTEXT + distance).unwrap_or_else(|| one.excerpt.clone());
        let other_line = other.excerpt.marked_number().saturating_sub(wide.first_line);
        let annotations = [
            self.annotation(finding, one, &wide, wide.marked),
            self.annotation(finding, other, &wide, other_line.min(wide.lines.len() - 1)),
        ];
        self.snippet(finding, one, &wide).annotations(annotations)
    }

    fn snippet(
        &self,
        finding: &StaticFinding,
        shown: &Shown,
        excerpt: &Excerpt,
    ) -> Snippet<'static, Annotation<'static>> {
        Snippet::source(excerpt.lines.join("\n"))
            .line_start(excerpt.first_line)
            .path(self.look.paths.shown(&finding.sites[shown.index].place.file))
            .fold(false)
    }

    /// The label on the mark of a statement, which is on that line of the excerpt.
    fn annotation(
        &self,
        finding: &StaticFinding,
        shown: &Shown,
        excerpt: &Excerpt,
        line: usize,
    ) -> Annotation<'static> {
        let kind = if shown.index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let before: usize = excerpt.lines[..line].iter().map(|line| line.len() + 1).sum();
        let mark = shown.excerpt.mark.clone();
        let indent = excerpt.lines[line].get(..mark.start).unwrap_or_default().replace('\t', TAB).width();
        let gutter = (excerpt.first_line + excerpt.lines.len()).to_string().len() + " | ".len();
        let free = self.painter.width.saturating_sub(gutter + indent + mark.len() + 1);
        let full = full_label(finding, shown.index);
        let label = if full.width() <= free { full } else { short_label(finding, shown.index) };
        kind.span(before + mark.start..before + mark.end).label(clean(&label))
    }

    fn push_notes(&self, text: &mut String, finding: &StaticFinding, is_first: bool) {
        let painter = &self.painter;
        let ways: Vec<Option<String>> = finding.sites.iter().map(|site| way(site, self.look.paths)).collect();
        let is_common = ways.len() > 1 && ways.windows(2).all(|pair| pair[0] == pair[1]);
        if let Some(Some(way)) = ways.first().filter(|_| is_common) {
            text.push_str(&painter.note(if ways.len() == 2 { "both" } else { "all" }, way));
        }
        for (index, site) in finding.sites.iter().enumerate() {
            let ordinal = ordinal(finding, index);
            let name = if ordinal.is_empty() { "here" } else { &ordinal };
            if let Some(way) = ways[index].as_ref().filter(|_| !is_common) {
                text.push_str(&painter.note(name, way));
            }
            if is_race(finding) || !site.locks.is_empty() {
                self.push_label_if_short(text, finding, index, name);
            }
        }
        for reason in &finding.reasons {
            text.push_str(
                &painter.note("why", &located(&reason.text, reason.place.as_ref(), self.look.paths)),
            );
        }
        text.push_str(&painter.help(&finding.remedy));
        if let Some(fix) = &finding.fix {
            text.push_str(&painter.help(&format!("`raceguard check --fix` can do it: {}", fix.title)));
        }
        if is_first {
            text.push_str(&painter.note("rule", &format!("`raceguard rule {}` explains it", finding.rule)));
        }
    }

    /// The whole label of a statement, where the excerpt had room for a short one only.
    fn push_label_if_short(&self, text: &mut String, finding: &StaticFinding, index: usize, name: &str) {
        let label = label(finding, index);
        let plain = anstream::adapter::strip_str(text).to_string();
        if !plain.contains(&clean(&label)) {
            text.push_str(&self.painter.note(name, &label));
        }
    }
}

fn are_near(finding: &StaticFinding, one: &Shown, other: &Shown) -> bool {
    let file = |shown: &Shown| &finding.sites[shown.index].place.file;
    let distance = one.excerpt.marked_number().abs_diff(other.excerpt.marked_number());
    file(one) == file(other) && distance <= MERGED_DISTANCE
}

fn full_label(finding: &StaticFinding, index: usize) -> String {
    with_ordinal(&ordinal(finding, index), &label(finding, index))
}

/// For when the label does not fit beside the mark; a note then says the rest.
fn short_label(finding: &StaticFinding, index: usize) -> String {
    with_ordinal(&ordinal(finding, index), &finding.sites[index].action)
}

fn with_ordinal(ordinal: &str, label: &str) -> String {
    if ordinal.is_empty() { label.to_owned() } else { format!("{ordinal}: {label}") }
}
