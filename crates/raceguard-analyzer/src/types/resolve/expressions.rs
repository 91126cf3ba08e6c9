//! Expressions: what each is, by its syntax.

use super::scopes::{Binding, Meaning};
use super::{MAX_DEPTH, Operand, Resolver};
use crate::syntax::ast::{ExprId, ExprKind, FuncLit, LiteralKind, SliceExpr};
use crate::syntax::name::Name;
use crate::types::body::{Entity, LocalKind, Mode};
use crate::types::object::{ObjectId, ObjectKind};
use crate::types::ty::{Basic, Type};
use crate::types::universe::Predeclared;

impl Resolver<'_> {
    /// Resolves an expression or type.
    pub(super) fn expr(&mut self, expr: ExprId) -> Operand {
        if self.depth >= MAX_DEPTH {
            return Operand::UNKNOWN;
        }
        self.depth += 1;
        let operand = self.by_kind(expr);
        self.depth -= 1;
        self.set(expr, &operand);
        operand
    }

    /// The type of a value; unknown for a type.
    pub(super) fn value(&mut self, expr: ExprId) -> Type {
        let operand = self.expr(expr);
        if operand.mode == Mode::Type { Type::Unknown } else { operand.ty }
    }

    fn by_kind(&mut self, expr: ExprId) -> Operand {
        let arena = self.arena;
        let syntax = &arena[expr];
        match &syntax.kind {
            ExprKind::Bad => Operand::UNKNOWN,
            ExprKind::Name(name) => self.name(expr, *name),
            ExprKind::Literal(kind) => literal(*kind),
            ExprKind::Composite(literal) => self.composite(literal, None),
            ExprKind::FuncLit(literal) => self.function_literal(expr, literal),
            ExprKind::Paren(inner) => self.expr(*inner),
            ExprKind::Selector(base, name) => self.selector(expr, *base, *name),
            ExprKind::Index(base, indices) => self.index(*base, indices),
            ExprKind::Slice(slice) => self.slice(slice),
            ExprKind::TypeAssert(base, ty) => {
                self.value(*base);
                let ty = ty.map_or(Type::Unknown, |ty| self.type_of_syntax(ty));
                Operand::value(ty)
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Star(base) => self.star(*base),
            ExprKind::Unary(op, base) => self.unary(*op, *base),
            ExprKind::Binary(..) => self.binary(expr),
            _ => self.type_literal(syntax),
        }
    }

    fn name(&mut self, expr: ExprId, name: Name) -> Operand {
        if name.is_blank() {
            self.set_entity(expr, Entity::Blank);
            return Operand::UNKNOWN;
        }
        let (entity, operand) = match self.meaning(name) {
            Meaning::Inner(Binding::Local(local)) => {
                let known = &self.info.locals[local.0 as usize];
                let mode = match known.kind {
                    LocalKind::Type => Mode::Type,
                    LocalKind::Const => Mode::Constant,
                    _ => Mode::Variable,
                };
                (Entity::Local(local), Operand { mode, ty: known.ty.clone() })
            }
            Meaning::Inner(Binding::TypeParam(owner, index)) => {
                (Entity::TypeParam(owner, index), Operand::type_name(Type::TypeParam(owner, index)))
            }
            Meaning::Object(object) => (Entity::Object(object), self.object_operand(object)),
            Meaning::Import(import) => {
                (Entity::Import(import), Operand { mode: Mode::Package, ty: Type::Unknown })
            }
            Meaning::Predeclared(predeclared) => self.predeclared(predeclared),
            Meaning::Unknown => (Entity::Unknown, Operand::UNKNOWN),
        };
        self.set_entity(expr, entity);
        operand
    }

    /// What naming a package-level object gives.
    pub(super) fn object_operand(&mut self, id: ObjectId) -> Operand {
        match self.program.object(id).kind {
            ObjectKind::Type { alias: false } => Operand::type_name(Type::Named(id, None)),
            kind => {
                if let (true, ObjectKind::Func(func)) = (self.record, kind) {
                    self.info.named_functions.insert(id, func);
                }
                let mode = match kind {
                    ObjectKind::Const => Mode::Constant,
                    ObjectKind::Var => Mode::Variable,
                    ObjectKind::Type { .. } => Mode::Type,
                    ObjectKind::Func(_) | ObjectKind::Method { .. } => Mode::Value,
                };
                Operand { mode, ty: self.program.declared_type(id).clone() }
            }
        }
    }

    fn predeclared(&self, predeclared: &Predeclared) -> (Entity, Operand) {
        let constant = |kind| Operand { mode: Mode::Constant, ty: Type::Basic(kind) };
        match predeclared {
            Predeclared::Builtin(builtin) => {
                (Entity::Builtin(*builtin), Operand { mode: Mode::Builtin, ty: Type::Unknown })
            }
            Predeclared::Type(ty) => (Entity::UniverseType, Operand::type_name(ty.clone())),
            Predeclared::Bool => (Entity::UniverseConst, constant(Basic::UntypedBool)),
            Predeclared::Iota if self.iota.is_none() => (Entity::Unknown, Operand::UNKNOWN),
            Predeclared::Iota => (Entity::UniverseConst, constant(Basic::UntypedInt)),
            Predeclared::Nil => (Entity::Nil, Operand::value(Type::Basic(Basic::UntypedNil))),
        }
    }

    fn function_literal(&mut self, expr: ExprId, literal: &FuncLit) -> Operand {
        let signature = self.signature_of(&literal.signature, None);
        if self.record {
            let outer_owner = self.owner.replace(expr);
            let outer_signature = std::mem::replace(&mut self.signature, signature.clone());
            let outer_iota = self.iota.take();
            self.scoped(|inner| {
                let locals = inner.declare_signature(&literal.signature, inner.arena[expr].span);
                inner.info.functions.insert(Some(expr), locals);
                inner.statements(&literal.body.stmts);
            });
            self.iota = outer_iota;
            self.signature = outer_signature;
            self.owner = outer_owner;
        }
        Operand::value(Type::Func(signature))
    }

    fn star(&mut self, base: ExprId) -> Operand {
        let operand = self.expr(base);
        if operand.mode == Mode::Type {
            return Operand::type_name(operand.ty.pointer_to());
        }
        let ty = match self.program.underlying_of(&operand.ty).as_ref() {
            Type::Pointer(element) => (**element).clone(),
            _ => Type::Unknown,
        };
        Operand { mode: Mode::Variable, ty }
    }

    fn index(&mut self, base: ExprId, indices: &[ExprId]) -> Operand {
        let operand = self.expr(base);
        match (&operand.mode, &operand.ty) {
            (Mode::Type, _) => return self.instantiate_type(base, &operand.ty, indices),
            (Mode::Value, Type::Func(signature)) if signature.generic.is_some() => {
                return self.instantiate_function(base, &signature.clone(), indices);
            }
            _ => {}
        }
        let [index] = indices else {
            for index in indices {
                self.expr(*index);
            }
            return Operand::UNKNOWN;
        };
        if operand.ty.is_unknown() {
            // Perhaps type arguments of a function that is not there.
            self.index_operand(*index);
            return Operand::UNKNOWN;
        }
        let (mode, ty) = match self.program.underlying_of(&operand.ty).as_ref() {
            Type::Map(entry) => {
                let key = self.expr(*index);
                self.assign_to(*index, &key, &entry.0);
                return Operand { mode: Mode::MapIndex, ty: entry.1.clone() };
            }
            Type::Slice(element) => (Mode::Variable, (**element).clone()),
            Type::Array(element, _) => {
                let mode = if operand.mode == Mode::Variable { Mode::Variable } else { Mode::Value };
                (mode, (**element).clone())
            }
            Type::Pointer(array) => match self.program.underlying_of(array).as_ref() {
                Type::Array(element, _) => (Mode::Variable, (**element).clone()),
                _ => (Mode::Unknown, Type::Unknown),
            },
            Type::Basic(kind) if kind.is_string() => (Mode::Value, Type::Basic(Basic::Uint8)),
            _ if self.program.is_bytes_or_string(&operand.ty) => (Mode::Value, Type::Basic(Basic::Uint8)),
            _ => (Mode::Unknown, Type::Unknown),
        };
        self.index_operand(*index);
        Operand { mode, ty }
    }

    /// An index or a size: untyped constants become `int`.
    pub(super) fn index_operand(&mut self, index: ExprId) {
        if self.record {
            let operand = self.expr(index);
            self.assign_to(index, &operand, &Type::Basic(Basic::Int));
        }
    }

    fn slice(&mut self, slice: &SliceExpr) -> Operand {
        let operand = self.expr(slice.x);
        for bound in [slice.lo, slice.hi, slice.max].into_iter().flatten() {
            self.index_operand(bound);
        }
        let ty = match self.program.underlying_of(&operand.ty).as_ref() {
            Type::Array(element, _) => Type::Slice(element.clone()),
            Type::Pointer(array) => match self.program.underlying_of(array).as_ref() {
                Type::Array(element, _) => Type::Slice(element.clone()),
                _ => Type::Unknown,
            },
            Type::Basic(Basic::UntypedString) => {
                self.assign_to(slice.x, &operand, &Type::Basic(Basic::String));
                Type::Basic(Basic::String)
            }
            Type::Slice(_) | Type::Basic(_) => operand.ty.clone(),
            _ if matches!(operand.ty, Type::TypeParam(..)) => operand.ty.clone(),
            _ => Type::Unknown,
        };
        Operand::value(ty)
    }
}

const fn literal(kind: LiteralKind) -> Operand {
    let kind = match kind {
        LiteralKind::Int => Basic::UntypedInt,
        LiteralKind::Float => Basic::UntypedFloat,
        LiteralKind::Imaginary => Basic::UntypedComplex,
        LiteralKind::Char => Basic::UntypedRune,
        LiteralKind::String => Basic::UntypedString,
    };
    Operand { mode: Mode::Constant, ty: Type::Basic(kind) }
}
