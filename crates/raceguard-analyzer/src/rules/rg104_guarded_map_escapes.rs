//! RG104: a guarded map leaves its lock.

use super::collected::Collected;
use super::fields::same_field;
use super::guarded_maps::{MapUse, loaded_field, receiver_of};
use super::import_edit::import_edit;
use super::path_checks::PathContext;
use super::path_facts::summaries::Summaries;
use super::path_facts::{Trace, What};
use super::wording::{Wording, field_name};
use super::{ProgramContext, Rule};
use crate::analysis::models::Effect;
use crate::finding::{Edit, Finding, Fix, Severity};
use crate::ir::function::{BodyId, ChannelOpKind, FieldKey};
use crate::ir::place::Value;
use crate::syntax::span::Span;

/// `RG104`
pub const RULE: Rule = Rule {
    code: "RG104",
    name: "guarded-map-escapes",
    summary: "A map that a mutex guards is given away without a copy",
    severity: Severity::Warning,
    what: "Reports a method that returns a map field, or sends it on a channel, while other methods of the type change \
           that map under the type's mutex.",
    why: "A map is a reference. Whoever gets it reads the same table that the methods go on changing, and no longer \
          holds the lock: the `Unlock` on return comes before the caller's first look. The race is in code that never \
          sees the mutex.",
    bad: r#"package registry

import "sync"

type Registry struct {
	mu    sync.Mutex
	nodes map[string]int
}

func (r *Registry) Add(name string, weight int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[name] = weight
}

func (r *Registry) Nodes() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes // want RG104 "Registry.nodes"
}
"#,
    good: r#"package registry

import (
	"maps"
	"sync"
)

type Registry struct {
	mu    sync.Mutex
	nodes map[string]int
}

func (r *Registry) Add(name string, weight int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes[name] = weight
}

func (r *Registry) Nodes() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.nodes)
}
"#,
    remedy: "Return a copy (`maps.Clone`), or offer a method that does under the lock what the callers need: a lookup, \
             or a function called for each entry.",
    limits: "A map that is replaced as a whole and never changed in place may be given away and is not reported. \
             Neither is one given away by a method whose name or comment says that the caller holds the lock, nor \
             maps inside the values that are given away, nor maps that are stored in other objects or passed on as \
             arguments.",
    fixable: true,
};

/// A map that is given away.
pub(super) struct Escape {
    field: FieldKey,
    unit: usize,
    body: BodyId,
    span: Span,
    action: &'static str,
    /// Whether the method takes a lock of its own type.
    locks: bool,
    fix: Option<Fix>,
}

/// Looks for maps that are changed under a lock in one place and given away in another.
pub(super) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    for escape in &collected.escapes {
        let changed = collected.map_uses.iter().find(|used| {
            used.write
                && !used.fresh
                && same_field(&used.field, &escape.field)
                && used.locks.iter().any(|lock| lock.exclusive)
        });
        if let Some(changed) = changed {
            findings.push(finding(context, escape, changed));
        }
    }
}

/// Notes the maps that a function gives away.
pub(super) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    let Some(owner) = receiver_of(context) else { return };
    if context.wording().speaks_of_held_lock() || context.wording().is_test() {
        return;
    }
    let exported = context
        .unit
        .func
        .is_some_and(|func| context.program.object(context.program.function(func)).name.is_exported());
    for trace in context.traces {
        let locks = takes_lock_of(context, trace, owner);
        for step in &trace.steps {
            let (value, span, action) = match step.what {
                What::Return(values, span) if trace.body == BodyId(0) => {
                    match values.iter().find(|value| loaded_field(context, trace, value).is_some()) {
                        Some(value) => (value, span, "return"),
                        None => continue,
                    }
                }
                What::Channel(op) if op.kind == ChannelOpKind::Send => match &op.value {
                    Some(value) => (value, op.span, "send"),
                    None => continue,
                },
                _ => continue,
            };
            let Some(field) = loaded_field(context, trace, value) else { continue };
            if field.owner == owner && (locks || exported) && !is_replaced(context, &field, value) {
                let fix = clone_fix(context, value, span);
                collected.escapes.push(Escape {
                    field,
                    unit: context.index,
                    body: trace.body,
                    span,
                    action,
                    locks,
                    fix,
                });
            }
        }
    }
}

/// `maps.Clone` around the map, if it is written once in the statement, and the language has it.
fn clone_fix(context: &PathContext<'_>, value: &Value, statement: Span) -> Option<Fix> {
    let wording = context.wording();
    let unit = context.unit;
    if context.program.package(unit.package).files[unit.file as usize].language < (1, 21) {
        return None;
    }
    let map = wording.place(value.identity()?);
    let text = wording.source(statement);
    let mut occurrences = text.match_indices(map.as_str());
    let (position, _) = occurrences.next()?;
    let rest = &text[position + map.len()..];
    let whole = !rest.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '_' | '.' | '['));
    if occurrences.next().is_some() || !whole {
        return None;
    }
    let start = statement.start + u32::try_from(position).ok()?;
    let span = Span::new(start, start + u32::try_from(map.len()).ok()?);
    let mut edits = import_edit(context.program, unit.package, unit.file, "maps")?;
    edits.push(Edit { location: wording.location(span), text: format!("maps.Clone({map})") });
    Some(Fix { title: "give away a copy".to_owned(), edits })
}

fn takes_lock_of(context: &PathContext<'_>, trace: &Trace<'_>, owner: crate::types::ObjectId) -> bool {
    trace.steps.iter().any(|step| match step.what {
        What::Call(call) => {
            matches!(context.models.effect(&call.target), Some(Effect::Lock | Effect::ReadLock))
                && call.field.as_ref().is_some_and(|field| field.owner == owner)
        }
        _ => false,
    })
}

/// Whether the function gives the field another map: then it hands over the old one for good.
fn is_replaced(context: &PathContext<'_>, field: &FieldKey, value: &Value) -> bool {
    context.traces.iter().flat_map(|trace| &trace.steps).any(|step| match step.what {
        What::Access(access) => {
            access.write
                && access.field.as_ref().is_some_and(|known| !known.contents && same_field(known, field))
                && value.identity() == Some(&access.place)
        }
        _ => false,
    })
}

fn finding(context: &ProgramContext<'_>, escape: &Escape, changed: &MapUse) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[escape.unit] };
    let writer = Wording { program: context.program, unit: &context.units.units[changed.unit] };
    let name = field_name(context.program, &escape.field);
    let mut write = writer.site_with(changed.body, changed.span, "write", &changed.locks);
    write.write = true;
    let lock = changed.locks.first().map_or_else(String::new, |lock| writer.lock_name(lock));
    let mut reasons = vec![writer.reason(format!("the map is changed here under {lock}"), changed.span)];
    if escape.locks {
        reasons.push(
            wording.reason("the lock is released before whoever gets the map looks at it", escape.span),
        );
    }
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map field {name}"),
        message: format!(
            "the map of {name} is given away without a copy, and changed under a lock elsewhere"
        ),
        sites: vec![wording.site(escape.body, escape.span, escape.action), write],
        reasons,
        remedy: "give away a copy: maps.Clone".to_owned(),
        fix: escape.fix.clone(),
    }
}
