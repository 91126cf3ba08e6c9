//! Our resolution against go/types, expression by expression, over packages of the standard library.

#[path = "types_support/reference.rs"]
mod reference;

use std::collections::{BTreeMap, HashMap};

use raceguard_analyzer::syntax::ast::{Arena, Body, ExprId, ExprKind};
use raceguard_analyzer::syntax::{LineIndex, parse_body};
use raceguard_analyzer::types::{
    BodyInfo, Callee, FuncId, Mode, ObjectKind, PackageId, Program, Type, resolve_body, resolve_initialisers,
};
use reference::{Fact, ReferencePackage};

const PACKAGES: [&str; 18] = [
    "sync",
    "net/http",
    "encoding/json",
    "go/types",
    "slices",
    "maps",
    "context",
    "text/template",
    "database/sql",
    "runtime/pprof",
    "os",
    "bufio",
    "iter",
    "sync/atomic",
    "reflect",
    "log/slog",
    "math/big",
    "runtime",
];

/// Expressions of bodies and initial values on which both must agree, at least.
const LEAST_AGREEMENT: f64 = 0.997;

/// Calls whose callee must be the same, at least.
const LEAST_CALL_AGREEMENT: f64 = 0.9999;

/// What we know of the expressions of a package, by file and place.
#[derive(Default)]
struct Ours {
    types: HashMap<(u32, u32, u32), (Mode, Type)>,
    calls: HashMap<(u32, u32, u32), (&'static str, String)>,
}

impl Ours {
    fn add(&mut self, program: &Program, file: u32, arena: &Arena, info: &BodyInfo) {
        for local in &info.locals {
            self.types.insert((file, local.span.start, local.span.end), (Mode::Variable, local.ty.clone()));
        }
        for (expr, index) in arena.exprs.iter().zip(0..) {
            let id = ExprId(index);
            let place = (file, expr.span.start, expr.span.end);
            if matches!(expr.kind, ExprKind::Call(_)) {
                self.calls.insert(place, callee(program, info.callee(arena, id)));
            }
            if !info.type_of(id).is_unknown() || info.mode(id) != Mode::Unknown {
                self.types.insert(place, (info.mode(id), info.type_of(id).clone()));
            }
        }
    }
}

fn callee(program: &Program, callee: Callee<'_>) -> (&'static str, String) {
    match callee {
        Callee::Function(func) | Callee::Method(func, _) => ("static", full_name(program, func)),
        Callee::Interface { name, .. } => ("interface", name.to_string()),
        Callee::Unknown | Callee::UnknownMember(..) => ("unknown", String::new()),
        _ => ("other", String::new()),
    }
}

/// A function's name as go/types writes it.
fn full_name(program: &Program, func: FuncId) -> String {
    let id = program.function(func);
    let object = program.object(id);
    let path = program.package(id.package).path;
    match object.kind {
        ObjectKind::Method { receiver: Some(receiver), pointer, .. } => {
            let star = if pointer { "*" } else { "" };
            format!("({star}{path}.{}).{}", program.object(receiver).name, object.name)
        }
        _ => format!("{path}.{}", object.name),
    }
}

fn resolve(program: &Program, package: PackageId) -> Ours {
    let mut ours = Ours::default();
    let declared = program.package(package);
    for (file, index) in declared.files.iter().zip(0..) {
        let info = resolve_initialisers(program, package, index);
        ours.add(program, index, &file.syntax.arena, &info);
    }
    for object in declared.objects() {
        let Some(func) = object.func() else { continue };
        let Body::Skipped(span) = program.function_declaration(func).body else { continue };
        let file = &declared.files[object.file as usize];
        let body = parse_body(&file.source, span);
        assert!(body.errors.is_empty(), "{:?}", body.errors);
        let info = resolve_body(program, func, &body.arena, &body.block);
        ours.add(program, object.file, &body.arena, &info);
    }
    ours
}

/// Numbers of a comparison, and examples of differences by what they have in common.
#[derive(Default)]
struct Tally {
    total: u32,
    equal: u32,
    unknown: u32,
    maps: Vec<String>,
    examples: BTreeMap<String, (u32, Vec<String>)>,
}

impl Tally {
    fn differ(&mut self, group: String, example: String) {
        let entry = self.examples.entry(group).or_default();
        entry.0 += 1;
        if entry.1.len() < 2 {
            entry.1.push(example);
        }
    }

    fn agreement(&self) -> f64 {
        f64::from(self.equal) / f64::from(self.total.max(1))
    }

    fn print(&self, what: &str) {
        println!(
            "{what}: {} of {} equal ({:.3} %), {} unknown to us",
            self.equal,
            self.total,
            100.0 * self.agreement(),
            self.unknown
        );
        let mut groups: Vec<_> = self.examples.iter().collect();
        groups.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (group, (count, examples)) in groups.iter().take(25) {
            println!("  {count:6} {group}");
            for example in examples {
                println!("         {example}");
            }
        }
    }
}

fn place(package: &ReferencePackage, fact: &Fact) -> String {
    let name = &package.files[fact.file as usize];
    let source = std::fs::read(name).expect("a readable file");
    let line = LineIndex::new(&source).line(fact.start);
    let text = String::from_utf8_lossy(&source[fact.start as usize..fact.end as usize]);
    let text: String = text.chars().take(50).collect();
    format!("{name}:{line}: `{}`", text.replace('\n', " "))
}

fn compare_types(program: &Program, package: &ReferencePackage, ours: &Ours, tally: &mut Tally) {
    for fact in &package.exprs {
        tally.total += 1;
        let known = ours.types.get(&(fact.file, fact.start, fact.end));
        let text = match known {
            Some((Mode::NoValue, _)) => "()".to_owned(),
            Some((_, ty)) => program.display(ty).to_string(),
            None => "nothing".to_owned(),
        };
        let is_type = known.is_some_and(|(mode, _)| *mode == Mode::Type);
        if text == fact.text && is_type == (fact.kind == "type") {
            tally.equal += 1;
            continue;
        }
        let example = format!("{} is {}, not {text}", place(package, fact), fact.text);
        let unknown = known.is_none_or(|(_, ty)| ty.is_unknown());
        if unknown {
            tally.unknown += 1;
        }
        let is_map = known.is_some_and(|(_, ty)| matches!(ty, Type::Map(_)));
        if is_map || (fact.text.starts_with("map[") && !unknown) {
            tally.maps.push(example.clone());
        }
        let group =
            format!("{} {} / {}", fact.kind, shape(&fact.text), if unknown { "?" } else { shape(&text) });
        tally.differ(group, example);
    }
}

fn shape(text: &str) -> &str {
    let end = text.find(['[', '(', '.', '{']).unwrap_or(text.len());
    &text[..end.max(1).min(text.len())]
}

fn compare_calls(package: &ReferencePackage, ours: &Ours, tally: &mut Tally) {
    for fact in &package.calls {
        tally.total += 1;
        let unknown = ("unknown", String::new());
        let (kind, name) = ours.calls.get(&(fact.file, fact.start, fact.end)).unwrap_or(&unknown);
        if *kind == fact.kind && *name == fact.text {
            tally.equal += 1;
            continue;
        }
        if *kind == "unknown" {
            tally.unknown += 1;
        }
        let example = format!("{} calls {}, not {name}", place(package, fact), fact.text);
        tally.differ(format!("{} / {kind}", fact.kind), example);
    }
}

#[test]
fn types_and_callees_are_those_of_go_types() {
    let packages = reference::reference(&PACKAGES);
    let program = reference::program(&packages);
    let (mut types, mut calls) = (Tally::default(), Tally::default());
    for (package, id) in packages.iter().zip(0..) {
        if package.exprs.is_empty() {
            continue;
        }
        let ours = resolve(&program, PackageId(id));
        compare_types(&program, package, &ours, &mut types);
        compare_calls(package, &ours, &mut calls);
    }
    types.print("types");
    calls.print("callees");
    for example in &types.maps {
        println!("map: {example}");
    }
    assert!(types.total > 100_000, "too few expressions compared: {}", types.total);
    assert!(types.agreement() >= LEAST_AGREEMENT, "types agree on {:.4}", types.agreement());
    assert!(calls.agreement() >= LEAST_CALL_AGREEMENT, "callees agree on {:.4}", calls.agreement());
    assert!(types.maps.is_empty(), "map types differ: {:#?}", types.maps);
}
