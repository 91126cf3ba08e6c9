//! A struct is copied under a lock, and a map in it is used when the lock is released.

use super::RULE;
use crate::finding::Finding;
use crate::ir::function::{Access, BodyId, FieldKey, How};
use crate::ir::place::{Place, Step};
use crate::rules::ProgramContext;
use crate::rules::collected::Collected;
use crate::rules::guarded_maps::MapUse;
use crate::rules::memory::Memory;
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::summaries::Summaries;
use crate::rules::path_facts::{Held, Trace, What, is_shared};
use crate::rules::wording::Wording;
use crate::syntax::span::Span;
use crate::types::{ObjectId, Type};

/// The use of a map that lies in a copied struct.
pub(in crate::rules) struct OutsideUse {
    map: Memory,
    unit: usize,
    body: BodyId,
    used: Span,
    how: How,
    write: bool,
    copied: Span,
    held: Held,
}

/// A struct that was read as a whole under a lock.
struct Copied<'s> {
    place: &'s Place,
    /// Its type.
    ty: ObjectId,
    at: Span,
    held: &'s Held,
}

/// Notes the uses in a function.
pub(in crate::rules) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    let wording = context.wording();
    if wording.is_test() || wording.speaks_of_held_lock() {
        return;
    }
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        let mut copies: Vec<Copied<'_>> = Vec::new();
        for step in &trace.steps {
            let What::Access(access) = step.what else { continue };
            if !access.how.is_map() {
                if let Some(held) = step.facts.held.last()
                    && !access.write
                    && is_shared(&access.place)
                    && let Some(ty) = struct_type(context, access)
                {
                    copies.push(Copied { place: &access.place, ty, at: access.span, held });
                }
                continue;
            }
            let copy = copies.iter().rev().find_map(|copy| Some((copy, map_in(copy, &access.place)?)));
            if let Some((copy, map)) = copy
                && step.facts.held.is_empty()
                && !is_changed(trace, &access.place)
            {
                collected.outside_uses.push(OutsideUse {
                    map,
                    unit: context.index,
                    body: trace.body,
                    used: access.span,
                    how: access.how,
                    write: access.write,
                    copied: copy.at,
                    held: copy.held.clone(),
                });
            }
        }
    }
}

/// The declared struct type of what an access reads.
fn struct_type(context: &PathContext<'_>, access: &Access) -> Option<ObjectId> {
    let ty = Memory::of(access.field.as_ref(), &access.place)?.ty(context.program);
    let id = ty.strip_pointer().named().filter(|id| !id.is_universe())?;
    matches!(context.program.underlying(ty.strip_pointer()), Type::Struct(_)).then_some(id)
}

/// The field of a copied struct whose map's contents a place is.
fn map_in(copy: &Copied<'_>, contents: &Place) -> Option<Memory> {
    let (Step::Map, steps) = contents.strip(copy.place)?.split_last()? else { return None };
    let mut fields = Vec::new();
    for step in steps {
        let Step::Field(name) = step else { return None };
        fields.push(*name);
    }
    let field = FieldKey { owner: copy.ty, fields, steps: 0, contents: false };
    (!field.fields.is_empty()).then_some(Memory::Field(field))
}

/// Whether the function gives the struct, or the field in it, another value.
fn is_changed(trace: &Trace<'_>, contents: &Place) -> bool {
    trace.steps.iter().any(|step| match step.what {
        What::Access(access) => {
            access.write && !access.how.is_map() && contents.strip(&access.place).is_some()
        }
        _ => false,
    })
}

/// Reports those of maps that are changed in place under a lock.
pub(in crate::rules) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    for used in &collected.outside_uses {
        let changes =
            |other: &&MapUse| other.write && other.locked && !other.fresh && other.map.is_same(&used.map);
        if let Some(changed) = collected.map_uses.iter().find(changes) {
            findings.push(finding(context, used, changed));
        }
    }
}

fn finding(context: &ProgramContext<'_>, used: &OutsideUse, changed: &MapUse) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[used.unit] };
    let writer = Wording { program: context.program, unit: &context.units.units[changed.unit] };
    let name = used.map.name(context.program);
    let lock = wording.lock_name(&used.held);
    let mut site = wording.site(used.body, used.used, used.how.noun(used.write));
    site.write = used.write;
    let mut write = writer.site_with(changed.body, changed.span, changed.how.noun(true), &changed.locks);
    write.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: used.map.subject(context.program),
        message: format!(
            "the struct was copied under {lock}, but its map {name} is shared and used after that"
        ),
        sites: vec![site, write],
        reasons: vec![
            wording.reason(format!("the struct is copied here under {lock}, its maps are not"), used.copied),
            writer.reason("the map is changed here under a lock", changed.span),
        ],
        remedy: format!("copy the map too while {lock} is held: maps.Clone"),
        fix: None,
    }
}
