//! Where a lock lies, seen from the memory that it might guard.
//!
//! A lock that is held at most accesses may still be another object's: the caller of many methods happened to hold it.
//! Only a lock that belongs to the same object, to its owner, or for package-level state to the package, guards it.

use super::key::MemoryKey;
use crate::rules::ProgramContext;
use crate::types::{ObjectId, Type};

/// How a lock and memory belong together, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Relation {
    /// In the same struct, in an embedded part of it, or in the struct that it is itself a part of; for variables, in
    /// the same file.
    Beside,
    /// In a struct that holds the memory's struct in a field.
    Owner,
    /// At package level, or in a struct of the package whose variable it is.
    Package,
}

/// How a lock and memory belong together; none if they don't.
pub(super) fn relation(
    context: &ProgramContext<'_>,
    lock: &MemoryKey,
    memory: &MemoryKey,
) -> Option<Relation> {
    match (lock, memory) {
        (MemoryKey::Field(lock, ..), MemoryKey::Field(memory, ..)) => {
            let one = lock == memory
                || holds(context, *memory, *lock, Part::Embedded)
                || holds(context, *lock, *memory, Part::Inline);
            let owned = || holds(context, *lock, *memory, Part::Any);
            if one { Some(Relation::Beside) } else { owned().then_some(Relation::Owner) }
        }
        (MemoryKey::Global(lock, ..), MemoryKey::Global(memory, ..)) if lock.package == memory.package => {
            let same = context.program.object(*lock).file == context.program.object(*memory).file;
            Some(if same { Relation::Beside } else { Relation::Package })
        }
        (
            MemoryKey::Field(lock, ..) | MemoryKey::Global(lock, ..),
            MemoryKey::Global(memory, ..) | MemoryKey::Field(memory, ..),
        ) => (lock.package == memory.package).then_some(Relation::Package),
    }
}

/// How a struct holds another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// As an embedded field, or a pointer that is one.
    Embedded,
    /// As a field, not by a pointer.
    Inline,
    /// By any field, also a pointer, or many of them.
    Any,
}

/// Whether a struct has a field of another struct's type.
fn holds(context: &ProgramContext<'_>, outer: ObjectId, inner: ObjectId, part: Part) -> bool {
    let ty = context.program.underlying(&context.program.object_type(outer));
    let Type::Struct(structure) = &ty else { return false };
    structure.fields.iter().any(|field| match part {
        Part::Embedded => field.embedded && refers_to(&field.ty, inner),
        Part::Inline => field.ty.named() == Some(inner),
        Part::Any => refers_to(&field.ty, inner),
    })
}

fn refers_to(ty: &Type, object: ObjectId) -> bool {
    match ty {
        Type::Pointer(to) | Type::Slice(to) => refers_to(to, object),
        Type::Map(map) => refers_to(&map.1, object),
        _ => ty.named() == Some(object),
    }
}
