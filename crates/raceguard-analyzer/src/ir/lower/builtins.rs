//! Calls of predeclared functions.

use super::Lower;
use crate::ir::function::{Assign, CallMode, ChannelOp, ChannelOpKind, How, Node};
use crate::ir::place::{Index, Place, Root, Step, Value};
use crate::syntax::ast::{CallExpr, ExprId};
use crate::syntax::span::Span;
use crate::types::{Builtin, Type};

impl Lower<'_> {
    /// Lowers the call of a predeclared function. Deferred ones are put where they stand, but for `close`.
    pub(super) fn builtin(
        &mut self,
        expr: ExprId,
        builtin: Builtin,
        call: &CallExpr,
        mode: CallMode,
    ) -> Value {
        let span = self.span(expr);
        match (builtin, call.args.as_slice()) {
            (Builtin::Make, [_, rest @ ..]) => self.make(expr, rest),
            (Builtin::New, [arg]) => {
                self.expr(*arg);
                let ty = self.type_of(expr).strip_pointer().clone();
                Value::Address(Place::new(Root::Site(self.site(span, ty, None))))
            }
            (Builtin::Append, [first, rest @ ..]) => self.append(*first, rest, call.spread, span),
            (Builtin::Copy, [to, from]) => self.copy(*to, *from, span),
            (Builtin::Delete, [map, key]) => {
                let map = self.expr(*map);
                self.expr(*key);
                let contents = self.referent(&map, Step::Map);
                self.access(&contents, true, How::MapDelete, span);
                Value::Unknown
            }
            (Builtin::Clear | Builtin::Len, [arg]) => self.whole(builtin, *arg, span),
            (Builtin::Close, [channel]) => {
                let element = self.element_of(*channel);
                let channel = self.expr(*channel);
                let deferred = mode == CallMode::Defer;
                let kind = ChannelOpKind::Close;
                let op = ChannelOp { kind, channel, element, value: None, deferred, span };
                self.emit(Node::Channel(op));
                Value::Unknown
            }
            (Builtin::Panic, args) => {
                for &arg in args {
                    self.expr(arg);
                }
                self.emit(Node::Stop);
                Value::Unknown
            }
            (_, args) => {
                for &arg in args {
                    self.expr(arg);
                }
                Value::Unknown
            }
        }
    }

    /// `make`: a new object, with the capacity that it says.
    fn make(&mut self, expr: ExprId, sizes: &[ExprId]) -> Value {
        let mut capacity = Some(0);
        for &size in sizes {
            capacity = match self.expr(size) {
                Value::Const(number) => Some(number),
                _ => None,
            };
        }
        let ty = self.type_of(expr).clone();
        Value::Address(Place::new(Root::Site(self.site(self.span(expr), ty, capacity))))
    }

    /// `copy` reads all of one slice and writes all of the other.
    fn copy(&mut self, to: ExprId, from: ExprId, span: Span) -> Value {
        let target = self.expr(to);
        let source = self.expr(from);
        if !matches!(self.underlying(self.type_of(from)), Type::Basic(_)) {
            let elements = self.referent(&source, Step::Element(Index::All));
            self.access(&elements, false, How::Plain, span);
        }
        let elements = self.referent(&target, Step::Element(Index::All));
        self.access(&elements, true, How::Plain, span);
        Value::Unknown
    }

    /// `append` reads the slice, and writes behind its end.
    fn append(&mut self, first: ExprId, rest: &[ExprId], spread: bool, span: Span) -> Value {
        let slice = self.expr(first);
        let mut maps = Vec::new();
        for (number, &arg) in rest.iter().enumerate() {
            let value = self.expr(arg);
            if matches!(value, Value::Load(_)) && matches!(self.underlying(self.type_of(arg)), Type::Map(_)) {
                maps.push(value.clone());
            }
            if spread && number + 1 == rest.len() {
                let from = self.referent(&value, Step::Element(Index::All));
                self.access(&from, false, How::Plain, span);
            }
        }
        let end = self.referent(&slice, Step::Element(Index::End));
        self.access(&end, true, How::Append, span);
        for value in maps {
            self.emit(Node::Assign(Assign { place: end.clone(), value, span }));
        }
        match slice {
            // What comes out of a function or a parameter may have room to spare or not.
            Value::Load(_) => Value::Unknown,
            other => other,
        }
    }

    /// `len` and `clear`, which look at all of a map or slice.
    fn whole(&mut self, builtin: Builtin, arg: ExprId, span: Span) -> Value {
        let clear = builtin == Builtin::Clear;
        let value = self.expr(arg);
        match self.underlying(self.type_of(arg)) {
            Type::Map(_) => {
                let contents = self.referent(&value, Step::Map);
                self.access(&contents, clear, if clear { How::MapClear } else { How::MapLen }, span);
            }
            Type::Slice(_) if clear => {
                let elements = self.referent(&value, Step::Element(Index::All));
                self.access(&elements, true, How::Plain, span);
            }
            _ => {}
        }
        Value::Unknown
    }
}
