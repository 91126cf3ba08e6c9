//! Composite literals: new objects, and what they hold from the start.

use super::Lower;
use crate::analysis::units::is_callable;
use crate::ir::function::{Assign, Node};
use crate::ir::place::{Place, Root, Step, Value};
use crate::syntax::ast::{CompositeLit, ExprId, ExprKind};
use crate::types::{Entity, Type};

impl Lower<'_> {
    /// `T{...}`: of maps and slices a reference to a new object, of structs and arrays a value.
    pub(super) fn composite(&mut self, expr: ExprId, literal: &CompositeLit) -> Value {
        let ty = self.type_of(expr).clone();
        match self.underlying(&ty) {
            Type::Map(_) | Type::Slice(_) | Type::Pointer(_) => self.new_object(expr, literal),
            _ => {
                self.elements(literal, None);
                Value::Unknown
            }
        }
    }

    /// `&T{...}`, or a map or slice literal: a reference to a new object.
    pub(super) fn new_object(&mut self, expr: ExprId, literal: &CompositeLit) -> Value {
        let ty = self.type_of(expr).strip_pointer().clone();
        let capacity = i64::try_from(literal.elements.len()).ok();
        let site = self.site(self.span(expr), ty, capacity);
        let object = Place::new(Root::Site(site));
        self.elements(literal, Some(&object));
        Value::Address(object)
    }

    /// Evaluates the elements, and notes what the fields of `object` are given.
    pub(super) fn elements(&mut self, literal: &CompositeLit, object: Option<&Place>) {
        for element in &literal.elements {
            let field = element.key.and_then(|key| self.key(key));
            let value = self.expr(element.value);
            self.note_kept(element.value, &value, object, field);
            if is_callable(&value) {
                self.keep_function(element.value, value.clone());
            }
            if let (Some(object), Some(field)) = (object, field)
                && value != Value::Unknown
            {
                self.stored.insert(object.clone().step(field), Some(value));
            }
        }
    }

    /// A map, or a method of a lock, that a new struct holds from the start.
    fn note_kept(&mut self, expr: ExprId, value: &Value, object: Option<&Place>, field: Option<Step>) {
        let Some(field) = field else { return };
        let kept = match value {
            Value::Load(_) => matches!(self.underlying(self.type_of(expr)), Type::Map(_)),
            Value::Method(func, _) => {
                let program = self.input.program;
                program.package(program.function(*func).package).path.as_str() == "sync"
            }
            _ => false,
        };
        if kept {
            let place = object.cloned().unwrap_or_else(|| self.opaque()).step(field);
            let span = self.span(expr);
            self.emit(Node::Assign(Assign { place, value: value.clone(), span }));
        }
    }

    /// A function that a composite value holds is kept: whoever gets the value may call it.
    fn keep_function(&mut self, element: ExprId, value: Value) {
        let place = self.opaque();
        let span = self.span(element);
        self.emit(Node::Assign(Assign { place, value, span }));
    }

    /// The field that a key names; the keys of maps and indexes of arrays are evaluated.
    fn key(&mut self, key: ExprId) -> Option<Step> {
        if let ExprKind::Name(name) = self.input.arena[key].kind
            && let Entity::Field(_) = self.input.info.entity(key)
        {
            return Some(Step::Field(name));
        }
        self.expr(key);
        None
    }
}
