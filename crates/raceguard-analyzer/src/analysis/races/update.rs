//! `m[k]++` and `m[k] = append(m[k], x)` read and write the map in one statement: the write is what to blame.

use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{EventKind, Scope, Touch};
use crate::ir::function::How;

/// The write of an update follows its read this closely.
const NEAR: usize = 8;

/// The conflict of the writes, where a read of it is a part of an update of the map.
pub(super) fn as_writes(scope: &Scope<'_>, conflict: Conflict) -> Conflict {
    let (first, second) = (conflict.first, conflict.second);
    Conflict {
        first: write_of(scope, first).unwrap_or(first),
        second: write_of(scope, second).unwrap_or(second),
        ..conflict
    }
}

/// The write of the statement that a read of a map is a part of.
fn write_of(scope: &Scope<'_>, read: usize) -> Option<usize> {
    let event = &scope.events[read];
    let looked_up = touch(&event.kind).filter(|touch| touch.how == How::MapLookup)?;
    let until = scope.events.len().min(read + NEAR);
    (read + 1..until).find(|&later| {
        let next = &scope.events[later];
        let around = next.span.start <= event.span.start && event.span.end <= next.span.end;
        let same = next.thread == event.thread && next.frame == event.frame && next.locks == event.locks;
        around
            && same
            && touch(&next.kind).is_some_and(|write| {
                write.how == How::MapInsert && write.place == looked_up.place && write.once == looked_up.once
            })
    })
}

const fn touch<'s, 'a>(kind: &'s EventKind<'a>) -> Option<&'s Touch<'a>> {
    match kind {
        EventKind::Access(touch) => Some(touch),
        _ => None,
    }
}
