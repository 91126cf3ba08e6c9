//! All packages of the Go toolchain's sources, with their tests: every body is resolved, nearly nothing is unknown, and
//! the time that it takes is printed. Run it with `--release --nocapture` to see figures that mean something.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raceguard_analyzer::source::{BuildContext, Environment, FileSystem, LoadOptions, load};
use raceguard_analyzer::syntax::ast::{Arena, Body, ExprId, ExprKind};
use raceguard_analyzer::syntax::{LineIndex, parse_body};
use raceguard_analyzer::types::{BodyInfo, Callee, FuncId, LoadedProgram, Mode, Program, resolve_body};
use rayon::prelude::*;

/// Expressions that have no type of their own or that we have no type for, at most, of a million.
const MOST_UNKNOWN: u64 = 2_000;

/// Calls of which we can't say what they call, at most, of a million.
const MOST_UNKNOWN_CALLS: u64 = 200;

fn goroot() -> PathBuf {
    let output = Command::new("go").args(["env", "GOROOT"]).output().expect("these tests need Go on PATH");
    PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim())
}

#[derive(Default)]
struct Counts {
    bodies: AtomicU64,
    exprs: AtomicU64,
    unknown: AtomicU64,
    calls: AtomicU64,
    unknown_calls: AtomicU64,
    parse_nanos: AtomicU64,
    resolve_nanos: AtomicU64,
}

impl Counts {
    fn count(&self, arena: &Arena, info: &BodyInfo) {
        let (mut unknown, mut calls, mut unknown_calls) = (0, 0, 0);
        for (expr, index) in arena.exprs.iter().zip(0..) {
            let id = ExprId(index);
            let known = info.mode(id) != Mode::Unknown || !info.type_of(id).is_unknown();
            let blank = matches!(expr.kind, ExprKind::Name(name) if name.is_blank());
            unknown += u64::from(!known && !blank);
            if matches!(expr.kind, ExprKind::Call(_)) {
                calls += 1;
                unknown_calls += u64::from(matches!(info.callee(arena, id), Callee::Unknown));
            }
        }
        self.bodies.fetch_add(1, Ordering::Relaxed);
        self.exprs.fetch_add(arena.exprs.len() as u64, Ordering::Relaxed);
        self.unknown.fetch_add(unknown, Ordering::Relaxed);
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.unknown_calls.fetch_add(unknown_calls, Ordering::Relaxed);
    }
}

fn resolve(program: &Program, func: FuncId, counts: &Counts) {
    let Body::Skipped(span) = program.function_declaration(func).body else { return };
    let file = program.file_of(program.function(func));
    let start = Instant::now();
    let body = parse_body(&file.source, span);
    let parsed = Instant::now();
    let info = resolve_body(program, func, &body.arena, &body.block);
    add(&counts.resolve_nanos, parsed.elapsed());
    add(&counts.parse_nanos, parsed - start);
    counts.count(&body.arena, &info);
}

fn add(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[test]
fn the_toolchains_own_sources_are_known() {
    let root = goroot();
    let environment = Environment { goroot: Some(root.clone()), ..Environment::new(root.join("src")) };
    let patterns = ["std".to_owned(), "cmd".to_owned()];
    let build = BuildContext::new("linux", "amd64");
    let start = Instant::now();
    let loaded = load(&FileSystem, &environment, &build, &patterns, &LoadOptions::default(), &mut |_| ());
    let read = start.elapsed();
    let start = Instant::now();
    let LoadedProgram { program, syntax_errors, .. } = LoadedProgram::new(&loaded);
    let declared = start.elapsed();
    assert!(syntax_errors.is_empty(), "{syntax_errors:?}");

    let counts = Counts::default();
    let start = Instant::now();
    let functions: Vec<FuncId> = (0..).take(program.function_count()).map(FuncId).collect();
    functions.par_iter().with_min_len(16).for_each(|func| resolve(&program, *func, &counts));
    let resolved = start.elapsed();

    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    // In parts of a million, as whole numbers.
    let share = |part: &AtomicU64, whole: &AtomicU64| of(part) * 1_000_000 / of(whole);
    let files = program.packages().iter().flat_map(|package| &package.files);
    let lines: u32 = files.map(|file| LineIndex::new(&file.source).line_count()).sum();
    println!(
        "{} packages, {lines} lines, {} bodies, {} expressions",
        program.packages().len(),
        of(&counts.bodies),
        of(&counts.exprs)
    );
    println!(
        "load {read:?}, declarations {declared:?}, bodies {resolved:?} (sum over threads: parse {:?}, resolve {:?})",
        Duration::from_nanos(of(&counts.parse_nanos)),
        Duration::from_nanos(of(&counts.resolve_nanos))
    );
    println!(
        "unknown: of a million expressions {}, of a million calls {}",
        share(&counts.unknown, &counts.exprs),
        share(&counts.unknown_calls, &counts.calls)
    );
    assert!(of(&counts.bodies) > 30_000, "too few bodies");
    assert!(share(&counts.unknown, &counts.exprs) < MOST_UNKNOWN);
    assert!(share(&counts.unknown_calls, &counts.calls) < MOST_UNKNOWN_CALLS);
}
