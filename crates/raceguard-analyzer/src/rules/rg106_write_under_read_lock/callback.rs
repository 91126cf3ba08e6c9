//! A function literal that writes is given to a function value while the read lock is held: it is called under it.

use super::RULE;
use crate::analysis::models::Effect;
use crate::finding::Finding;
use crate::ir::function::{BodyId, Call, CallMode, Target};
use crate::ir::place::Value;
use crate::rules::ProgramContext;
use crate::rules::collected::Collected;
use crate::rules::guarded_maps::MapUse;
use crate::rules::memory::Memory;
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::summaries::Summaries;
use crate::rules::path_facts::{Held, What};
use crate::rules::wording::Wording;
use crate::syntax::span::Span;

/// A write of a map in a literal that is called while a read lock beside the map is held.
pub(in crate::rules) struct CallbackWrite {
    map: Memory,
    unit: usize,
    /// The literal.
    body: BodyId,
    written: Span,
    called: Span,
    held: Held,
}

/// Notes the literals that a function hands on with a read lock held.
pub(in crate::rules) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    if context.unit.bodies.len() < 2 || context.wording().is_test() {
        return;
    }
    for trace in context.traces {
        for step in &trace.steps {
            let What::Call(call) = step.what else { continue };
            let Some(held) = step.facts.held.last().filter(|held| !held.exclusive) else { continue };
            let exclusive = step.facts.held.iter().any(|lock| lock.exclusive);
            if exclusive || !calls_arguments(context, call) {
                continue;
            }
            for argument in &call.args {
                let Value::Closure(body) = argument else { continue };
                writes(context, *body, |map, written| {
                    if held.memory().is_some_and(|lock| map.lies_beside(&lock)) {
                        collected.callback_writes.push(CallbackWrite {
                            map,
                            unit: context.index,
                            body: *body,
                            written,
                            called: call.span,
                            held: held.clone(),
                        });
                    }
                });
            }
        }
    }
}

/// Whether a call is one of a function value, which calls what it is given now as far as can be told.
fn calls_arguments(context: &PathContext<'_>, call: &Call) -> bool {
    let now = matches!(context.models.effect(&call.target), None | Some(Effect::CallsNow(_)));
    call.mode == CallMode::Now && now && matches!(call.target, Target::Value(_) | Target::Interface(..))
}

/// The map writes of a literal that takes no lock itself.
fn writes(context: &PathContext<'_>, body: BodyId, mut note: impl FnMut(Memory, Span)) {
    let Some(trace) = context.traces.iter().find(|trace| trace.body == body) else { return };
    for step in trace.steps.iter().filter(|step| step.facts.held.is_empty()) {
        let What::Access(access) = step.what else { continue };
        if access.write
            && access.how.is_map()
            && let Some(map) = Memory::of(access.field.as_ref(), &access.place)
        {
            note(map, access.span);
        }
    }
}

/// Reports those whose maps are changed under the write lock elsewhere.
pub(in crate::rules) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    for write in &collected.callback_writes {
        let lock = write.held.memory();
        let guards = |used: &MapUse| {
            used.locks.iter().any(|held| {
                held.exclusive && held.memory().zip(lock.as_ref()).is_some_and(|(a, b)| a.is_same(b))
            })
        };
        let changed =
            collected.map_uses.iter().find(|used| used.write && used.map.is_same(&write.map) && guards(used));
        if let Some(changed) = changed {
            findings.push(finding(context, write, changed));
        }
    }
}

fn finding(context: &ProgramContext<'_>, write: &CallbackWrite, changed: &MapUse) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[write.unit] };
    let writer = Wording { program: context.program, unit: &context.units.units[changed.unit] };
    let name = write.map.name(context.program);
    let lock = wording.lock_name(&write.held);
    let held = std::slice::from_ref(&write.held);
    let mut sites = vec![
        wording.site_with(write.body, write.written, "map write", held),
        writer.site_with(changed.body, changed.span, "map write", &changed.locks),
    ];
    for site in &mut sites {
        site.write = true;
    }
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: write.map.subject(context.program),
        message: format!(
            "the map of {name} is written in a callback that is called while only the read lock of {lock} is held"
        ),
        sites,
        reasons: vec![
            wording.reason(
                format!("the callback is handed on here, with {lock} locked for reading"),
                write.called,
            ),
            writer.reason("elsewhere the map is changed under the write lock", changed.span),
        ],
        remedy: format!("take {lock} for writing: Lock instead of RLock"),
        fix: None,
    }
}
