//! Access paths of expressions that can be assigned to.

use super::{Lower, is_reference, is_variable, var_of};
use crate::ir::function::{FieldKey, How};
use crate::ir::place::{Index, Place, Root, Step, Value};
use crate::syntax::ast::{ExprId, ExprKind, LiteralKind};
use crate::syntax::span::Span;
use crate::types::{Entity, FieldStep, ObjectKind, Selection, Type};

impl Lower<'_> {
    /// The memory that an expression names. What has to be read on the way, such as pointers, is read; the memory itself
    /// is not accessed.
    pub(super) fn place(&mut self, expr: ExprId) -> Place {
        let arena = self.input.arena;
        match &arena[expr].kind {
            ExprKind::Name(_) => self.named_place(expr),
            ExprKind::Paren(inner) => self.place(*inner),
            ExprKind::Star(pointer) => {
                let value = self.expr(*pointer);
                self.referent(&value, Step::Deref)
            }
            ExprKind::Selector(operand, _) => match self.input.info.selection(expr) {
                Selection::Field(steps) => {
                    let start = self.select_start(*operand, steps.first().is_some_and(|step| step.deref));
                    self.field_place(start, self.type_of(*operand), steps, arena[expr].span)
                }
                Selection::Qualified(object) => Place::new(Root::Global(*object)),
                _ => {
                    self.expr(*operand);
                    self.opaque()
                }
            },
            ExprKind::Index(operand, indices) => self.index_place(*operand, indices),
            _ => {
                let value = self.expr(expr);
                match value {
                    Value::Load(place) => place,
                    _ => self.opaque(),
                }
            }
        }
    }

    fn named_place(&mut self, expr: ExprId) -> Place {
        match self.input.info.entity(expr) {
            Entity::Local(local) if is_variable(self.input.info.locals[local.0 as usize].kind) => {
                Place::new(Root::Var(var_of(local)))
            }
            Entity::Object(object) if self.input.program.object(object).kind == ObjectKind::Var => {
                Place::new(Root::Global(object))
            }
            _ => self.opaque(),
        }
    }

    /// Where a selection begins: the operand, or what it points to.
    pub(super) fn select_start(&mut self, operand: ExprId, deref: bool) -> Place {
        if deref {
            let value = self.expr(operand);
            self.referent(&value, Step::Deref)
        } else {
            self.place(operand)
        }
    }

    /// Follows a selection from the struct `start` of type `ty` (or a pointer to it) on.
    pub(super) fn field_place(&mut self, start: Place, ty: &Type, steps: &[FieldStep], span: Span) -> Place {
        let mut place = start;
        let mut owner = ty.clone();
        for (number, step) in steps.iter().enumerate() {
            if number > 0 && step.deref {
                self.access(&place, false, How::Plain, span);
                let value = self.load(place);
                place = self.referent(&value, Step::Deref);
            }
            let key = self.field_key(&place, &owner, step);
            place.push(Step::Field(step.name));
            if let Some(key) = key {
                self.fields.insert(place.clone(), key);
            }
            owner = step.ty.clone();
        }
        place
    }

    /// The key of a field of the struct at `place`, whose type, or the pointer to it, is `owner`.
    fn field_key(&self, place: &Place, owner: &Type, step: &FieldStep) -> Option<FieldKey> {
        let named = match owner {
            Type::Pointer(pointee) => pointee.named(),
            other => other.named(),
        };
        if let Some(owner) = named {
            return Some(FieldKey { owner, fields: vec![step.name], steps: 1, contents: false });
        }
        let mut outer = self.fields.get(place)?.clone();
        if outer.contents {
            return None;
        }
        outer.fields.push(step.name);
        outer.steps += 1;
        Some(outer)
    }

    fn index_place(&mut self, operand: ExprId, indices: &[ExprId]) -> Place {
        let ty = self.underlying(self.type_of(operand));
        match ty {
            Type::Map(_) => {
                let value = self.expr(operand);
                self.key = self.index(indices);
                self.referent(&value, Step::Map)
            }
            Type::Slice(_) => {
                let value = self.expr(operand);
                let index = self.index(indices);
                self.referent(&value, Step::Element(index))
            }
            Type::Pointer(_) => {
                let value = self.expr(operand);
                let index = self.index(indices);
                let place = self.referent(&value, Step::Deref);
                self.array_element(place, index)
            }
            Type::Array(..) => {
                let place = self.place(operand);
                let index = self.index(indices);
                self.array_element(place, index)
            }
            _ => {
                self.expr(operand);
                self.index(indices);
                self.opaque()
            }
        }
    }

    fn array_element(&mut self, array: Place, index: Index) -> Place {
        let outer = self.fields.get(&array).cloned();
        let place = array.step(Step::Index(index));
        if let Some(mut key) = outer {
            key.steps += 1;
            self.fields.insert(place.clone(), key);
        }
        place
    }

    /// Evaluates an index expression.
    fn index(&mut self, indices: &[ExprId]) -> Index {
        let [index] = indices else { return Index::Some };
        match self.expr(*index) {
            Value::Const(number) => Index::Const(number),
            Value::Load(Place { root: Root::Var(var), steps }) if steps.is_empty() => {
                let known = self.unit.var(var);
                if known.is_stable_index() || known.covers { Index::Var(var) } else { Index::Some }
            }
            _ => Index::Some,
        }
    }

    /// What a reference refers to, one step on; an unknown place if nothing is known of it.
    pub(super) fn referent(&mut self, value: &Value, step: Step) -> Place {
        let Some(place) = value.referent(step) else { return self.opaque() };
        if let Value::Load(holder) = value
            && let Some(key) = self.fields.get(holder)
            && !key.contents
        {
            let mut key = key.clone();
            key.contents = true;
            key.steps += 1;
            self.fields.insert(place.clone(), key);
        }
        place
    }

    /// What a place holds, as far as known; the access is not added.
    pub(super) fn load(&self, place: Place) -> Value {
        if place.steps.is_empty()
            && let Root::Var(var) = place.root
            && let Some(value) = self.values.get(&var)
        {
            return value.clone();
        }
        if let Some(Some(value)) = self.stored.get(&place) {
            return value.clone();
        }
        if let Root::Var(var) = place.root
            && let Some(origin) = self.copies.get(&var)
            && !self.stored.contains_key(&place)
            && !place.steps.is_empty()
            && place.steps.iter().all(|step| step.is_inline())
        {
            let mut origin = origin.clone();
            for &step in &place.steps {
                origin.push(step);
            }
            return Value::Load(origin);
        }
        Value::Load(place)
    }

    /// Whether a variable of this type may stand for its value.
    pub(super) fn refers(&self, ty: &Type) -> bool {
        is_reference(&self.underlying(ty))
    }

    /// A number that stands for the text of a string literal, as a key.
    pub(super) fn text_number(&self, expr: ExprId) -> i64 {
        use std::hash::BuildHasher as _;
        let span = self.span(expr);
        let text = self.input.source.get(span.start as usize..span.end as usize);
        foldhash::fast::FixedState::default().hash_one(text).cast_signed()
    }

    /// The number that an integer literal stands for.
    pub(super) fn literal_number(&self, expr: ExprId) -> Option<i64> {
        let ExprKind::Literal(LiteralKind::Int) = self.input.arena[expr].kind else { return None };
        let span = self.span(expr);
        let text = self.input.source.get(span.start as usize..span.end as usize)?;
        let text: String = std::str::from_utf8(text).ok()?.chars().filter(|&digit| digit != '_').collect();
        match text.get(..2) {
            Some("0x" | "0X") => i64::from_str_radix(&text[2..], 16).ok(),
            Some("0b" | "0B") => i64::from_str_radix(&text[2..], 2).ok(),
            Some("0o" | "0O") => i64::from_str_radix(&text[2..], 8).ok(),
            _ => text.parse().ok(),
        }
    }
}
