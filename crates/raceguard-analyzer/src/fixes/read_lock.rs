//! RG106: `Lock` instead of `RLock` around a write.

use super::function_tree::{FunctionTree, LockCall};
use super::under_lock::{identity_of, takes};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Fix, Location};
use crate::rules::ProgramContext;
use crate::syntax::span::Span;

/// Takes the lock for writing, in the function that takes it for reading: the one that writes, or one that calls it.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let site = finding.sites.iter().find(|site| site.write)?;
    let mut places = std::iter::once(site.location).chain(site.calls.iter().map(|(_, location)| *location));
    let held = site.locks.iter().filter_map(|lock| lock.strip_suffix(" (read)"));
    let names: Vec<&str> = held.filter_map(|lock| lock.rsplit('.').next()).collect();
    places.find_map(|place| in_function(context, place, &names))
}

fn in_function(context: &ProgramContext<'_>, place: Location, names: &[&str]) -> Option<Fix> {
    let tree = FunctionTree::at(context, place)?;
    let function = tree.function_around(place.span)?.span;
    let calls = tree.lock_calls(tree.unit.bodies[0].span);
    let own = |call: &&LockCall| tree.function_around(call.span).is_some_and(|body| body.span == function);
    let taken = calls.iter().filter(own).rfind(|call| {
        call.effect == Effect::ReadLock
            && call.span.start < place.span.start
            && call.statement.is_some()
            && !call.deferred
            && is_named(call, names)
    })?;
    let of_lock: Vec<&LockCall> = calls.iter().filter(|call| call.lock == taken.lock).collect();
    let next =
        of_lock.iter().find(|call| call.effect == Effect::ReadLock && call.span.start > taken.span.start);
    let until = next.map_or(u32::MAX, |next| next.span.start);
    let pair: Vec<&&LockCall> =
        of_lock.iter().filter(|call| taken.span.end <= call.span.start && call.span.start < until).collect();
    let released = pair.iter().all(|call| call.effect == Effect::ReadUnlock) && !pair.is_empty();
    let explicit = pair.iter().filter(|call| !call.deferred && own(call)).map(|call| call.span.end).max();
    let deferred = pair.iter().any(|call| call.deferred || !own(call));
    let end = if deferred { function.end } else { explicit? };
    if !released || end < place.span.end || next.is_some() && deferred {
        return None;
    }
    // A read lock mostly survives being taken again, a write lock never does.
    let stretch = Span::new(taken.span.end, end);
    if identity_of(&tree, taken.span).is_some_and(|lock| takes(&tree, stretch, &lock)) {
        return None;
    }
    let mut edits = vec![tree.replace(taken.method, "Lock")];
    edits.extend(pair.iter().map(|call| tree.replace(call.method, "Unlock")));
    Some(Fix { title: format!("lock {} for writing", taken.lock), edits })
}

/// Whether the lock that was taken has the name of one that is held at the write; an embedded one has none.
fn is_named(call: &LockCall, names: &[&str]) -> bool {
    let name = call.lock.rsplit('.').next().unwrap_or(&call.lock);
    names.contains(&name) || names.contains(&"RWMutex")
}
