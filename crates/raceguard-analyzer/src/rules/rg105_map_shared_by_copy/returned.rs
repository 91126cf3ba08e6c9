//! A struct is returned by value from under its lock: its maps are not copied.

use super::RULE;
use crate::analysis::models::Effect;
use crate::finding::Finding;
use crate::ir::function::{BodyId, FieldKey};
use crate::ir::place::{Place, Value};
use crate::rules::ProgramContext;
use crate::rules::collected::Collected;
use crate::rules::guarded_maps::MapUse;
use crate::rules::memory::Memory;
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::summaries::Summaries;
use crate::rules::path_facts::{Trace, What, is_shared};
use crate::rules::wording::{Wording, object_name};
use crate::syntax::span::Span;
use crate::types::{ObjectId, Type};

/// A struct that is returned by value.
pub(in crate::rules) struct StructCopy {
    /// Its type.
    ty: ObjectId,
    /// Its fields that are maps.
    maps: Vec<FieldKey>,
    unit: usize,
    span: Span,
}

/// Notes the structs with maps that a function returns from under a lock.
pub(in crate::rules) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    let Some(trace) = context.traces.iter().find(|trace| trace.body == BodyId(0)) else { return };
    let unsuitable = context.wording().is_test() || context.wording().speaks_of_held_lock();
    if unsuitable || !takes_lock(context, trace) {
        return;
    }
    let results = &context.unit.body(trace.body).results;
    for step in &trace.steps {
        let What::Return(values, span) = step.what else { continue };
        for (value, &result) in values.iter().zip(results) {
            let Type::Named(ty, _) = &context.unit.var(result).ty else { continue };
            if matches!(value, Value::Load(place) if is_shared(place) && !is_given(trace, place)) {
                let maps = map_fields(context, *ty);
                let (unit, ty) = (context.index, *ty);
                if !maps.is_empty() {
                    collected.struct_copies.push(StructCopy { ty, maps, unit, span });
                }
            }
        }
    }
}

fn takes_lock(context: &PathContext<'_>, trace: &Trace<'_>) -> bool {
    trace.steps.iter().any(|step| match step.what {
        What::Call(call) => {
            matches!(context.models.effect(&call.target), Some(Effect::Lock | Effect::ReadLock))
        }
        _ => false,
    })
}

/// Whether the function gives the place another struct: then it hands over the old one for good.
fn is_given(trace: &Trace<'_>, place: &Place) -> bool {
    trace.steps.iter().any(|step| match step.what {
        What::Access(access) => access.write && !access.how.is_map() && access.place.strip(place).is_some(),
        _ => false,
    })
}

fn map_fields(context: &PathContext<'_>, ty: ObjectId) -> Vec<FieldKey> {
    if ty.is_universe() {
        return Vec::new();
    }
    let program = context.program;
    let Type::Struct(structure) = program.underlying(&program.object_type(ty)) else { return Vec::new() };
    structure
        .fields
        .iter()
        .filter(|field| matches!(program.underlying(&field.ty), Type::Map(_)))
        .map(|field| FieldKey { owner: ty, fields: vec![field.name], steps: 0, contents: false })
        .collect()
}

/// Reports those one of whose maps is changed in place under a lock.
pub(in crate::rules) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    for copy in &collected.struct_copies {
        let changed = copy.maps.iter().find_map(|field| {
            let map = Memory::Field(field.clone());
            let changes = |used: &&MapUse| used.write && used.locked && !used.fresh && used.map.is_same(&map);
            collected.map_uses.iter().find(changes)
        });
        if let Some(changed) = changed {
            findings.push(finding(context, copy, changed));
        }
    }
}

fn finding(context: &ProgramContext<'_>, copy: &StructCopy, changed: &MapUse) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[copy.unit] };
    let writer = Wording { program: context.program, unit: &context.units.units[changed.unit] };
    let name = changed.map.name(context.program);
    let ty = object_name(context.program, copy.ty);
    let mut write = writer.site_with(changed.body, changed.span, "write", &changed.locks);
    write.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: changed.map.subject(context.program),
        message: format!("a copy of {ty} is returned, but the map of {name} in it is the original's"),
        sites: vec![wording.site(BodyId(0), copy.span, "return"), write],
        reasons: vec![
            wording.reason("the lock is released before whoever gets the copy looks at its map", copy.span),
            writer.reason("the map is changed here under a lock", changed.span),
        ],
        remedy: format!("give the copy a map of its own before it is returned: maps.Clone of {name}"),
        fix: None,
    }
}
