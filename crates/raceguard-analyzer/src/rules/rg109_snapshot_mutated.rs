//! RG109: a published snapshot is changed.

use super::Rule;
use super::fields::function_path;
use super::path_checks::PathContext;
use super::path_facts::arguments::{Fate, values};
use super::path_facts::{Mark, Marked, Step, Trace, What};
use crate::finding::{Finding, Severity};
use crate::ir::function::{Access, Call, Target};
use crate::ir::place::{Root, Step as PathStep};
use crate::syntax::span::Span;

/// `RG109`
pub const RULE: Rule = Rule {
    code: "RG109",
    name: "snapshot-mutated",
    summary: "A map is changed after it was published through an atomic pointer or value",
    severity: Severity::Error,
    what: "Reports a change of a map that was just handed to `Store`, `Swap` or `CompareAndSwap` of an `atomic.Value` \
           or `atomic.Pointer`, and a change of a map that came out of `Load`.",
    why: "Readers of a snapshot take no lock because it never changes. A single write in place breaks that: they walk \
          the table while it is rebuilt.",
    bad: r#"package flags

import "sync/atomic"

var current atomic.Value

func Set(name string, on bool) {
	flags := current.Load().(map[string]bool)
	flags[name] = on // want RG109 "flags"
	current.Store(flags)
}

func On(name string) bool {
	return current.Load().(map[string]bool)[name]
}
"#,
    good: r#"package flags

import (
	"maps"
	"sync"
	"sync/atomic"
)

var (
	writers sync.Mutex
	current atomic.Value
)

func Set(name string, on bool) {
	writers.Lock()
	defer writers.Unlock()
	flags := maps.Clone(current.Load().(map[string]bool))
	flags[name] = on
	current.Store(flags)
}

func On(name string) bool {
	return current.Load().(map[string]bool)[name]
}
"#,
    remedy: "Copy, change the copy, then store it, with a mutex around the three steps so that writers don't undo each \
             other.",
    limits: "Changes are seen in the function that loads or stores, and in those that it passes a loaded map to. Structs behind an `atomic.Pointer` may have \
             locks of their own; of them only maps are looked at, and not where a lock is held.",
    fixable: false,
};

/// Looks at each change of a map for where the map came from and where it went.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        for step in &trace.steps {
            if let What::Call(call) = step.what {
                findings.extend(changed_by(context, trace, call));
            }
            let What::Access(write) = step.what else { continue };
            if !write.write || !write.how.is_map() {
                continue;
            }
            if let Some((at, text)) = loaded(context, write).or_else(|| stored(context, trace, step, write))
                && let Some(severity) = severity(step, write)
            {
                findings.push(finding(context, trace, write.span, at, text, severity));
            }
        }
    }
}

/// A call that changes a map which came out of a `Load`.
fn changed_by(context: &PathContext<'_>, trace: &Trace<'_>, call: &Call) -> Option<Finding> {
    let Target::Function(func) = call.target else { return None };
    let arguments = &context.summaries.get(func)?.arguments;
    let mut changed = arguments.iter().filter(|known| known.fate == Fate::Changed);
    let at = changed.find_map(|known| {
        let place = values(call).nth(known.parameter)?.identity()?;
        let Root::Result(id, 0) = place.root else { return None };
        let load = context.unit.call(id).filter(|load| is_method(context, load, &["Load"]))?;
        place.steps.is_empty().then_some(load.span)
    })?;
    let text = "readers get the same map from here, without a lock";
    Some(finding(context, trace, call.span, at, text, Severity::Error))
}

/// The map itself is never changed in place; a map in a struct may have a lock of its own.
fn severity(step: &Step<'_>, write: &Access) -> Option<Severity> {
    let direct = !write.place.steps.iter().any(|step| matches!(step, PathStep::Field(_)));
    match (direct, step.facts.held.is_empty()) {
        (true, true) => Some(Severity::Error),
        (true, false) | (false, true) => Some(Severity::Warning),
        (false, false) => None,
    }
}

/// The `Load` that the map came out of.
fn loaded(context: &PathContext<'_>, write: &Access) -> Option<(Span, &'static str)> {
    let Root::Result(id, 0) = write.place.root else { return None };
    let call = context.unit.call(id)?;
    is_method(context, call, &["Load"])
        .then_some((call.span, "readers get the same map from here, without a lock"))
}

/// The `Store` that published the map before.
fn stored(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    step: &Step<'_>,
    write: &Access,
) -> Option<(Span, &'static str)> {
    let at = step
        .facts
        .marked_holder(Mark::Published, &write.place)
        .or_else(|| by_address(context, step, write))?
        .at;
    let published = trace.steps.iter().any(|step| {
        matches!(step.what, What::Call(call)
            if call.span == at && is_method(context, call, &["Store", "Swap", "CompareAndSwap"]))
    });
    published.then_some((at, "from here on other goroutines read the map without a lock"))
}

/// `p.Store(&m)`, where `m` is a variable that holds a new map: its elements are named by the map, not by the variable.
fn by_address<'s>(context: &PathContext<'_>, step: &'s Step<'_>, write: &Access) -> Option<&'s Marked> {
    let (map, _) = context.wording().line(write.span).split_once('[')?;
    step.facts.marked.iter().find(|marked| {
        let Root::Var(var) = marked.place.root else { return false };
        let whole = marked.mark == Mark::Published && marked.place.steps.is_empty();
        whole && matches!(write.place.root, Root::Site(_)) && context.unit.var(var).name.as_str() == map
    })
}

fn is_method(context: &PathContext<'_>, call: &Call, names: &[&str]) -> bool {
    let Target::Function(func) = call.target else { return false };
    let (package, receiver, name) = function_path(context.program, func);
    package == "sync/atomic" && matches!(receiver, "Value" | "Pointer") && names.contains(&name)
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    write: Span,
    at: Span,
    reason: &str,
    severity: Severity,
) -> Finding {
    let wording = context.wording();
    let text = wording.line(write);
    let mut site = wording.site(trace.body, write, "write");
    site.write = true;
    Finding {
        rule: &RULE,
        severity,
        subject: format!("published map in {text}"),
        message: format!("a published map is changed: {text}"),
        sites: vec![site, wording.site(trace.body, at, "publication")],
        reasons: vec![wording.reason(reason, at)],
        remedy: "copy the map, change the copy, and store that".to_owned(),
        fix: None,
    }
}
