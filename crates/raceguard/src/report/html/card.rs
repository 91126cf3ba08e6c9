//! Findings and crashes as the page shows them.

use super::highlight::{CodeLine, inline_code, lines};
use crate::report::view::{
    AccessView, CrashGoroutineView, CrashView, FindingView, FrameView, GoroutineNode, counted, test_label,
};
use raceguard_evidence::TestName;

/// A race.
pub(super) struct FindingCard {
    pub(super) fingerprint: String,
    pub(super) code: &'static str,
    pub(super) rule_summary: &'static str,
    /// Markup.
    pub(super) why: String,
    /// Markup.
    pub(super) headline: String,
    pub(super) position: String,
    pub(super) seen: String,
    /// Markup.
    pub(super) advice: String,
    pub(super) sides: [Side; 2],
    pub(super) goroutines: Vec<TreeLine>,
    pub(super) object: Option<ObjectCard>,
    pub(super) tests: Vec<String>,
    pub(super) processes: Vec<String>,
    pub(super) also_at: Vec<String>,
    pub(super) notes: Vec<String>,
    /// What the filter looks in, in lower case.
    pub(super) filter_text: String,
}

/// One access of a race.
pub(super) struct Side {
    pub(super) role: &'static str,
    pub(super) who: String,
    pub(super) noun: String,
    pub(super) label: String,
    pub(super) position: String,
    pub(super) code: Vec<CodeLine>,
    pub(super) stack: Vec<StackPart>,
}

/// The object that was raced on.
pub(super) struct ObjectCard {
    pub(super) text: String,
    pub(super) site: String,
    pub(super) code: Vec<CodeLine>,
    pub(super) stack: Vec<StackPart>,
}

/// Frames of a stack that are shown or folded together.
pub(super) struct StackPart {
    pub(super) folded: bool,
    pub(super) frames: Vec<StackFrame>,
}

/// A frame.
pub(super) struct StackFrame {
    pub(super) function: String,
    pub(super) full_name: String,
    pub(super) position: String,
    pub(super) full_position: String,
    pub(super) anchor: bool,
    pub(super) origin: &'static str,
    pub(super) inlined: bool,
}

/// A goroutine in the tree.
pub(super) struct TreeLine {
    pub(super) depth: usize,
    pub(super) who: String,
    pub(super) state: String,
    pub(super) role: &'static str,
    pub(super) created: String,
}

/// A crash.
pub(super) struct CrashCard {
    pub(super) fingerprint: String,
    pub(super) code: &'static str,
    pub(super) rule_summary: &'static str,
    pub(super) headline: String,
    pub(super) position: String,
    pub(super) label: String,
    pub(super) seen: String,
    pub(super) advice: &'static str,
    pub(super) source: Vec<CodeLine>,
    pub(super) goroutines: Vec<CrashGoroutineCard>,
    pub(super) left_out: u64,
    pub(super) tests: Vec<String>,
    /// What the filter looks in, in lower case.
    pub(super) filter_text: String,
}

/// One goroutine of a dump.
pub(super) struct CrashGoroutineCard {
    pub(super) title: String,
    pub(super) created: String,
    pub(super) stack: Vec<StackPart>,
}

impl FindingCard {
    pub(super) fn new(view: &FindingView<'_>, module: &str) -> Self {
        let finding = view.finding;
        let tests = test_labels(&finding.tests, module);
        let position = view.later().place.as_ref().map(FrameView::position).unwrap_or_default();
        let words = [finding.fingerprint.as_str(), view.rule.code, &view.headline];
        let frames = view.accesses.iter().flat_map(|access| &access.stack);
        Self {
            fingerprint: finding.fingerprint.to_string(),
            code: view.rule.code,
            rule_summary: view.rule.summary,
            why: inline_code(view.rule.why),
            headline: inline_code(&view.headline),
            position,
            seen: counted(finding.occurrences, "sighting", "sightings"),
            advice: inline_code(&view.advice),
            sides: [Side::new(view.later(), "Later access"), Side::new(view.earlier(), "Earlier access")],
            goroutines: view.goroutines.iter().map(TreeLine::new).collect(),
            object: view.object.as_ref().map(|object| ObjectCard {
                text: object.text.clone(),
                site: object
                    .site
                    .as_ref()
                    .map(|s| format!("{} at {}", s.function, s.position()))
                    .unwrap_or_default(),
                code: object.excerpt.as_ref().map(|excerpt| lines(&excerpt.narrowed(2))).unwrap_or_default(),
                stack: parts(&object.stack, None),
            }),
            processes: finding.processes.iter().map(process_label).collect(),
            also_at: view.also_at.clone(),
            notes: view.notes.clone(),
            filter_text: filter_text(words, frames, &tests),
            tests,
        }
    }
}

impl Side {
    fn new(access: &AccessView<'_>, role: &'static str) -> Self {
        Self {
            role,
            who: access.who_and_state(),
            noun: access.noun(),
            label: access.label.clone(),
            position: access.place.as_ref().map(FrameView::position).unwrap_or_default(),
            code: access.excerpt.as_ref().map(lines).unwrap_or_default(),
            stack: parts(&access.stack, Some(access.place_index)),
        }
    }
}

impl TreeLine {
    fn new(node: &GoroutineNode<'_>) -> Self {
        let created = node.created.as_ref();
        Self {
            depth: node.depth,
            who: node.who.clone(),
            state: node.state.clone(),
            role: node.role,
            created: created.map(|at| format!("{} at {}", at.function, at.position())).unwrap_or_default(),
        }
    }
}

impl CrashCard {
    pub(super) fn new(view: &CrashView<'_>, module: &str) -> Self {
        let tests = test_labels(&view.finding.tests, module);
        let words = [view.finding.fingerprint.as_str(), view.rule.code, &view.headline];
        let frames = view.goroutines.iter().flat_map(|goroutine| &goroutine.stack);
        Self {
            fingerprint: view.finding.fingerprint.to_string(),
            code: view.rule.code,
            rule_summary: view.rule.summary,
            headline: view.headline.clone(),
            position: view.place.as_ref().map(FrameView::position).unwrap_or_default(),
            label: view.label.clone(),
            seen: counted(view.finding.occurrences, "sighting", "sightings"),
            advice: view.advice,
            source: view.excerpt.as_ref().map(lines).unwrap_or_default(),
            goroutines: view.goroutines.iter().map(CrashGoroutineCard::new).collect(),
            left_out: view.finding.crash.goroutines_left_out,
            filter_text: filter_text(words, frames, &tests),
            tests,
        }
    }
}

impl CrashGoroutineCard {
    fn new(view: &CrashGoroutineView<'_>) -> Self {
        let goroutine = view.goroutine;
        let by = goroutine.parent.map(|parent| format!("by goroutine {parent} ")).unwrap_or_default();
        let created = view.created.as_ref();
        Self {
            title: format!("goroutine {} [{}]", goroutine.id, goroutine.state),
            created: created
                .map(|at| format!("{by}in {} at {}", at.function, at.position()))
                .unwrap_or_default(),
            stack: parts(&view.stack, Some(view.place_index)),
        }
    }
}

fn filter_text<'a>(
    words: [&str; 3],
    frames: impl Iterator<Item = &'a FrameView<'a>>,
    tests: &[String],
) -> String {
    let frames = frames.map(|frame| format!("{} {}", frame.frame.function, frame.position()));
    let parts: Vec<String> =
        words.into_iter().map(str::to_owned).chain(frames).chain(tests.iter().cloned()).collect();
    parts.join(" ").to_lowercase()
}

fn test_labels(tests: &[TestName], module: &str) -> Vec<String> {
    tests.iter().map(|test| test_label(test, module)).collect()
}

fn process_label(process: &raceguard_evidence::ProcessSighting) -> String {
    let times = counted(process.occurrences, "sighting", "sightings");
    match &process.executable {
        Some(executable) => format!("{} {executable} ({times})", process.pid),
        None => format!("{} ({times})", process.pid),
    }
}

/// Frames of the standard library in a row are folded together when there are two or more.
fn parts(stack: &[FrameView<'_>], anchor: Option<usize>) -> Vec<StackPart> {
    let foldable = |index: usize| stack[index].is_standard() && anchor != Some(index);
    let indexes: Vec<usize> = (0..stack.len()).collect();
    let runs = indexes.chunk_by(|a, b| foldable(*a) == foldable(*b));
    runs.map(|run| StackPart {
        folded: run.len() > 1 && foldable(run[0]),
        frames: run.iter().map(|index| StackFrame::new(&stack[*index], anchor == Some(*index))).collect(),
    })
    .collect()
}

impl StackFrame {
    fn new(view: &FrameView<'_>, anchor: bool) -> Self {
        Self {
            function: view.function.clone(),
            full_name: view.frame.function.clone(),
            position: view.position(),
            full_position: format!("{}:{}", view.frame.file, view.frame.line),
            anchor,
            origin: view.origin.as_str(),
            inlined: view.frame.inlined,
        }
    }
}
