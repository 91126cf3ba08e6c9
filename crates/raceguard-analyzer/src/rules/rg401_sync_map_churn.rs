//! RG401: a sync.Map is given ever new keys.

use super::{BodyContext, Rule};
use crate::finding::{Finding, Severity};
use crate::syntax::ast::{ExprId, ExprKind};
use crate::types::{Callee, LocalKind};

/// `RG401`
pub const RULE: Rule = Rule {
    code: "RG401",
    name: "sync-map-churn",
    summary: "A sync.Map is written with a new key each time",
    severity: Severity::Advice,
    what: "Reports `Store` to a `sync.Map` under a key that is new on each call: a counter that was just raised, a new \
           UUID, the time.",
    why: "`sync.Map` pays off where keys are written once and read often, or where goroutines work on keys of their \
          own. New keys all the time make it allocate for each entry, and before Go 1.24 copy the whole table under \
          its lock again and again. A plain map with a mutex is smaller, typed, and mostly faster.",
    bad: r#"package requests

import (
	"sync"
	"sync/atomic"
)

var (
	next    atomic.Int64
	pending sync.Map
)

func Begin(request string) int64 {
	id := next.Add(1)
	pending.Store(id, request) // want RG401 "pending"
	return id
}

func End(id int64) {
	pending.Delete(id)
}
"#,
    good: r#"package requests

import "sync"

var (
	mu      sync.Mutex
	next    int64
	pending = make(map[int64]string)
)

func Begin(request string) int64 {
	mu.Lock()
	defer mu.Unlock()
	next++
	pending[next] = request
	return next
}

func End(id int64) {
	mu.Lock()
	defer mu.Unlock()
	delete(pending, id)
}
"#,
    remedy: "Use a `map` with a `sync.Mutex`; where many cores write, several of them, chosen by a hash of the key.",
    limits: "Keys that are new for other reasons (addresses of clients, names from requests) can't be told from keys \
             that come again.",
    fixable: false,
};

/// Looks at the keys that are stored.
pub(super) fn check(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    for (id, call) in context.calls() {
        let stores = matches!(context.called(id), Some(("sync", "Map", "Store" | "LoadOrStore" | "Swap")));
        let (true, Some(&key), ExprKind::Selector(map, _)) =
            (stores, call.args.first(), &context.input.arena[call.fun].kind)
        else {
            continue;
        };
        if let Some(made) = origin(context, key).filter(|&made| is_new_each_time(context, made)) {
            findings.push(finding(context, id, *map, made));
        }
    }
}

/// The call that a key comes from.
fn origin(context: &BodyContext<'_>, key: ExprId) -> Option<ExprId> {
    let mut expr = context.inner(key);
    for _ in 0..8 {
        match &context.input.arena[expr].kind {
            ExprKind::Call(call) => match context.input.info.callee(context.input.arena, expr) {
                Callee::Conversion(_) => expr = context.inner(*call.args.first()?),
                _ => return Some(expr),
            },
            ExprKind::Name(_) => {
                let local = context.local(expr)?;
                if context.input.info.locals[local.0 as usize].kind != LocalKind::Var {
                    return None;
                }
                let mut values = context.assignments().filter(|(_, assign)| {
                    assign.lhs.iter().any(|&lhs| context.assigned(assign, lhs) == Some(local))
                });
                let (_, assign) = values.next().filter(|(_, assign)| assign.rhs.len() == 1)?;
                if values.next().is_some() {
                    return None;
                }
                expr = context.inner(assign.rhs[0]);
            }
            _ => return None,
        }
    }
    None
}

/// Whether a call gives another value each time.
fn is_new_each_time(context: &BodyContext<'_>, call: ExprId) -> bool {
    match context.called(call) {
        Some(("sync/atomic", _, name)) => name.starts_with("Add"),
        Some(("time", "Time", name)) => matches!(name, "UnixNano" | "UnixMicro"),
        Some((package, _, name)) => package.contains("uuid") && name.starts_with("New"),
        None => false,
    }
}

fn finding(context: &BodyContext<'_>, call: ExprId, map: ExprId, made: ExprId) -> Finding {
    let name = context.text(map);
    let span = context.span(call);
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("sync.Map {name}"),
        message: format!("{name} gets a new key on each call"),
        sites: vec![context.site(span, "store")],
        reasons: vec![
            context.wording().reason("the key is made here, another one each time", context.span(made)),
        ],
        remedy: "use a map with a mutex".to_owned(),
        fix: None,
    }
}
