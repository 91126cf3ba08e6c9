//! Generic types and functions with type arguments.

use std::sync::Arc;

use super::{Operand, Resolver};
use crate::syntax::ast::{ExprId, ExprKind};
use crate::types::infer::Inference;
use crate::types::object::ObjectId;
use crate::types::substitute::Substitution;
use crate::types::ty::{Signature, Type};

impl Resolver<'_> {
    /// `T[A, B]`
    pub(super) fn instantiate_type(&mut self, base: ExprId, ty: &Type, args: &[ExprId]) -> Operand {
        let args: Vec<Type> = args.iter().map(|arg| self.type_of_syntax(*arg)).collect();
        match ty {
            Type::Named(id, None) if !id.is_universe() && self.program.object(*id).type_params() > 0 => {
                Operand::type_name(Type::Named(*id, Some(Arc::new(args))))
            }
            other => match self.named_object(base) {
                Some(alias) if self.program.is_alias(alias) => {
                    Operand::type_name(Substitution { owner: alias, args: &args }.apply(other))
                }
                _ => Operand::UNKNOWN,
            },
        }
    }

    /// `f[A, B]`; what is left out is inferred at the call, or unknown.
    pub(super) fn instantiate_function(
        &mut self,
        base: ExprId,
        signature: &Arc<Signature>,
        args: &[ExprId],
    ) -> Operand {
        let args: Vec<Type> = args.iter().map(|arg| self.type_of_syntax(*arg)).collect();
        let Some((owner, count)) = signature.generic else { return Operand::UNKNOWN };
        let mut inference = Inference::new(self.program, owner, count, &args);
        inference.use_constraints();
        let args = inference.finish();
        Operand::value(self.set_instance(base, &Type::Func(signature.clone()), owner, args))
    }

    /// The package-level object that an expression names.
    pub(super) fn named_object(&mut self, mut expr: ExprId) -> Option<ObjectId> {
        while let ExprKind::Paren(inner) = self.arena[expr].kind {
            expr = inner;
        }
        match self.arena[expr].kind {
            ExprKind::Name(name) => match self.meaning(name) {
                super::scopes::Meaning::Object(object) => Some(object),
                _ => None,
            },
            ExprKind::Selector(base, name) => self.qualified_object(base, name.name),
            _ => None,
        }
    }
}
