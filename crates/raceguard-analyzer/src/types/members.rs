//! Fields and methods of a type, its own and those of embedded fields.
//!
//! Source: "Selectors" in the specification, and `lookupFieldOrMethod` in go/types.

use std::sync::Arc;

use super::body::{FieldStep, Selection, SelectionMethod};
use super::object::{ObjectId, ObjectKind, PackageId};
use super::program::Program;
use super::substitute::Substitution;
use super::ty::{Signature, StructType, Type};
use crate::syntax::name::Name;

/// A field or method that was found.
#[derive(Debug)]
pub(super) struct Member {
    /// Embedded fields on the way; of a field, with itself at the end.
    pub(super) path: Vec<FieldStep>,
    /// What was found there.
    pub(super) target: Target,
}

/// What kind of member.
#[derive(Debug)]
pub(super) enum Target {
    /// A field: the last step of the path.
    Field,
    /// A declared method.
    Method {
        /// Its object.
        object: ObjectId,
        /// The type that declares it, with its arguments.
        receiver: Type,
        /// Whether it was selected from a pointer.
        from_pointer: bool,
    },
    /// A method of an interface.
    Interface {
        /// The interface or type parameter.
        interface: Type,
        /// The method's parameters and results.
        signature: Arc<Signature>,
    },
}

/// A type to look into, and how it was reached.
struct Candidate {
    ty: Type,
    pointer: bool,
    path: Vec<FieldStep>,
    /// Whether it was reached in several ways of the same depth, which makes its members ambiguous.
    several: bool,
}

/// How deep structs may be embedded in each other.
const MAX_DEPTH: u32 = 32;

/// How many types are looked into for one name: structs that embed ever new instances of themselves have no end.
const MAX_SEEN: usize = 256;

impl Program {
    /// What `name` selects from a value of this type, in code of package `from`.
    pub fn select(&self, ty: &Type, name: Name, from: PackageId) -> Selection {
        match self.member(ty, name, from) {
            Some(member) => self.selection(member, name, false),
            None => Selection::Unknown,
        }
    }

    /// A member as a selection.
    pub(super) fn selection(&self, member: Member, name: Name, expression: bool) -> Selection {
        let path = member.path;
        match member.target {
            Target::Field => Selection::Field(path),
            Target::Interface { interface, .. } => {
                Selection::InterfaceMethod { path, interface, name, expression }
            }
            Target::Method { object, from_pointer, .. } => match self.object(object).kind {
                ObjectKind::Method { func, pointer: pointer_receiver, .. } => {
                    Selection::Method(SelectionMethod {
                        func,
                        path,
                        pointer_receiver,
                        from_pointer,
                        expression,
                    })
                }
                _ => Selection::Unknown,
            },
        }
    }

    /// The type of a member: of a field its own, of a method its signature without receiver.
    pub(super) fn member_type(&self, member: &Member) -> Type {
        match &member.target {
            Target::Field => member.path.last().map_or(Type::Unknown, |step| step.ty.clone()),
            Target::Interface { signature, .. } => Type::Func(signature.clone()),
            Target::Method { object, receiver, .. } => {
                let declared = self.declared_type(*object);
                match receiver {
                    Type::Named(owner, Some(args)) => Substitution { owner: *owner, args }.apply(declared),
                    _ => declared.clone(),
                }
            }
        }
    }

    /// The field or method `name` of a type, in code of package `from`. None also where it is ambiguous.
    pub(super) fn member(&self, ty: &Type, name: Name, from: PackageId) -> Option<Member> {
        let (base, pointer) = match ty {
            Type::Pointer(element) => (&**element, true),
            other => (other, false),
        };
        let outermost = Candidate { ty: base.clone(), pointer, path: Vec::new(), several: false };
        if let Some(member) = self.own_member(&outermost, name, from) {
            return Some(member);
        }
        self.promoted_member(&outermost, name, from)
    }

    /// The field or method `name` of the structs that a type embeds, of the least depth.
    fn promoted_member(&self, outermost: &Candidate, name: Name, from: PackageId) -> Option<Member> {
        let mut level = Vec::new();
        self.push_embedded(outermost, &mut level);
        let mut seen = vec![outermost.ty.clone()];
        for _ in 0..MAX_DEPTH {
            level = self.merge_same(level);
            let mut found: Option<Member> = None;
            let mut count = 0;
            let mut next: Vec<Candidate> = Vec::new();
            let mut opaque = false;
            for candidate in level {
                if seen.iter().any(|known| self.same_declaration(known, &candidate.ty)) {
                    continue;
                }
                if let Some(member) = self.own_member(&candidate, name, from) {
                    count += if candidate.several { 2 } else { 1 };
                    found = Some(member);
                } else if found.is_none() {
                    opaque |= self.is_opaque(&candidate.ty);
                    self.push_embedded(&candidate, &mut next);
                }
                seen.push(candidate.ty);
            }
            match found {
                Some(member) if count == 1 => return Some(member),
                Some(_) => return None,
                // What is not known may have it, and would come before all that lies deeper.
                None if opaque || next.is_empty() || seen.len() > MAX_SEEN => return None,
                None => level = next,
            }
        }
        None
    }

    /// Whether a type may have members that are not known.
    fn is_opaque(&self, ty: &Type) -> bool {
        match self.underlying_of(ty).as_ref() {
            Type::Unknown => true,
            Type::Interface(interface) => interface.embedded.iter().any(|union| {
                matches!(union.terms.as_slice(), [(false, term)] if self.underlying_of(term).is_unknown())
            }),
            _ => false,
        }
    }

    /// Whether a type, or something that it embeds, may have members that are not known.
    pub(super) fn may_have_more_members(&self, ty: &Type) -> bool {
        let outermost = Candidate { ty: ty.clone(), pointer: false, path: Vec::new(), several: false };
        let mut waiting = vec![outermost];
        for _ in 0..MAX_SEEN {
            let Some(candidate) = waiting.pop() else { return false };
            if self.is_opaque(&candidate.ty) {
                return true;
            }
            self.push_embedded(&candidate, &mut waiting);
        }
        true
    }

    fn own_member(&self, candidate: &Candidate, name: Name, from: PackageId) -> Option<Member> {
        if let Type::Named(id, _) = &candidate.ty
            && !id.is_universe()
            && (name.is_exported() || id.package == from)
            && let Some(object) = self.declared_method(*id, name)
        {
            let receiver = candidate.ty.clone();
            let target = Target::Method { object, receiver, from_pointer: candidate.pointer };
            return Some(Member { path: candidate.path.clone(), target });
        }
        if let Type::Named(id, Some(args)) = &candidate.ty
            && let Type::Struct(structure) = self.declared_underlying(*id)
        {
            let mut step = Self::own_field(structure, candidate.pointer, name, from)?;
            step.ty = Substitution { owner: *id, args }.apply(&step.ty);
            return Some(Self::with_step(&candidate.path, step));
        }
        if let Type::TypeParam(owner, index) = &candidate.ty {
            return self.constraint_member(candidate, *owner, *index, name, from);
        }
        match self.underlying_of(&candidate.ty).as_ref() {
            Type::Struct(structure) => {
                let step = Self::own_field(structure, candidate.pointer, name, from)?;
                Some(Self::with_step(&candidate.path, step))
            }
            Type::Interface(interface) if !candidate.pointer => {
                let signature = self.interface_method(interface, name, from)?;
                let target = Target::Interface { interface: candidate.ty.clone(), signature };
                Some(Member { path: candidate.path.clone(), target })
            }
            // A named pointer type has the fields of the struct it points to, and no methods.
            Type::Pointer(element) if !candidate.pointer => match self.underlying_of(element).as_ref() {
                Type::Struct(structure) => {
                    let step = Self::own_field(structure, true, name, from)?;
                    Some(Self::with_step(&candidate.path, step))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A method that a type parameter's constraint has. Fields are not selected through type parameters.
    fn constraint_member(
        &self,
        candidate: &Candidate,
        owner: ObjectId,
        index: u32,
        name: Name,
        from: PackageId,
    ) -> Option<Member> {
        let constraint = self.underlying_of(self.constraint(owner, index));
        let Type::Interface(interface) = constraint.as_ref() else { return None };
        let signature = self.interface_method(interface, name, from)?;
        let target = Target::Interface { interface: candidate.ty.clone(), signature };
        Some(Member { path: candidate.path.clone(), target })
    }

    fn own_field(structure: &StructType, deref: bool, name: Name, from: PackageId) -> Option<FieldStep> {
        if !name.is_exported() && structure.package != from {
            return None;
        }
        let index = structure.fields.iter().position(|field| field.name == name)?;
        Some(FieldStep {
            index: u32::try_from(index).ok()?,
            name,
            deref,
            ty: structure.fields[index].ty.clone(),
        })
    }

    fn with_step(path: &[FieldStep], step: FieldStep) -> Member {
        let mut steps = Vec::with_capacity(path.len() + 1);
        steps.extend_from_slice(path);
        steps.push(step);
        Member { path: steps, target: Target::Field }
    }

    fn push_embedded(&self, candidate: &Candidate, next: &mut Vec<Candidate>) {
        let underlying = self.underlying_of(&candidate.ty);
        let (structure, deref) = match underlying.as_ref() {
            Type::Struct(structure) => (structure.clone(), candidate.pointer),
            Type::Pointer(element) if !candidate.pointer => match self.underlying_of(element).as_ref() {
                Type::Struct(structure) => (structure.clone(), true),
                _ => return,
            },
            _ => return,
        };
        for (field, index) in structure.fields.iter().zip(0..).filter(|(field, _)| field.embedded) {
            let (ty, pointer) = match &field.ty {
                Type::Pointer(element) => ((**element).clone(), true),
                other => (other.clone(), false),
            };
            let mut path = candidate.path.clone();
            path.push(FieldStep { index, name: field.name, deref, ty: field.ty.clone() });
            next.push(Candidate { ty, pointer, path, several: candidate.several });
        }
    }

    /// Joins candidates of one depth that are the same type.
    fn merge_same(&self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let mut merged: Vec<Candidate> = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            match merged.iter_mut().find(|known| self.same_declaration(&known.ty, &candidate.ty)) {
                Some(known) => known.several = true,
                None => merged.push(candidate),
            }
        }
        merged
    }

    fn same_declaration(&self, a: &Type, b: &Type) -> bool {
        match (a, b) {
            (Type::Named(a, None), Type::Named(b, None)) => a == b,
            (Type::Named(a, _), Type::Named(b, _)) if a != b => false,
            (Type::Named(..), _) | (_, Type::Named(..)) => self.identical(a, b),
            (Type::Local(a), Type::Local(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}
