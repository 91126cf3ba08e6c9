//! Types as values.

use std::sync::{Arc, OnceLock};

use super::object::{ObjectId, PackageId};
use crate::syntax::ast::{ChanDir, CommentGroup};
use crate::syntax::name::Name;
use crate::syntax::span::Span;

/// Arguments of a generic type; none where it isn't generic.
pub type TypeArgs = Option<Arc<Vec<Type>>>;

/// A type.
///
/// Aliases are resolved: a type is never an alias. Compare with [`Type::identical`].
#[derive(Debug, Clone, Default)]
pub enum Type {
    /// Not known.
    #[default]
    Unknown,
    /// A predeclared type, or the type of an untyped constant or of `nil`.
    Basic(Basic),
    /// A type declared at package level, with its type arguments; also `error` and `comparable`, see
    /// [`ObjectId::ERROR`].
    Named(ObjectId, TypeArgs),
    /// A type declared inside a function.
    Local(Arc<LocalType>),
    /// `*T`
    Pointer(Arc<Type>),
    /// `map[K]V`, key first.
    Map(Arc<(Type, Type)>),
    /// `[]T`
    Slice(Arc<Type>),
    /// `[n]T`; the length may be unknown.
    Array(Arc<Type>, Option<u64>),
    /// `chan T`
    Chan(ChanDir, Arc<Type>),
    /// A function type.
    Func(Arc<Signature>),
    /// `struct { ... }`
    Struct(Arc<StructType>),
    /// `interface { ... }`
    Interface(Arc<InterfaceType>),
    /// Several values, or none: the results of a call.
    Tuple(Arc<Vec<Type>>),
    /// The type parameter with this index of a generic type, function or method. Methods of a generic type use the
    /// type's own parameters, whatever they call them.
    TypeParam(ObjectId, u32),
}

/// Predeclared types, and the types of untyped constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Go's")]
pub enum Basic {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
    UnsafePointer,
    UntypedBool,
    UntypedInt,
    UntypedRune,
    UntypedFloat,
    UntypedComplex,
    UntypedString,
    UntypedNil,
}

/// A function's parameters and results.
#[derive(Debug, Clone, Default)]
pub struct Signature {
    /// Parameters without the receiver; a variadic one has its slice type.
    pub params: Vec<Param>,
    /// Results.
    pub results: Vec<Param>,
    /// Whether the last parameter is variadic.
    pub variadic: bool,
    /// The generic function or method whose own type parameters are still open, and their number.
    pub generic: Option<(ObjectId, u32)>,
}

/// A parameter or result.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Its type.
    pub ty: Type,
}

/// A struct type.
#[derive(Debug, Clone)]
pub struct StructType {
    /// The package where it is written.
    pub package: PackageId,
    /// Index of the file where it is written.
    pub file: u32,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name; of an embedded one, its type's.
    pub name: Name,
    /// Its type.
    pub ty: Type,
    /// Whether it is embedded.
    pub embedded: bool,
    /// Place of its name.
    pub span: Span,
    /// Comments right before it, see [`Program::field_comment`](super::Program::field_comment).
    pub doc: CommentGroup,
    /// The comment that ends its line.
    pub comment: CommentGroup,
}

/// An interface type.
#[derive(Debug, Clone)]
pub struct InterfaceType {
    /// The package where it is written.
    pub package: PackageId,
    /// Methods written in it, in order.
    pub methods: Vec<Method>,
    /// Embedded interfaces and unions.
    pub embedded: Vec<Union>,
}

/// `~A | B | C`; with a single plain term, an embedded interface or type.
#[derive(Debug, Clone)]
pub struct Union {
    /// The terms; true with `~`.
    pub terms: Vec<(bool, Type)>,
}

/// A method of an interface.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name.
    pub name: Name,
    /// Its parameters and results.
    pub signature: Arc<Signature>,
    /// Place of its name.
    pub span: Span,
}

/// A type declared inside a function. Its identity is its place.
///
/// One that refers to itself is never freed; there are few.
#[derive(Debug)]
pub struct LocalType {
    /// Its name.
    pub name: Name,
    /// The package.
    pub package: PackageId,
    /// Index of the file.
    pub file: u32,
    /// Place of its name.
    pub span: Span,
    /// What it stands for; set when its declaration has been read.
    pub(super) underlying: OnceLock<Type>,
}

impl Type {
    /// A type without values: the result of a call that returns nothing.
    pub fn empty_tuple() -> Self {
        Self::Tuple(Arc::default())
    }

    /// Whether it is not known.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// `*self`
    #[must_use]
    pub fn pointer_to(self) -> Self {
        Self::Pointer(Arc::new(self))
    }

    /// `[]self`
    #[must_use]
    pub fn slice_of(self) -> Self {
        Self::Slice(Arc::new(self))
    }

    /// The type pointed to, if it is written as a pointer type.
    pub fn pointee(&self) -> Option<&Self> {
        match self {
            Self::Pointer(element) => Some(element),
            _ => None,
        }
    }

    /// The type without one written pointer.
    #[must_use]
    pub fn strip_pointer(&self) -> &Self {
        self.pointee().unwrap_or(self)
    }

    /// The declaration of a named type of package level.
    pub const fn named(&self) -> Option<ObjectId> {
        match self {
            Self::Named(id, _) => Some(*id),
            _ => None,
        }
    }
}
