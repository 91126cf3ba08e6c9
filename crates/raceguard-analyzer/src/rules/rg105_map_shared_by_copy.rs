//! RG105: the copy of a struct shares its maps with the original.

pub(super) mod returned;
pub(super) mod used_outside;

use super::{BodyContext, Rule};
use crate::finding::{Finding, Severity};
use crate::syntax::ast::{AssignOp, AssignStmt, ExprId, ExprKind, StmtKind};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{Builtin, Callee, Entity, LocalId, Selection, Type};

/// `RG105`
pub const RULE: Rule = Rule {
    code: "RG105",
    name: "map-shared-by-copy",
    summary: "A struct is copied, and a map that both copies share is changed",
    severity: Severity::Warning,
    what: "Reports a function that copies a struct from somewhere else (`copy := *original`, a field, a package-level \
           variable, a value receiver) and then changes a map of the copy in place, without giving the copy a map of \
           its own; a function that takes a lock and returns a struct by value, one of whose maps is changed under \
           a lock elsewhere; and one that copies such a struct under the lock and uses the map without it.",
    why: "Assigning a struct copies the reference, not the map. The change shows up in the original, which other \
          goroutines may be reading under a lock that the copy knows nothing of.",
    bad: r#"package config

type Config struct {
	Name   string
	Labels map[string]string
}

func (c *Config) WithLabel(key, value string) *Config {
	derived := *c
	derived.Labels[key] = value // want RG105 "derived.Labels"
	return &derived
}
"#,
    good: r#"package config

import "maps"

type Config struct {
	Name   string
	Labels map[string]string
}

func (c *Config) WithLabel(key, value string) *Config {
	derived := *c
	derived.Labels = maps.Clone(c.Labels)
	derived.Labels[key] = value
	return &derived
}
"#,
    remedy: "Give the copy its own map before changing it: `derived.Labels = maps.Clone(original.Labels)`.",
    limits: "Only copies and changes in the same function are seen, not those through helpers, and not maps that lie \
             deeper than one pointer.",
    fixable: false,
};

/// Looks for struct variables that begin as a copy, and for changes of their maps.
pub(super) fn check(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    for (copied, assign) in context.assignments() {
        if assign.op != AssignOp::Define || assign.lhs.len() != assign.rhs.len() {
            continue;
        }
        for (&lhs, &rhs) in assign.lhs.iter().zip(&assign.rhs) {
            let Some(local) = context.input.info.definition(lhs).filter(|_| is_copy(context, rhs)) else {
                continue;
            };
            if let Some((change, field)) = changed_map(context, local) {
                findings.push(finding(context, local, copied, change, field));
            }
        }
    }
}

/// Whether an expression is a struct that lies elsewhere.
fn is_copy(context: &BodyContext<'_>, expr: ExprId) -> bool {
    let expr = context.inner(expr);
    let elsewhere = match context.input.arena[expr].kind {
        ExprKind::Star(_) => true,
        ExprKind::Selector(..) => {
            matches!(
                context.input.info.selection(expr),
                Selection::Field(steps) if steps.iter().any(|step| step.deref)
            ) || matches!(context.input.info.selection(expr), Selection::Qualified(_))
        }
        ExprKind::Name(_) => matches!(context.input.info.entity(expr), Entity::Object(_)),
        _ => false,
    };
    elsewhere && matches!(context.input.program.underlying(context.input.info.type_of(expr)), Type::Struct(_))
}

/// The first change of a map in a field of a variable, if neither the field nor the variable is given another value.
fn changed_map(context: &BodyContext<'_>, local: LocalId) -> Option<(Span, Name)> {
    let mut change: Option<(Span, Name)> = None;
    let mut note = |span: Span, field: Name| {
        if change.is_none_or(|(known, _)| span.start < known.start) {
            change = Some((span, field));
        }
    };
    for (span, kind) in context.stmts() {
        let targets: &[ExprId] = match kind {
            StmtKind::Assign(assign) => &assign.lhs,
            StmtKind::IncDec(operand, _) => std::slice::from_ref(operand),
            _ => continue,
        };
        for &target in targets {
            if let ExprKind::Index(operand, _) = context.input.arena[context.inner(target)].kind
                && let Some(field) = map_field(context, operand, local)
            {
                note(span, field);
            }
        }
    }
    for (id, call) in context.calls() {
        if let (Callee::Builtin(Builtin::Delete), [map, _]) =
            (context.input.info.callee(context.input.arena, id), call.args.as_slice())
            && let Some(field) = map_field(context, *map, local)
        {
            note(context.span(id), field);
        }
    }
    let (_, field) = change?;
    let replaced = context.assignments().any(|(_, assign)| replaces(context, assign, local, field));
    if replaced { None } else { change }
}

/// The field of the variable that a map expression is.
fn map_field(context: &BodyContext<'_>, map: ExprId, local: LocalId) -> Option<Name> {
    let map = context.inner(map);
    let ExprKind::Selector(operand, name) = &context.input.arena[map].kind else { return None };
    let is_map = matches!(context.input.program.underlying(context.input.info.type_of(map)), Type::Map(_));
    let direct = matches!(context.input.info.selection(map), Selection::Field(steps) if steps.iter().all(|step| !step.deref));
    (is_map && direct && context.local(*operand) == Some(local)).then_some(name.name)
}

fn replaces(context: &BodyContext<'_>, assign: &AssignStmt, local: LocalId, field: Name) -> bool {
    assign.lhs.iter().any(|&lhs| {
        let whole = assign.op != AssignOp::Define && context.local(lhs) == Some(local);
        whole || map_field(context, lhs, local) == Some(field)
    })
}

fn finding(context: &BodyContext<'_>, local: LocalId, copied: Span, change: Span, field: Name) -> Finding {
    let name = context.input.info.locals[local.0 as usize].name;
    let mut site = context.site(change, "write");
    site.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map {name}.{field}"),
        message: format!(
            "{name} is a copy, but the map {name}.{field} that is changed is that of the original"
        ),
        sites: vec![site, context.site(copied, "copy")],
        reasons: vec![context.wording().reason("the struct is copied here, its maps are not", copied)],
        remedy: format!("give the copy a map of its own before: {name}.{field} = maps.Clone({name}.{field})"),
        fix: None,
    }
}
