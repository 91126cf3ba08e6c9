//! Memory that has a name of its own in the whole program: fields, whatever the instance, and package-level variables.

use super::fields::{field_location, field_type, same_field};
use super::wording::{field_name, object_name};
use crate::finding::Location;
use crate::ir::function::FieldKey;
use crate::ir::place::{Place, Root, Step};
use crate::syntax::name::Name;
use crate::types::{ObjectId, Program, Type};

/// A field, or a package-level variable or part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Memory {
    /// A package-level variable, or a field inside of it.
    Global(ObjectId, Vec<Name>),
    /// A field of a declared struct type.
    Field(FieldKey),
}

impl Memory {
    /// What a place is, or refers to if it is the contents of a map.
    pub(super) fn of(field: Option<&FieldKey>, place: &Place) -> Option<Self> {
        if let Some(field) = field {
            return Some(Self::Field(FieldKey { contents: false, steps: 0, ..field.clone() }));
        }
        let Root::Global(object) = place.root else { return None };
        let steps = match place.steps.split_last() {
            Some((Step::Map, rest)) => rest,
            _ => &place.steps,
        };
        let mut names = Vec::new();
        for step in steps {
            match step {
                Step::Field(name) => names.push(*name),
                Step::Deref => {}
                _ => return None,
            }
        }
        Some(Self::Global(object, names))
    }

    /// Its type.
    pub(super) fn ty(&self, program: &Program) -> Type {
        let (object, fields) = match self {
            Self::Field(field) => return field_type(program, field),
            Self::Global(object, fields) => (*object, fields.clone()),
        };
        field_type(program, &FieldKey { owner: object, fields, steps: 0, contents: false })
    }

    /// Its name, as people write it: `pkg.Type.field`, `pkg.variable`.
    pub(super) fn name(&self, program: &Program) -> String {
        match self {
            Self::Field(field) => field_name(program, field),
            Self::Global(object, fields) => {
                let names = fields.iter().map(|name| format!(".{name}"));
                std::iter::once(object_name(program, *object)).chain(names).collect()
            }
        }
    }

    /// What it is, for the subject of a finding.
    pub(super) fn subject(&self, program: &Program) -> String {
        let kind = if matches!(self, Self::Field(_)) { "map field" } else { "map" };
        format!("{kind} {}", self.name(program))
    }

    /// Where it is declared.
    pub(super) fn location(&self, program: &Program) -> Option<Location> {
        match self {
            Self::Field(field) => field_location(program, field),
            Self::Global(id, _) => {
                let object = program.object(*id);
                Some(Location { package: id.package, file: object.file, span: object.span })
            }
        }
    }

    /// Whether a lock lies beside it: in a struct of the same type, or among the variables of the same package.
    pub(super) fn lies_beside(&self, lock: &Self) -> bool {
        match (self, lock) {
            (Self::Field(own), Self::Field(lock)) => own.owner == lock.owner,
            (Self::Global(own, _), Self::Global(lock, _)) => own.package == lock.package,
            _ => false,
        }
    }

    /// Whether both are the same memory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Field(one), Self::Field(other)) => same_field(one, other),
            (one, other) => one == other,
        }
    }
}
