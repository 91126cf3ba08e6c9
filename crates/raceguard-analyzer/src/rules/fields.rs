//! Fields and their types.

use crate::finding::Location;
use crate::ir::function::{Access, FieldKey, Unit};
use crate::ir::place::{Place, Root, Step};
use crate::types::{Field, ObjectKind, Program, StructType, Type};

/// The type of a field.
pub(super) fn field_type(program: &Program, key: &FieldKey) -> Type {
    let mut ty = program.object_type(key.owner);
    for name in &key.fields {
        let Type::Struct(structure) = program.underlying(&ty) else { return Type::Unknown };
        let Some(field) = structure.fields.iter().find(|field| field.name == *name) else {
            return Type::Unknown;
        };
        ty = field.ty.clone();
    }
    ty
}

/// Where a field of a declared struct is declared.
pub(super) fn field_location(program: &Program, key: &FieldKey) -> Option<Location> {
    let Type::Struct(structure) = program.underlying(&program.object_type(key.owner)) else { return None };
    let (structure, field) = innermost(program, &structure, key)?;
    Some(Location { package: structure.package, file: structure.file, span: field.span })
}

fn innermost(program: &Program, structure: &StructType, key: &FieldKey) -> Option<(StructType, Field)> {
    let mut structure = structure.clone();
    for (number, name) in key.fields.iter().enumerate() {
        let field = structure.fields.iter().find(|field| field.name == *name)?.clone();
        if number + 1 == key.fields.len() {
            return Some((structure, field));
        }
        let Type::Struct(inner) = program.underlying(&field.ty) else { return None };
        structure = (*inner).clone();
    }
    None
}

/// The type of the map that is accessed.
pub(super) fn map_type(program: &Program, unit: &Unit, access: &Access) -> Type {
    if let Some(field) = &access.field {
        return program.underlying(&field_type(program, field));
    }
    let ty = match (access.place.root, access.place.steps.as_slice()) {
        (Root::Var(var), [Step::Map]) => unit.var(var).ty.clone(),
        (Root::Global(object), [Step::Map]) => program.object_type(object),
        (Root::Site(site), [Step::Map]) => unit.site(site).ty.clone(),
        _ => Type::Unknown,
    };
    program.underlying(&ty)
}

/// Whether two keys are of the same field, be it the field itself or what it refers to.
pub(super) fn same_field(one: &FieldKey, other: &FieldKey) -> bool {
    one.owner == other.owner && one.fields == other.fields
}

/// The map whose contents a place is.
pub(super) fn map_of(contents: &Place) -> Option<Place> {
    let (last, rest) = contents.steps.split_last()?;
    (*last == Step::Map).then(|| Place { root: contents.root, steps: rest.to_vec() })
}

/// Whether a type is the one of this name in a package.
pub(super) fn is_named(program: &Program, ty: &Type, package: &str, name: &str) -> bool {
    let Some(object) = ty.named().filter(|object| !object.is_universe()) else { return false };
    program.object(object).name.as_str() == name && program.package(object.package).path.as_str() == package
}

/// Package, receiver's type or nothing, and name of a function.
pub(super) fn function_path(program: &Program, func: crate::types::FuncId) -> (&str, &str, &str) {
    let id = program.function(func);
    let object = program.object(id);
    let receiver = match object.kind {
        ObjectKind::Method { receiver: Some(receiver), .. } => program.object(receiver).name.as_str(),
        ObjectKind::Method { .. } => "?",
        _ => "",
    };
    (program.package(id.package).path.as_str(), receiver, object.name.as_str())
}
