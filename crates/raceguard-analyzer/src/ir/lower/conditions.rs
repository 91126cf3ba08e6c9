//! Conditions: what is evaluated only sometimes, and what is known before.

use super::{Lower, var_of};
use crate::ir::function::{Branch, Node};
use crate::ir::place::Value;
use crate::syntax::ast::{BinaryOp, ExprId, ExprKind, UnaryOp};
use crate::syntax::span::Span;
use crate::types::Entity;

impl Lower<'_> {
    /// `left && right`, `left || right`: the right operand is evaluated in an arm of its own, or never.
    pub(super) fn short_circuit(&mut self, op: BinaryOp, left: ExprId, right: ExprId, span: Span) {
        let goes_on = op == BinaryOp::LogicalAnd;
        match self.constant_condition(left) {
            Some(known) if known != goes_on => return,
            Some(_) => {
                self.expr(right);
                return;
            }
            None => {}
        }
        let condition = self.condition(left);
        let id = self.node_id();
        let arm = self.nested(|lower| {
            lower.expr(right);
        });
        if !arm.is_empty() {
            self.emit(Node::Branch(Branch { id, arms: vec![arm, Vec::new()], condition, span }));
        }
    }

    /// What a condition is, if it depends on constants and on variables that keep their first, constant value.
    pub(super) fn constant_condition(&self, cond: ExprId) -> Option<bool> {
        match self.input.arena[cond].kind {
            ExprKind::Paren(inner) => self.constant_condition(inner),
            ExprKind::Unary(UnaryOp::Not, inner) => self.constant_condition(inner).map(|known| !known),
            ExprKind::Binary(BinaryOp::LogicalAnd, left, right) => {
                match (self.constant_condition(left), self.constant_condition(right)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }
            }
            ExprKind::Binary(BinaryOp::LogicalOr, left, right) => {
                match (self.constant_condition(left), self.constant_condition(right)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            ExprKind::Binary(op, left, right) => {
                let (left, right) = (self.constant(left)?, self.constant(right)?);
                Some(match op {
                    BinaryOp::Equal => left == right,
                    BinaryOp::NotEqual => left != right,
                    BinaryOp::Less => left < right,
                    BinaryOp::LessEqual => left <= right,
                    BinaryOp::Greater => left > right,
                    BinaryOp::GreaterEqual => left >= right,
                    _ => return None,
                })
            }
            ExprKind::Name(name) if self.input.info.entity(cond) == Entity::UniverseConst => {
                match name.as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The whole number that an expression always is.
    pub(super) fn constant(&self, expr: ExprId) -> Option<i64> {
        match self.input.arena[expr].kind {
            ExprKind::Paren(inner) => self.constant(inner),
            ExprKind::Name(_) => match self.input.info.entity(expr) {
                Entity::Local(local) => match self.numbers.get(&var_of(local)) {
                    Some(Value::Const(number)) => Some(*number),
                    _ => None,
                },
                _ => None,
            },
            _ => self.literal_number(expr),
        }
    }
}
