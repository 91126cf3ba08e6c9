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

    /// The key of the field or variable itself, if this one is of what it refers to.
    pub(super) fn whole(&self) -> Option<Self> {
        match self {
            Self::Field(owner, fields, true) => Some(Self::Field(*owner, fields.clone(), false)),
            Self::Global(object, fields, true) => Some(Self::Global(*object, fields.clone(), false)),
            _ => None,
        }
    }
}

/// A lock, whatever the instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum LockKey {
    /// A field, or a package-level variable.
    Known(MemoryKey),
    /// Such a lock, if a condition held that decided about it: its taking is not known, but meant.
    Perhaps(MemoryKey),
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

impl Held {
    /// The same lock, held only if a condition was true.
    pub(super) fn perhaps(&self) -> Self {
        let key = match &self.key {
            LockKey::Known(key) => LockKey::Perhaps(key.clone()),
            other => other.clone(),
        };
        Self { key, exclusive: self.exclusive }
    }

    /// Whether the lock is known to be held.
    pub(super) const fn is_certain(&self) -> bool {
        matches!(self.key, LockKey::Known(_))
    }

    /// Whether this is the lock `key`, held for sure or perhaps.
    pub(super) fn is_of(&self, key: &MemoryKey) -> bool {
        matches!(&self.key, LockKey::Known(own) | LockKey::Perhaps(own) if own == key)
    }

    fn may_be(&self, other: &Self) -> bool {
        match (&self.key, &other.key) {
            (LockKey::Unknown, _) | (_, LockKey::Unknown) => true,
            (LockKey::Known(own) | LockKey::Perhaps(own), _) => other.is_of(own),
        }
    }
}

/// Whether two sets of locks keep their holders apart.
pub(super) fn exclude(a: &[Held], b: &[Held]) -> bool {
    a.iter().any(|one| {
        one.key == LockKey::Unknown && !b.is_empty()
            || b.iter().any(|other| one.may_be(other) && (one.exclusive || other.exclusive))
    })
}
