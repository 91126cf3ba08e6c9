//! Accesses as they happen in each of the ways that lead to them.

use super::contexts::Contexts;
use super::facts::{FieldAccess, NodeRef, Start};
use super::key::Held;
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
    let start = Candidate { node, home: node, access, locks: access.locks.clone(), calls: Vec::new() };
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
        for caller in callers.iter().filter(|caller| !caller.once) {
            let mut up = way.clone();
            up.locks.extend(caller.locks.iter().cloned());
            up.calls.push((caller.node, caller.span));
            up.node = caller.node;
            if contexts.says_locked(way.node) {
                up.locks.extend(contexts.held(way.node).iter().cloned());
            }
            open.push(up);
        }
    }
    ways
}
