//! Identity of types.

use super::program::Program;
use super::ty::{InterfaceType, Param, Signature, StructType, Type};

/// What to make of types that are not known, and of type parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Unknown types are identical to nothing.
    Exact,
    /// Unknown types and type parameters may be anything.
    Lenient,
}

impl Program {
    /// Whether two types are certainly the same.
    pub fn identical(&self, a: &Type, b: &Type) -> bool {
        self.same(a, b, Strictness::Exact)
    }

    /// Whether two signatures may be the same once what is unknown is known and type parameters have arguments.
    pub(super) fn signatures_may_match(&self, a: &Signature, b: &Signature) -> bool {
        self.same_signature(a, b, Strictness::Lenient)
    }

    fn same(&self, a: &Type, b: &Type, strict: Strictness) -> bool {
        let open = |ty: &Type| matches!(ty, Type::Unknown | Type::TypeParam(..));
        if strict == Strictness::Lenient && (open(a) || open(b)) {
            return true;
        }
        match (a, b) {
            (Type::Basic(a), Type::Basic(b)) => a == b,
            (Type::Named(a, a_args), Type::Named(b, b_args)) => {
                a == b
                    && match (a_args, b_args) {
                        (Some(a), Some(b)) => self.same_list(a, b, strict),
                        (None, None) => true,
                        _ => strict == Strictness::Lenient,
                    }
            }
            (Type::Local(a), Type::Local(b)) => (a.package, a.file, a.span) == (b.package, b.file, b.span),
            (Type::Pointer(a), Type::Pointer(b)) | (Type::Slice(a), Type::Slice(b)) => {
                self.same(a, b, strict)
            }
            (Type::Array(a, a_length), Type::Array(b, b_length)) => {
                let lengths = a_length == b_length
                    || (strict == Strictness::Lenient && (a_length.is_none() || b_length.is_none()));
                lengths && self.same(a, b, strict)
            }
            (Type::Map(a), Type::Map(b)) => self.same(&a.0, &b.0, strict) && self.same(&a.1, &b.1, strict),
            (Type::Chan(a_direction, a), Type::Chan(b_direction, b)) => {
                a_direction == b_direction && self.same(a, b, strict)
            }
            (Type::Func(a), Type::Func(b)) => self.same_signature(a, b, strict),
            (Type::Struct(a), Type::Struct(b)) => self.same_struct(a, b, strict),
            (Type::Interface(a), Type::Interface(b)) => self.same_interface(a, b, strict),
            (Type::Tuple(a), Type::Tuple(b)) => self.same_list(a, b, strict),
            (Type::TypeParam(a, a_index), Type::TypeParam(b, b_index)) => a == b && a_index == b_index,
            _ => false,
        }
    }

    fn same_list(&self, a: &[Type], b: &[Type], strict: Strictness) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(a, b, strict))
    }

    fn same_signature(&self, a: &Signature, b: &Signature, strict: Strictness) -> bool {
        let same = |a: &[Param], b: &[Param]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same(&a.ty, &b.ty, strict))
        };
        a.variadic == b.variadic && same(&a.params, &b.params) && same(&a.results, &b.results)
    }

    fn same_struct(&self, a: &StructType, b: &StructType, strict: Strictness) -> bool {
        let exported = || a.fields.iter().all(|field| field.name.is_exported());
        a.fields.len() == b.fields.len()
            && a.fields
                .iter()
                .zip(&b.fields)
                .all(|(a, b)| a.name == b.name && a.embedded == b.embedded && self.same(&a.ty, &b.ty, strict))
            && (a.package == b.package || exported())
    }

    fn same_interface(&self, a: &InterfaceType, b: &InterfaceType, strict: Strictness) -> bool {
        if std::ptr::eq(a, b) {
            return true;
        }
        let (a_methods, b_methods) = (self.flatten_interface(a), self.flatten_interface(b));
        let embeds_types =
            |interface: &InterfaceType| interface.embedded.iter().any(|union| union.terms.len() > 1);
        a_methods.len() == b_methods.len()
            && embeds_types(a) == embeds_types(b)
            && a_methods
                .iter()
                .zip(&b_methods)
                .all(|(a, b)| a.name == b.name && self.same_signature(&a.signature, &b.signature, strict))
    }
}
