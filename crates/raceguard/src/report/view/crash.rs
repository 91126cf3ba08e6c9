//! A crash in words.

use raceguard_evidence::{CrashCause, CrashFinding, CrashGoroutine, ModulePaths};

use super::{FrameView, anchor_index, counted};
use crate::report::source::{Excerpt, Sources};
use raceguard_diagnosis::rule::Rule;

/// A crash.
pub(in crate::report) struct CrashView<'a> {
    pub(in crate::report) finding: &'a CrashFinding,
    pub(in crate::report) rule: &'static Rule,
    /// First line of the crash.
    pub(in crate::report) headline: String,
    /// E.g. `goroutine 18 died here`.
    pub(in crate::report) label: String,
    pub(in crate::report) place: Option<FrameView<'a>>,
    pub(in crate::report) excerpt: Option<Excerpt>,
    pub(in crate::report) goroutines: Vec<CrashGoroutineView<'a>>,
    /// What to do, in one line.
    pub(in crate::report) advice: &'static str,
}

/// One goroutine of the dump.
pub(in crate::report) struct CrashGoroutineView<'a> {
    pub(in crate::report) goroutine: &'a CrashGoroutine,
    pub(in crate::report) place_index: usize,
    pub(in crate::report) stack: Vec<FrameView<'a>>,
    pub(in crate::report) created: Option<FrameView<'a>>,
}

impl<'a> CrashView<'a> {
    pub(super) fn new(finding: &'a CrashFinding, paths: &ModulePaths, sources: &Sources<'_>) -> Self {
        let crash = &finding.crash;
        let first = crash.goroutines.first();
        let place = first.and_then(|goroutine| FrameView::anchor(&goroutine.stack, paths));
        let rule = Rule::of_crash(crash.cause());
        let label = first.map_or_else(String::new, |goroutine| match crash.cause() {
            CrashCause::Deadlock => format!("goroutine {} waits here", goroutine.id),
            _ => format!("goroutine {} died here", goroutine.id),
        });
        Self {
            finding,
            rule,
            headline: crash.message.clone(),
            label,
            excerpt: place.as_ref().and_then(|place| place.excerpt(paths, sources)),
            place,
            goroutines: crash.goroutines.iter().map(|g| CrashGoroutineView::new(g, paths)).collect(),
            advice: rule.fix,
        }
    }

    /// `3 goroutines: 1 running, 2 chan receive`, for those after the first `shown`; `None` when there are none.
    pub(in crate::report) fn further_goroutines(&self, shown: usize) -> Option<String> {
        let further = self.goroutines.get(shown..)?;
        let left_out = self.finding.crash.goroutines_left_out;
        if further.is_empty() && left_out == 0 {
            return None;
        }
        let mut states: Vec<(&str, u64)> = Vec::new();
        for view in further {
            let state = view.goroutine.state.split(',').next().unwrap_or_default();
            match states.iter_mut().find(|(known, _)| *known == state) {
                Some((_, count)) => *count += 1,
                None => states.push((state, 1)),
            }
        }
        let mut parts: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        if left_out > 0 {
            parts.push(format!("{left_out} left out of the dump"));
        }
        let count = further.len() as u64 + left_out;
        Some(format!("{}: {}", counted(count, "further goroutine", "further goroutines"), parts.join(", ")))
    }
}

impl<'a> CrashGoroutineView<'a> {
    fn new(goroutine: &'a CrashGoroutine, paths: &ModulePaths) -> Self {
        Self {
            goroutine,
            place_index: anchor_index(&goroutine.stack, paths).unwrap_or(0),
            stack: FrameView::stack(&goroutine.stack, paths),
            created: FrameView::anchor(&goroutine.created_at, paths),
        }
    }
}
