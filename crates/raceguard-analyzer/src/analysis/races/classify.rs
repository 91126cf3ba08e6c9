//! Which rule a conflict falls under.

use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{Event, Origin, Scope, ThreadId, Touch};
use crate::ir::function::How;
use crate::ir::place::Root;
use crate::rules::{self, Rule};
use crate::types::{LocalKind, Type};

/// The rule of a conflict.
pub(super) fn rule_of(
    scope: &Scope<'_>,
    conflict: Conflict,
    first: &Touch<'_>,
    second: &Touch<'_>,
) -> Option<&'static Rule> {
    let either = |wanted: &[How]| wanted.contains(&first.how) || wanted.contains(&second.how);
    let (one, other) = (&scope.events[conflict.first], &scope.events[conflict.second]);
    let code = if either(&[How::Send, How::Close]) {
        "RG203"
    } else if either(&[How::GroupAdd, How::GroupWait]) {
        "RG208"
    } else if first.how.is_map() || second.how.is_map() {
        of_map(scope, one, other, first, second)
    } else if either(&[How::Atomic]) {
        "RG210"
    } else if [one, other].iter().any(|event| origin(scope, event.thread) == Origin::Subtest) {
        "RG209"
    } else if appends(scope, conflict.first) || appends(scope, conflict.second) {
        "RG207"
    } else {
        of_variable(scope, first)
    };
    rules::find(code)
}

fn of_map(
    scope: &Scope<'_>,
    one: &Event<'_>,
    other: &Event<'_>,
    first: &Touch<'_>,
    second: &Touch<'_>,
) -> &'static str {
    if let Some(code) = of_locks(one, other) {
        return code;
    }
    let iterates = |touch: &Touch<'_>| matches!(touch.how, How::MapIterate | How::HiddenIterate);
    if iterates(first) || iterates(second) {
        "RG103"
    } else if keeps_writing(scope, one, first, other) || keeps_writing(scope, other, second, one) {
        "RG111"
    } else if first.write && second.write {
        "RG101"
    } else {
        "RG102"
    }
}

/// Locks are held at both, and don't help.
fn of_locks(one: &Event<'_>, other: &Event<'_>) -> Option<&'static str> {
    if [one, other].into_iter().any(|event| event.locks.iter().any(|lock| lock.keyed)) {
        return None;
    }
    let shared = one.locks.iter().any(|lock| other.locks.iter().any(|held| held.place == lock.place));
    match (one.locks.is_empty() || other.locks.is_empty(), shared) {
        (true, _) => None,
        (false, true) => Some("RG106"),
        (false, false) => Some("RG107"),
    }
}

/// Whether `writer` changes a map of its own function while a goroutine that it gave it to runs.
fn keeps_writing(scope: &Scope<'_>, writer: &Event<'_>, touch: &Touch<'_>, other: &Event<'_>) -> bool {
    let local = matches!(touch.place.root, Root::Var(_) | Root::Site(_));
    touch.write && local && descends(scope, other.thread, writer.thread)
}

fn descends(scope: &Scope<'_>, thread: ThreadId, from: ThreadId) -> bool {
    let mut next = scope.threads[thread.0 as usize].parent;
    while let Some(parent) = next {
        if parent == from {
            return true;
        }
        next = scope.threads[parent.0 as usize].parent;
    }
    false
}

fn origin(scope: &Scope<'_>, thread: ThreadId) -> Origin {
    scope.threads[thread.0 as usize].origin
}

/// Whether the statement of an access appends to the slice.
fn appends(scope: &Scope<'_>, index: usize) -> bool {
    let event = &scope.events[index];
    let from = index.saturating_sub(4);
    let until = (index + 4).min(scope.events.len());
    scope.events[from..until].iter().any(|near| {
        let inside = near.span.start >= event.span.start && near.span.end <= event.span.end;
        let append =
            matches!(&near.kind, super::super::scope::EventKind::Access(touch) if touch.how == How::Append);
        append && inside && near.thread == event.thread && near.frame == event.frame
    })
}

fn of_variable(scope: &Scope<'_>, touch: &Touch<'_>) -> &'static str {
    match touch.place.root {
        Root::Global(_) => "RG201",
        Root::Var(var) if touch.place.steps.is_empty() => {
            let (unit, own) = scope.variable(var);
            let known = scope.units().units[unit].var(own);
            let error = matches!(&known.ty, Type::Named(id, _) if *id == crate::types::ObjectId::ERROR);
            match known.kind {
                LocalKind::ForVar | LocalKind::RangeVar => "RG205",
                LocalKind::Result => "RG206",
                _ if error => "RG206",
                _ => "RG202",
            }
        }
        _ => "RG213",
    }
}
