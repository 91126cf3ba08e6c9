//! RG104: a guarded map leaves its lock.

use super::collected::Collected;
use super::guarded_maps::{MapUse, loaded_map, receiver_of};
use super::import_edit::import_edit;
use super::memory::Memory;
use super::path_checks::PathContext;
use super::path_facts::arguments::{Fate, Returned, is_kept, returned, values};
use super::path_facts::summaries::Summaries;
use super::path_facts::{Step, Trace, What, lock_place};
use super::wording::{Wording, function_name};
use super::{ProgramContext, Rule};
use crate::analysis::models::Effect;
use crate::finding::{Edit, Finding, Fix, Severity};
use crate::ir::function::{BodyId, CallMode, ChannelOpKind, Target};
use crate::ir::place::{Place, Value};
use crate::syntax::span::Span;
use crate::types::{FuncId, ObjectKind, Program};

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
             maps inside the values that are given away, nor a map that is stored beside itself, where the same lock \
             guards it. Only methods of the struct, and functions of the variable's package, are looked at.",
    fixable: true,
};

/// A map that is given away.
pub(super) struct Escape {
    map: Memory,
    unit: usize,
    body: BodyId,
    span: Span,
    way: Way,
    /// Whether the function takes a lock that lies beside the map.
    locks: bool,
    fix: Option<Fix>,
}

/// How a map is given away.
#[derive(Clone, Copy)]
enum Way {
    Returned,
    Sent,
    Stored,
    Started,
    Kept(FuncId),
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
                && used.map.is_same(&escape.map)
                && used.locks.iter().any(|lock| lock.exclusive)
        });
        if let Some(changed) = changed {
            findings.push(finding(context, escape, changed));
        }
    }
}

/// Notes the maps that a function gives away.
pub(super) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    if context.wording().speaks_of_held_lock() || context.wording().is_test() {
        return;
    }
    let exported = context
        .unit
        .func
        .is_some_and(|func| context.program.object(context.program.function(func)).name.is_exported());
    for trace in context.traces {
        let returned = returned(&context.unit.body(trace.body).block);
        let mut noted: Vec<Span> = Vec::new();
        for step in &trace.steps {
            let Some((value, span, way)) = given_away(context, trace, step, &returned) else { continue };
            let Some(map) = loaded_map(context, trace, value).filter(|map| is_own(context, map)) else {
                continue;
            };
            let locks = takes_lock_beside(context, trace, &map);
            if is_for_own_method(context, step, &map) {
                continue;
            }
            let told = noted.iter().any(|known| known.start <= span.end && span.start <= known.end);
            if told || !(locks || exported) || is_replaced(context, &map, value) {
                continue;
            }
            noted.push(span);
            let fix = clone_fix(context, value, span);
            let (unit, body) = (context.index, trace.body);
            collected.escapes.push(Escape { map, unit, body, span, way, locks, fix });
        }
    }
}

/// The map that a step gives to others, and how.
fn given_away<'s>(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    step: &Step<'s>,
    returned: &Returned,
) -> Option<(&'s Value, Span, Way)> {
    let is_map = |value: &&Value| loaded_map(context, trace, value).is_some();
    match step.what {
        What::Return(values, span) if trace.body == BodyId(0) => {
            Some((values.iter().find(is_map)?, span, Way::Returned))
        }
        What::Channel(op) if op.kind == ChannelOpKind::Send => Some((op.value.as_ref()?, op.span, Way::Sent)),
        What::Assign(assign) if is_kept(&assign.place, assign.span, returned) => {
            let map = loaded_map(context, trace, &assign.value)?;
            // What lies beside the map is guarded by the same lock.
            let beside = owner(trace, &assign.place).is_some_and(|place| map.lies_beside(&place));
            (!beside).then_some((&assign.value, assign.span, Way::Stored))
        }
        What::Call(call) if call.mode == CallMode::Go => {
            Some((call.args.iter().find(is_map)?, call.span, Way::Started))
        }
        What::Call(call) => {
            let Target::Function(func) = call.target else { return None };
            let kept = context.summaries.get(func)?.arguments.iter().filter(|known| known.fate == Fate::Kept);
            let value = kept.filter_map(|known| values(call).nth(known.parameter)).find(is_map)?;
            Some((value, call.span, Way::Kept(func)))
        }
        _ => None,
    }
}

/// Whether the map is passed to a method of the struct that it lies in, which can take the lock itself.
fn is_for_own_method(context: &PathContext<'_>, step: &Step<'_>, map: &Memory) -> bool {
    let (What::Call(call), Memory::Field(field)) = (step.what, map) else { return false };
    let Target::Function(func) = call.target else { return false };
    let object = context.program.object(context.program.function(func));
    matches!(object.kind, ObjectKind::Method { receiver, .. } if receiver == Some(field.owner))
}

/// The field or variable that a place is, by the access that writes it.
fn owner(trace: &Trace<'_>, place: &Place) -> Option<Memory> {
    let field = trace.steps.iter().find_map(|step| match step.what {
        What::Access(access) if access.write && access.place == *place => access.field.as_ref(),
        _ => None,
    });
    Memory::of(field, place)
}

/// Whether the function belongs to what it gives away: a method of the struct, or a function of the package.
fn is_own(context: &PathContext<'_>, map: &Memory) -> bool {
    match map {
        Memory::Field(field) => receiver_of(context) == Some(field.owner),
        Memory::Global(object, _) => object.package == context.unit.package,
    }
}

/// `maps.Clone` around the map, if it is written once in the statement, and the language has it.
fn clone_fix(context: &PathContext<'_>, value: &Value, statement: Span) -> Option<Fix> {
    let wording = context.wording();
    let unit = context.unit;
    if context.program.package(unit.package).files[unit.file as usize].language < (1, 21) {
        return None;
    }
    if unit.vars.iter().any(|var| var.name.as_str() == "maps") {
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

fn takes_lock_beside(context: &PathContext<'_>, trace: &Trace<'_>, map: &Memory) -> bool {
    trace.steps.iter().any(|step| match step.what {
        What::Call(call) => {
            matches!(context.models.effect(&call.target), Some(Effect::Lock | Effect::ReadLock))
                && lock_place(call)
                    .and_then(|place| Memory::of(call.field.as_ref(), &place))
                    .is_some_and(|lock| map.lies_beside(&lock))
        }
        _ => false,
    })
}

/// Whether the function puts another map in its place: then it hands over the old one for good.
fn is_replaced(context: &PathContext<'_>, map: &Memory, value: &Value) -> bool {
    context.traces.iter().flat_map(|trace| &trace.steps).any(|step| match step.what {
        What::Access(access) => {
            access.write
                && !access.how.is_map()
                && value.identity() == Some(&access.place)
                && Memory::of(access.field.as_ref(), &access.place).is_some_and(|known| known.is_same(map))
        }
        _ => false,
    })
}

impl Way {
    const fn action(self) -> &'static str {
        match self {
            Self::Returned => "return",
            Self::Sent => "send",
            Self::Stored => "store",
            Self::Started => "go statement",
            Self::Kept(_) => "call",
        }
    }

    fn text(self, program: &Program) -> String {
        match self {
            Self::Returned => "is given away without a copy".to_owned(),
            Self::Sent => "is sent without a copy".to_owned(),
            Self::Stored => "is stored elsewhere without a copy".to_owned(),
            Self::Started => "is handed to a goroutine without a copy".to_owned(),
            Self::Kept(func) => {
                format!("is passed without a copy to {}, which keeps it", function_name(program, func))
            }
        }
    }
}

fn finding(context: &ProgramContext<'_>, escape: &Escape, changed: &MapUse) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[escape.unit] };
    let writer = Wording { program: context.program, unit: &context.units.units[changed.unit] };
    let name = escape.map.name(context.program);
    let mut write = writer.site_with(changed.body, changed.span, "write", &changed.locks);
    write.write = true;
    let lock = changed.locks.first().map_or_else(String::new, |lock| writer.lock_name(lock));
    let mut reasons = vec![writer.reason(format!("the map is changed here under {lock}"), changed.span)];
    if escape.locks {
        reasons.push(
            wording.reason("the lock is released before whoever gets the map looks at it", escape.span),
        );
    }
    let how = escape.way.text(context.program);
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: escape.map.subject(context.program),
        message: format!("the map of {name} {how}, and changed under a lock elsewhere"),
        sites: vec![wording.site(escape.body, escape.span, escape.way.action()), write],
        reasons,
        remedy: "give away a copy: maps.Clone".to_owned(),
        fix: escape.fix.clone(),
    }
}
