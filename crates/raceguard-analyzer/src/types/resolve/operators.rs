//! Operators.

use super::{Operand, Resolver};
use crate::syntax::ast::{BinaryOp, ExprId, ExprKind, UnaryOp};
use crate::types::body::Mode;
use crate::types::ty::{Basic, Type};

impl Resolver<'_> {
    pub(super) fn unary(&mut self, op: UnaryOp, base: ExprId) -> Operand {
        if op == UnaryOp::Tilde {
            return Operand::type_name(self.type_of_syntax(base));
        }
        let operand = self.expr(base);
        if operand.mode == Mode::Type {
            return Operand::UNKNOWN;
        }
        match op {
            UnaryOp::Address => Operand::value(match operand.ty {
                Type::Unknown => Type::Unknown,
                ty => ty.pointer_to(),
            }),
            UnaryOp::Receive => Operand::value(match self.program.underlying_of(&operand.ty).as_ref() {
                Type::Chan(_, element) => (**element).clone(),
                _ => Type::Unknown,
            }),
            _ if operand.mode == Mode::Constant => operand,
            _ => Operand::value(operand.ty),
        }
    }

    /// A chain of binary operations, which may be long, from its leftmost operand on.
    pub(super) fn binary(&mut self, expr: ExprId) -> Operand {
        let mut chain = vec![expr];
        let mut left_expr = expr;
        while let ExprKind::Binary(_, left, _) = self.arena[left_expr].kind {
            left_expr = left;
            chain.push(left);
        }
        chain.pop();
        let mut left = self.expr(left_expr);
        for &current in chain.iter().rev() {
            let ExprKind::Binary(op, left_expr, right_expr) = self.arena[current].kind else { break };
            let right = self.expr(right_expr);
            left = self.operation(op, (left_expr, left), (right_expr, &right));
            self.set(current, &left);
        }
        left
    }

    /// One binary operation on operands that are resolved.
    pub(super) fn operation(
        &mut self,
        op: BinaryOp,
        (left_expr, left): (ExprId, Operand),
        (right_expr, right): (ExprId, &Operand),
    ) -> Operand {
        let constant = left.mode == Mode::Constant && right.mode == Mode::Constant;
        if matches!(op, BinaryOp::ShiftLeft | BinaryOp::ShiftRight) {
            return self.shift(left, (right_expr, right));
        }
        let mode = if constant { Mode::Constant } else { Mode::Value };
        let ty = self.match_operands((left_expr, &left), (right_expr, right));
        if op.is_comparison() {
            if !constant && ty.is_untyped() && !ty.is_nil() {
                let ty = ty.default_type();
                self.settle(left_expr, &ty);
                self.settle(right_expr, &ty);
            }
            return Operand { mode, ty: Type::Basic(Basic::UntypedBool) };
        }
        Operand { mode, ty }
    }

    fn shift(&mut self, left: Operand, (right_expr, right): (ExprId, &Operand)) -> Operand {
        if left.mode == Mode::Constant && right.mode == Mode::Constant {
            let ty = match left.ty {
                Type::Basic(Basic::UntypedFloat | Basic::UntypedComplex) => Type::Basic(Basic::UntypedInt),
                ty => ty,
            };
            return Operand { mode: Mode::Constant, ty };
        }
        if right.mode != Mode::Constant {
            self.assign_to(right_expr, right, &Type::Basic(Basic::Uint));
        }
        Operand::value(left.ty)
    }

    /// Brings two operands to one type.
    fn match_operands(
        &mut self,
        (left_expr, left): (ExprId, &Operand),
        (right_expr, right): (ExprId, &Operand),
    ) -> Type {
        match (&left.ty, &right.ty) {
            (Type::Basic(a), Type::Basic(b)) if a.is_untyped() && b.is_untyped() => {
                let kind = *a.max(b);
                for (expr, operand) in [(left_expr, left), (right_expr, right)] {
                    if operand.mode != Mode::Constant
                        && !matches!(operand.ty, Type::Basic(own) if own == kind)
                    {
                        self.settle(expr, &Type::Basic(kind));
                    }
                }
                Type::Basic(kind)
            }
            (Type::Basic(a), other) if a.is_untyped() => {
                self.assign_to(left_expr, left, other);
                other.clone()
            }
            (other, Type::Basic(b)) if b.is_untyped() => {
                self.assign_to(right_expr, right, other);
                other.clone()
            }
            (Type::Unknown, other) => other.clone(),
            (known, _) => known.clone(),
        }
    }
}
