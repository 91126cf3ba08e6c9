//! Go sources with expectations in their comments.
//!
//! `// type x + 1 = int` says that on its line an expression with this text has this type; `// call f(x) = m.F` that
//! the call reaches this function: `m.F`, `(*m.T).M`, `interface M`, `dynamic`, `literal`, `builtin len`,
//! `conversion T`, `unknown`. Several are separated by ` | `.

use std::collections::HashMap;
use std::sync::Arc;

use raceguard_analyzer::syntax::ast::{Arena, Block, Body, Expr, ExprId, ExprKind};
use raceguard_analyzer::syntax::name::Name;
use raceguard_analyzer::syntax::{LineIndex, Mode as ParseMode, parse_body, parse_file};
use raceguard_analyzer::types::{
    BodyInfo, Callee, FileInput, FuncId, Mode, ObjectId, ObjectKind, PackageId, PackageInput, Program, Role,
    resolve_body, resolve_initialisers,
};

/// A program of one file for each package; their import paths are those given. All must be valid.
pub(crate) fn program_of(sources: &[(&str, &str)]) -> Program {
    for (path, text) in sources {
        let parsed = parse_file(text.as_bytes(), ParseMode { bodies: true, comments: false });
        assert!(parsed.errors.is_empty(), "{path}: {:?}", parsed.errors);
    }
    program_of_any(sources)
}

/// A program of one file for each package, valid or not.
pub(crate) fn program_of_any(sources: &[(&str, &str)]) -> Program {
    let ids: HashMap<&str, PackageId> =
        sources.iter().zip(0..).map(|((path, _), id)| (*path, PackageId(id))).collect();
    let inputs = sources.iter().map(|(path, text)| {
        let source: Arc<[u8]> = text.as_bytes().into();
        let parsed = parse_file(&source, ParseMode { bodies: false, comments: true });
        let imports = parsed.file.imports.iter().filter_map(|import| {
            let id = ids.get(import.path.as_str())?;
            Some((import.path, *id))
        });
        PackageInput {
            path: Name::new(path),
            name: parsed.file.package.name,
            imports: imports.collect(),
            files: vec![FileInput { source, syntax: parsed.file, language: (1, 26) }],
            role: Role::Root,
        }
    });
    Program::new(inputs.collect())
}

/// A body with what is known of it.
pub(crate) struct Resolved {
    /// Its expressions and statements.
    pub(crate) arena: Arena,
    /// Its statements.
    pub(crate) block: Block,
    /// What is known.
    pub(crate) info: BodyInfo,
}

/// Resolves the body of a function.
pub(crate) fn resolve(program: &Program, func: FuncId) -> Resolved {
    let Body::Skipped(span) = program.function_declaration(func).body else { panic!("no body") };
    let file = program.file_of(program.function(func));
    let body = parse_body(&file.source, span);
    let info = resolve_body(program, func, &body.arena, &body.block);
    Resolved { arena: body.arena, block: body.block, info }
}

/// Asks for everything that can be known, of all packages.
pub(crate) fn resolve_all(program: &Program) {
    for (package, id) in program.packages().iter().zip(0..) {
        let package_id = PackageId(id);
        for (_, file) in package.files.iter().zip(0..) {
            resolve_initialisers(program, package_id, file);
        }
        for (object, index) in package.objects().iter().zip(0..) {
            let object_id = ObjectId { package: package_id, index };
            let ty = program.object_type(object_id);
            assert!(!program.display(&ty).to_string().is_empty());
            program.methods(&ty);
            for method in program.interface_methods(&ty) {
                program.implementations(&ty, method.name);
            }
            if let Some(func) = object.func()
                && matches!(program.function_declaration(func).body, Body::Skipped(_))
            {
                resolve(program, func);
            }
        }
    }
}

/// The object with this name in the first package.
pub(crate) fn object(program: &Program, name: &str) -> ObjectId {
    program.lookup(PackageId(0), Name::new(name)).unwrap_or_else(|| panic!("no {name}"))
}

/// The body of the function with this name in the first package.
pub(crate) fn body_of(program: &Program, name: &str) -> Resolved {
    let ObjectKind::Func(func) = program.object(object(program, name)).kind else {
        panic!("{name} is no function")
    };
    resolve(program, func)
}

/// The first expression with this text in a body of the first package.
pub(crate) fn expr(program: &Program, body: &Resolved, text: &str) -> ExprId {
    let source = &program.package(PackageId(0)).files[0].source;
    let found = body.arena.exprs.iter().position(|expr| text_of(source, expr) == text);
    ExprId(u32::try_from(found.unwrap_or_else(|| panic!("no {text}"))).expect("a small arena"))
}

fn text_of<'s>(source: &'s [u8], expr: &Expr) -> &'s str {
    std::str::from_utf8(&source[expr.span.start as usize..expr.span.end as usize]).expect("UTF-8")
}

/// Checks all expectations of the sources, of which there must be some.
pub(crate) fn check(sources: &[(&str, &str)]) {
    let program = program_of(sources);
    let mut checked = 0;
    for (package, id) in program.packages().iter().zip(0..) {
        let mut facts = Facts::default();
        let file = &package.files[0];
        let initialisers = resolve_initialisers(&program, PackageId(id), 0);
        facts.add(&program, &file.source, &file.syntax.arena, &initialisers);
        for object in package.objects() {
            if let Some(func) = object.func()
                && matches!(program.function_declaration(func).body, Body::Skipped(_))
            {
                let body = resolve(&program, func);
                facts.add(&program, &file.source, &body.arena, &body.info);
            }
        }
        let text = std::str::from_utf8(&file.source).expect("UTF-8");
        for (line, number) in text.lines().zip(1..) {
            checked += check_line(line, number, &facts);
        }
    }
    assert!(checked > 0, "no expectations");
}

fn check_line(line: &str, number: u32, facts: &Facts) -> u32 {
    let Some((_, comment)) = line.split_once("// ") else { return 0 };
    let mut checked = 0;
    for expectation in comment.split(" | ") {
        let (table, rest) = match expectation.split_once(' ') {
            Some(("type", rest)) => (&facts.types, rest),
            Some(("call", rest)) => (&facts.calls, rest),
            _ => continue,
        };
        let (text, wanted) =
            rest.rsplit_once(" = ").unwrap_or_else(|| panic!("line {number}: {expectation}"));
        let found = table.get(&(number, text.trim().to_owned()));
        let found = found.unwrap_or_else(|| panic!("line {number}: no `{text}`"));
        assert!(
            found.iter().any(|found| found == wanted.trim()),
            "line {number}: `{text}` is {found:?}, not {wanted}"
        );
        checked += 1;
    }
    checked
}

/// What is known, by line and text of the expression.
#[derive(Default)]
struct Facts {
    types: HashMap<(u32, String), Vec<String>>,
    calls: HashMap<(u32, String), Vec<String>>,
}

impl Facts {
    fn add(&mut self, program: &Program, source: &[u8], arena: &Arena, info: &BodyInfo) {
        let lines = LineIndex::new(source);
        for (expr, index) in arena.exprs.iter().zip(0..) {
            let id = ExprId(index);
            let place = (line_of(&lines, expr.span.start), text_of(source, expr).to_owned());
            let ty = match info.mode(id) {
                Mode::NoValue => "nothing".to_owned(),
                Mode::Type => format!("type {}", program.display(info.type_of(id))),
                _ => program.display(info.type_of(id)).to_string(),
            };
            self.types.entry(place.clone()).or_default().push(ty);
            if matches!(expr.kind, ExprKind::Call(_)) {
                let callee = callee_text(program, info.callee(arena, id));
                self.calls.entry(place).or_default().push(callee);
            }
        }
        for local in &info.locals {
            let place = (line_of(&lines, local.span.start), local.name.to_string());
            self.types.entry(place).or_default().push(program.display(&local.ty).to_string());
        }
    }
}

fn line_of(lines: &LineIndex, offset: u32) -> u32 {
    lines.line(offset)
}

fn callee_text(program: &Program, callee: Callee<'_>) -> String {
    match callee {
        Callee::Unknown => "unknown".to_owned(),
        Callee::Function(func) | Callee::Method(func, _) => program.runtime_name(func),
        Callee::Interface { name, .. } => format!("interface {name}"),
        Callee::Literal(_) => "literal".to_owned(),
        Callee::Dynamic => "dynamic".to_owned(),
        Callee::Builtin(builtin) => format!("builtin {builtin:?}"),
        Callee::Conversion(ty) => format!("conversion {}", program.display(ty)),
        Callee::UnknownMember(_, name) => format!("unknown {name}"),
    }
}
