//! When `Add` beside `Wait` is right: the counter is above zero, because the goroutine itself is counted.

use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{EventKind, Object, ReleaseKind, Scope, ThreadId};
use crate::ir::function::How;
use crate::ir::place::{Place, Step};

/// Whether the `Add` of a conflict with `Wait` happens in a goroutine that was counted before it started, and is
/// counted until after.
pub(super) fn is_counted(scope: &Scope<'_>, conflict: Conflict) -> bool {
    [conflict.first, conflict.second].into_iter().any(|index| {
        let event = &scope.events[index];
        let EventKind::Access(touch) = &event.kind else { return false };
        touch.how == How::GroupAdd
            && group(&touch.place).is_some_and(|group| holds_count(scope, event.thread, index, &group))
    })
}

/// Whether a conflict's `Add` is in a goroutine that the goroutine of its `Wait` started: the classic mistake.
pub(super) fn is_added_inside(scope: &Scope<'_>, conflict: Conflict) -> bool {
    let how = |index: usize| match &scope.events[index].kind {
        EventKind::Access(touch) => Some(touch.how),
        _ => None,
    };
    let (add, wait) = match how(conflict.first) {
        Some(How::GroupAdd) => (conflict.first, conflict.second),
        _ => (conflict.second, conflict.first),
    };
    let (inner, outer) = (scope.events[add].thread, scope.events[wait].thread);
    inner != outer && descends(scope, inner, outer)
}

/// The WaitGroup whose counter a place is.
fn group(counter: &Place) -> Option<Place> {
    let (last, rest) = counter.steps.split_last()?;
    (*last == Step::State).then(|| Place { root: counter.root, steps: rest.to_vec() })
}

/// Whether a goroutine was counted when it started, and is done only after an event. What it adds for goroutines that
/// it starts in turn is theirs; of its own it is done with more than it added.
fn holds_count(scope: &Scope<'_>, thread: ThreadId, event: usize, group: &Place) -> bool {
    let (mut counted, mut own, mut done, mut done_later) = (false, 0, 0, false);
    // An `Add` that is not yet followed by a start, or a send to whoever starts.
    let mut added = 0;
    for (index, other) in scope.events.iter().enumerate() {
        let inside = other.thread == thread;
        match &other.kind {
            EventKind::Spawn(_) | EventKind::Release(Object::Channel(_), ReleaseKind::Send) if inside => {
                added = 0;
            }
            EventKind::Release(Object::Group(place), ReleaseKind::Add) if place == group => {
                counted |= !inside && descends(scope, thread, other.thread);
                added += i32::from(inside);
            }
            EventKind::Release(Object::Group(place), ReleaseKind::Done) if place == group && inside => {
                own += added;
                added = 0;
                done += 1;
                done_later |= index > event;
            }
            _ => {}
        }
    }
    counted && done_later && done > own
}

/// Whether a goroutine is another one, or was started by it or what it started.
fn descends(scope: &Scope<'_>, thread: ThreadId, from: ThreadId) -> bool {
    let mut next = Some(thread);
    while let Some(current) = next {
        if current == from {
            return true;
        }
        next = scope.threads[current.0 as usize].parent;
    }
    false
}
