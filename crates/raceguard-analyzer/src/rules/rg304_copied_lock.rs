//! RG304: a mutex is copied.

use super::fields::is_named;
use super::{BodyContext, Rule};
use crate::finding::{Finding, Severity};
use crate::syntax::ast::{ExprId, ExprKind, StmtKind};
use crate::syntax::span::Span;
use crate::types::{Callee, Entity, LocalId, Mode, Program, Selection, Type};

/// `RG304`
pub const RULE: Rule = Rule {
    code: "RG304",
    name: "copied-lock",
    summary: "A lock, or a struct that holds one, is copied",
    severity: Severity::Error,
    what: "Reports values that hold a `sync.Mutex`, `RWMutex`, `WaitGroup`, `Once`, `Cond`, `Pool`, `Map` or a type of \
           sync/atomic, where they are copied: as a value receiver or parameter, by an assignment, a `range`, a \
           `return` or as an argument.",
    why: "The copy is another lock. Whoever locks it excludes nobody who uses the original, while maps and pointers in \
          the struct are still shared. A copy of a locked mutex can never be unlocked.",
    bad: r#"package counter

import "sync"

type Counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c Counter) Add(name string) { // want RG304 "Counter"
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}
"#,
    good: r#"package counter

import "sync"

type Counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *Counter) Add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}
"#,
    remedy: "Pass and store pointers to such structs; range over indexes. Where a copy of the data is wanted, copy its \
             fields and leave the lock out.",
    limits: "Copies by reflection and inside the standard library are not seen. A new value (a literal, the result of \
             a call) may be assigned and is not reported; neither is a copy for which `//nolint:govet` silences vet. An \
             assignment that copies an atomic is a warning.",
    fixable: false,
};

/// Types that must not be copied, by package.
const LOCKS: &[(&str, &[&str])] = &[
    ("sync", &["Mutex", "RWMutex", "WaitGroup", "Once", "Cond", "Pool", "Map"]),
    ("sync/atomic", &["Bool", "Int32", "Int64", "Uint32", "Uint64", "Uintptr", "Pointer", "Value"]),
];

/// What is said of a copy by an assignment.
const ASSIGNED: &str = "is copied by an assignment";

/// How deep structs are looked into.
const MAX_DEPTH: u32 = 8;

/// Looks at parameters, and at all places where a value is copied from memory.
pub(super) fn check(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    parameters(context, findings);
    for (_, kind) in context.stmts() {
        match kind {
            StmtKind::Assign(assign) => {
                for (&lhs, &rhs) in assign.lhs.iter().zip(&assign.rhs) {
                    if context.input.info.entity(lhs) != Entity::Blank {
                        copied(context, rhs, ASSIGNED, findings);
                    }
                }
            }
            StmtKind::Return(values) => {
                for &value in values {
                    copied(context, value, "is copied by a return", findings);
                }
            }
            StmtKind::Range(range) => {
                let local = range.value.and_then(|value| context.input.info.definition(value));
                if let Some(local) = local {
                    variable(context, local, "is copied by a range loop", findings);
                }
            }
            _ => {}
        }
    }
    for (id, call) in context.calls() {
        let callee = context.input.info.callee(context.input.arena, id);
        if !matches!(callee, Callee::Builtin(_) | Callee::Conversion(_)) {
            for &argument in &call.args {
                copied(context, argument, "is copied into an argument", findings);
            }
        }
    }
}

fn parameters(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    let literals =
        context.exprs().filter(|(_, kind)| matches!(kind, ExprKind::FuncLit(_))).map(|(id, _)| Some(id));
    for function in std::iter::once(None).chain(literals) {
        let Some(locals) = context.input.info.function_locals(function) else { continue };
        for &local in locals.receiver.iter().chain(&locals.params) {
            let message = if locals.receiver == Some(local) {
                "is copied into the receiver"
            } else {
                "is copied into a parameter"
            };
            variable(context, local, message, findings);
        }
    }
}

fn variable(context: &BodyContext<'_>, local: LocalId, message: &str, findings: &mut Vec<Finding>) {
    let local = &context.input.info.locals[local.0 as usize];
    if let Some(lock) = lock_in(context.input.program, &local.ty, MAX_DEPTH)
        && !is_accepted(context, local.span)
    {
        findings.push(finding(context, local.span, &local.ty, &lock, message));
    }
}

/// Reports an expression that names memory which holds a lock. What a literal or a call gives is new.
fn copied(context: &BodyContext<'_>, expr: ExprId, message: &str, findings: &mut Vec<Finding>) {
    let expr = context.inner(expr);
    let info = context.input.info;
    let memory = match context.input.arena[expr].kind {
        ExprKind::Name(_) => matches!(info.entity(expr), Entity::Local(_) | Entity::Object(_)),
        ExprKind::Selector(..) => {
            matches!(info.selection(expr), Selection::Field(_) | Selection::Qualified(_))
        }
        // What a call points to is mostly new, as that of `Clone()`.
        ExprKind::Star(pointer) => {
            !matches!(context.input.arena[context.inner(pointer)].kind, ExprKind::Call(_))
        }
        ExprKind::Index(..) => true,
        _ => false,
    };
    if !memory || !matches!(info.mode(expr), Mode::Variable | Mode::MapIndex) {
        return;
    }
    let ty = info.type_of(expr);
    if let Some(lock) = lock_in(context.input.program, ty, MAX_DEPTH)
        && !is_accepted(context, context.span(expr))
    {
        findings.push(finding(context, context.span(expr), ty, &lock, message));
    }
}

/// Whether a comment on the line, or on the one before, silences vet's check for the same: `//nolint:govet`.
fn is_accepted(context: &BodyContext<'_>, span: Span) -> bool {
    let source = context.input.source;
    let at = span.start as usize;
    let end = source[at..].iter().position(|&byte| byte == b'\n').map_or(source.len(), |length| at + length);
    let mut lines = source[..end].rsplit(|&byte| byte == b'\n').take(2).map(String::from_utf8_lossy);
    lines.any(|line| {
        let silenced = line.split_once("nolint").map(|(_, linters)| linters.to_owned());
        silenced.is_some_and(|linters| ["govet", "copylocks"].iter().any(|name| linters.contains(name)))
    })
}

/// The lock that values of a type hold.
fn lock_in(program: &Program, ty: &Type, depth: u32) -> Option<String> {
    if depth == 0 {
        return None;
    }
    for (package, names) in LOCKS {
        if let Some(name) = names.iter().find(|name| is_named(program, ty, package, name)) {
            return Some(format!("{}.{name}", package.rsplit('/').next().unwrap_or(package)));
        }
    }
    if !matches!(ty, Type::Named(..) | Type::Local(_) | Type::Struct(_) | Type::Array(..)) {
        return None;
    }
    match program.underlying_of(ty).as_ref() {
        Type::Struct(structure) => {
            structure.fields.iter().find_map(|field| lock_in(program, &field.ty, depth - 1))
        }
        Type::Array(element, _) => lock_in(program, element, depth - 1),
        _ => None,
    }
}

fn finding(context: &BodyContext<'_>, span: Span, ty: &Type, lock: &str, message: &str) -> Finding {
    let name = context.input.program.display(ty).to_string();
    let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
    let subject = if name == lock { lock.to_owned() } else { format!("{name}, which holds a {lock},") };
    // A copied atomic excludes nobody to begin with: what an assignment can lose is one update.
    let assigned = message == ASSIGNED && lock.starts_with("atomic.");
    Finding {
        rule: &RULE,
        severity: if assigned { Severity::Warning } else { RULE.severity },
        subject: format!("lock in {name}"),
        message: format!("{subject} {message}"),
        sites: vec![context.site(span, "copy")],
        reasons: Vec::new(),
        remedy: "use a pointer".to_owned(),
        fix: None,
    }
}
