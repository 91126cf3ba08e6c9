//! How sure a conflict is.
//!
//! An *error* says: we see both goroutines start, we see both accesses to the same memory, and nothing in sight may order
//! them. A *warning* says that it is likely, but that a part of this is inferred:
//!
//! - Something that one of them waits for near its access may order them: a wait that is not always passed, whose
//!   partner can't be told by counting, or that is at a channel which may be the other's under another name
//!   ([`Conflict::may_be_ordered`]); or both hold a lock that excludes only those who give the same key.
//! - The goroutine is not seen to run beside the other: a handler that a test registers with a server of its own, or a
//!   function that is sent to whoever receives it.
//! - The function's caller may hold the lock that the other access holds.
//! - The memory is a part of an object that several functions work on, an element whose number is not known, or a channel
//!   known by a variable that is given other channels too; or the channel of an object is closed by a function that is
//!   called for it, whose caller may know that all has been sent.
//! - A test and what it tests use a plain variable: tests often know by other means what has ended, and what is at stake
//!   is the test. Maps, channels and WaitGroups, whose misuse ends the process, stay errors.
//!
//! The order of events is exact only for what the scope shows. State that hangs off a parameter, or is reached through
//! many calls, is often handed over by means that source does not show: flags, states, protocols. Such conflicts weigh
//! less, and those that weigh little are not reported.

use super::wait_group::is_added_inside;
use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{Event, FAR, Origin, Scope, ThreadId, Touch};
use crate::finding::Severity;
use crate::ir::function::How;
use crate::ir::place::{Index, Root, Step};
use crate::types::LocalKind;

/// Points from which a conflict is an error, and from which it is reported at all.
const ERROR: i32 = 4;
const WARNING: i32 = 3;

/// The severity of a conflict; none if it is too unsure to be reported.
pub(super) fn severity(
    scope: &Scope<'_>,
    conflict: Conflict,
    first: &Touch<'_>,
    second: &Touch<'_>,
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
        FAR.. => return None,
    };
    if same_start(scope, one.thread, other.thread) && conditional_start(scope, one.thread) {
        points -= 2;
    }
    if points >= ERROR {
        let sure = !is_remote(first, calls)
            && !is_closed_by_call(scope, one, first)
            && !is_closed_by_call(scope, other, second)
            && !is_some_element(first, second)
            && !is_value_of_test(scope, conflict, first)
            && !served.0
            && (!is_grouped(first, second) || is_added_inside(scope, conflict))
            && !conflict.may_be_ordered
            && !is_renamed(scope, first)
            && [one, other].into_iter().all(|event| is_started(scope, event.thread))
            && !may_hold_callers_lock(scope, one, first, other)
            && !may_hold_callers_lock(scope, other, second, one);
        Some(if sure { Severity::Error } else { Severity::Warning })
    } else if points >= WARNING {
        Some(Severity::Warning)
    } else {
        None
    }
}

/// Whether it is state of an object that several functions work on: it is often handed over by a protocol among them.
fn is_remote(touch: &Touch<'_>, calls: u32) -> bool {
    calls > 0 && !touch.how.is_map() && !is_variable(touch)
}

/// Whether it closes the channel of an object, in a function that the goroutine calls.
fn is_closed_by_call(scope: &Scope<'_>, event: &Event<'_>, touch: &Touch<'_>) -> bool {
    touch.how == How::Close && touch.place.steps.len() > 1 && distance(scope, event) > 0
}

/// Whether it is an element of an array or slice, and the two do not show that they mean the same one.
fn is_some_element(first: &Touch<'_>, second: &Touch<'_>) -> bool {
    let unlike = |(a, b): (&Step, &Step)| match (a, b) {
        (Step::Index(a), Step::Index(b)) | (Step::Element(a), Step::Element(b)) => match (a, b) {
            (Index::Some, _) | (_, Index::Some) => true,
            (Index::Var(_), Index::Var(_) | Index::Const(_)) | (Index::Const(_), Index::Var(_)) => a != b,
            _ => false,
        },
        _ => false,
    };
    !first.how.is_map() && first.place.steps.iter().zip(&second.place.steps).any(unlike)
}

/// Whether a test accesses a plain variable itself. Subtests that share one have a rule of their own.
fn is_value_of_test(scope: &Scope<'_>, conflict: Conflict, touch: &Touch<'_>) -> bool {
    let events = [conflict.first, conflict.second].map(|index| &scope.events[index]);
    let ends_process =
        touch.how.is_map() || matches!(touch.how, How::Send | How::Close | How::GroupAdd | How::GroupWait);
    !ends_process
        && events.iter().any(|event| scope.units().units[scope.frame(event.frame).unit].test)
        && !events.iter().any(|event| scope.threads[event.thread.0 as usize].origin == Origin::Subtest)
}

/// Whether one of them counts goroutines up.
fn is_grouped(first: &Touch<'_>, second: &Touch<'_>) -> bool {
    first.how == How::GroupAdd || second.how == How::GroupAdd
}

/// Whether it is the state of a channel or WaitGroup known by a variable that is given others too: which one is meant
/// at which time is not followed.
fn is_renamed(scope: &Scope<'_>, touch: &Touch<'_>) -> bool {
    let Root::Var(var) = touch.place.root else { return false };
    let (unit, own) = scope.variable(var);
    let whole = touch.place.steps.len() == 1;
    let known = scope.units().units[unit].var(own);
    let kept = known.is_constant() || known.assignments <= 1;
    whole && !kept && matches!(touch.how, How::Send | How::Close | How::GroupAdd | How::GroupWait)
}

/// Whether the goroutine is seen to run beside others: a handler of a test's own server runs when the test asks for
/// it, and a function that is sent elsewhere runs in whichever goroutine receives it.
fn is_started(scope: &Scope<'_>, thread: ThreadId) -> bool {
    let mut next = Some(thread);
    while let Some(id) = next {
        let thread = &scope.threads[id.0 as usize];
        let by_test = thread.spawn.is_some_and(|spawn| {
            let frame = scope.frame(scope.events[spawn].frame);
            scope.units().units[frame.unit].test
        });
        match thread.origin {
            Origin::Sent => return false,
            Origin::Handler if by_test => return false,
            _ => next = thread.parent,
        }
    }
    true
}

/// Whether an access without a lock stands in a function of the package's own use that may be called with the object's
/// lock held: it is the function that the scope begins with, and the object is one that its caller gives it.
fn may_hold_callers_lock(
    scope: &Scope<'_>,
    event: &Event<'_>,
    touch: &Touch<'_>,
    locked: &Event<'_>,
) -> bool {
    if !event.locks.is_empty() || locked.locks.is_empty() || event.thread != ThreadId(0) {
        return false;
    }
    let unit = &scope.units().units[scope.frame(scope.threads[0].frame).unit];
    let Root::Var(var) = touch.place.root else { return false };
    let given = matches!(unit.var(scope.variable(var).1).kind, LocalKind::Receiver | LocalKind::Param);
    let exported = unit.name.rsplit('.').next().is_some_and(|name| name.starts_with(char::is_uppercase));
    given && !exported && touch.place.steps.iter().any(|step| !step.is_inline())
}

/// How well the memory is known: variables and objects of the scope itself best, what a parameter leads to least.
fn memory(touch: &Touch<'_>) -> i32 {
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
fn is_variable(touch: &Touch<'_>) -> bool {
    matches!(touch.place.root, Root::Var(_)) && touch.place.steps.is_empty()
        || matches!(touch.how, How::Send | How::Close | How::GroupAdd | How::GroupWait)
}

/// How many calls lie between the beginning of the goroutine and the access.
fn distance(scope: &Scope<'_>, event: &Event<'_>) -> u32 {
    scope.frame(event.frame).distance
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
