//! Looking things up in the syntax tree of a function.

use super::BodyContext;
use super::fields::function_path;
use super::wording::Wording;
use crate::finding::Site;
use crate::ir::function::BodyId;
use crate::syntax::ast::{AssignOp, AssignStmt, CallExpr, ExprId, ExprKind, StmtKind};
use crate::syntax::span::Span;
use crate::types::{Callee, Entity, LocalId};

impl<'a> BodyContext<'a> {
    pub(super) const fn wording(&self) -> Wording<'a> {
        Wording { program: self.input.program, unit: self.unit }
    }

    /// All expressions, inner before outer.
    pub(super) fn exprs(&self) -> impl Iterator<Item = (ExprId, &'a ExprKind)> + use<'a> {
        self.input.arena.exprs.iter().zip(0..).map(|(expr, index)| (ExprId(index), &expr.kind))
    }

    /// All statements, inner before outer.
    pub(super) fn stmts(&self) -> impl Iterator<Item = (Span, &'a StmtKind)> + use<'a> {
        self.input.arena.stmts.iter().map(|stmt| (stmt.span, &stmt.kind))
    }

    /// All assignments.
    pub(super) fn assignments(&self) -> impl Iterator<Item = (Span, &'a AssignStmt)> + use<'a> {
        self.stmts().filter_map(|(span, kind)| match kind {
            StmtKind::Assign(assign) => Some((span, &**assign)),
            _ => None,
        })
    }

    /// All calls.
    pub(super) fn calls(&self) -> impl Iterator<Item = (ExprId, &'a CallExpr)> + use<'a> {
        self.exprs().filter_map(|(id, kind)| match kind {
            ExprKind::Call(call) => Some((id, &**call)),
            _ => None,
        })
    }

    /// The place of an expression.
    pub(super) fn span(&self, expr: ExprId) -> Span {
        self.input.arena[expr].span
    }

    /// The text of an expression.
    pub(super) fn text(&self, expr: ExprId) -> &'a str {
        self.wording().source(self.span(expr))
    }

    /// An expression without the parentheses around it.
    pub(super) fn inner(&self, expr: ExprId) -> ExprId {
        let mut expr = expr;
        while let ExprKind::Paren(inner) = self.input.arena[expr].kind {
            expr = inner;
        }
        expr
    }

    /// The local that an expression names.
    pub(super) fn local(&self, expr: ExprId) -> Option<LocalId> {
        match self.input.info.entity(self.inner(expr)) {
            Entity::Local(local) => Some(local),
            _ => None,
        }
    }

    /// The local that an operand on the left of an assignment declares or names.
    pub(super) fn assigned(&self, assign: &AssignStmt, lhs: ExprId) -> Option<LocalId> {
        let defined = if assign.op == AssignOp::Define { self.input.info.definition(lhs) } else { None };
        defined.or_else(|| self.local(lhs))
    }

    /// Package, receiver's type or nothing, and name of the function that a call calls.
    pub(super) fn called(&self, call: ExprId) -> Option<(&'a str, &'a str, &'a str)> {
        match self.input.info.callee(self.input.arena, call) {
            Callee::Function(func) | Callee::Method(func, _) => Some(function_path(self.input.program, func)),
            _ => None,
        }
    }

    /// The innermost body around a place.
    pub(super) fn body_at(&self, span: Span) -> BodyId {
        let around = self.unit.bodies.iter().enumerate().filter(|(_, body)| body.span.contains(span.start));
        let innermost = around.min_by_key(|(_, body)| body.span.end - body.span.start);
        BodyId(innermost.and_then(|(index, _)| u32::try_from(index).ok()).unwrap_or(0))
    }

    /// A site of a finding.
    pub(super) fn site(&self, span: Span, action: &'static str) -> Site {
        self.wording().site(self.body_at(span), span, action)
    }
}
