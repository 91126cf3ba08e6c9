//! What named types stand for.

use std::borrow::Cow;

use super::cycles::{self, Question};
use super::object::{ObjectId, ObjectKind};
use super::program::Program;
use super::substitute::Substitution;
use super::ty::{Basic, InterfaceType, Type};
use super::universe::{comparable_interface, error_interface};

/// How many terms of constraints are looked at for one core type, and how deep they may be nested.
const MAX_TERMS: u32 = 1000;
const MAX_DEPTH: u32 = 32;

static UNKNOWN: Type = Type::Unknown;

impl Program {
    /// The underlying type: of a named type what it stands for, with its type arguments; of a type parameter the one
    /// underlying type that all types of its constraint share, or unknown; of any other type itself.
    pub fn underlying(&self, ty: &Type) -> Type {
        self.underlying_of(ty).into_owned()
    }

    /// The same, borrowed where it can be.
    pub fn underlying_of<'t>(&'t self, ty: &'t Type) -> Cow<'t, Type> {
        match ty {
            Type::Named(id, None) => Cow::Borrowed(self.declared_underlying(*id)),
            Type::Named(id, Some(args)) => {
                Cow::Owned(Substitution { owner: *id, args }.apply(self.declared_underlying(*id)))
            }
            Type::Local(local) => Cow::Borrowed(local.underlying.get().unwrap_or(&UNKNOWN)),
            Type::TypeParam(owner, index) => {
                let constraint = self.constraint(*owner, *index);
                Cow::Owned(self.core_of_term(constraint, MAX_DEPTH, &mut { MAX_TERMS }).unwrap_or_default())
            }
            other => Cow::Borrowed(other),
        }
    }

    /// The underlying type of a declared type, in terms of its own type parameters.
    pub(super) fn declared_underlying(&self, id: ObjectId) -> &Type {
        match id {
            ObjectId::ERROR => return error_interface(),
            ObjectId::COMPARABLE => return comparable_interface(),
            _ => {}
        }
        let Some(details) = &self.object(id).details else { return &UNKNOWN };
        if let Some(known) = details.underlying.get() {
            return known;
        }
        let computed = cycles::compute(id, Question::Underlying, || {
            let right = self.declared_type(id);
            match right {
                Type::TypeParam(..) => Some(Type::Unknown),
                _ => Some(self.underlying_of(right).into_owned()),
            }
        });
        match computed {
            Some(ty) => details.underlying.get_or_init(|| ty),
            None => &UNKNOWN,
        }
    }

    /// The type that a declaration names: of a type itself, with its own type parameters as arguments.
    pub fn object_type(&self, id: ObjectId) -> Type {
        if id.is_universe() {
            return Type::Named(id, None);
        }
        match self.object(id).kind {
            ObjectKind::Type { alias: false } => self.generic_self(id),
            _ => self.declared_type(id).clone(),
        }
    }

    /// A declared type with its own type parameters as arguments.
    pub(super) fn generic_self(&self, id: ObjectId) -> Type {
        let count = self.object(id).type_params();
        let own = || (0..count).map(|index| Type::TypeParam(id, index)).collect();
        Type::Named(id, (count > 0).then(|| std::sync::Arc::new(own())))
    }

    /// The constraint of a type parameter.
    pub fn constraint(&self, owner: ObjectId, index: u32) -> &Type {
        self.constraints(owner).get(index as usize).unwrap_or(&UNKNOWN)
    }

    /// The core type that a term of a constraint asks for. None: it allows any type.
    fn core_of_term(&self, term: &Type, depth: u32, budget: &mut u32) -> Option<Type> {
        if depth == 0 || *budget == 0 {
            return Some(Type::Unknown);
        }
        *budget -= 1;
        if let Type::TypeParam(owner, index) = term {
            return self.core_of_term(self.constraint(*owner, *index), depth - 1, budget);
        }
        match self.underlying_of(term).as_ref() {
            Type::Interface(interface) => self.core_of_interface(interface, depth - 1, budget),
            other => Some(other.clone()),
        }
    }

    fn core_of_interface(&self, interface: &InterfaceType, depth: u32, budget: &mut u32) -> Option<Type> {
        let mut core = None;
        for union in &interface.embedded {
            let mut shared: Option<Type> = None;
            for (_, term) in &union.terms {
                let Some(ty) = self.core_of_term(term, depth, budget) else {
                    shared = None;
                    break;
                };
                match &shared {
                    None => shared = Some(ty),
                    Some(first) if self.identical(first, &ty) => {}
                    Some(_) => return Some(Type::Unknown),
                }
            }
            core = core.or(shared);
        }
        core
    }

    /// Whether a type parameter stands for strings and byte slices only, which can be indexed alike.
    pub(super) fn is_bytes_or_string(&self, ty: &Type) -> bool {
        let Type::TypeParam(owner, index) = ty else { return false };
        let constraint = self.underlying_of(self.constraint(*owner, *index));
        let Type::Interface(interface) = constraint.as_ref() else { return false };
        let mut terms = interface.embedded.iter().flat_map(|union| &union.terms).peekable();
        terms.peek().is_some()
            && terms.all(|(_, term)| match self.underlying_of(term).as_ref() {
                Type::Basic(kind) => kind.is_string(),
                Type::Slice(element) => matches!(**element, Type::Basic(Basic::Uint8)),
                _ => false,
            })
    }
}
