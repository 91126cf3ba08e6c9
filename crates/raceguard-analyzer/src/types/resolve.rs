//! Finds out what the identifiers and expressions of a body mean.
//!
//! One [`Resolver`] walks one body, or one expression of a package-level declaration. In the second case it records
//! nothing and looks only at what decides the type: not at elements of literals, nor at bodies of function literals.
//!
//! Each file of this folder knows one kind of syntax; [`scopes`] knows what names are visible.

mod assignments;
mod builtins;
mod calls;
mod composites;
mod constants;
mod conversions;
mod declarations;
mod expressions;
mod instances;
mod operators;
mod ranges;
mod scopes;
mod selectors;
mod statements;
mod type_expressions;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use self::scopes::{Binding, Scopes};
use super::body::{BodyInfo, Entity, FunctionLocals, LocalId, LocalKind, Mode};
use super::collect::receiver_arguments;
use super::object::{FuncId, ObjectId, ObjectKind, PackageId};
use super::program::{FileScope, Program};
use super::ty::{Signature, Type};
use crate::syntax::ast::{Arena, Block, Decl, ExprId, Param};
use crate::syntax::name::Name;
use crate::syntax::span::Span;

/// An expression's meaning.
#[derive(Debug, Clone)]
struct Operand {
    mode: Mode,
    ty: Type,
}

impl Operand {
    const UNKNOWN: Self = Self { mode: Mode::Unknown, ty: Type::Unknown };

    const fn value(ty: Type) -> Self {
        Self { mode: Mode::Value, ty }
    }

    const fn type_name(ty: Type) -> Self {
        Self { mode: Mode::Type, ty }
    }
}

/// Walks one body or expression.
pub(super) struct Resolver<'a> {
    program: &'a Program,
    package: PackageId,
    file: u32,
    file_scope: &'a FileScope,
    source: &'a [u8],
    arena: &'a Arena,
    scopes: Scopes,
    /// Whether all expressions are visited and recorded, or only what decides a type is looked at.
    record: bool,
    info: BodyInfo,
    /// The innermost function literal.
    owner: Option<ExprId>,
    /// Parameters and results of the innermost function.
    signature: Arc<Signature>,
    /// Values of local constants that are whole numbers.
    constants: HashMap<LocalId, i64>,
    iota: Option<u32>,
    depth: u32,
}

/// How deep expressions may be nested; deeper ones are unknown.
const MAX_DEPTH: u32 = 500;

/// Resolves the body of a function. `arena` holds `block`: the file's own, or one of a body parsed later.
pub fn resolve_body(program: &Program, func: FuncId, arena: &Arena, block: &Block) -> BodyInfo {
    let id = program.function(func);
    let decl = program.function_declaration(func);
    let mut resolver = Resolver::new(program, id.package, program.object(id).file, arena);
    resolver.start_recording();
    resolver.bind_type_params(id);
    if let Type::Func(signature) = program.declared_type(id) {
        resolver.signature = signature.clone();
    }
    let receiver = decl.receiver.map(|receiver| {
        let ty = program.receiver_type(id);
        resolver.declare_param(&receiver, ty, LocalKind::Receiver, decl.name.span)
    });
    let locals = resolver.declare_signature(&decl.signature, decl.name.span);
    resolver.info.functions.insert(None, FunctionLocals { receiver, ..locals });
    resolver.statements(&block.stmts);
    resolver.info
}

/// Resolves the initial values of all constants and variables that a file declares at package level, with the function
/// literals in them. The tables go along the file's arena.
pub fn resolve_initialisers(program: &Program, package: PackageId, file: u32) -> BodyInfo {
    let syntax = &program.package(package).files[file as usize].syntax;
    let mut resolver = Resolver::new(program, package, file, &syntax.arena);
    resolver.start_recording();
    for decl in &syntax.decls {
        match decl {
            Decl::Const(specs) => {
                for spec in specs {
                    resolver.const_values(spec);
                }
            }
            Decl::Var(specs) => {
                for spec in specs {
                    resolver.var_values(spec);
                }
            }
            _ => {}
        }
    }
    resolver.info
}

impl<'a> Resolver<'a> {
    /// A resolver that only finds types, for expressions of `arena` at package level of a file.
    pub(super) fn new(program: &'a Program, package: PackageId, file: u32, arena: &'a Arena) -> Self {
        let declared = program.package(package);
        Self {
            program,
            package,
            file,
            file_scope: &declared.file_scopes[file as usize],
            source: &declared.files[file as usize].source,
            arena,
            scopes: Scopes::default(),
            record: false,
            info: BodyInfo::default(),
            owner: None,
            signature: Arc::default(),
            constants: HashMap::new(),
            iota: None,
            depth: 0,
        }
    }

    /// The same, for the declaration of an object: its type parameters are visible.
    pub(super) fn of_object(program: &'a Program, id: ObjectId) -> Self {
        let object = program.object(id);
        let arena = &program.file_of(id).syntax.arena;
        let mut resolver = Self::new(program, id.package, object.file, arena);
        resolver.bind_type_params(id);
        resolver
    }

    fn start_recording(&mut self) {
        let count = self.arena.exprs.len();
        self.record = true;
        self.info.types.resize(count, Type::Unknown);
        self.info.entities.resize(count, Entity::Unknown);
        self.info.modes.resize(count, Mode::Unknown);
    }

    fn set(&mut self, expr: ExprId, operand: &Operand) {
        if self.record {
            self.info.types[expr.0 as usize] = operand.ty.clone();
            self.info.modes[expr.0 as usize] = operand.mode;
        }
    }

    fn set_entity(&mut self, expr: ExprId, entity: Entity) {
        if self.record {
            self.info.entities[expr.0 as usize] = entity;
        }
    }

    /// Makes the type parameters of a type, function or method visible; of a method also its receiver's.
    fn bind_type_params(&mut self, id: ObjectId) {
        if let ObjectKind::Method { receiver: Some(receiver), .. } = self.program.object(id).kind
            && let Decl::Func(decl) = self.program.declaration(id)
            && let Some(param) = decl.receiver
        {
            let arena = &self.program.file_of(id).syntax.arena;
            for (name, index) in receiver_arguments(arena, param.ty).into_iter().zip(0..) {
                if let Some(name) = name {
                    self.scopes.bind(name, Binding::TypeParam(receiver, index));
                }
            }
        }
        for (param, index) in self.program.type_params(id).iter().zip(0..) {
            if let Some(name) = param.name {
                self.scopes.bind(name.name, Binding::TypeParam(id, index));
            }
        }
    }

    /// Declares parameters and results of the function whose signature is current.
    fn declare_signature(&mut self, syntax: &crate::syntax::ast::Signature, place: Span) -> FunctionLocals {
        let signature = self.signature.clone();
        let mut declare = |syntax: &[Param], types: &[super::ty::Param], kind| {
            let declared = syntax.iter().enumerate().map(|(position, param)| {
                let ty = types.get(position).map_or(Type::Unknown, |param| param.ty.clone());
                self.declare_param(param, ty, kind, place)
            });
            declared.collect()
        };
        let params = declare(&syntax.params, &signature.params, LocalKind::Param);
        let results = declare(&syntax.results, &signature.results, LocalKind::Result);
        FunctionLocals { receiver: None, params, results }
    }

    fn declare_param(&mut self, param: &Param, ty: Type, kind: LocalKind, place: Span) -> LocalId {
        let (name, span) = match param.name {
            Some(name) => (name.name, name.span),
            None => (Name::new("_"), place),
        };
        self.declare(name, span, ty, kind)
    }
}
