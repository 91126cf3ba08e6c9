//! `for ... range`.

use super::Resolver;
use crate::syntax::ast::{ChanDir, RangeStmt};
use crate::types::body::LocalKind;
use crate::types::ty::{Basic, Type};

impl Resolver<'_> {
    pub(super) fn range(&mut self, range: &RangeStmt) {
        let operand = self.expr(range.x);
        let names: Vec<_> = [range.key, range.value].into_iter().flatten().collect();
        if range.define {
            let over = self.assign_default(range.x, &operand);
            let (key, value) = self.iteration(&over);
            self.scoped(|inner| {
                inner.define(&names, vec![key, value], LocalKind::RangeVar);
                inner.block(&range.body);
            });
            return;
        }
        let targets: Vec<Type> = names.iter().map(|name| self.expr(*name).ty).collect();
        match targets.first() {
            // The constant in `for i = range 10` takes i's type.
            Some(ty) if operand.ty.is_untyped() && !ty.is_unknown() => self.assign_to(range.x, &operand, ty),
            _ => {
                self.assign_default(range.x, &operand);
            }
        }
        self.block(&range.body);
    }

    /// The types of the two variables of a range over a value of this type.
    fn iteration(&self, over: &Type) -> (Type, Type) {
        let int = || Type::Basic(Basic::Int);
        match self.program.underlying_of(over).as_ref() {
            Type::Basic(kind) if kind.is_string() => (int(), Type::Basic(Basic::Int32)),
            Type::Basic(kind) if kind.is_integer() => (over.clone(), Type::Unknown),
            Type::Slice(element) | Type::Array(element, _) => (int(), (**element).clone()),
            Type::Pointer(array) => match self.program.underlying_of(array).as_ref() {
                Type::Array(element, _) => (int(), (**element).clone()),
                _ => (Type::Unknown, Type::Unknown),
            },
            Type::Map(entry) => entry.as_ref().clone(),
            Type::Chan(ChanDir::Both | ChanDir::Receive, element) => ((**element).clone(), Type::Unknown),
            Type::Func(iterator) => {
                let yielded =
                    iterator.params.first().map(|param| self.program.underlying_of(&param.ty).into_owned());
                let Some(Type::Func(yielded)) = yielded else { return (Type::Unknown, Type::Unknown) };
                let nth =
                    |index: usize| yielded.params.get(index).map_or(Type::Unknown, |param| param.ty.clone());
                (nth(0), nth(1))
            }
            _ => (Type::Unknown, Type::Unknown),
        }
    }
}
