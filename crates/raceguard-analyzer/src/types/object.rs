//! What packages declare.

use std::sync::OnceLock;

use super::ty::Type;
use crate::syntax::name::Name;
use crate::syntax::span::Span;

/// A package: its index in the [`Program`](super::Program).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub u32);

/// A declaration at package level, or a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The package that declares it.
    pub package: PackageId,
    /// Its index in the package.
    pub index: u32,
}

/// A declared function or method: dense over all packages, in the order of packages, files and declarations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncId(pub u32);

impl ObjectId {
    /// The package of the universe's types.
    const UNIVERSE: PackageId = PackageId(u32::MAX);
    /// The predeclared type `error`.
    pub const ERROR: Self = Self { package: Self::UNIVERSE, index: 0 };
    /// The predeclared constraint `comparable`.
    pub const COMPARABLE: Self = Self { package: Self::UNIVERSE, index: 1 };

    /// Whether it is predeclared: `error` or `comparable`.
    pub fn is_universe(self) -> bool {
        self.package == Self::UNIVERSE
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A constant.
    Const,
    /// A variable.
    Var,
    /// A type.
    Type {
        /// Whether `=` makes it an alias.
        alias: bool,
    },
    /// A function.
    Func(FuncId),
    /// A method.
    Method {
        /// Its identity as a function.
        func: FuncId,
        /// The type it belongs to; none if that isn't declared in the package.
        receiver: Option<ObjectId>,
        /// Whether the receiver is a pointer.
        pointer: bool,
    },
}

/// A declaration.
#[derive(Debug)]
pub struct Object {
    /// Its name; may be `_` or, several times, `init`.
    pub name: Name,
    /// What it is.
    pub kind: ObjectKind,
    /// Index of its file in the package.
    pub file: u32,
    /// Place of its name.
    pub span: Span,
    /// Index in the file's declarations.
    pub(super) decl: u32,
    /// Index in the declaration's lines.
    pub(super) spec: u32,
    /// Index in the line's names.
    pub(super) position: u32,
    /// What types and generic functions have besides.
    pub(super) details: Option<Box<Details>>,
    /// Type of a constant, variable or function; what an alias stands for; what a type is declared as.
    pub(super) ty: OnceLock<Type>,
}

/// What types and generic functions have besides what all objects have.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// Number of its own type parameters.
    pub(super) type_params: u32,
    /// Of a type: its methods by name, as indexes of objects of the same package.
    pub(super) methods: Vec<(Name, u32)>,
    /// Of a type that is no alias: its underlying type.
    pub(super) underlying: OnceLock<Type>,
    /// Constraints of its type parameters.
    pub(super) constraints: OnceLock<Vec<Type>>,
}

impl Object {
    /// The number of its own type parameters.
    pub fn type_params(&self) -> u32 {
        self.details.as_ref().map_or(0, |details| details.type_params)
    }

    /// Of a type: its methods by name, as indexes of objects of the same package.
    pub fn methods(&self) -> &[(Name, u32)] {
        self.details.as_ref().map_or(&[], |details| &details.methods)
    }

    /// Its identity as a function, if it is a function or method.
    pub const fn func(&self) -> Option<FuncId> {
        match self.kind {
            ObjectKind::Func(func) | ObjectKind::Method { func, .. } => Some(func),
            _ => None,
        }
    }
}
