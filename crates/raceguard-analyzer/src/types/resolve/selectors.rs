//! Selectors: fields, methods, and names of other packages.

use std::sync::Arc;

use super::scopes::Meaning;
use super::{Operand, Resolver};
use crate::syntax::ast::{ExprId, ExprKind, Ident};
use crate::types::body::{Entity, Mode, Selection};
use crate::types::members::{Member, Target};
use crate::types::ty::{Basic, Param, Signature, Type};
use crate::types::universe::unsafe_builtin;

impl Resolver<'_> {
    pub(super) fn selector(&mut self, expr: ExprId, base: ExprId, name: Ident) -> Operand {
        if let ExprKind::Name(qualifier) = self.arena[base].kind
            && let Meaning::Import(import) = self.meaning(qualifier)
        {
            self.expr(base);
            return self.qualified(expr, import, name);
        }
        let operand = self.expr(base);
        if operand.ty.is_unknown() || name.name.is_blank() {
            return Operand::UNKNOWN;
        }
        let Some(member) = self.program.member(&operand.ty, name.name, self.package) else {
            return Operand::UNKNOWN;
        };
        let expression = operand.mode == Mode::Type;
        let result = if expression {
            self.method_expression(&operand.ty, &member)
        } else {
            Operand { mode: member_mode(&operand, &member), ty: self.program.member_type(&member) }
        };
        if self.record {
            let selection = self.program.selection(member, name.name, expression);
            self.info.selections.insert(expr, selection);
        }
        result
    }

    fn qualified(&mut self, expr: ExprId, import: u32, name: Ident) -> Operand {
        let known = self.file_scope.imports[import as usize];
        if known.path.as_str() == "unsafe" {
            if name.name.as_str() == "Pointer" {
                self.set_entity(expr, Entity::UniverseType);
                return Operand::type_name(Type::Basic(Basic::UnsafePointer));
            }
            return match unsafe_builtin(name.name) {
                Some(builtin) => {
                    self.set_entity(expr, Entity::Builtin(builtin));
                    Operand { mode: Mode::Builtin, ty: Type::Unknown }
                }
                None => Operand::UNKNOWN,
            };
        }
        let object = known.package.and_then(|package| self.program.lookup(package, name.name));
        let (selection, operand) = match object {
            Some(object) => (Selection::Qualified(object), self.object_operand(object)),
            None => (Selection::UnknownMember { import, name: name.name }, Operand::UNKNOWN),
        };
        if self.record {
            self.info.selections.insert(expr, selection);
        }
        operand
    }

    /// `T.m`: a function whose first parameter is the receiver.
    fn method_expression(&self, receiver: &Type, member: &Member) -> Operand {
        let (Type::Func(signature), false) =
            (self.program.member_type(member), matches!(member.target, Target::Field))
        else {
            return Operand::UNKNOWN;
        };
        let mut params = Vec::with_capacity(signature.params.len() + 1);
        params.push(Param { name: None, ty: receiver.clone() });
        params.extend(signature.params.iter().cloned());
        Operand::value(Type::Func(Arc::new(Signature {
            params,
            results: signature.results.clone(),
            variadic: signature.variadic,
            generic: signature.generic,
        })))
    }
}

fn member_mode(operand: &Operand, member: &Member) -> Mode {
    let is_field = matches!(member.target, Target::Field);
    let addressable = operand.mode == Mode::Variable || member.path.iter().any(|step| step.deref);
    if is_field && addressable { Mode::Variable } else { Mode::Value }
}
