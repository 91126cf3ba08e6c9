//! Types of package-level declarations, computed when first asked for.

use super::cycles::{self, Question};
use super::object::{ObjectId, ObjectKind};
use super::program::Program;
use super::resolve::Resolver;
use super::ty::Type;
use crate::syntax::ast::Decl;

static UNKNOWN: Type = Type::Unknown;

impl Program {
    /// Of a constant, variable, function or method its type; of an alias what it stands for; of another type what its
    /// declaration says it is.
    pub(super) fn declared_type(&self, id: ObjectId) -> &Type {
        if id.is_universe() {
            return self.declared_underlying(id);
        }
        let object = self.object(id);
        if let Some(known) = object.ty.get() {
            return known;
        }
        match cycles::compute(id, Question::Type, || Some(self.compute_type(id))) {
            Some(ty) => object.ty.get_or_init(|| ty),
            None => &UNKNOWN,
        }
    }

    fn compute_type(&self, id: ObjectId) -> Type {
        let object = self.object(id);
        let (spec, position) = (object.spec as usize, object.position as usize);
        let mut resolver = Resolver::of_object(self, id);
        match self.declaration(id) {
            Decl::Const(specs) => {
                specs.get(spec).map_or(Type::Unknown, |spec| resolver.const_type(spec, position))
            }
            Decl::Var(specs) => {
                specs.get(spec).map_or(Type::Unknown, |spec| resolver.var_type(spec, position))
            }
            Decl::Type(specs) => {
                specs.get(spec).map_or(Type::Unknown, |spec| resolver.type_of_syntax(spec.ty))
            }
            Decl::Func(decl) => {
                let count = object.type_params();
                let signature = resolver.signature_of(&decl.signature, (count > 0).then_some((id, count)));
                Type::Func(signature)
            }
            Decl::Bad(_) => Type::Unknown,
        }
    }

    /// The type of a method's receiver, in terms of its type's own type parameters.
    pub(super) fn receiver_type(&self, method: ObjectId) -> Type {
        match self.object(method).kind {
            ObjectKind::Method { receiver: Some(receiver), pointer, .. } => {
                let ty = self.generic_self(receiver);
                if pointer { ty.pointer_to() } else { ty }
            }
            _ => Type::Unknown,
        }
    }

    /// The constraints of the type parameters that an object declares.
    pub(super) fn constraints(&self, id: ObjectId) -> &[Type] {
        if id.is_universe() {
            return &[];
        }
        let Some(details) = &self.object(id).details else { return &[] };
        if let Some(known) = details.constraints.get() {
            return known;
        }
        let computed = cycles::compute(id, Question::Constraints, || {
            let mut resolver = Resolver::of_object(self, id);
            Some(self.type_params(id).iter().map(|param| resolver.constraint_of_syntax(param.ty)).collect())
        });
        match computed {
            Some(constraints) => details.constraints.get_or_init(|| constraints),
            None => &[],
        }
    }
}
