//! Predeclared types: their names, and the kinds of untyped constants.

use super::ty::{Basic, Type};

impl Basic {
    /// Its name; of untyped kinds as go/types writes them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uintptr => "uintptr",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::UnsafePointer => "unsafe.Pointer",
            Self::UntypedBool => "untyped bool",
            Self::UntypedInt => "untyped int",
            Self::UntypedRune => "untyped rune",
            Self::UntypedFloat => "untyped float",
            Self::UntypedComplex => "untyped complex",
            Self::UntypedString => "untyped string",
            Self::UntypedNil => "untyped nil",
        }
    }

    /// Whether it is the type of an untyped constant, or of `nil`.
    pub fn is_untyped(self) -> bool {
        self >= Self::UntypedBool
    }

    /// Whether it is a whole-number type, typed or not.
    pub fn is_integer(self) -> bool {
        (Self::Int..=Self::Uintptr).contains(&self) || matches!(self, Self::UntypedInt | Self::UntypedRune)
    }

    /// Whether it is a string type, typed or not.
    pub const fn is_string(self) -> bool {
        matches!(self, Self::String | Self::UntypedString)
    }

    /// The type that an untyped constant takes where nothing else decides.
    #[must_use]
    pub const fn default_type(self) -> Self {
        match self {
            Self::UntypedBool => Self::Bool,
            Self::UntypedInt => Self::Int,
            Self::UntypedRune => Self::Int32,
            Self::UntypedFloat => Self::Float64,
            Self::UntypedComplex => Self::Complex128,
            Self::UntypedString => Self::String,
            typed => typed,
        }
    }
}

impl Type {
    /// Whether it is the type of an untyped constant, or of `nil`.
    pub fn is_untyped(&self) -> bool {
        matches!(self, Self::Basic(basic) if basic.is_untyped())
    }

    /// Whether it is the type of `nil`.
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Basic(Basic::UntypedNil))
    }

    /// The type that a variable initialised with a value of this type has. Of `nil`: unknown.
    #[must_use]
    pub fn default_type(self) -> Self {
        match self {
            Self::Basic(Basic::UntypedNil) => Self::Unknown,
            Self::Basic(basic) => Self::Basic(basic.default_type()),
            other => other,
        }
    }
}
