//! Types as text, in the spelling of go/types.

use std::fmt;

use super::object::ObjectId;
use super::program::Program;
use super::ty::{InterfaceType, Param, Signature, StructType, Type};
use crate::syntax::ast::ChanDir;

/// A type that can be written out, with package paths in full.
#[derive(Debug, Clone, Copy)]
pub struct TypeDisplay<'a> {
    program: &'a Program,
    ty: &'a Type,
}

impl Program {
    /// The type as text: `map[string]*example.com/m/pkg.T`. What is unknown is `?`.
    pub fn display<'a>(&'a self, ty: &'a Type) -> TypeDisplay<'a> {
        TypeDisplay { program: self, ty }
    }
}

impl fmt::Display for TypeDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            Type::Unknown => f.write_str("?"),
            Type::Basic(basic) => f.write_str(basic.name()),
            Type::Named(id, args) => {
                self.object(f, *id)?;
                match args {
                    Some(args) => {
                        f.write_str("[")?;
                        self.list(f, args, ",")?;
                        f.write_str("]")
                    }
                    None => Ok(()),
                }
            }
            Type::Local(local) => {
                write!(f, "{}.{}", self.program.package(local.package).path, local.name)
            }
            Type::Pointer(element) => write!(f, "*{}", self.of(element)),
            Type::Map(entry) => write!(f, "map[{}]{}", self.of(&entry.0), self.of(&entry.1)),
            Type::Slice(element) => write!(f, "[]{}", self.of(element)),
            Type::Array(element, Some(length)) => write!(f, "[{length}]{}", self.of(element)),
            Type::Array(element, None) => write!(f, "[?]{}", self.of(element)),
            Type::Chan(direction, element) => self.channel(f, *direction, element),
            Type::Func(signature) => {
                f.write_str("func")?;
                self.signature(f, signature)
            }
            Type::Struct(structure) => self.structure(f, structure),
            Type::Interface(interface) => self.interface(f, interface),
            Type::Tuple(items) => {
                f.write_str("(")?;
                self.list(f, items, ", ")?;
                f.write_str(")")
            }
            Type::TypeParam(owner, index) => {
                let params = self.program.type_params(*owner);
                match params.get(*index as usize).and_then(|param| param.name) {
                    Some(name) => write!(f, "{}", name.name),
                    None => f.write_str("?"),
                }
            }
        }
    }
}

impl<'a> TypeDisplay<'a> {
    fn of(&self, ty: &'a Type) -> Self {
        Self { program: self.program, ty }
    }

    fn object(&self, f: &mut fmt::Formatter<'_>, id: ObjectId) -> fmt::Result {
        match id {
            ObjectId::ERROR => f.write_str("error"),
            ObjectId::COMPARABLE => f.write_str("comparable"),
            _ => write!(f, "{}.{}", self.program.package(id.package).path, self.program.object(id).name),
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>, types: &'a [Type], separator: &str) -> fmt::Result {
        for (position, ty) in types.iter().enumerate() {
            if position > 0 {
                f.write_str(separator)?;
            }
            write!(f, "{}", self.of(ty))?;
        }
        Ok(())
    }

    fn channel(&self, f: &mut fmt::Formatter<'_>, direction: ChanDir, element: &'a Type) -> fmt::Result {
        match (direction, element) {
            (ChanDir::Both, Type::Chan(ChanDir::Receive, _)) => write!(f, "chan ({})", self.of(element)),
            (ChanDir::Both, _) => write!(f, "chan {}", self.of(element)),
            (ChanDir::Send, _) => write!(f, "chan<- {}", self.of(element)),
            (ChanDir::Receive, _) => write!(f, "<-chan {}", self.of(element)),
        }
    }

    fn signature(&self, f: &mut fmt::Formatter<'_>, signature: &'a Signature) -> fmt::Result {
        f.write_str("(")?;
        for (position, param) in signature.params.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            let last = position + 1 == signature.params.len();
            match &param.ty {
                Type::Slice(element) if signature.variadic && last => write!(f, "...{}", self.of(element))?,
                ty => write!(f, "{}", self.of(ty))?,
            }
        }
        f.write_str(")")?;
        self.results(f, &signature.results)
    }

    fn results(&self, f: &mut fmt::Formatter<'_>, results: &'a [Param]) -> fmt::Result {
        match results {
            [] => Ok(()),
            [only] => write!(f, " {}", self.of(&only.ty)),
            several => {
                f.write_str(" (")?;
                for (position, result) in several.iter().enumerate() {
                    let separator = if position > 0 { ", " } else { "" };
                    write!(f, "{separator}{}", self.of(&result.ty))?;
                }
                f.write_str(")")
            }
        }
    }

    fn structure(&self, f: &mut fmt::Formatter<'_>, structure: &'a StructType) -> fmt::Result {
        f.write_str("struct{")?;
        for (position, field) in structure.fields.iter().enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            f.write_str(separator)?;
            if !field.embedded {
                write!(f, "{} ", field.name)?;
            }
            write!(f, "{}", self.of(&field.ty))?;
        }
        f.write_str("}")
    }

    fn interface(&self, f: &mut fmt::Formatter<'_>, interface: &'a InterfaceType) -> fmt::Result {
        if interface.methods.is_empty() && interface.embedded.is_empty() {
            return f.write_str("any");
        }
        f.write_str("interface{")?;
        let mut separator = "";
        for method in &interface.methods {
            write!(f, "{separator}{}", method.name)?;
            self.signature(f, &method.signature)?;
            separator = "; ";
        }
        for union in &interface.embedded {
            f.write_str(separator)?;
            for (position, (tilde, ty)) in union.terms.iter().enumerate() {
                let bar = if position > 0 { " | " } else { "" };
                write!(f, "{bar}{}{}", if *tilde { "~" } else { "" }, self.of(ty))?;
            }
            separator = "; ";
        }
        f.write_str("}")
    }
}
