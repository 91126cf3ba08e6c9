//! How sure a conflict is.
//!
//! The order of events is exact only for what the scope shows. State that hangs off a parameter, or is reached through
//! many calls, is often handed over by means that source does not show: flags, states, protocols. Such conflicts weigh
//! less, and those that weigh little are not reported.

use super::wait_group::is_added_inside;
use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{Event, Origin, Scope, ThreadId, Touch};
use crate::finding::Severity;
use crate::ir::function::How;
use crate::ir::place::Root;

/// Points from which a conflict is an error, and from which it is reported at all.
const ERROR: i32 = 4;
const WARNING: i32 = 3;

/// The severity of a conflict; none if it is too unsure to be reported.
pub(super) fn severity(
    scope: &Scope<'_>,
    conflict: Conflict,
    first: &Touch,
    second: &Touch,
) -> Option<Severity> {
    let (one, other) = (&scope.events[conflict.first], &scope.events[conflict.second]);
    let served = (serves_test(scope, one.thread), serves_test(scope, other.thread));
    // A request and its answer order what the test does before and after, and mostly it sends one at a time: of two
    // requests at once only what would end the process is worth a word.
    if served.0 != served.1 || served.0 && !first.how.is_map() {
        return None;
    }
    let calls = distance(scope, one) + distance(scope, other);
    let mut points = memory(first).max(memory(second));
    points += match calls {
        0 => 2,
        1 | 2 => 1,
        3 => 0,
        more => 2 - more,
    };
    if same_start(scope, one.thread, other.thread) && conditional_start(scope, one.thread) {
        points -= 2;
    }
    // State of an object that several functions work on is often handed over by a protocol among them.
    let grouped = |touch: &Touch| touch.how == How::GroupAdd;
    let remote = calls > 0 && !first.how.is_map() && !is_variable(first)
        || served.0
        || (grouped(first) || grouped(second)) && !is_added_inside(scope, conflict);
    if points >= ERROR {
        Some(if remote { Severity::Warning } else { Severity::Error })
    } else if points >= WARNING {
        Some(Severity::Warning)
    } else {
        None
    }
}

/// How well the memory is known: variables and objects of the scope itself best, what a parameter leads to least.
fn memory(touch: &Touch) -> i32 {
    let inline = touch.place.steps.iter().all(|step| step.is_inline());
    let known = match touch.place.root {
        Root::Site(_) => 3,
        Root::Var(_) if inline => 3,
        Root::Global(_) | Root::Result(..) => 2,
        _ => 1,
    };
    let kind = i32::from(touch.how.is_map() || matches!(touch.how, How::Close | How::GroupAdd));
    (known + kind).min(3)
}

/// Whether the memory is a variable of its own, not a part of something.
fn is_variable(touch: &Touch) -> bool {
    matches!(touch.place.root, Root::Var(_)) && touch.place.steps.is_empty()
        || matches!(touch.how, How::Send | How::Close | How::GroupAdd | How::GroupWait)
}

/// How many calls lie between the beginning of the goroutine and the access.
fn distance(scope: &Scope<'_>, event: &Event) -> i32 {
    let outermost = scope.threads[event.thread.0 as usize].frame;
    let mut calls = 0;
    let mut current = event.frame;
    while current != outermost {
        let Some(caller) = scope.frame(current).caller else { break };
        current = caller;
        calls += 1;
    }
    calls
}

/// Whether a goroutine answers the requests of a test, which mostly sends one at a time and waits for the answer.
fn serves_test(scope: &Scope<'_>, thread: ThreadId) -> bool {
    let mut next = Some(thread);
    while let Some(current) = next {
        let thread = &scope.threads[current.0 as usize];
        if thread.origin == Origin::Handler
            && let Some(spawn) = thread.spawn
        {
            let frame = scope.frame(scope.events[spawn].frame);
            return scope.units().units[frame.unit].test;
        }
        next = thread.parent;
    }
    false
}

/// Whether one statement starts both goroutines.
fn same_start(scope: &Scope<'_>, one: ThreadId, other: ThreadId) -> bool {
    let at = |thread: ThreadId| {
        let spawn = scope.threads[thread.0 as usize].spawn?;
        let event = &scope.events[spawn];
        Some((scope.frame(event.frame).unit, event.span))
    };
    at(one).is_some() && at(one) == at(other)
}

/// Whether a goroutine is started only under some condition.
fn conditional_start(scope: &Scope<'_>, thread: ThreadId) -> bool {
    let spawn = scope.threads[thread.0 as usize].spawn;
    spawn.is_some_and(|spawn| !scope.events[spawn].path.is_empty())
}
