//! What every format shows: findings and crashes in words, with their excerpts, free of any form.

mod access;
mod crash;
mod frame;
mod goroutines;
mod summary;

use std::path::Path;

use raceguard_diagnosis::advice::{Facts, advise};
use raceguard_diagnosis::operand::{operand, same_operand};
use raceguard_diagnosis::rule::Rule;
use raceguard_evidence::{
    Access, Finding, Frame, MapOp, ModulePaths, ObjectKind, Origin, Position, Race, RunEvidence, TestName,
};

use super::source::{Excerpt, Sources};

pub(super) use access::{AccessView, Creation};
pub(super) use crash::{CrashGoroutineView, CrashView};
pub(super) use frame::FrameView;
pub(super) use goroutines::{GoroutineNode, who};
pub(super) use summary::Summary;

/// A whole report.
pub(super) struct ReportView<'a> {
    pub(super) evidence: &'a RunEvidence,
    pub(super) paths: ModulePaths,
    pub(super) findings: Vec<FindingView<'a>>,
    pub(super) crashes: Vec<CrashView<'a>>,
    pub(super) summary: Summary,
}

impl<'a> ReportView<'a> {
    pub(super) fn new(evidence: &'a RunEvidence, read_source: &dyn Fn(&Path) -> Option<String>) -> Self {
        let paths = evidence.module_paths();
        let sources = Sources::new(read_source);
        Self {
            findings: evidence.findings.iter().map(|f| FindingView::new(f, &paths, &sources)).collect(),
            crashes: evidence.crashes.iter().map(|c| CrashView::new(c, &paths, &sources)).collect(),
            summary: Summary::new(evidence),
            evidence,
            paths,
        }
    }
}

/// A race.
pub(super) struct FindingView<'a> {
    pub(super) finding: &'a Finding,
    pub(super) rule: &'static Rule,
    /// E.g. ``data race: map insert vs. map iteration on `r.routes` ``.
    pub(super) headline: String,
    /// What raced, as the source or the symbol table names it.
    pub(super) subject: Option<String>,
    /// The later access, then the earlier one.
    pub(super) accesses: [AccessView<'a>; 2],
    pub(super) object: Option<ObjectView<'a>>,
    /// Both goroutines and their ancestors, parents before children.
    pub(super) goroutines: Vec<GoroutineNode<'a>>,
    /// Other pairs of lines at which the same functions race.
    pub(super) also_at: Vec<String>,
    /// What a reader must know to judge the finding.
    pub(super) notes: Vec<String>,
    /// What to do, in one line.
    pub(super) advice: String,
}

/// The object that was raced on.
pub(super) struct ObjectView<'a> {
    /// E.g. `48 bytes on the heap, allocated by main goroutine`.
    pub(super) text: String,
    /// Where it was allocated: the user's statement.
    pub(super) site: Option<FrameView<'a>>,
    pub(super) excerpt: Option<Excerpt>,
    pub(super) stack: Vec<FrameView<'a>>,
}

impl<'a> FindingView<'a> {
    fn new(finding: &'a Finding, paths: &ModulePaths, sources: &Sources<'_>) -> Self {
        let race = &finding.race;
        let mut accesses = [0, 1].map(|index| AccessView::new(race, index, paths, sources));
        let global =
            race.object.as_ref().and_then(|object| object.name.clone()).filter(|name| !name.is_empty());
        let subject = mark_operands(&mut accesses).or(global);
        let lines = accesses.each_ref().map(|access| access.excerpt.as_ref().map(Excerpt::marked_line));
        let (rule, advice) = advise(&Facts { race, lines, subject: subject.as_deref() });
        Self {
            finding,
            rule,
            headline: headline(&accesses, subject.as_deref()),
            subject,
            object: ObjectView::new(finding, paths, sources),
            goroutines: goroutines::tree(race, paths),
            also_at: also_at(finding, paths),
            notes: race.notes.iter().cloned().chain(in_dependency(race, paths)).collect(),
            advice,
            accesses,
        }
    }

    pub(super) fn later(&self) -> &AccessView<'a> {
        &self.accesses[0]
    }

    pub(super) fn earlier(&self) -> &AccessView<'a> {
        &self.accesses[1]
    }
}

/// Marks what was accessed in both excerpts, as far as the lines tell, and gives back its name.
fn mark_operands(accesses: &mut [AccessView<'_>; 2]) -> Option<String> {
    let find = |view: &AccessView<'_>| {
        let excerpt = view.excerpt.as_ref().filter(|_| view.place_is_statement)?;
        operand(excerpt.marked_line(), view.access)
    };
    let mut marks = accesses.each_ref().map(find);
    for (this, peer) in [(0, 1), (1, 0)] {
        if marks[this].is_none() && accesses[this].place_is_statement {
            let name = marks[peer].clone().and_then(|mark| accesses[peer].text_at(mark));
            let line = accesses[this].excerpt.as_ref().map(Excerpt::marked_line);
            marks[this] = line.zip(name).and_then(|(line, name)| same_operand(line, &name));
        }
    }
    let mut subject = None;
    for (view, mark) in accesses.iter_mut().zip(marks) {
        let Some(mark) = mark else { continue };
        subject = subject.or_else(|| view.text_at(mark.clone()));
        if let Some(excerpt) = &mut view.excerpt {
            excerpt.mark = mark;
        }
    }
    subject
}

/// Names the operations, the writing one first.
fn headline(accesses: &[AccessView<'_>; 2], subject: Option<&str>) -> String {
    let is_write = |access: &Access| access.map_op.as_ref().map_or(access.op.is_write(), MapOp::is_write);
    let [later, earlier] = accesses;
    let (first, second) =
        if is_write(earlier.access) && !is_write(later.access) { (earlier, later) } else { (later, earlier) };
    let on = subject.map(|subject| format!(" on `{subject}`")).unwrap_or_default();
    format!("data race: {} vs. {}{on}", first.noun(), second.noun())
}

fn also_at(finding: &Finding, paths: &ModulePaths) -> Vec<String> {
    let show = |at: &Position| format!("{}:{}", paths.relative(&at.file), at.line);
    let others = finding.places.iter().skip(1);
    others.map(|place| format!("{} and {}", show(&place.later), show(&place.earlier))).collect()
}

/// Says so when neither statement is the user's own to change.
fn in_dependency(race: &Race, paths: &ModulePaths) -> Option<String> {
    let [later, earlier] = race
        .accesses
        .each_ref()
        .map(|access| access.statement().filter(|frame| paths.origin(frame) == Origin::Dependency));
    let package = later?.name().package().into_owned();
    earlier.map(|_| {
        format!("both statements are in a dependency ({package}): guard your calls of it, or report the race there")
    })
}

impl<'a> ObjectView<'a> {
    fn new(finding: &'a Finding, paths: &ModulePaths, sources: &Sources<'_>) -> Option<Self> {
        let race = &finding.race;
        let object = race.object.as_ref()?;
        let length = object.size.map(|size| format!("{} ", bytes(size))).unwrap_or_default();
        let allocator = object.allocated_by.map(|id| format!(", allocated by {}", who(race, Some(id))));
        let text = match &object.kind {
            ObjectKind::Global => match object.name.as_deref().filter(|name| !name.is_empty()) {
                Some(name) => format!("global variable {name}"),
                None => "a global variable".to_owned(),
            },
            ObjectKind::Heap => format!("{length}on the heap{}", allocator.unwrap_or_default()),
            _ => format!("{length}somewhere else{}", allocator.unwrap_or_default()),
        };
        let stack = FrameView::stack(&object.allocation, paths);
        let site = FrameView::anchor(&object.allocation, paths);
        let excerpt = site.as_ref().and_then(|site| site.excerpt(paths, sources));
        Some(Self { text, site, excerpt, stack })
    }
}

fn bytes(size: u64) -> String {
    if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") }
}

/// `TestA` with its package relative to the module: `TestA (gateway)`.
pub(super) fn test_label(test: &TestName, module: &str) -> String {
    let inside = test.package.strip_prefix(module).map(|rest| rest.trim_start_matches('/'));
    let package = match inside {
        Some("") | None => test.package.as_str(),
        Some(_) if module.is_empty() => test.package.as_str(),
        Some(inside) => inside,
    };
    match &test.test {
        Some(name) => format!("{name} ({package})"),
        None => format!("package {package}"),
    }
}

/// `1 test`, `3 tests`.
pub(super) fn counted(count: u64, singular: &str, plural: &str) -> String {
    if count == 1 { format!("1 {singular}") } else { format!("{count} {plural}") }
}

/// The frame that a reader wants to see of a stack: the innermost one in the user's code, else the statement.
fn anchor_index(stack: &[Frame], paths: &ModulePaths) -> Option<usize> {
    let user = stack.iter().position(|frame| paths.origin(frame) == Origin::User);
    user.or_else(|| stack.iter().position(|frame| !frame.is_runtime_internal()))
        .or((!stack.is_empty()).then_some(0))
}
