//! From a recorded history and the promises of a strategy to what the checker has to find.
//!
//! A call whose promise is `Linearizable` is one step between its beginning and its end. One that is `Monotone` may
//! have taken effect earlier, but not before an earlier such call of the same thread. A `PerEntry` or `PerShard` call on
//! the whole map is taken apart into one call per key, each somewhere between the beginning and the end of the whole:
//! an entry that is there all the time is then seen, and one that is seen had that value at some instant of the call. An
//! `Approximate` count is only held to its limits here; at the end, when nobody writes, it has to be exact.

use raceguard_maps::Consistency;
use raceguard_maps::consistency::Promise;

use super::checker::{Node, has_order, has_order_per_key};
use super::history::{Clock, Event, History};
use super::model::{Call, KEYS, Outcome, call_of};

/// A step of an event: what the checker sees of it.
struct Part<'a> {
    event: &'a Event,
    call: Call,
    outcome: Outcome,
    /// Position in its batch.
    position: usize,
    promise: Promise,
    last: bool,
}

/// Whether the history is one that the promises allow.
pub(crate) fn allow(promises: Consistency, history: &History) -> bool {
    if !counts_are_possible(history) {
        return false;
    }
    let parts: Vec<Part<'_>> = history
        .events
        .iter()
        .flat_map(|event| parts(promises, event, false))
        .chain(history.last.iter().flat_map(|event| parts(promises, event, true)))
        .collect();
    let nodes: Vec<Node> = parts
        .iter()
        .map(|part| Node {
            call: part.call.clone(),
            outcome: part.outcome.clone(),
            before: predecessors(part, &parts, history.clock),
        })
        .collect();
    let whole = nodes.iter().any(|node| node.call.key().is_none());
    if whole || history.clock == Clock::PerThread {
        has_order(history.initial, &nodes)
    } else {
        has_order_per_key(history.initial, &nodes)
    }
}

fn counts_are_possible(history: &History) -> bool {
    history.events.iter().all(|event| match (&event.call, &event.outcome) {
        (Call::Len | Call::Clear, Outcome::Count(count)) => *count <= KEYS,
        (Call::Apply(batch), Outcome::Count(count)) => *count <= batch.len(),
        _ => true,
    })
}

fn promise(promises: Consistency, call: &Call) -> Promise {
    match call {
        Call::Get(_) => promises.read,
        Call::Len => promises.len,
        Call::ForEach => promises.for_each,
        Call::Snapshot => promises.snapshot,
        Call::RetainOdd | Call::Clear => promises.retain,
        Call::Apply(_) => promises.apply,
        _ => promises.write,
    }
}

fn parts(promises: Consistency, event: &Event, last: bool) -> Vec<Part<'_>> {
    // When nobody writes any more, every promise is as good as the best.
    let promise = if last { Promise::Linearizable } else { promise(promises, &event.call) };
    let part = |call: Call, outcome: Outcome, position: usize| Part {
        event,
        call,
        outcome,
        position,
        promise,
        last,
    };
    match promise {
        Promise::Linearizable | Promise::Monotone => {
            vec![part(event.call.clone(), event.outcome.clone(), 0)]
        }
        Promise::Approximate => Vec::new(),
        Promise::PerEntry | Promise::PerShard => single_calls(event)
            .into_iter()
            .map(|(call, outcome, position)| part(call, outcome, position))
            .collect(),
    }
}

/// A call on the whole map as calls on its keys.
fn single_calls(event: &Event) -> Vec<(Call, Outcome, usize)> {
    let per_key = |call: fn(usize) -> Call| match &event.outcome {
        Outcome::Saw(state) => {
            state.iter().enumerate().map(|(key, value)| (call(key), Outcome::Was(*value), 0)).collect()
        }
        _ => (0..KEYS).map(|key| (call(key), Outcome::Unknown, 0)).collect::<Vec<_>>(),
    };
    match &event.call {
        Call::ForEach | Call::Snapshot => per_key(Call::Get),
        Call::RetainOdd => per_key(Call::RemoveIfEven),
        Call::Clear => per_key(Call::Remove),
        Call::Apply(batch) => batch
            .iter()
            .enumerate()
            .map(|(position, operation)| (call_of(operation), Outcome::Unknown, position))
            .collect(),
        // A count has no keys; about a single key there is nothing to take apart.
        Call::Len => Vec::new(),
        single => vec![(single.clone(), event.outcome.clone(), 0)],
    }
}

/// The parts that come before this one, as a set of bits.
fn predecessors(part: &Part<'_>, parts: &[Part<'_>], clock: Clock) -> u64 {
    let comes_before = |other: &Part<'_>| {
        if std::ptr::eq(other.event, part.event) {
            // Shards are served one after the other, so that only each of them keeps the order of a batch.
            let in_order = part.promise == Promise::PerEntry || part.call.key() == other.call.key();
            return in_order && other.position < part.position;
        }
        if part.last != other.last {
            return part.last;
        }
        let same_thread = other.event.thread == part.event.thread;
        let monotone = |part: &Part<'_>| part.promise == Promise::Monotone;
        if monotone(part) && !(monotone(other) && same_thread) {
            return false;
        }
        (same_thread || clock == Clock::Shared) && other.event.ended < part.event.began
    };
    parts.iter().enumerate().filter(|(_, other)| comes_before(other)).map(|(index, _)| 1 << index).sum()
}
