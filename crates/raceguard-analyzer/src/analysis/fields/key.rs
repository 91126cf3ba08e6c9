//! Names of memory that hold across functions: a field of a type, or a package-level variable.

use crate::ir::function::FieldKey;
use crate::ir::place::{Place, Root, Step};
use crate::syntax::name::Name;
use crate::types::ObjectId;

/// Memory, whatever the instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum MemoryKey {
    /// A field of a struct type, or what it refers to.
    Field(ObjectId, Vec<Name>, bool),
    /// A package-level variable or a field of one of unnamed struct type, or what it refers to.
    Global(ObjectId, Vec<Name>, bool),
}

impl MemoryKey {
    /// The key of a place, if it has one.
    pub(super) fn of(place: &Place, field: Option<&FieldKey>) -> Option<Self> {
        if let Some(field) = field {
            return Some(Self::Field(field.owner, field.fields.clone(), field.contents));
        }
        let Root::Global(object) = place.root else { return None };
        let inline = place.steps.iter().take_while(|step| step.is_inline()).count();
        let fields = place.steps[..inline].iter().filter_map(|step| match step {
            Step::Field(name) => Some(*name),
            _ => None,
        });
        // Deeper steps lead to memory of its own, which only types could name.
        let contents = place.steps.len() > inline;
        (place.steps.len() <= inline + 1).then(|| Self::Global(object, fields.collect(), contents))
    }
}

/// A lock, whatever the instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LockKey {
    /// A field, or a package-level variable.
    Known(MemoryKey),
    /// A lock that has no such name: it may be any.
    Unknown,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Held {
    /// Which.
    pub(super) key: LockKey,
    /// Whether it excludes readers too.
    pub(super) exclusive: bool,
}

/// Whether two sets of locks keep their holders apart.
pub(super) fn exclude(a: &[Held], b: &[Held]) -> bool {
    a.iter().any(|one| {
        one.key == LockKey::Unknown && !b.is_empty()
            || b.iter().any(|other| {
                (one.key == other.key || other.key == LockKey::Unknown) && (one.exclusive || other.exclusive)
            })
    })
}
