//! Values of constants that are whole numbers, as far as lengths of arrays need them.

use super::Resolver;
use super::scopes::{Binding, Meaning};
use crate::syntax::ast::{BinaryOp, ConstSpec, Decl, ExprId, ExprKind, LiteralKind, UnaryOp};
use crate::syntax::name::Name;
use crate::types::body::Mode;
use crate::types::cycles::{self, Question};
use crate::types::object::{ObjectId, ObjectKind};
use crate::types::program::Program;
use crate::types::ty::Type;
use crate::types::universe::Predeclared;

impl Program {
    /// The value of a constant, if it is a whole number that simple arithmetic gives.
    pub fn constant_value(&self, id: ObjectId) -> Option<i64> {
        if id.is_universe() || self.object(id).kind != ObjectKind::Const {
            return None;
        }
        let Decl::Const(specs) = self.declaration(id) else { return None };
        let object = self.object(id);
        let spec = specs.get(object.spec as usize)?;
        let value = *spec.values.get(object.position as usize)?;
        let computed = cycles::compute(id, Question::Value, || {
            let mut resolver = Resolver::of_object(self, id);
            resolver.iota = Some(spec.iota);
            Some(resolver.constant_value(value))
        });
        computed.flatten()
    }
}

impl Resolver<'_> {
    /// The value of a constant expression, if it is a whole number that simple arithmetic gives.
    pub(super) fn constant_value(&mut self, expr: ExprId) -> Option<i64> {
        if self.depth >= super::MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.evaluate(expr);
        self.depth -= 1;
        value
    }

    /// The value of a constant that a line declares at a position.
    pub(super) fn spec_value(&mut self, spec: &ConstSpec, position: usize) -> Option<i64> {
        let value = *spec.values.get(position)?;
        self.constant_value(value)
    }

    fn evaluate(&mut self, expr: ExprId) -> Option<i64> {
        let arena = self.arena;
        match &arena[expr].kind {
            ExprKind::Paren(inner) => self.constant_value(*inner),
            ExprKind::Literal(kind @ (LiteralKind::Int | LiteralKind::Char)) => {
                self.literal_value(expr, *kind)
            }
            ExprKind::Name(name) => self.named_value(*name),
            ExprKind::Selector(base, name) => {
                let object = self.qualified_object(*base, name.name)?;
                self.program.constant_value(object)
            }
            ExprKind::Unary(op, inner) => {
                let value = self.constant_value(*inner)?;
                match op {
                    UnaryOp::Plus => Some(value),
                    UnaryOp::Minus => value.checked_neg(),
                    UnaryOp::Complement => Some(!value),
                    _ => None,
                }
            }
            ExprKind::Binary(op, left, right) => {
                let left = self.constant_value(*left)?;
                arithmetic(*op, left, self.constant_value(*right)?)
            }
            ExprKind::Call(call) => match call.args.as_slice() {
                [arg] => self.call_value(call.fun, *arg),
                _ => None,
            },
            _ => None,
        }
    }

    /// A conversion, or `len` of an array or a string literal.
    fn call_value(&mut self, fun: ExprId, arg: ExprId) -> Option<i64> {
        let recording = std::mem::replace(&mut self.record, false);
        let fun_operand = self.expr(fun);
        let arg_type = if fun_operand.mode == Mode::Builtin { self.value(arg) } else { Type::Unknown };
        self.record = recording;
        if fun_operand.mode == Mode::Type {
            return self.constant_value(arg);
        }
        let is_len = matches!(self.arena[fun].kind, ExprKind::Name(name) if name.as_str() == "len");
        if fun_operand.mode != Mode::Builtin || !is_len {
            return None;
        }
        if let ExprKind::Literal(LiteralKind::String) = self.arena[arg].kind {
            let text = self.text(arg)?;
            let plain = text.len().checked_sub(2)?;
            return if text.contains('\\') { None } else { i64::try_from(plain).ok() };
        }
        match self.program.underlying_of(arg_type.strip_pointer()).as_ref() {
            Type::Array(_, Some(length)) => i64::try_from(*length).ok(),
            _ => None,
        }
    }

    fn named_value(&mut self, name: Name) -> Option<i64> {
        match self.meaning(name) {
            Meaning::Inner(Binding::Local(local)) => self.constants.get(&local).copied(),
            Meaning::Object(object) => self.program.constant_value(object),
            Meaning::Predeclared(Predeclared::Iota) => self.iota.map(i64::from),
            _ => None,
        }
    }

    /// The object that `base.name` is, if `base` is a package.
    pub(super) fn qualified_object(&self, base: ExprId, name: Name) -> Option<ObjectId> {
        let ExprKind::Name(qualifier) = self.arena[base].kind else { return None };
        let Meaning::Import(import) = self.meaning(qualifier) else { return None };
        let package = self.file_scope.imports[import as usize].package?;
        self.program.lookup(package, name)
    }

    fn text(&self, expr: ExprId) -> Option<&str> {
        let span = self.arena[expr].span;
        let bytes = self.source.get(span.start as usize..span.end as usize)?;
        std::str::from_utf8(bytes).ok()
    }

    fn literal_value(&self, expr: ExprId, kind: LiteralKind) -> Option<i64> {
        let text = self.text(expr)?;
        if kind == LiteralKind::Char {
            let mut inner = text.strip_prefix('\'')?.strip_suffix('\'')?.chars();
            let first = inner.next()?;
            return if first == '\\' || inner.next().is_some() {
                None
            } else {
                Some(i64::from(u32::from(first)))
            };
        }
        let digits = text.replace('_', "");
        let bytes = digits.as_bytes();
        let (radix, digits) = match bytes {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
            [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits.as_str()),
        };
        i64::from_str_radix(digits, radix).ok()
    }
}

fn arithmetic(op: BinaryOp, left: i64, right: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        BinaryOp::Multiply => left.checked_mul(right),
        BinaryOp::Quotient => left.checked_div(right),
        BinaryOp::Remainder => left.checked_rem(right),
        BinaryOp::ShiftLeft => {
            let factor = 1_i64.checked_shl(u32::try_from(right).ok()?).filter(|factor| *factor > 0)?;
            left.checked_mul(factor)
        }
        BinaryOp::ShiftRight => left.checked_shr(u32::try_from(right).ok()?),
        BinaryOp::And => Some(left & right),
        BinaryOp::Or => Some(left | right),
        BinaryOp::Xor => Some(left ^ right),
        BinaryOp::AndNot => Some(left & !right),
        _ => None,
    }
}
