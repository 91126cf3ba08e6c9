//! What holds on every way to a place in a function: locks held, channels closed, objects put back into their pool.
//!
//! A body is walked once in the order of its code. Where ways meet, only what holds on all of them stays; a loop's body
//! begins with what holds both before it and at its end. What comes out is a list of [`Step`]s with the [`Facts`] at
//! each, and the ways out of the function ([`Exit`]).
//!
//! What a fact speaks of is named by an access path that means the same object at all its places ([`is_stable`]); of
//! others nothing is known. Function literals are walked as bodies of their own and begin with no facts.

pub(super) mod always;
pub(super) mod arguments;
mod calls;
pub(super) mod summaries;
mod walk;

use std::sync::Arc;

use crate::analysis::models::{Effect, Models};
use crate::ir::function::{Access, Assign, BodyId, Branch, Call, ChannelOp, FieldKey, Unit};
use crate::ir::place::{Index, Place, Root, Step as PathStep};
use crate::syntax::span::Span;
use crate::types::{LocalKind, Program};

use super::memory::Memory;
pub(super) use calls::resolve;
use summaries::Summaries;
pub(super) use walk::is_shared;

/// A lock that is held.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Which.
    pub(super) place: Place,
    /// Its field, whatever the instance.
    pub(super) field: Option<FieldKey>,
    /// Whether it excludes readers too.
    pub(super) exclusive: bool,
    /// The call that took it.
    pub(super) at: Span,
    /// Whether it was taken in this body, not by a helper.
    pub(super) own: bool,
}

/// What may have become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The channel is closed.
    Closed,
    /// The channel is closed when the function ends.
    ClosedAtEnd,
    /// The object was put back into its pool.
    Put,
    /// The object is put back when the function ends.
    PutAtEnd,
    /// The object was stored in an `atomic.Value` or `atomic.Pointer`.
    Published,
}

/// What became of an object.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    /// What.
    pub(super) mark: Mark,
    /// The object.
    pub(super) place: Place,
    /// Where.
    pub(super) at: Span,
    /// Whether a function that was called there did it: it may have done more.
    pub(super) by_helper: bool,
}

/// What holds at a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Locks held, the last one taken last.
    pub(super) held: Vec<Held>,
    /// What became of objects.
    pub(super) marked: Vec<Marked>,
    /// Locks that are released when the function ends, on some way here.
    pub(super) released_at_end: Vec<Place>,
    /// Whether the locks may be more than those known: something was done to them that was not followed.
    pub(super) unsure: bool,
}

/// Something that happens, with what holds right before.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// What happens.
    pub(super) what: What<'a>,
    /// What holds.
    pub(super) facts: Arc<Facts>,
    /// The number of branches and loops around it.
    pub(super) nesting: u32,
    /// The number of loops around it.
    pub(super) loops: u32,
}

/// What happens at a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum What<'a> {
    /// Memory is read or written.
    Access(&'a Access),
    /// A value is stored.
    Assign(&'a Assign),
    /// A call, `go` or `defer`.
    Call(&'a Call),
    /// A channel operation outside `select`.
    Channel(&'a ChannelOp),
    /// A branch begins.
    Branch(&'a Branch),
    /// Values are returned.
    Return(&'a [crate::ir::place::Value], Span),
}

/// A way out of a function.
#[derive(Debug)]
pub(super) struct Exit {
    /// The locks still held when all deferred calls have run.
    pub(super) held: Vec<Held>,
    /// The number of branches and loops around it.
    pub(super) nesting: u32,
    /// The `return`, or the end of the body.
    pub(super) span: Span,
}

/// A body walked through.
#[derive(Debug)]
pub(super) struct Trace<'a> {
    /// Which.
    pub(super) body: BodyId,
    /// What happens, in the order of the code.
    pub(super) steps: Vec<Step<'a>>,
    /// The ways out.
    pub(super) exits: Vec<Exit>,
    /// Whether it has jumps that were not followed.
    pub(super) irregular: bool,
}

/// All that a walk needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walked<'a> {
    /// Packages, names and types.
    pub(super) program: &'a Program,
    /// What library functions do.
    pub(super) models: &'a Models,
    /// What functions do to the locks of those who call them.
    pub(super) summaries: &'a Summaries,
    /// The function.
    pub(super) unit: &'a Unit,
}

impl<'a> Walked<'a> {
    /// Walks all bodies of the unit.
    pub(super) fn traces(self) -> Vec<Trace<'a>> {
        (0..self.unit.bodies.len())
            .filter_map(|index| u32::try_from(index).ok())
            .map(|index| walk::trace(self, BodyId(index)))
            .collect()
    }
}

/// Whether a place names the same object wherever it occurs in the unit, unless something on the way is written.
pub(super) fn is_stable(unit: &Unit, place: &Place) -> bool {
    let root = match place.root {
        Root::Var(var) => {
            let var = unit.var(var);
            match var.kind {
                LocalKind::Receiver | LocalKind::Param => var.is_constant(),
                LocalKind::Var => {
                    let never_assigned =
                        var.assignments == 0 && place.steps.iter().all(|step| step.is_inline());
                    var.is_constant() || never_assigned
                }
                LocalKind::RangeVar | LocalKind::TypeSwitch => var.assignments <= 1,
                _ => false,
            }
        }
        Root::Global(_) | Root::Site(_) | Root::Result(..) => true,
        Root::Opaque(_) => false,
    };
    root && place.steps.iter().all(|step| match step {
        PathStep::Map => false,
        PathStep::Index(index) | PathStep::Element(index) => matches!(index, Index::Const(_) | Index::Var(_)),
        _ => true,
    })
}

/// The mutex that a call of a method of sync locks or unlocks.
pub(super) fn lock_place(call: &Call) -> Option<Place> {
    call.receiver.as_ref()?.referent(PathStep::Deref)
}

/// Whether an effect is one on a lock.
pub(super) const fn is_lock_effect(effect: Effect) -> bool {
    matches!(
        effect,
        Effect::Lock
            | Effect::Unlock
            | Effect::ReadLock
            | Effect::ReadUnlock
            | Effect::TryLock
            | Effect::TryReadLock
    )
}

impl Held {
    /// The field or package-level variable that it is.
    pub(super) fn memory(&self) -> Option<Memory> {
        Memory::of(self.field.as_ref(), &self.place)
    }
}

impl Facts {
    /// What holds on both of two ways.
    fn meet(mut self, other: &Self) -> Self {
        self.held.retain(|lock| {
            other.held.iter().any(|held| held.place == lock.place && held.exclusive == lock.exclusive)
        });
        self.marked.retain(|own| other.is_marked(own.mark, &own.place).is_some());
        self.unsure |= other.unsure;
        for place in &other.released_at_end {
            if !self.released_at_end.contains(place) {
                self.released_at_end.push(place.clone());
            }
        }
        self
    }

    /// Forgets what is known of all that is reached through a place that is written.
    fn forget(&mut self, written: &Place) {
        let outside = |place: &Place| place.strip(written).is_none();
        self.held.retain(|lock| outside(&lock.place));
        self.marked.retain(|marked| outside(&marked.place));
    }

    /// The lock at a place, if it is held.
    pub(super) fn lock(&self, place: &Place) -> Option<&Held> {
        self.held.iter().rev().find(|lock| lock.place == *place)
    }

    /// Where this became of an object, if it did.
    pub(super) fn is_marked(&self, mark: Mark, place: &Place) -> Option<Span> {
        let marked = self.marked.iter().find(|marked| marked.mark == mark && marked.place == *place)?;
        Some(marked.at)
    }

    /// The object of this mark that a place lies in or is.
    pub(super) fn marked_holder(&self, mark: Mark, place: &Place) -> Option<&Marked> {
        self.marked.iter().find(|marked| marked.mark == mark && place.strip(&marked.place).is_some())
    }
}
