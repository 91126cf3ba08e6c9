//! The stacks of a finding, read off its record, in one form for races, crashes and static findings.

use raceguard_evidence::{Frame, Record};
use serde::Serialize;

/// Frames of a stack that are told.
const FRAMES: usize = 64;

/// One side of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingStack {
    /// What was done there: `write`, `map insert`, the state of a goroutine that died, the analyzer's word.
    pub action: String,
    /// Number of the goroutine, when known.
    pub goroutine: Option<u64>,
    /// Innermost first, at most 64.
    pub frames: Vec<StackFrame>,
    /// Place in `frames` of the program's own statement.
    pub statement: usize,
    /// The `go` statement that started the goroutine, innermost first.
    pub started_at: Vec<StackFrame>,
}

/// A frame of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackFrame {
    /// As Go names it.
    pub function: String,
    /// As the evidence has it.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
}

/// The stacks of a race, a crash or a static finding; none of anything else.
pub fn stacks(record: &Record) -> Vec<FindingStack> {
    match record {
        Record::Race(race) => {
            let side = |access: &raceguard_evidence::Access| {
                let action = match &access.map_op {
                    Some(op) => format!("map {}", op.as_str()),
                    None => access.op.as_str().to_owned(),
                };
                let started = race.goroutine(access.goroutine).and_then(|goroutine| goroutine.go_statement());
                FindingStack {
                    action,
                    goroutine: access.goroutine,
                    frames: frames(&access.stack),
                    statement: access.statement_index().min(FRAMES),
                    started_at: frames(started.unwrap_or_default()),
                }
            };
            race.accesses.iter().map(side).collect()
        }
        Record::Crash(crash) => {
            let first = crash.goroutines.first();
            let side = |goroutine: &raceguard_evidence::CrashGoroutine| FindingStack {
                action: goroutine.state.clone(),
                goroutine: Some(goroutine.id),
                frames: frames(&goroutine.stack),
                statement: goroutine.stack.iter().position(|frame| !frame.is_runtime_internal()).unwrap_or(0),
                started_at: frames(&goroutine.created_at),
            };
            first.map(side).into_iter().collect()
        }
        Record::StaticFinding(finding) => {
            let side = |site: &raceguard_evidence::Site| {
                let place = |function: &str, place: &raceguard_evidence::SourcePlace| StackFrame {
                    function: function.to_owned(),
                    file: place.file.clone(),
                    line: place.line,
                };
                let calls = site.calls.iter().map(|call| place(&call.function, &call.place));
                let frames = std::iter::once(place(&site.function, &site.place)).chain(calls);
                let origin = site.origin.iter().filter_map(|reason| reason.place.as_ref());
                FindingStack {
                    action: site.action.clone(),
                    goroutine: None,
                    frames: frames.take(FRAMES).collect(),
                    statement: 0,
                    started_at: origin.take(FRAMES).map(|origin| place("", origin)).collect(),
                }
            };
            finding.sites.iter().map(side).collect()
        }
        _ => Vec::new(),
    }
}

fn frames(stack: &[Frame]) -> Vec<StackFrame> {
    let frame = |frame: &Frame| StackFrame {
        function: frame.function.clone(),
        file: frame.file.clone(),
        line: frame.line,
    };
    stack.iter().take(FRAMES).map(frame).collect()
}
