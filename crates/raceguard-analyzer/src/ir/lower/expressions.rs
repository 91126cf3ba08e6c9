//! Values of expressions, and what evaluating them reads.

use super::Lower;
use crate::ir::function::{ChannelOp, ChannelOpKind, How, Node};
use crate::ir::place::{Place, Root, Step, Value};
use crate::syntax::ast::{BinaryOp, ExprId, ExprKind, LiteralKind, SliceExpr, UnaryOp};
use crate::types::{Callee, Entity, Mode, ObjectKind, Selection, Type};

impl Lower<'_> {
    /// Evaluates an expression: adds what it reads and does, and gives what is known of its value.
    pub(super) fn expr(&mut self, expr: ExprId) -> Value {
        let arena = self.input.arena;
        let span = arena[expr].span;
        if self.input.info.mode(expr) == Mode::Type {
            return Value::Unknown;
        }
        match &arena[expr].kind {
            ExprKind::Name(_) => self.name(expr),
            ExprKind::Literal(LiteralKind::Int) => {
                self.literal_number(expr).map_or(Value::Unknown, Value::Const)
            }
            ExprKind::Literal(LiteralKind::String) => Value::Const(self.text_number(expr)),
            ExprKind::Composite(literal) => self.composite(expr, literal),
            ExprKind::FuncLit(literal) => Value::Closure(self.literal(expr, literal)),
            ExprKind::Paren(inner) | ExprKind::TypeAssert(inner, _) => self.expr(*inner),
            ExprKind::Selector(operand, _) => self.selector(expr, *operand),
            ExprKind::Index(operand, _) => self.index_value(expr, *operand),
            ExprKind::Slice(slice) => self.slice(slice),
            ExprKind::Call(_) => self.call(expr, crate::ir::function::CallMode::Now),
            ExprKind::Star(_) => {
                let place = self.place(expr);
                self.access(&place, false, How::Plain, span);
                self.load(place)
            }
            ExprKind::Unary(UnaryOp::Address, operand) => self.address(*operand),
            ExprKind::Unary(UnaryOp::Receive, channel) => {
                let element = self.element_of(*channel);
                let channel = self.expr(*channel);
                let kind = ChannelOpKind::Receive;
                let op = ChannelOp { kind, channel, element, value: None, deferred: false, span };
                self.emit(Node::Channel(op));
                Value::Load(self.opaque())
            }
            ExprKind::Unary(_, operand) => {
                self.expr(*operand);
                Value::Unknown
            }
            ExprKind::Binary(op @ (BinaryOp::LogicalAnd | BinaryOp::LogicalOr), left, right) => {
                self.short_circuit(*op, *left, *right, span);
                Value::Unknown
            }
            ExprKind::Binary(_, left, right) => {
                self.binary(*left, *right);
                Value::Unknown
            }
            _ => Value::Unknown,
        }
    }

    /// Both operands; long chains such as `a + b + c + ...` lean to the left and don't recurse.
    fn binary(&mut self, left: ExprId, right: ExprId) {
        let mut rights = vec![right];
        let mut next = left;
        while let ExprKind::Binary(op, left, right) = self.input.arena[next].kind
            && !matches!(op, BinaryOp::LogicalAnd | BinaryOp::LogicalOr)
        {
            rights.push(right);
            next = left;
        }
        self.expr(next);
        for right in rights.into_iter().rev() {
            self.expr(right);
        }
    }

    fn name(&mut self, expr: ExprId) -> Value {
        match self.input.info.entity(expr) {
            Entity::Nil => Value::Nil,
            Entity::Object(object) => self.object(object, expr),
            Entity::Local(_) => {
                let place = self.place(expr);
                if matches!(place.root, Root::Opaque(_)) {
                    return Value::Unknown;
                }
                self.access(&place, false, How::Plain, self.span(expr));
                self.load(place)
            }
            _ => Value::Unknown,
        }
    }

    fn object(&mut self, object: crate::types::ObjectId, expr: ExprId) -> Value {
        match self.input.program.object(object).kind {
            ObjectKind::Func(func) | ObjectKind::Method { func, .. } => Value::Function(func),
            ObjectKind::Var => {
                let place = Place::new(Root::Global(object));
                self.access(&place, false, How::Plain, self.span(expr));
                Value::Load(place)
            }
            _ => Value::Unknown,
        }
    }

    fn selector(&mut self, expr: ExprId, operand: ExprId) -> Value {
        match self.input.info.selection(expr) {
            Selection::Field(_) => {
                let place = self.place(expr);
                self.access(&place, false, How::Plain, self.span(expr));
                self.load(place)
            }
            Selection::Qualified(object) => self.object(*object, expr),
            Selection::Method(method) if method.expression => Value::Function(method.func),
            Selection::Method(method) => {
                let receiver = self.receiver(operand, method, self.span(expr));
                Value::Method(method.func, Box::new(receiver))
            }
            _ => {
                self.expr(operand);
                Value::Unknown
            }
        }
    }

    fn index_value(&mut self, expr: ExprId, operand: ExprId) -> Value {
        let span = self.span(expr);
        if matches!(self.type_of(operand), Type::Func(_)) {
            return self.expr(operand);
        }
        let ty = self.underlying(self.type_of(operand));
        let place = self.place(expr);
        if let Type::Map(_) = ty {
            self.access(&place, false, How::MapLookup, span);
            return Value::Load(place.step(Step::Index(self.key)));
        }
        self.access(&place, false, How::Plain, span);
        self.load(place)
    }

    /// `x[lo:hi]`: the same memory; where its elements are is only known if it begins where `x` does.
    fn slice(&mut self, slice: &SliceExpr) -> Value {
        let ty = self.underlying(self.type_of(slice.x));
        let value = match ty {
            Type::Array(..) => {
                let place = self.place(slice.x);
                Value::Address(place)
            }
            _ => self.expr(slice.x),
        };
        let low = slice.lo.map_or(Value::Const(0), |low| self.expr(low));
        for bound in slice.hi.iter().chain(&slice.max) {
            self.expr(*bound);
        }
        match (low, ty, slice.hi) {
            (Value::Const(0), Type::Slice(_), None) => value,
            _ => Value::Unknown,
        }
    }

    fn address(&mut self, operand: ExprId) -> Value {
        let mut inner = operand;
        while let ExprKind::Paren(next) = self.input.arena[inner].kind {
            inner = next;
        }
        if let ExprKind::Composite(literal) = &self.input.arena[inner].kind {
            return self.new_object(inner, literal);
        }
        Value::Address(self.place(inner))
    }

    /// What a call calls, unless it is a conversion or predeclared.
    pub(super) fn callee(&self, call: ExprId) -> Callee<'_> {
        self.input.info.callee(self.input.arena, call)
    }
}
