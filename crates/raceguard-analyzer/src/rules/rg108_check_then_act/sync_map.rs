//! `Load` and `Store` of a `sync.Map` where one decides on the other.

use super::RULE;
use crate::finding::Finding;
use crate::rules::BodyContext;
use crate::syntax::ast::{CallExpr, ExprId, ExprKind};
use crate::types::LocalId;

/// Looks for a value that is loaded, changed, and stored under the same key.
pub(in crate::rules) fn check(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    let loads = || method_calls(context, "Load");
    if loads().next().is_none() || takes_lock(context) {
        return;
    }
    for (store, map, call) in method_calls(context, "Store") {
        let [key, value] = call.args.as_slice() else { continue };
        let load = loads().find(|(load, loaded, call)| {
            let before = context.span(*load).start < context.span(store).start;
            let same = context.text(*loaded) == context.text(map)
                && call.args.first().is_some_and(|first| context.text(*first) == context.text(*key));
            let bodies = context.body_at(context.span(*load)) == context.body_at(context.span(store));
            before && same && bodies && made_from(context, *value, *load)
        });
        if let Some((load, ..)) = load {
            findings.push(finding(context, load, store, map));
        }
    }
}

/// Calls of a method of `sync.Map`: the call, the map.
fn method_calls<'a>(
    context: &BodyContext<'a>,
    method: &'static str,
) -> impl Iterator<Item = (ExprId, ExprId, &'a CallExpr)> {
    let context = *context;
    context.calls().filter_map(move |(id, call)| {
        let ExprKind::Selector(map, _) = context.input.arena[call.fun].kind else { return None };
        (context.called(id) == Some(("sync", "Map", method))).then_some((id, map, call))
    })
}

/// Whether the function takes a lock: then that may make the two one step.
fn takes_lock(context: &BodyContext<'_>) -> bool {
    context.calls().any(|(_, call)| {
        matches!(&context.input.arena[call.fun].kind, ExprKind::Selector(_, name) if name.name.as_str().ends_with("Lock"))
    })
}

/// Whether an expression computes a value from what a call gave: from variables that hold it, by an operator.
fn made_from(context: &BodyContext<'_>, value: ExprId, load: ExprId) -> bool {
    let mut known: Vec<LocalId> = Vec::new();
    let mut computed: Vec<LocalId> = Vec::new();
    for (_, assign) in context.assignments() {
        let from_load = assign.rhs.first().is_some_and(|&rhs| context.inner(rhs) == load);
        for (number, &lhs) in assign.lhs.iter().enumerate() {
            let Some(local) = context.assigned(assign, lhs) else { continue };
            let rhs = if assign.rhs.len() == assign.lhs.len() {
                assign.rhs.get(number)
            } else {
                assign.rhs.first()
            };
            let uses = rhs.is_some_and(|&rhs| names_any(context, rhs, &known));
            if from_load && number == 0 || uses {
                known.push(local);
            }
            if rhs.is_some_and(|&rhs| computes(context, rhs, &known)) {
                computed.push(local);
            }
        }
    }
    computes(context, value, &known) || context.local(value).is_some_and(|local| computed.contains(&local))
}

/// Whether an expression is an operator's result, or that of `append`, over one of the variables.
fn computes(context: &BodyContext<'_>, expr: ExprId, known: &[LocalId]) -> bool {
    let expr = context.inner(expr);
    let operator = match &context.input.arena[expr].kind {
        ExprKind::Binary(..) => true,
        ExprKind::Call(call) => context.text(call.fun) == "append",
        _ => false,
    };
    operator && names_any(context, expr, known)
}

/// Whether one of the variables occurs in an expression.
fn names_any(context: &BodyContext<'_>, expr: ExprId, known: &[LocalId]) -> bool {
    let outer = context.span(expr);
    context.exprs().any(|(id, kind)| {
        let span = context.span(id);
        matches!(kind, ExprKind::Name(_))
            && outer.start <= span.start
            && span.end <= outer.end
            && context.local(id).is_some_and(|local| known.contains(&local))
    })
}

fn finding(context: &BodyContext<'_>, load: ExprId, store: ExprId, map: ExprId) -> Finding {
    let name = context.text(map);
    let mut site = context.site(context.span(store), "store");
    site.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("sync.Map {name}"),
        message: format!(
            "{name} is given a value made from the one loaded before, which may be another one by now"
        ),
        sites: vec![site, context.site(context.span(load), "load")],
        reasons: vec![
            context
                .wording()
                .reason("between this and the store another goroutine may store too", context.span(load)),
        ],
        remedy: "use CompareAndSwap or LoadOrStore, or store a pointer to an atomic value once".to_owned(),
        fix: None,
    }
}
