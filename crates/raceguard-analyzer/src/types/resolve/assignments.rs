//! Assignments, and the variables that `:=` declares.

use super::{Operand, Resolver};
use crate::syntax::ast::{AssignOp, AssignStmt, BinaryOp, ExprId, ExprKind};
use crate::types::body::{Entity, LocalKind, Mode};
use crate::types::ty::{Basic, Type};

impl Resolver<'_> {
    pub(super) fn assignment(&mut self, assign: &AssignStmt, kind: LocalKind) {
        match assign.op {
            AssignOp::Define => {
                let known: Vec<Option<Type>> = assign.lhs.iter().map(|lhs| self.redeclared(*lhs)).collect();
                let types = self
                    .values(&assign.rhs, assign.lhs.len(), |position| known.get(position).cloned().flatten());
                self.define(&assign.lhs, types, kind);
            }
            AssignOp::Assign => {
                let targets: Vec<Option<Type>> = assign.lhs.iter().map(|lhs| self.target(*lhs)).collect();
                self.values(&assign.rhs, assign.lhs.len(), |position| {
                    targets.get(position).cloned().flatten()
                });
            }
            AssignOp::Op(op) => {
                if let ([lhs], [rhs]) = (assign.lhs.as_slice(), assign.rhs.as_slice()) {
                    self.operate(op, *lhs, *rhs);
                }
            }
        }
    }

    fn operate(&mut self, op: BinaryOp, lhs: ExprId, rhs: ExprId) {
        let left = self.expr(lhs);
        let right = self.expr(rhs);
        self.operation(op, (lhs, left), (rhs, &right));
    }

    /// The type that a place on the left of `=` takes. None for `_`.
    fn target(&mut self, lhs: ExprId) -> Option<Type> {
        let operand = self.expr(lhs);
        let blank = matches!(self.arena[lhs].kind, ExprKind::Name(name) if name.is_blank());
        (!blank).then_some(operand.ty)
    }

    /// The type of the variable that a name on the left of `:=` only assigns to.
    fn redeclared(&self, lhs: ExprId) -> Option<Type> {
        let ExprKind::Name(name) = self.arena[lhs].kind else { return None };
        let local = self.scopes.local_here(name)?;
        Some(self.info.locals[local.0 as usize].ty.clone())
    }

    /// Declares the names on the left of `:=` that are new in the scope.
    pub(super) fn define(&mut self, names: &[ExprId], types: Vec<Type>, kind: LocalKind) {
        for (expr, ty) in names.iter().zip(types) {
            let ExprKind::Name(name) = self.arena[*expr].kind else {
                self.expr(*expr);
                continue;
            };
            if name.is_blank() {
                self.set_entity(*expr, Entity::Blank);
                self.set(*expr, &Operand { mode: Mode::Unknown, ty: Type::Unknown });
                continue;
            }
            let local = self.scopes.local_here(name).unwrap_or_else(|| {
                let local = self.declare(name, self.arena[*expr].span, ty, kind);
                self.info.definitions.insert(*expr, local);
                local
            });
            self.set_entity(*expr, Entity::Local(local));
            let ty = self.info.locals[local.0 as usize].ty.clone();
            self.set(*expr, &Operand { mode: Mode::Variable, ty });
        }
    }

    /// Values of `return`, for the results of the innermost function.
    pub(super) fn return_values(&mut self, values: &[ExprId]) {
        let signature = self.signature.clone();
        if let ([only], false) = (values, signature.results.len() == 1) {
            self.value(*only);
            return;
        }
        for (position, value) in values.iter().enumerate() {
            let operand = self.expr(*value);
            match signature.results.get(position) {
                Some(result) => self.assign_to(*value, &operand, &result.ty),
                None => {
                    self.assign_default(*value, &operand);
                }
            }
        }
    }

    /// `ch <- x`
    pub(super) fn send(&mut self, channel: ExprId, value: ExprId) {
        let channel = self.value(channel);
        let operand = self.expr(value);
        match self.program.underlying_of(&channel).as_ref() {
            Type::Chan(_, element) => self.assign_to(value, &operand, element),
            _ => {
                self.assign_default(value, &operand);
            }
        }
    }

    /// The type that a `case` compares with.
    pub(super) const fn boolean() -> Type {
        Type::Basic(Basic::Bool)
    }
}
