//! What the change needs to know that takes the guard where an access forgets it.

use super::candidates::Candidate;
use super::facts::{NodeRef, Start, unit_of};
use super::key::{Held, LockKey, MemoryKey};
use super::report::{Report, Verdict};
use crate::finding::{Fix, Location};
use crate::fixes::guard::{self, Unguarded};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::ObjectId;

/// Takes the guard around the blamed access, if it is clear which that is, and no caller may hold it already.
pub(super) fn fix(report: &Report<'_, '_>, verdict: &Verdict<'_>) -> Option<Fix> {
    let blamed = verdict.blamed;
    let lock = verdict.guard.filter(|guard| guard.near)?.lock.as_ref()?;
    let (owner, global, path) = parts(lock);
    if holds(&blamed.locks, lock)
        || blamed.locks.iter().any(|held| is_rival(held, lock))
        || report.candidates.iter().any(|other| is_guarded_by_rival(other, lock))
        || may_be_held(report, blamed, lock)
    {
        return None;
    }
    let (node, field) = match blamed.calls.last() {
        Some(&(node, _)) => (node, None),
        None => (blamed.home, field_of(report.key)),
    };
    let alike: Vec<(&Candidate<'_>, Span)> = report
        .candidates
        .iter()
        .filter(|other| !holds(&other.locks, lock))
        .filter_map(|other| Some((other, span_in(other, node, field.is_none())?)))
        .collect();
    let unit = unit_of(report.context, node);
    let span = span_in(blamed, node, field.is_none())?;
    let unguarded = Unguarded {
        owner,
        global,
        field,
        lock: path,
        place: Location { package: unit.package, file: unit.file, span },
        spans: alike.iter().map(|&(_, span)| span).collect(),
        write: alike.iter().any(|(other, _)| other.access.write),
    };
    guard::fix(report.context, &unguarded)
}

fn parts(lock: &MemoryKey) -> (ObjectId, bool, &[Name]) {
    match lock {
        MemoryKey::Field(owner, fields, _) => (*owner, false, fields),
        MemoryKey::Global(owner, fields, _) => (*owner, true, fields),
    }
}

fn field_of(key: &MemoryKey) -> Option<Name> {
    match key {
        MemoryKey::Field(_, fields, _) => fields.first().copied(),
        MemoryKey::Global(..) => Some(Name::new("")),
    }
}

/// Where a candidate touches the memory in a function: the access itself, or the call that leads to it.
fn span_in(candidate: &Candidate<'_>, node: NodeRef, by_call: bool) -> Option<Span> {
    if by_call {
        return candidate.calls.last().filter(|call| call.0 == node).map(|call| call.1);
    }
    (candidate.calls.is_empty() && candidate.home == node).then_some(candidate.access.span)
}

fn is(held: &Held, lock: &MemoryKey) -> bool {
    matches!(&held.key, LockKey::Known(known) if known == lock)
}

fn holds(locks: &[Held], lock: &MemoryKey) -> bool {
    locks.iter().any(|held| is(held, lock))
}

/// Whether a lock is another one of the same struct or file.
fn is_rival(held: &Held, lock: &MemoryKey) -> bool {
    match (&held.key, lock) {
        (LockKey::Unknown, _) => true,
        (LockKey::Known(MemoryKey::Field(a, ..)), MemoryKey::Field(b, ..)) => a == b && !is(held, lock),
        (LockKey::Known(MemoryKey::Global(a, ..)), MemoryKey::Global(b, ..)) => {
            a.package == b.package && !is(held, lock)
        }
        _ => false,
    }
}

fn is_guarded_by_rival(candidate: &Candidate<'_>, lock: &MemoryKey) -> bool {
    !holds(&candidate.locks, lock) && candidate.locks.iter().any(|held| is_rival(held, lock))
}

/// Whether some caller of the function where the lock would be taken holds it.
fn may_be_held(report: &Report<'_, '_>, blamed: &Candidate<'_>, lock: &MemoryKey) -> bool {
    let contexts = report.contexts;
    contexts.callers(blamed.node).iter().filter(|caller| caller.start == Start::Now).any(|caller| {
        holds(&caller.locks, lock)
            || holds(contexts.held(caller.node), lock)
            || contexts.demands_lock(caller.node)
    })
}
