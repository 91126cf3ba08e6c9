//! The bundled summary of the standard library: it says what the sources say, and serves where there is no Go.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use raceguard_analyzer::source::{
    BuildContext, Environment, FileSystem, Goroot, LoadOptions, Loaded, MemoryTree, SourceTree, load,
};
use raceguard_analyzer::types::standard_library::{WithStandardLibrary, summary};
use raceguard_analyzer::types::{LoadedProgram, ObjectId, ObjectKind, PackageId, Program, Type};

/// Exported declarations, fields and methods that must have the type that the sources give them, of a million. Less
/// than all, since the Go on PATH may be another release than the summary.
const LEAST_AGREEMENT: usize = 970_000;

fn loaded(tree: &dyn SourceTree, environment: &Environment, pattern: &str) -> Loaded {
    let options = LoadOptions { tests: false, ..LoadOptions::default() };
    let build = BuildContext::new("linux", "amd64");
    load(tree, environment, &build, &[pattern.to_owned()], &options, &mut |_| ())
}

/// The types of all that importers can see of public packages, by name.
fn visible(program: &Program) -> BTreeMap<String, String> {
    let mut types = BTreeMap::new();
    for (package, id) in program.packages().iter().zip(0..) {
        let path = package.path.as_str();
        if path.split('/').any(|part| matches!(part, "internal" | "vendor")) {
            continue;
        }
        for (object, index) in package.objects().iter().zip(0..) {
            let object_id = ObjectId { package: PackageId(id), index };
            let is_method = matches!(object.kind, ObjectKind::Method { .. });
            if !object.name.is_exported() || is_method {
                continue;
            }
            let name = format!("{path}.{}", object.name);
            let ty = program.object_type(object_id);
            types.insert(name.clone(), program.display(&ty).to_string());
            if matches!(object.kind, ObjectKind::Type { .. }) {
                add_members(program, &name, &ty, &mut types);
            }
        }
    }
    types
}

fn add_members(program: &Program, name: &str, ty: &Type, types: &mut BTreeMap<String, String>) {
    for method in program.methods(ty).iter().filter(|method| method.name.is_exported()) {
        let ty = program.object_type(program.function(method.func));
        types.insert(format!("{name}.{}", method.name), program.display(&ty).to_string());
    }
    match program.underlying(ty) {
        Type::Struct(structure) => {
            for field in structure.fields.iter().filter(|field| field.name.is_exported()) {
                types.insert(format!("{name}.{}", field.name), program.display(&field.ty).to_string());
            }
        }
        other => {
            types.insert(format!("{name} underlying"), program.display(&other).to_string());
        }
    }
}

fn goroot() -> PathBuf {
    let output = Command::new("go").args(["env", "GOROOT"]).output().expect("these tests need Go on PATH");
    PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim())
}

#[test]
fn the_summary_says_what_the_sources_say() {
    let root = goroot();
    let environment = Environment { goroot: Some(root.clone()), ..Environment::new(root.join("src")) };
    let sources = loaded(&FileSystem, &environment, "std");
    let sources = visible(&LoadedProgram::new(&sources).program);

    let empty = MemoryTree::new();
    let tree = WithStandardLibrary::new(&empty);
    let inside = format!("{}/src", WithStandardLibrary::GOROOT);
    let environment =
        Environment { goroot: Some(WithStandardLibrary::GOROOT.into()), ..Environment::new(inside) };
    let bundled = loaded(&tree, &environment, "std");
    let program = LoadedProgram::new(&bundled);
    assert!(program.syntax_errors.is_empty(), "{:?}", program.syntax_errors);
    let bundled = visible(&program.program);

    let agrees = |name: &String, ty: &String| bundled.get(name) == Some(ty);
    let different: Vec<String> = sources
        .iter()
        .filter(|(name, ty)| !agrees(name, ty))
        .map(|(name, ty)| format!("{name} is {ty}, not {:?}", bundled.get(name)))
        .collect();
    println!("{} of {} differ: {different:#?}", different.len(), sources.len());
    assert!(sources.len() > 10_000, "only {} compared", sources.len());
    assert!((sources.len() - different.len()) * 1_000_000 / sources.len() >= LEAST_AGREEMENT);
    assert!(!bundled.values().any(|ty| ty == "?"), "something is unknown");
}

/// A module that uses the standard library, for which there is only the summary.
const WITHOUT_GO: &str = r#"
-- go.mod --
module m
go 1.26
-- main.go --
package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type cache struct {
	sync.RWMutex
	items map[string]time.Time
	seen  atomic.Pointer[map[string]int]
	once  sync.Map
}

func handle(w http.ResponseWriter, r *http.Request, q url.Values, c *cache, ctx context.Context, t *testing.T) {
	c.RLock()
	defer c.RUnlock()
	_ = r.Header["X"]
	_ = r.URL.Query()
	_ = c.items["k"].Add(time.Second)
	_ = slices.Sorted(maps.Keys(c.items))
	_ = *c.seen.Load()
	v, ok := c.once.Load("k")
	_ = w.Header()
	_, _, _ = v, ok, q.Get("a")
	<-ctx.Done()
	t.Parallel()
	http.HandleFunc("/", nil)
}
"#;

#[test]
fn code_is_resolved_without_a_go_installation() {
    let disk = MemoryTree::new().with_txtar("/work", WITHOUT_GO);
    let mut environment = Environment::new("/work");
    assert_eq!(Goroot::find(&disk, &environment), None);
    let tree = WithStandardLibrary::new(&disk);
    environment.goroot = Some(WithStandardLibrary::GOROOT.into());
    let loaded = loaded(&tree, &environment, "./...");
    assert!(loaded.missing.is_empty(), "{:?}", loaded.missing);
    assert!(loaded.goroot.as_ref().is_some_and(|goroot| goroot.release.is_some()));
    let LoadedProgram { program, .. } = LoadedProgram::new(&loaded);
    let main = program.packages().iter().position(|package| package.path.as_str() == "m").expect("m");
    let main = PackageId(u32::try_from(main).expect("few packages"));
    let handle = program.lookup(main, raceguard_analyzer::syntax::name::Name::new("handle")).expect("handle");
    let body = fixture::resolve(&program, program.func_of(handle).expect("a function"));
    let source = &program.file_of(handle).source;
    let ty = |text: &str| {
        let place =
            body.arena.exprs.iter().position(|expr| {
                &source[expr.span.start as usize..expr.span.end as usize] == text.as_bytes()
            });
        let id = raceguard_analyzer::syntax::ast::ExprId(
            u32::try_from(place.unwrap_or_else(|| panic!("no {text}"))).expect("small"),
        );
        program.display(body.info.type_of(id)).to_string()
    };
    for (text, expected) in [
        ("c.RLock", "func()"),
        ("r.Header", "net/http.Header"),
        ("r.Header[\"X\"]", "[]string"),
        ("r.URL.Query()", "net/url.Values"),
        ("c.items[\"k\"].Add(time.Second)", "time.Time"),
        ("slices.Sorted(maps.Keys(c.items))", "[]string"),
        ("*c.seen.Load()", "map[string]int"),
        ("v", "any"),
        ("ok", "bool"),
        ("w.Header()", "net/http.Header"),
        ("q.Get(\"a\")", "string"),
        ("<-ctx.Done()", "struct{}"),
        ("t.Parallel", "func()"),
        ("http.HandleFunc", "func(string, func(net/http.ResponseWriter, *net/http.Request))"),
    ] {
        assert_eq!(ty(text), expected, "{text}");
    }
}

#[test]
fn the_summary_is_small_and_can_be_read() {
    let text = summary();
    assert!(text.starts_with("-- VERSION --\ngo1."), "{}", &text[..text.len().min(80)]);
    assert!(text.contains("\n-- src/net/http/summary.go --\npackage http\n"));
    let compressed = concat!(env!("CARGO_MANIFEST_DIR"), "/data/std-summary.zlib");
    assert!(std::fs::metadata(compressed).expect("the summary").len() < 1 << 20);
}
