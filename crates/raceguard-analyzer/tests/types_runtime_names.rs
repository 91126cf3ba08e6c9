//! Our names of functions and closures against those in the stack traces of a running program.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use std::collections::BTreeMap;
use std::process::Command;

use fixture::{program_of, resolve};
use raceguard_analyzer::syntax::LineIndex;
use raceguard_analyzer::syntax::ast::{Arena, Body, ExprId, ExprKind};
use raceguard_analyzer::syntax::name::Name;
use raceguard_analyzer::syntax::span::Span;
use raceguard_analyzer::types::{ObjectKind, closure_names};

const SOURCE: &str = include_str!("data/runtime_names/main.go");

/// Adds the line and the innermost function of each call of `here`.
fn add_calls(arena: &Arena, outer: &str, within: Span, names: &mut BTreeMap<u32, Vec<String>>) {
    let lines = LineIndex::new(SOURCE.as_bytes());
    let closures = closure_names(outer, arena, within);
    for expr in &arena.exprs {
        let ExprKind::Call(call) = &expr.kind else { continue };
        let is_here = matches!(arena[call.fun].kind, ExprKind::Name(name) if name == Name::new("here"));
        let is_within = within.start <= expr.span.start && expr.span.end <= within.end;
        if !(is_here && is_within) {
            continue;
        }
        let around = closures.iter().filter(|(literal, _)| arena[**literal].span.contains(expr.span.start));
        let innermost = around.min_by_key(|(literal, _): &(&ExprId, _)| {
            let span = arena[**literal].span;
            span.end - span.start
        });
        let name = innermost.map_or(outer, |(_, name)| name);
        names.entry(lines.line(expr.span.start)).or_default().push(name.to_owned());
    }
}

#[test]
fn names_are_those_of_the_runtime() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/runtime_names/main.go");
    let output = Command::new("go")
        .args(["run", "-gcflags=-l", file])
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .output()
        .expect("these tests need Go on PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");

    let program = program_of(&[("command-line-arguments", SOURCE)]);
    let package = &program.packages()[0];
    let mut names = BTreeMap::new();
    for object in package.objects() {
        if let Some(func) = object.func()
            && let Body::Skipped(span) = program.function_declaration(func).body
        {
            add_calls(&resolve(&program, func).arena, &program.runtime_name(func), span, &mut names);
        }
    }
    let whole = Span::new(0, u32::try_from(SOURCE.len()).expect("a small file"));
    add_calls(&package.files[0].syntax.arena, "main.init", whole, &mut names);

    let mut compared = 0;
    for line in text.lines() {
        let (line, name) = line.split_once(' ').expect("a line and a name");
        let ours = names.get(&line.parse().expect("a number")).expect("a call on this line");
        assert!(ours.iter().any(|ours| ours == name), "line {line}: {ours:?}, not {name}");
        compared += 1;
    }
    assert_eq!(compared, 16, "{text}");
    assert!(package.objects().iter().any(|object| matches!(object.kind, ObjectKind::Method { .. })));
}
