//! Composite literals.

use std::sync::Arc;

use super::{Operand, Resolver};
use crate::syntax::ast::{ArrayLen, CompositeLit, Element, ExprId, ExprKind};
use crate::types::body::{Entity, Mode};
use crate::types::ty::{Basic, StructType, Type};

impl Resolver<'_> {
    /// A composite literal; `wanted` is the type of the element that it is, where it leaves out its own.
    pub(super) fn composite(&mut self, literal: &CompositeLit, wanted: Option<&Type>) -> Operand {
        let (ty, base) = match (literal.ty, wanted) {
            (Some(syntax), _) => {
                let ty = self.literal_type(syntax, literal);
                (ty.clone(), ty)
            }
            // `[]*T{{...}}` means `[]*T{&T{...}}`.
            (None, Some(ty)) => match self.program.underlying_of(ty).as_ref() {
                Type::Pointer(element) => (ty.clone(), (**element).clone()),
                _ => (ty.clone(), ty.clone()),
            },
            (None, None) => (Type::Unknown, Type::Unknown),
        };
        if self.record {
            self.elements(&base, &literal.elements);
        }
        Operand::value(ty)
    }

    fn literal_type(&mut self, syntax: ExprId, literal: &CompositeLit) -> Type {
        let ExprKind::ArrayType(ArrayLen::Inferred, element) = self.arena[syntax].kind else {
            return self.type_of_syntax(syntax);
        };
        let element = self.type_of_syntax(element);
        let ty = Type::Array(Arc::new(element), self.inferred_length(&literal.elements));
        self.set(syntax, &Operand::type_name(ty.clone()));
        ty
    }

    fn inferred_length(&mut self, elements: &[Element]) -> Option<u64> {
        let (mut next, mut length) = (0, 0);
        for element in elements {
            if let Some(key) = element.key {
                next = u64::try_from(self.constant_value(key)?).ok()?;
            }
            next += 1;
            length = length.max(next);
        }
        Some(length)
    }

    fn elements(&mut self, ty: &Type, elements: &[Element]) {
        match self.program.underlying_of(ty).as_ref() {
            Type::Struct(structure) => self.struct_elements(&structure.clone(), elements),
            Type::Array(element, _) | Type::Slice(element) => {
                for item in elements {
                    if let Some(key) = item.key {
                        let operand = self.expr(key);
                        self.assign_to(key, &operand, &Type::Basic(Basic::Int));
                    }
                    self.element(item.value, element);
                }
            }
            Type::Map(entry) => {
                for item in elements {
                    if let Some(key) = item.key {
                        self.element(key, &entry.0);
                    }
                    self.element(item.value, &entry.1);
                }
            }
            _ => {
                for item in elements {
                    // A key may be a field's name: not looked up, so that it isn't taken for another name.
                    if let Some(key) = item.key
                        && !matches!(self.arena[key].kind, ExprKind::Name(_))
                    {
                        self.element(key, &Type::Unknown);
                    }
                    self.element(item.value, &Type::Unknown);
                }
            }
        }
    }

    fn struct_elements(&mut self, structure: &StructType, elements: &[Element]) {
        for (position, item) in elements.iter().enumerate() {
            let index = match item.key.map(|key| (key, &self.arena[key].kind)) {
                Some((key, ExprKind::Name(name))) => {
                    let index = structure.fields.iter().position(|field| field.name == *name);
                    if let Some(index) = index {
                        self.set_entity(key, Entity::Field(u32::try_from(index).unwrap_or(u32::MAX)));
                        let ty = structure.fields[index].ty.clone();
                        self.set(key, &Operand { mode: Mode::Unknown, ty });
                    }
                    index
                }
                Some(_) => None,
                None => Some(position),
            };
            let field = index.and_then(|index| structure.fields.get(index));
            self.element(item.value, field.map_or(&Type::Unknown, |field| &field.ty));
        }
    }

    /// An element or key, which may leave out its type.
    fn element(&mut self, expr: ExprId, wanted: &Type) {
        let arena = self.arena;
        if let ExprKind::Composite(literal) = &arena[expr].kind
            && literal.ty.is_none()
        {
            let operand = self.composite(literal, Some(wanted));
            self.set(expr, &operand);
            return;
        }
        let operand = self.expr(expr);
        self.assign_to(expr, &operand, wanted);
    }
}
