//! Names of functions as Go's runtime writes them in stack traces.
//!
//! Source: `LinkFuncName` and `closureName` in cmd/compile/internal/ir, `PathToPrefix` in cmd/internal/objabi.

use std::fmt::Write as _;

use foldhash::{HashMap, HashMapExt as _};

use super::object::{FuncId, ObjectKind};
use super::program::Program;
use crate::syntax::ast::{Arena, ExprId, ExprKind};
use crate::syntax::span::Span;

impl Program {
    /// The name of a function at run time: `example.com/m/pkg.(*T).Method`. Of `init` functions with their number in
    /// the package: `pkg.init.0`.
    pub fn runtime_name(&self, func: FuncId) -> String {
        let id = self.function(func);
        let object = self.object(id);
        let package = self.package(id.package);
        let prefix = if package.name.as_str() == "main" {
            "main".to_owned()
        } else {
            path_prefix(package.path.as_str())
        };
        let generic = |params: u32| if params > 0 { "[...]" } else { "" };
        let own = generic(object.type_params());
        let name = object.name;
        match object.kind {
            ObjectKind::Method { receiver, pointer, .. } => {
                let (ty, params) = receiver.map_or(("?", 0), |receiver| {
                    let ty = self.object(receiver);
                    (ty.name.as_str(), ty.type_params())
                });
                let params = generic(params);
                if pointer {
                    format!("{prefix}.(*{ty}{params}).{name}{own}")
                } else {
                    format!("{prefix}.{ty}{params}.{name}{own}")
                }
            }
            _ if name.as_str() == "init" => {
                let earlier = package.objects()[..id.index as usize].iter();
                let number = earlier
                    .filter(|other| other.name == name && matches!(other.kind, ObjectKind::Func(_)))
                    .count();
                format!("{prefix}.init.{number}")
            }
            _ => format!("{prefix}.{name}{own}"),
        }
    }
}

/// Names of all function literals within a span of an arena, by the name of the function around them. Literals of
/// package-level initialisers belong to the function `pkg.init`.
pub fn closure_names(outer: &str, arena: &Arena, within: Span) -> HashMap<ExprId, String> {
    let mut literals: Vec<(Span, ExprId)> = arena
        .exprs
        .iter()
        .zip(0..)
        .filter(|(expr, _)| matches!(expr.kind, ExprKind::FuncLit(_)))
        .filter(|(expr, _)| within.start <= expr.span.start && expr.span.end <= within.end)
        .map(|(expr, index)| (expr.span, ExprId(index)))
        .collect();
    literals.sort_unstable_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut names = HashMap::with_capacity(literals.len());
    // Literals around the current place, with their names and how many literals each has so far.
    let mut around: Vec<(Span, String, u32)> = Vec::new();
    let mut count = 0;
    for (span, literal) in literals {
        while around.last().is_some_and(|(outer, ..)| outer.end <= span.start) {
            around.pop();
        }
        let name = if let Some((_, outer, count)) = around.last_mut() {
            *count += 1;
            format!("{outer}.{count}")
        } else {
            count += 1;
            format!("{outer}.func{count}")
        };
        names.insert(literal, name.clone());
        around.push((span, name, 0));
    }
    names
}

/// An import path as symbols have it: dots of the last element and unusual bytes are escaped.
fn path_prefix(path: &str) -> String {
    let slash = path.rfind('/');
    let mut escaped = String::with_capacity(path.len());
    for (position, byte) in path.bytes().enumerate() {
        let dot = byte == b'.' && slash.is_none_or(|slash| position > slash);
        if byte <= b' ' || dot || byte == b'%' || byte == b'"' || byte >= 0x7f {
            let _ = write!(escaped, "%{byte:02x}");
        } else {
            escaped.push(char::from(byte));
        }
    }
    escaped
}
