//! From a package's files to its objects and scopes.

use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt as _};

use super::object::{Details, FuncId, Object, ObjectId, ObjectKind, PackageId};
use super::program::{FileScope, Import, Package, PackageInput};
use crate::syntax::ast::{Arena, Decl, ExprId, ExprKind, File, FuncDecl, Ident, ImportSpec};
use crate::syntax::name::Name;

/// Collects what a package declares. Functions have no identity yet.
pub(super) fn collect(input: PackageInput, names: &[Name]) -> Package {
    let mut objects = Vec::new();
    let mut file_scopes = Vec::with_capacity(input.files.len());
    for (file, index) in input.files.iter().zip(0..) {
        file_scopes.push(file_scope(&file.syntax, &input.imports, names));
        collect_file(&file.syntax, index, &mut objects);
    }
    let mut scope = HashMap::with_capacity(objects.len());
    for (object, index) in objects.iter().zip(0..) {
        let is_method = matches!(object.kind, ObjectKind::Method { .. });
        let is_init = matches!(object.kind, ObjectKind::Func(_)) && object.name.as_str() == "init";
        if !is_method && !is_init && !object.name.is_blank() {
            scope.entry(object.name).or_insert(index);
        }
    }
    Package {
        path: input.path,
        name: input.name,
        files: input.files,
        role: input.role,
        objects,
        scope,
        file_scopes,
    }
}

/// Gives functions their identity, and types their methods.
pub(super) fn identify(package: &mut Package, id: PackageId, functions: &mut Vec<ObjectId>) {
    for index in 0..package.objects.len() {
        let object_id = ObjectId { package: id, index: u32::try_from(index).unwrap_or(u32::MAX) };
        let next = FuncId(u32::try_from(functions.len()).unwrap_or(u32::MAX));
        match package.objects[index].kind {
            ObjectKind::Func(_) => package.objects[index].kind = ObjectKind::Func(next),
            ObjectKind::Method { pointer, .. } => {
                let receiver = receiver_type(package, index);
                let name = package.objects[index].name;
                if let Some(receiver) = receiver
                    && let Some(details) = &mut package.objects[receiver as usize].details
                {
                    details.methods.push((name, object_id.index));
                }
                let receiver = receiver.map(|index| ObjectId { package: id, index });
                package.objects[index].kind = ObjectKind::Method { func: next, receiver, pointer };
            }
            _ => continue,
        }
        functions.push(object_id);
    }
}

/// The object of the type that a method belongs to; an alias is followed to a type of the same package.
fn receiver_type(package: &Package, method: usize) -> Option<u32> {
    let object = &package.objects[method];
    let file = &package.files[object.file as usize].syntax;
    let Decl::Func(decl) = &file.decls[object.decl as usize] else { return None };
    let mut name = receiver_name(&file.arena, decl.receiver?.ty)?.0;
    for _ in 0..8 {
        let index = *package.scope.get(&name)?;
        let target = &package.objects[index as usize];
        match target.kind {
            ObjectKind::Type { alias: false } => return Some(index),
            ObjectKind::Type { alias: true } => {
                let file = &package.files[target.file as usize].syntax;
                let Decl::Type(specs) = &file.decls[target.decl as usize] else { return None };
                name = receiver_name(&file.arena, specs.get(target.spec as usize)?.ty)?.0;
            }
            _ => return None,
        }
    }
    None
}

/// The name of the type in a receiver `*T[P]`, and whether there is a star.
pub(super) fn receiver_name(arena: &Arena, mut ty: ExprId) -> Option<(Name, bool)> {
    let mut pointer = false;
    loop {
        match &arena[ty].kind {
            ExprKind::Name(name) => return Some((*name, pointer)),
            ExprKind::Paren(inner) | ExprKind::Index(inner, _) => ty = *inner,
            ExprKind::Star(inner) => {
                pointer = true;
                ty = *inner;
            }
            _ => return None,
        }
    }
}

fn collect_file(file: &File, index: u32, objects: &mut Vec<Object>) {
    for (decl, decl_index) in file.decls.iter().zip(0..) {
        match decl {
            Decl::Const(specs) => {
                for (spec, spec_index) in specs.iter().zip(0..) {
                    for (name, position) in spec.names.iter().zip(0..) {
                        objects.push(object(
                            *name,
                            ObjectKind::Const,
                            index,
                            [decl_index, spec_index, position],
                        ));
                    }
                }
            }
            Decl::Var(specs) => {
                for (spec, spec_index) in specs.iter().zip(0..) {
                    for (name, position) in spec.names.iter().zip(0..) {
                        objects.push(object(
                            *name,
                            ObjectKind::Var,
                            index,
                            [decl_index, spec_index, position],
                        ));
                    }
                }
            }
            Decl::Type(specs) => {
                for (spec, spec_index) in specs.iter().zip(0..) {
                    let kind = ObjectKind::Type { alias: spec.alias };
                    let mut object = object(spec.name, kind, index, [decl_index, spec_index, 0]);
                    object.details = Some(Box::new(details(spec.type_params.len())));
                    objects.push(object);
                }
            }
            Decl::Func(decl) => objects.push(function_object(file, decl, index, decl_index)),
            Decl::Bad(_) => {}
        }
    }
}

fn function_object(file: &File, decl: &FuncDecl, index: u32, decl_index: u32) -> Object {
    let unnumbered = FuncId(u32::MAX);
    let kind = match decl.receiver {
        None => ObjectKind::Func(unnumbered),
        Some(receiver) => {
            let pointer = receiver_name(&file.arena, receiver.ty).is_some_and(|(_, pointer)| pointer);
            ObjectKind::Method { func: unnumbered, receiver: None, pointer }
        }
    };
    let mut object = object(decl.name, kind, index, [decl_index, 0, 0]);
    if !decl.type_params.is_empty() {
        object.details = Some(Box::new(details(decl.type_params.len())));
    }
    object
}

fn object(name: Ident, kind: ObjectKind, file: u32, [decl, spec, position]: [u32; 3]) -> Object {
    let (name, span) = (name.name, name.span);
    Object { name, kind, file, span, decl, spec, position, details: None, ty: OnceLock::new() }
}

fn details(type_params: usize) -> Details {
    Details { type_params: u32::try_from(type_params).unwrap_or(u32::MAX), ..Details::default() }
}

fn file_scope(file: &File, known: &HashMap<Name, PackageId>, names: &[Name]) -> FileScope {
    let mut scope = FileScope::default();
    for (spec, index) in file.imports.iter().zip(0..) {
        let package = known.get(&spec.path).copied();
        scope.imports.push(Import { path: spec.path, package });
        match spec.name.map(|name| name.name) {
            Some(name) if name.is_blank() => {}
            Some(name) if name.as_str() == "." => scope.dot_imports.push(index),
            Some(name) => {
                scope.names.insert(name, index);
            }
            None => match package.and_then(|id| names.get(id.0 as usize)) {
                Some(name) => {
                    scope.names.insert(*name, index);
                }
                None => {
                    for name in likely_names(spec) {
                        scope.guesses.entry(name).or_insert(index);
                    }
                }
            },
        }
    }
    scope
}

/// Names that a package that is not there may have, by its path: `gopkg.in/yaml.v3` is `yaml`, `x/go-y/v2` is `y`.
fn likely_names(spec: &ImportSpec) -> Vec<Name> {
    let mut parts = spec.path.as_str().rsplit('/');
    let mut last = parts.next().unwrap_or_default();
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut names = vec![Name::new(last)];
    if is_version(last) {
        last = parts.next().unwrap_or(last);
    }
    if let Some((stem, version)) = last.rsplit_once('.')
        && is_version(version)
    {
        last = stem;
    }
    let mut push = |name: &str| {
        let name = Name::new(name);
        if !names.contains(&name) {
            names.push(name);
        }
    };
    push(last);
    push(&last.replace(['-', '.'], "_"));
    push(&last.replace(['-', '.'], ""));
    for word in last.split(['-', '.']).filter(|word| !matches!(*word, "go" | "golang" | "")) {
        push(word);
    }
    names
}

/// The names in the brackets of a receiver `*T[P, _]`, which stand for the type's parameters.
pub(super) fn receiver_arguments(arena: &Arena, mut ty: ExprId) -> Vec<Option<Name>> {
    loop {
        match &arena[ty].kind {
            ExprKind::Paren(inner) | ExprKind::Star(inner) => ty = *inner,
            ExprKind::Index(_, names) => {
                let names = names.iter().map(|name| match arena[*name].kind {
                    ExprKind::Name(name) => Some(name),
                    _ => None,
                });
                return names.collect();
            }
            _ => return Vec::new(),
        }
    }
}
