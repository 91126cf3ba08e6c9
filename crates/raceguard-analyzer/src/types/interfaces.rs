//! Methods of interfaces, method sets of other types, and which type implements which interface.

use std::sync::Arc;

use super::body::FieldStep;
use super::members::Target;
use super::object::{FuncId, ObjectId, ObjectKind, PackageId};
use super::program::Program;
use super::ty::{InterfaceType, Method, Signature, Type};
use crate::syntax::name::Name;

/// A method that a type has, of its own or of an embedded field.
#[derive(Debug, Clone)]
pub struct MethodOf {
    /// Its name.
    pub name: Name,
    /// The function.
    pub func: FuncId,
    /// The embedded fields on the way.
    pub path: Vec<FieldStep>,
    /// Whether its receiver is a pointer.
    pub pointer_receiver: bool,
}

/// How many interfaces are looked into for the methods of one.
const MAX_EMBEDDED: usize = 1000;

impl Program {
    /// The methods of an interface, with those of embedded ones, in the order of their names. Of a type parameter:
    /// of its constraint. Of other types: none.
    pub fn interface_methods(&self, ty: &Type) -> Vec<Method> {
        let constraint = match ty {
            Type::TypeParam(owner, index) => self.constraint(*owner, *index),
            other => other,
        };
        match self.underlying_of(constraint).as_ref() {
            Type::Interface(interface) => self.flatten_interface(interface),
            _ => Vec::new(),
        }
    }

    /// All methods of an interface in the order of their names.
    pub(super) fn flatten_interface(&self, interface: &InterfaceType) -> Vec<Method> {
        let mut methods = Vec::new();
        self.with_embedded(interface, |interface| {
            methods.extend(interface.methods.iter().cloned());
            false
        });
        methods.sort_by_key(|method| method.name);
        methods.dedup_by_key(|method| method.name);
        methods
    }

    /// An interface and all that it embeds, directly or not, some more than once.
    fn with_embedded(&self, interface: &InterfaceType, mut visit: impl FnMut(&InterfaceType) -> bool) {
        if visit(interface) {
            return;
        }
        let mut waiting: Vec<Type> = embedded_types(interface).cloned().collect();
        for _ in 0..MAX_EMBEDDED {
            let Some(next) = waiting.pop() else { return };
            if let Type::Interface(embedded) = self.underlying_of(&next).as_ref() {
                if visit(embedded) {
                    return;
                }
                waiting.extend(embedded_types(embedded).cloned());
            }
        }
    }

    /// The method `name` of an interface, in code of package `from`.
    pub(super) fn interface_method(
        &self,
        interface: &InterfaceType,
        name: Name,
        from: PackageId,
    ) -> Option<Arc<Signature>> {
        let mut found = None;
        self.with_embedded(interface, |interface| {
            let visible = name.is_exported() || interface.package == from;
            let method = interface.methods.iter().find(|method| visible && method.name == name);
            found = method.map(|method| method.signature.clone());
            found.is_some()
        });
        found
    }

    /// The methods with bodies that a pointer to this type has, promoted ones included, in the order of their names.
    /// Those that a value has too are the ones without a pointer receiver, and those reached by an embedded pointer.
    pub fn methods(&self, ty: &Type) -> Vec<MethodOf> {
        let base = ty.strip_pointer();
        let mut names = Vec::new();
        self.push_method_names(base, &mut names, &mut Vec::new());
        names.sort_unstable_by_key(|(name, package)| (*name, *package));
        names.dedup_by_key(|(name, _)| *name);
        names.into_iter().filter_map(|(name, package)| self.concrete_method(base, name, package)).collect()
    }

    pub(super) fn concrete_method(&self, ty: &Type, name: Name, package: PackageId) -> Option<MethodOf> {
        let member = self.member(ty, name, package)?;
        let Target::Method { object, .. } = member.target else { return None };
        match self.object(object).kind {
            ObjectKind::Method { func, pointer, .. } => {
                Some(MethodOf { name, func, path: member.path, pointer_receiver: pointer })
            }
            _ => None,
        }
    }

    /// Names of all methods of a type and of what it embeds, with the package that may name them.
    pub(super) fn push_method_names(
        &self,
        ty: &Type,
        names: &mut Vec<(Name, PackageId)>,
        seen: &mut Vec<ObjectId>,
    ) {
        let base = ty.strip_pointer();
        if let Type::Named(id, _) = base
            && !id.is_universe()
        {
            if seen.contains(id) {
                return;
            }
            seen.push(*id);
            names.extend(self.object(*id).methods().iter().map(|(name, _)| (*name, id.package)));
        }
        match self.underlying_of(base).as_ref() {
            Type::Struct(structure) => {
                for field in structure.fields.iter().filter(|field| field.embedded) {
                    self.push_method_names(&field.ty, names, seen);
                }
            }
            Type::Interface(interface) if seen.len() > 1 || !std::ptr::eq(base, ty) => {
                let methods = self.flatten_interface(interface);
                names.extend(methods.iter().map(|method| (method.name, interface.package)));
            }
            _ => {}
        }
    }

    /// Whether a type, or a pointer to it, has all methods of an interface. Where type parameters or unknown types
    /// are involved, whether it may have.
    pub fn implements(&self, ty: &Type, interface: &Type) -> bool {
        let methods = self.interface_methods(interface);
        self.implements_all(ty.strip_pointer(), &methods)
    }

    /// Whether a pointer to a type has all these methods.
    pub(super) fn implements_all(&self, base: &Type, methods: &[Method]) -> bool {
        let package = match base {
            Type::Named(id, _) => id.package,
            Type::Local(local) => local.package,
            _ => PackageId(u32::MAX),
        };
        methods.iter().all(|wanted| {
            let Some(member) = self.member(base, wanted.name, package) else {
                return self.may_have_more_members(base);
            };
            match (&member.target, self.member_type(&member)) {
                (Target::Field, _) => false,
                (_, Type::Func(signature)) => self.signatures_may_match(&signature, &wanted.signature),
                (_, _) => true,
            }
        })
    }
}

/// The types that an interface embeds as such, not in a union.
fn embedded_types(interface: &InterfaceType) -> impl Iterator<Item = &Type> {
    interface.embedded.iter().rev().filter_map(|union| match union.terms.as_slice() {
        [(false, term)] => Some(term),
        _ => None,
    })
}
