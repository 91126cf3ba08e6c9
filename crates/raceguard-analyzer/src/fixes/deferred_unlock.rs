//! RG302: `defer` for the unlock that is missing, or comes too soon.

use super::function_tree::{FunctionTree, LockCall};
use super::under_lock::{Strictness, identity_of, may_run, takes};
use crate::analysis::models::Effect;
use crate::finding::{Edit, Finding, Fix};
use crate::rules::ProgramContext;
use crate::syntax::ast::StmtKind;
use crate::syntax::span::Span;

/// `defer` before an unlock that directly follows the lock; or one deferred unlock instead of those before each return.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let [first, second] = finding.sites.as_slice() else { return None };
    let tree = FunctionTree::at(context, first.location)?;
    match (first.action, second.action) {
        ("lock" | "read lock", "unlock") => defer_at_once(&tree, first.location.span, second.location.span),
        ("return", "lock" | "read lock") => defer_once(&tree, second.location.span),
        _ => None,
    }
}

/// `defer` before an unlock that directly follows the lock, if what follows may run under it.
pub(super) fn defer_at_once(tree: &FunctionTree<'_>, lock: Span, unlock: Span) -> Option<Fix> {
    let function = tree.function_around(lock)?.span;
    let calls = tree.lock_calls(tree.unit.bodies[0].span);
    let name = &calls.iter().find(|call| call.span == lock)?.lock;
    let again = calls.iter().any(|call| call.lock == *name && call.span.start > unlock.start);
    let rest = Span::new(unlock.end, function.end);
    let guards = tree.stmts_in(rest).next().is_some();
    if again || !guards || tree.is_in_loop(lock) || !may_be_held_over(tree, lock, rest) {
        return None;
    }
    let edits = vec![tree.insert(unlock.start, "defer ".to_owned())];
    Some(Fix { title: format!("defer the unlock of {name}"), edits })
}

/// Whether nothing that follows blocks, or has to do with the lock.
fn may_be_held_over(tree: &FunctionTree<'_>, lock: Span, rest: Span) -> bool {
    may_run(tree, rest, Strictness::Lenient)
        && identity_of(tree, lock).is_none_or(|identity| !takes(tree, rest, &identity))
}

/// Replaces all unlocks of a lock by one that is deferred, where each of them is the last thing before a way out.
fn defer_once(tree: &FunctionTree<'_>, lock: Span) -> Option<Fix> {
    let function = tree.function_around(lock)?.span;
    let calls = tree.lock_calls(tree.unit.bodies[0].span);
    let taken = calls.iter().find(|call| call.span == lock)?;
    let others: Vec<&LockCall> =
        calls.iter().filter(|call| call.lock == taken.lock && call.span != lock).collect();
    let unlock = if taken.effect == Effect::ReadLock { Effect::ReadUnlock } else { Effect::Unlock };
    let rest = Span::new(lock.end, function.end);
    if others.iter().any(|call| call.effect != unlock || call.deferred || call.span.start < lock.start)
        || tree.is_in_loop(lock)
        || !may_be_held_over(tree, lock, rest)
    {
        return None;
    }
    let indent = tree.indent(lock.start)?;
    let end = tree.line_end(lock.end)?;
    let method = if unlock == Effect::ReadUnlock { "RUnlock" } else { "Unlock" };
    let mut edits = vec![tree.insert(end, format!("\n{indent}defer {}.{method}()", taken.lock))];
    for call in others {
        edits.push(removed(tree, call, function)?);
    }
    Some(Fix { title: format!("defer the unlock of {}", taken.lock), edits })
}

/// The removal of an unlock that a return or the end of the function follows.
fn removed(tree: &FunctionTree<'_>, call: &LockCall, function: Span) -> Option<Edit> {
    let statement = call.statement?;
    let (block, number, _) = tree.statements_around(&[statement])?;
    let leaves = match block.stmts.get(number + 1) {
        Some(&next) => {
            let next = &tree.arena[next];
            matches!(next.kind, StmtKind::Return(_)) && may_run(tree, next.span, Strictness::Strict)
        }
        None => block.span == function,
    };
    let line = tree.whole_line(statement)?;
    leaves.then(|| tree.replace(line, ""))
}
