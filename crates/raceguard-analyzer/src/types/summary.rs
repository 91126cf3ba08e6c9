//! What importers of packages can see of them, as Go source without bodies: for where the packages' own sources are
//! not there.
//!
//! Constants, variables, functions, types and methods that are exported are written with the types they have, together
//! with the types that these need. Fields that are neither exported nor embedded are left out, and so are methods that
//! aren't exported. What is not known is written as a name that nothing declares, which makes it unknown again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::object::{ObjectId, ObjectKind, PackageId};
use super::program::{Package, Program};
use super::ty::{Basic, Field, InterfaceType, Signature, StructType, Type, Union};
use crate::syntax::ast::ChanDir;

/// A name that nothing declares.
const UNKNOWN: &str = "_unknown";

/// Writes the summary of those packages that `wanted` chooses, and of others as far as these need them: as txtar, with
/// the file `src/PATH/summary.go` for each package.
pub fn summarise(program: &Program, wanted: impl Fn(&Package) -> bool) -> String {
    let mut summary =
        Summary { program, texts: BTreeMap::new(), known: BTreeSet::new(), waiting: Vec::new() };
    for (package, id) in program.packages().iter().zip(0..) {
        if wanted(package) {
            summary.need_exported(package, PackageId(id));
        }
    }
    while let Some(object) = summary.waiting.pop() {
        summary.write_object(object);
    }
    summary.finish()
}

struct Summary<'p> {
    program: &'p Program,
    texts: BTreeMap<PackageId, PackageText>,
    known: BTreeSet<ObjectId>,
    waiting: Vec<ObjectId>,
}

#[derive(Default)]
struct PackageText {
    imports: BTreeSet<PackageId>,
    lines: BTreeSet<String>,
}

impl Summary<'_> {
    fn need_exported(&mut self, package: &Package, id: PackageId) {
        self.texts.entry(id).or_default();
        for (object, index) in package.objects().iter().zip(0..) {
            let is_method = matches!(object.kind, ObjectKind::Method { .. });
            if object.name.is_exported() && !is_method {
                self.need(ObjectId { package: id, index });
            }
        }
    }

    fn need(&mut self, object: ObjectId) {
        if !object.is_universe() && self.known.insert(object) {
            self.waiting.push(object);
        }
    }

    fn write_object(&mut self, id: ObjectId) {
        let object = self.program.object(id);
        let name = object.name;
        let line = match object.kind {
            ObjectKind::Const => self.constant(id),
            ObjectKind::Var => {
                let ty = self.program.object_type(id);
                format!("var {name} {}", self.ty(id.package, &ty))
            }
            ObjectKind::Func(_) => self.function(id, ""),
            ObjectKind::Method { .. } => return,
            ObjectKind::Type { alias } => {
                let sign = if alias { "= " } else { "" };
                let params = self.type_params(id);
                let ty = self.program.declared_type(id).clone();
                let ty = if alias { ty } else { self.program.underlying(&ty) };
                self.write_methods(id);
                format!("type {name}{params} {sign}{}", self.ty(id.package, &ty))
            }
        };
        self.texts.entry(id.package).or_default().lines.insert(line);
    }

    fn constant(&mut self, id: ObjectId) -> String {
        let ty = self.program.object_type(id);
        let Type::Basic(kind) = self.program.underlying(&ty) else {
            return format!("var {} {UNKNOWN}", self.program.object(id).name);
        };
        let value = match kind {
            _ if kind.is_integer() && kind != Basic::UntypedRune => self
                .program
                .constant_value(id)
                .map_or_else(|| "1 << 100".to_owned(), |value| value.to_string()),
            Basic::UntypedRune => "'\\x00'".to_owned(),
            Basic::UntypedBool | Basic::Bool => "true".to_owned(),
            Basic::UntypedComplex | Basic::Complex64 | Basic::Complex128 => "1i".to_owned(),
            _ if kind.is_string() => "\"\"".to_owned(),
            _ => "1.0".to_owned(),
        };
        let name = self.program.object(id).name;
        if ty.is_untyped() {
            format!("const {name} = {value}")
        } else {
            format!("const {name} {} = {value}", self.ty(id.package, &ty))
        }
    }

    fn write_methods(&mut self, id: ObjectId) {
        for (name, index) in self.program.object(id).methods() {
            let method = ObjectId { package: id.package, index: *index };
            let ObjectKind::Method { pointer, .. } = self.program.object(method).kind else { continue };
            if !name.is_exported() {
                continue;
            }
            let star = if pointer { "*" } else { "" };
            let count = self.program.object(id).type_params();
            let params: Vec<String> = (0..count).map(|index| self.param_name(id, index)).collect();
            let params = if count > 0 { format!("[{}]", params.join(", ")) } else { String::new() };
            let receiver = format!("({star}{}{params}) ", self.program.object(id).name);
            let line = self.function(method, &receiver);
            self.texts.entry(id.package).or_default().lines.insert(line);
        }
    }

    fn function(&mut self, id: ObjectId, receiver: &str) -> String {
        let params = self.type_params(id);
        let signature = match self.program.declared_type(id) {
            Type::Func(signature) => self.signature(id.package, signature),
            _ => "()".to_owned(),
        };
        format!("func {receiver}{}{params}{signature}", self.program.object(id).name)
    }

    fn type_params(&mut self, id: ObjectId) -> String {
        let constraints = self.program.constraints(id);
        if constraints.is_empty() {
            return String::new();
        }
        let params: Vec<String> = constraints
            .iter()
            .zip(0..)
            .map(|(constraint, index)| {
                format!("{} {}", self.param_name(id, index), self.ty(id.package, constraint))
            })
            .collect();
        format!("[{}]", params.join(", "))
    }

    /// A type parameter's name; one of our own for those that are called `_`.
    fn param_name(&self, owner: ObjectId, index: u32) -> String {
        let param = self.program.type_params(owner).get(index as usize).and_then(|param| param.name);
        match param {
            Some(name) if !name.name.is_blank() => name.name.to_string(),
            _ => format!("_T{index}"),
        }
    }

    fn ty(&mut self, package: PackageId, ty: &Type) -> String {
        match ty {
            Type::Unknown | Type::Local(_) | Type::Tuple(_) => UNKNOWN.to_owned(),
            Type::Basic(Basic::UnsafePointer) => "unsafe.Pointer".to_owned(),
            Type::Basic(kind) => kind.name().to_owned(),
            Type::Named(id, args) => {
                let mut text = self.named(package, *id);
                if let Some(args) = args {
                    let args: Vec<String> = args.iter().map(|arg| self.ty(package, arg)).collect();
                    let _ = write!(text, "[{}]", args.join(", "));
                }
                text
            }
            Type::Pointer(element) => format!("*{}", self.ty(package, element)),
            Type::Slice(element) => format!("[]{}", self.ty(package, element)),
            Type::Array(element, length) => {
                let length = length.map_or_else(|| format!("len({UNKNOWN})"), |length| length.to_string());
                format!("[{length}]{}", self.ty(package, element))
            }
            Type::Map(entry) => {
                let key = self.ty(package, &entry.0);
                format!("map[{key}]{}", self.ty(package, &entry.1))
            }
            Type::Chan(direction, element) => {
                let element = self.ty(package, element);
                match direction {
                    ChanDir::Both => format!("chan ({element})"),
                    ChanDir::Send => format!("chan<- ({element})"),
                    ChanDir::Receive => format!("<-chan ({element})"),
                }
            }
            Type::Func(signature) => format!("func{}", self.signature(package, signature)),
            Type::Struct(structure) => self.structure(package, structure),
            Type::Interface(interface) => self.interface(package, interface),
            Type::TypeParam(owner, index) => self.param_name(*owner, *index),
        }
    }

    fn named(&mut self, package: PackageId, id: ObjectId) -> String {
        match id {
            ObjectId::ERROR => return "error".to_owned(),
            ObjectId::COMPARABLE => return "comparable".to_owned(),
            _ => self.need(id),
        }
        let name = self.program.object(id).name;
        if id.package == package {
            return name.to_string();
        }
        self.texts.entry(package).or_default().imports.insert(id.package);
        format!("{}.{name}", import_name(id.package))
    }

    fn signature(&mut self, package: PackageId, signature: &Signature) -> String {
        let last = signature.params.len().saturating_sub(1);
        let mut params = Vec::with_capacity(signature.params.len());
        for (position, param) in signature.params.iter().enumerate() {
            params.push(match &param.ty {
                Type::Slice(element) if signature.variadic && position == last => {
                    format!("...{}", self.ty(package, element))
                }
                ty => self.ty(package, ty),
            });
        }
        let results: Vec<String> =
            signature.results.iter().map(|result| self.ty(package, &result.ty)).collect();
        match results.as_slice() {
            [] => format!("({})", params.join(", ")),
            results => format!("({}) ({})", params.join(", "), results.join(", ")),
        }
    }

    fn structure(&mut self, package: PackageId, structure: &StructType) -> String {
        let visible = |field: &&Field| field.embedded || field.name.is_exported();
        let fields: Vec<String> = structure
            .fields
            .iter()
            .filter(visible)
            .map(|field| {
                let ty = self.ty(package, &field.ty);
                if field.embedded { ty } else { format!("{} {ty}", field.name) }
            })
            .collect();
        format!("struct{{{}}}", fields.join("; "))
    }

    fn interface(&mut self, package: PackageId, interface: &InterfaceType) -> String {
        let mut parts = Vec::new();
        for method in &interface.methods {
            parts.push(format!("{}{}", method.name, self.signature(package, &method.signature)));
        }
        for Union { terms } in &interface.embedded {
            let terms: Vec<String> = terms
                .iter()
                .map(|(tilde, ty)| format!("{}{}", if *tilde { "~" } else { "" }, self.ty(package, ty)))
                .collect();
            parts.push(terms.join(" | "));
        }
        format!("interface{{{}}}", parts.join("; "))
    }

    fn finish(self) -> String {
        let mut archive = String::new();
        for (id, text) in self.texts {
            let package = self.program.package(id);
            let _ = writeln!(archive, "-- src/{}/summary.go --\npackage {}", package.path, package.name);
            if text.lines.iter().any(|line| line.contains("unsafe.Pointer")) {
                archive.push_str("import \"unsafe\"\n");
            }
            for import in text.imports {
                let path = self.program.package(import).path;
                let _ = writeln!(archive, "import {} \"{path}\"", import_name(import));
            }
            for line in text.lines {
                archive.push_str(&line);
                archive.push('\n');
            }
        }
        archive
    }
}

fn import_name(package: PackageId) -> String {
    format!("_p{}", package.0)
}
