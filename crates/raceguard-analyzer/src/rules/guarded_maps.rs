//! Where the maps in fields are used, and under which locks.

use super::collected::Collected;
use super::fields::field_type;
use super::path_checks::PathContext;
use super::path_facts::{Held, Trace, What};
use crate::ir::function::{Access, BodyId, FieldKey};
use crate::ir::place::{Root, Value};
use crate::syntax::span::Span;
use crate::types::{ObjectId, ObjectKind, Type};

/// A use of the contents of a map that a field holds.
#[derive(Debug, Clone)]
pub(super) struct MapUse {
    /// The field.
    pub(super) field: FieldKey,
    /// Whether it writes.
    pub(super) write: bool,
    /// Index of the function's unit.
    pub(super) unit: usize,
    /// The body.
    pub(super) body: BodyId,
    /// Where.
    pub(super) span: Span,
    /// The locks held that lie in the same struct type.
    pub(super) locks: Vec<Held>,
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
            let Some(field) = access.field.as_ref().filter(|field| field.contents) else { continue };
            let beside = |lock: &&Held| lock.field.as_ref().is_some_and(|lock| lock.owner == field.owner);
            collected.map_uses.push(MapUse {
                field: FieldKey { steps: 0, ..field.clone() },
                write: access.write,
                unit: context.index,
                body: trace.body,
                span: access.span,
                locks: step.facts.held.iter().filter(beside).cloned().collect(),
                fresh: is_fresh(access),
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

/// The map field whose value this is: a map that was read from the field in the same body, not a copy.
pub(super) fn loaded_field(context: &PathContext<'_>, trace: &Trace<'_>, value: &Value) -> Option<FieldKey> {
    let Value::Load(place) = value else { return None };
    let field = trace.steps.iter().find_map(|step| match step.what {
        What::Access(access) if access.place == *place && !access.write => access.field.as_ref(),
        _ => None,
    })?;
    let ty = context.program.underlying(&field_type(context.program, field));
    (!field.contents && matches!(ty, Type::Map(_))).then(|| field.clone())
}
