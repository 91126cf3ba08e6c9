//! Where maps in fields and package-level variables are used, and under which locks.

use super::collected::Collected;
use super::memory::Memory;
use super::path_checks::PathContext;
use super::path_facts::{Held, Trace, What};
use crate::ir::function::{Access, BodyId, How};
use crate::ir::place::{Root, Step, Value};
use crate::syntax::span::Span;
use crate::types::{ObjectId, ObjectKind, Type};

/// A use of the contents of a map that a field or package-level variable holds.
#[derive(Debug, Clone)]
pub(super) struct MapUse {
    /// The field or variable.
    pub(super) map: Memory,
    /// What it does.
    pub(super) how: How,
    /// Whether it writes.
    pub(super) write: bool,
    /// Index of the function's unit.
    pub(super) unit: usize,
    /// The body.
    pub(super) body: BodyId,
    /// Where.
    pub(super) span: Span,
    /// The locks held that lie beside the map.
    pub(super) locks: Vec<Held>,
    /// Whether any lock is held for writing, wherever it lies.
    pub(super) locked: bool,
    /// Whether the struct is new, and nobody else's yet.
    pub(super) fresh: bool,
}

/// Notes the uses in a function.
pub(super) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    for trace in context.traces {
        for step in &trace.steps {
            let What::Access(access) = step.what else { continue };
            if !access.how.is_map() {
                continue;
            }
            if access.field.as_ref().is_some_and(|field| !field.contents) {
                continue;
            }
            let Some(map) = Memory::of(access.field.as_ref(), &access.place) else { continue };
            let beside = |lock: &&Held| lock.memory().is_some_and(|lock| map.lies_beside(&lock));
            collected.map_uses.push(MapUse {
                how: access.how,
                write: access.write,
                unit: context.index,
                body: trace.body,
                span: access.span,
                locks: step.facts.held.iter().filter(beside).cloned().collect(),
                locked: step.facts.held.iter().any(|lock| lock.exclusive),
                fresh: is_fresh(access),
                map,
            });
        }
    }
}

fn is_fresh(access: &Access) -> bool {
    matches!(access.place.root, Root::Site(_))
}

/// The type whose method the function is.
pub(super) fn receiver_of(context: &PathContext<'_>) -> Option<ObjectId> {
    match context.program.object(context.program.function(context.unit.func?)).kind {
        ObjectKind::Method { receiver, .. } => receiver,
        _ => None,
    }
}

/// The field or variable whose map a value is: it was read from there in the same body, and is not a copy.
pub(super) fn loaded_map(context: &PathContext<'_>, trace: &Trace<'_>, value: &Value) -> Option<Memory> {
    let Value::Load(place) = value else { return None };
    let field = trace.steps.iter().find_map(|step| match step.what {
        What::Access(access) if access.place == *place && !access.write => Some(access.field.as_ref()),
        _ => None,
    })?;
    if field.is_some_and(|field| field.contents) || place.steps.last() == Some(&Step::Map) {
        return None;
    }
    let map = Memory::of(field, place)?;
    let ty = context.program.underlying(&map.ty(context.program));
    matches!(ty, Type::Map(_)).then_some(map)
}
