//! Declarations of constants, variables and types, in functions and at package level.

use std::sync::{Arc, OnceLock};

use super::Resolver;
use crate::syntax::ast::{ConstSpec, Decl, ExprId, TypeSpec, VarSpec};
use crate::types::body::LocalKind;
use crate::types::ty::{Basic, LocalType, Type};

impl Resolver<'_> {
    /// The type of the constant at a position of a line.
    pub(in crate::types) fn const_type(&mut self, spec: &ConstSpec, position: usize) -> Type {
        if let Some(ty) = spec.ty {
            return self.type_of_syntax(ty);
        }
        self.iota = Some(spec.iota);
        spec.values.get(position).map_or(Type::Unknown, |value| self.value(*value))
    }

    /// The type of the variable at a position of a line.
    pub(in crate::types) fn var_type(&mut self, spec: &VarSpec, position: usize) -> Type {
        if let Some(ty) = spec.ty {
            return self.type_of_syntax(ty);
        }
        if let ([only], true) = (spec.values.as_slice(), spec.names.len() > 1) {
            return match self.value(*only) {
                Type::Tuple(items) => items.get(position).cloned().unwrap_or_default(),
                ty if position == 0 => ty.default_type(),
                _ => Type::Basic(Basic::Bool),
            };
        }
        spec.values.get(position).map_or(Type::Unknown, |value| self.value(*value).default_type())
    }

    /// Resolves the values of a line of constants. Gives their types.
    pub(super) fn const_values(&mut self, spec: &ConstSpec) -> Vec<Type> {
        let declared = spec.ty.map(|ty| self.type_of_syntax(ty));
        let outer_iota = self.iota.replace(spec.iota);
        let types = spec.values.iter().map(|value| {
            let operand = self.expr(*value);
            match &declared {
                Some(ty) => {
                    self.assign_to(*value, &operand, ty);
                    ty.clone()
                }
                None => operand.ty,
            }
        });
        let types = types.collect();
        self.iota = outer_iota;
        types
    }

    /// Resolves the values of a line of variables. Gives the variables' types.
    pub(super) fn var_values(&mut self, spec: &VarSpec) -> Vec<Type> {
        let declared = spec.ty.map(|ty| self.type_of_syntax(ty));
        let mut types = self.values(&spec.values, spec.names.len(), |_| declared.clone());
        if let Some(ty) = declared {
            types.fill(ty);
        }
        types
    }

    /// Resolves the values assigned to `count` places, which want the types that `wanted` gives. Gives the values'
    /// types, as variables that they initialise would have them.
    pub(super) fn values(
        &mut self,
        values: &[ExprId],
        count: usize,
        wanted: impl Fn(usize) -> Option<Type>,
    ) -> Vec<Type> {
        let mut types = vec![Type::Unknown; count];
        if let ([only], true) = (values, count > 1) {
            match self.value(*only) {
                Type::Tuple(items) => {
                    for (slot, item) in types.iter_mut().zip(items.iter()) {
                        *slot = item.clone();
                    }
                }
                // `v, ok` of an index, assertion or receive.
                ty => {
                    types[0] = ty;
                    types[1] = Type::Basic(Basic::Bool);
                }
            }
            return types;
        }
        for (position, value) in values.iter().enumerate() {
            let operand = self.expr(*value);
            let ty = match wanted(position) {
                Some(ty) => {
                    self.assign_to(*value, &operand, &ty);
                    ty
                }
                None => self.assign_default(*value, &operand),
            };
            if let Some(slot) = types.get_mut(position) {
                *slot = ty;
            }
        }
        types
    }

    /// A declaration in a function.
    pub(super) fn declaration(&mut self, decl: &Decl) {
        match decl {
            Decl::Const(specs) => {
                for spec in specs {
                    self.local_constants(spec);
                }
            }
            Decl::Var(specs) => {
                for spec in specs {
                    let types = self.var_values(spec);
                    for (name, ty) in spec.names.iter().zip(types) {
                        let local = self.declare(name.name, name.span, ty, LocalKind::Var);
                        self.info.declarations.insert(name.span.start, local);
                    }
                }
            }
            Decl::Type(specs) => {
                for spec in specs {
                    self.local_type(spec);
                }
            }
            Decl::Func(_) | Decl::Bad(_) => {}
        }
    }

    fn local_constants(&mut self, spec: &ConstSpec) {
        let types = self.const_values(spec);
        let outer_iota = self.iota.replace(spec.iota);
        let values: Vec<Option<i64>> =
            (0..spec.names.len()).map(|position| self.spec_value(spec, position)).collect();
        self.iota = outer_iota;
        for (position, name) in spec.names.iter().enumerate() {
            let ty = types.get(position).cloned().unwrap_or_default();
            let local = self.declare(name.name, name.span, ty, LocalKind::Const);
            self.info.declarations.insert(name.span.start, local);
            if let Some(value) = values[position] {
                self.constants.insert(local, value);
            }
        }
    }

    fn local_type(&mut self, spec: &TypeSpec) {
        let name = spec.name;
        // Parameters of local types are not followed: the language has no generic local types.
        let local = if spec.alias {
            let ty = self.type_of_syntax(spec.ty);
            self.declare(name.name, name.span, ty, LocalKind::Type)
        } else {
            let declared = Arc::new(LocalType {
                name: name.name,
                package: self.package,
                file: self.file,
                span: name.span,
                underlying: OnceLock::new(),
            });
            let local = self.declare(name.name, name.span, Type::Local(declared.clone()), LocalKind::Type);
            let right = self.type_of_syntax(spec.ty);
            let underlying = match right {
                Type::TypeParam(..) => Type::Unknown,
                ref ty => self.program.underlying_of(ty).into_owned(),
            };
            declared.underlying.get_or_init(|| underlying);
            local
        };
        self.info.declarations.insert(name.span.start, local);
    }
}
