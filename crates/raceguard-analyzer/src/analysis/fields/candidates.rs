//! Accesses as they happen in each of the ways that lead to them.

use super::contexts::Contexts;
use super::facts::{FieldAccess, NodeRef, Start, unit_of};
use super::key::Held;
use crate::analysis::convention::is_initial;
use crate::rules::ProgramContext;
use crate::syntax::span::Span;

/// An access on one way to it, with all locks held.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'f> {
    /// The function that the way begins with.
    pub(super) node: NodeRef,
    /// The function that the access stands in.
    pub(super) home: NodeRef,
    /// The access.
    pub(super) access: &'f FieldAccess,
    /// Locks held, callers' included.
    pub(super) locks: Vec<Held>,
    /// The calls from there to here, innermost first.
    pub(super) calls: Vec<(NodeRef, Span)>,
    /// Whether one of the calls is of a helper that demands the lock, after the caller has released it.
    pub(super) early: Option<EarlyUnlock>,
}

/// A call of a helper that demands the lock, by a function that took locks and released them before the call.
#[derive(Debug, Clone)]
pub(super) struct EarlyUnlock {
    /// The number of calls from the helper's caller to the access.
    pub(super) depth: usize,
    /// What it released.
    pub(super) dropped: Vec<Held>,
}

impl Candidate<'_> {
    /// Whether a function on the way says by its name that it is part of an initialisation.
    pub(super) fn is_initial(&self, context: &ProgramContext<'_>) -> bool {
        let nodes = self.calls.iter().map(|(node, _)| *node).chain([self.home]);
        nodes.into_iter().any(|node| is_initial(context.program, unit_of(context, node).func))
    }
}

/// A helper with more callers than this is looked at by itself: what they all hold is held in it.
const MAX_CALLERS: usize = 12;
/// So many calls up.
const MAX_DEPTH: usize = 2;

/// The ways to an access: one for each caller of a helper, where callers hold different locks.
pub(super) fn candidates<'f>(
    contexts: &Contexts,
    node: NodeRef,
    access: &'f FieldAccess,
) -> Vec<Candidate<'f>> {
    let mut ways = Vec::new();
    let start =
        Candidate { node, home: node, access, locks: access.locks.clone(), calls: Vec::new(), early: None };
    let mut open = vec![start];
    while let Some(way) = open.pop() {
        let callers = contexts.callers(way.node);
        let direct = callers.iter().all(|caller| caller.start == Start::Now);
        let helper =
            !callers.is_empty() && callers.len() <= MAX_CALLERS && direct && !contexts.is_entered(way.node);
        if !helper || way.calls.len() >= MAX_DEPTH {
            let mut way = way;
            way.locks.extend(contexts.held(way.node).iter().cloned());
            ways.push(way);
            continue;
        }
        for caller in callers.iter().filter(|caller| !caller.once && !caller.owned) {
            let mut up = way.clone();
            up.locks.extend(caller.locks.iter().cloned());
            up.calls.push((caller.node, caller.span));
            up.node = caller.node;
            // A helper that is called by another one that demands the lock leaves the question to that one.
            if contexts.demands_lock(way.node) && !contexts.demands_lock(caller.node) {
                let bare = up.locks.is_empty() && contexts.held(caller.node).is_empty();
                if bare && !caller.dropped.is_empty() {
                    up.early = Some(EarlyUnlock { depth: up.calls.len(), dropped: caller.dropped.clone() });
                } else {
                    up.locks.extend(contexts.held(way.node).iter().cloned());
                }
            }
            open.push(up);
        }
    }
    ways
}
