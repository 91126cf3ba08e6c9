//! Values given for a type: what untyped constants and generic functions become.

use super::{Operand, Resolver};
use crate::syntax::ast::{BinaryOp, ExprId, ExprKind};
use crate::types::body::Mode;
use crate::types::infer::Inference;
use crate::types::substitute::Substitution;
use crate::types::ty::Type;

impl Resolver<'_> {
    /// A value is assigned to a variable of this type, or passed for a parameter of it.
    pub(super) fn assign_to(&mut self, expr: ExprId, operand: &Operand, target: &Type) {
        if !self.record {
            return;
        }
        match &operand.ty {
            Type::Basic(kind) if kind.is_untyped() && !operand.ty.is_nil() => {
                let ty = self.untyped_as(&operand.ty, target);
                self.settle(expr, &ty);
            }
            Type::Func(signature) => {
                if let Some((owner, count)) = signature.generic
                    && let Type::Func(wanted) = self.program.underlying_of(target).as_ref()
                {
                    let mut inference = Inference::new(self.program, owner, count, &[]);
                    let open = Type::Func(signature.clone());
                    inference.argument(&open, &Type::Func(wanted.clone()));
                    self.set_instance(expr, &open, owner, inference.finish());
                }
            }
            _ => {}
        }
    }

    /// A value is used where nothing decides on the type of an untyped constant. Gives its type then.
    pub(super) fn assign_default(&mut self, expr: ExprId, operand: &Operand) -> Type {
        if !operand.ty.is_untyped() {
            return operand.ty.clone();
        }
        let ty = operand.ty.clone().default_type();
        if !operand.ty.is_nil() {
            self.settle(expr, &ty);
        }
        ty
    }

    /// What an untyped constant becomes where this type is wanted.
    fn untyped_as(&self, untyped: &Type, target: &Type) -> Type {
        match target {
            Type::Basic(_) | Type::TypeParam(..) => target.clone(),
            Type::Unknown => untyped.clone().default_type(),
            _ => match self.program.underlying_of(target).as_ref() {
                Type::Basic(_) => target.clone(),
                _ => untyped.clone().default_type(),
            },
        }
    }

    /// Gives an untyped expression its type, and those parts of it that decide its value at run time.
    pub(super) fn settle(&mut self, mut expr: ExprId, ty: &Type) {
        if !self.record {
            return;
        }
        loop {
            let slot = &mut self.info.types[expr.0 as usize];
            if !slot.is_untyped() || slot.is_nil() {
                return;
            }
            *slot = ty.clone();
            let constant = self.info.modes[expr.0 as usize] == Mode::Constant;
            match self.arena[expr].kind {
                ExprKind::Paren(inner) => expr = inner,
                ExprKind::Unary(_, inner) if !constant => expr = inner,
                ExprKind::Binary(BinaryOp::ShiftLeft | BinaryOp::ShiftRight, left, _) if !constant => {
                    expr = left;
                }
                ExprKind::Binary(op, left, right) if !constant && !op.is_comparison() => {
                    self.settle(right, ty);
                    expr = left;
                }
                _ => return,
            }
        }
    }

    /// Records what a generic function was instantiated with where it is named.
    pub(super) fn set_instance(
        &mut self,
        mut expr: ExprId,
        generic: &Type,
        owner: crate::types::object::ObjectId,
        args: Vec<Type>,
    ) -> Type {
        let ty = Substitution { owner, args: &args }.apply(generic);
        if !self.record {
            return ty;
        }
        loop {
            self.info.types[expr.0 as usize] = ty.clone();
            match self.arena[expr].kind {
                ExprKind::Paren(inner) | ExprKind::Index(inner, _) => expr = inner,
                _ => break,
            }
        }
        self.info.instances.insert(expr, args);
        ty
    }
}

impl BinaryOp {
    /// Whether it compares its operands.
    pub(super) const fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual
        )
    }
}
