//! Predeclared names.

use std::sync::{Arc, LazyLock};

use foldhash::HashMap;

use super::object::{ObjectId, PackageId};
use super::ty::{Basic, InterfaceType, Method, Param, Signature, Type};
use crate::syntax::name::Name;
use crate::syntax::span::Span;

/// Predeclared functions, with those of package unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Go's")]
pub enum Builtin {
    Append,
    Cap,
    Clear,
    Close,
    Complex,
    Copy,
    Delete,
    Imag,
    Len,
    Make,
    Max,
    Min,
    New,
    Panic,
    Print,
    Println,
    Real,
    Recover,
    UnsafeAdd,
    UnsafeAlignof,
    UnsafeOffsetof,
    UnsafeSizeof,
    UnsafeSlice,
    UnsafeSliceData,
    UnsafeString,
    UnsafeStringData,
}

/// What a predeclared name means.
#[derive(Debug, Clone)]
pub(super) enum Predeclared {
    /// A function.
    Builtin(Builtin),
    /// A type.
    Type(Type),
    /// `true`, `false`
    Bool,
    /// `iota`
    Iota,
    /// `nil`
    Nil,
}

/// What a predeclared name means.
pub(super) fn predeclared(name: Name) -> Option<&'static Predeclared> {
    static UNIVERSE: LazyLock<HashMap<Name, Predeclared>> = LazyLock::new(universe);
    UNIVERSE.get(&name)
}

/// A function of package unsafe.
pub(super) fn unsafe_builtin(name: Name) -> Option<Builtin> {
    Some(match name.as_str() {
        "Add" => Builtin::UnsafeAdd,
        "Alignof" => Builtin::UnsafeAlignof,
        "Offsetof" => Builtin::UnsafeOffsetof,
        "Sizeof" => Builtin::UnsafeSizeof,
        "Slice" => Builtin::UnsafeSlice,
        "SliceData" => Builtin::UnsafeSliceData,
        "String" => Builtin::UnsafeString,
        "StringData" => Builtin::UnsafeStringData,
        _ => return None,
    })
}

/// The type `any`.
pub(super) fn any() -> Type {
    static ANY: LazyLock<Arc<InterfaceType>> = LazyLock::new(|| Arc::new(empty_interface()));
    Type::Interface(ANY.clone())
}

/// What `error` is declared as.
pub(super) fn error_interface() -> &'static Type {
    static ERROR: LazyLock<Type> = LazyLock::new(|| {
        let signature = Signature {
            results: vec![Param { name: None, ty: Type::Basic(Basic::String) }],
            ..Signature::default()
        };
        let method =
            Method { name: Name::new("Error"), signature: Arc::new(signature), span: Span::default() };
        Type::Interface(Arc::new(InterfaceType { methods: vec![method], ..empty_interface() }))
    });
    &ERROR
}

/// What `comparable` is declared as, as far as methods go.
pub(super) fn comparable_interface() -> &'static Type {
    static COMPARABLE: LazyLock<Type> = LazyLock::new(any);
    &COMPARABLE
}

fn empty_interface() -> InterfaceType {
    InterfaceType { package: PackageId(u32::MAX), methods: Vec::new(), embedded: Vec::new() }
}

fn universe() -> HashMap<Name, Predeclared> {
    let types = BASICS.iter().map(|&(name, basic)| (name, Predeclared::Type(Type::Basic(basic))));
    let builtins = BUILTINS.iter().map(|&(name, builtin)| (name, Predeclared::Builtin(builtin)));
    let others = [
        ("any", Predeclared::Type(any())),
        ("error", Predeclared::Type(Type::Named(ObjectId::ERROR, None))),
        ("comparable", Predeclared::Type(Type::Named(ObjectId::COMPARABLE, None))),
        ("true", Predeclared::Bool),
        ("false", Predeclared::Bool),
        ("iota", Predeclared::Iota),
        ("nil", Predeclared::Nil),
    ];
    types.chain(builtins).chain(others).map(|(name, meaning)| (Name::new(name), meaning)).collect()
}

const BASICS: [(&str, Basic); 19] = [
    ("bool", Basic::Bool),
    ("int", Basic::Int),
    ("int8", Basic::Int8),
    ("int16", Basic::Int16),
    ("int32", Basic::Int32),
    ("int64", Basic::Int64),
    ("uint", Basic::Uint),
    ("uint8", Basic::Uint8),
    ("uint16", Basic::Uint16),
    ("uint32", Basic::Uint32),
    ("uint64", Basic::Uint64),
    ("uintptr", Basic::Uintptr),
    ("float32", Basic::Float32),
    ("float64", Basic::Float64),
    ("complex64", Basic::Complex64),
    ("complex128", Basic::Complex128),
    ("string", Basic::String),
    ("byte", Basic::Uint8),
    ("rune", Basic::Int32),
];

const BUILTINS: [(&str, Builtin); 18] = [
    ("append", Builtin::Append),
    ("cap", Builtin::Cap),
    ("clear", Builtin::Clear),
    ("close", Builtin::Close),
    ("complex", Builtin::Complex),
    ("copy", Builtin::Copy),
    ("delete", Builtin::Delete),
    ("imag", Builtin::Imag),
    ("len", Builtin::Len),
    ("make", Builtin::Make),
    ("max", Builtin::Max),
    ("min", Builtin::Min),
    ("new", Builtin::New),
    ("panic", Builtin::Panic),
    ("print", Builtin::Print),
    ("println", Builtin::Println),
    ("real", Builtin::Real),
    ("recover", Builtin::Recover),
];
