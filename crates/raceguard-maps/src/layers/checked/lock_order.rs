//! In which order maps are nested, over the whole process: what finds two orders that exclude each other.
//!
//! Each nesting "a call on map B from within a closure of map A" is an edge from A to B, kept with its two call sites.
//! When a new edge closes a cycle, threads that walk it at the same time may each hold what the next one waits for
//! (the lock-order graph of Linux's lockdep). It is a warning, not an error: the maps may be of strategies whose
//! reads do not wait, or something else may keep the threads apart.
//!
//! The lock here is a plain one on purpose: it guards a diagnosis, no call of a map happens under it, and the checkers'
//! schedules stay those of the map itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::frames::Frame;
use super::misuse::{Misuse, MisuseKind, Site};

/// Nestings that are remembered; later ones are not. Memory stays bounded also where maps are made and nested for ever.
const MAX_EDGES: usize = 1024;
/// Warnings that are kept: the newest.
const MAX_WARNINGS: usize = 64;

#[derive(Default)]
struct Orders {
    /// From the outer to the inner map: where the inner call was.
    edges: HashMap<(u64, u64), Site>,
    warnings: VecDeque<(u64, u64, Misuse)>,
}

static ORDERS: LazyLock<Mutex<Orders>> = LazyLock::new(Mutex::default);

fn orders() -> MutexGuard<'static, Orders> {
    ORDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that the map of `inner` is used within calls of the maps of `outer`.
pub(super) fn note(outer: &[Frame], inner: Frame) {
    let mut orders = orders();
    for frame in outer.iter().filter(|frame| frame.map != inner.map) {
        let edge = (frame.map, inner.map);
        if orders.edges.contains_key(&edge) || orders.edges.len() >= MAX_EDGES {
            continue;
        }
        if let Some(first) = orders.way(inner.map, frame.map) {
            if orders.warnings.len() >= MAX_WARNINGS {
                orders.warnings.pop_front();
            }
            let misuse = Misuse { kind: MisuseKind::LockOrder, first, second: inner.site };
            orders.warnings.push_back((edge.0, edge.1, misuse));
        }
        orders.edges.insert(edge, inner.site);
    }
}

/// The warnings about nestings with this map.
pub(super) fn warnings(map: u64) -> Vec<Misuse> {
    let involved =
        |(outer, inner, misuse): &(u64, u64, Misuse)| (*outer == map || *inner == map).then_some(*misuse);
    orders().warnings.iter().filter_map(involved).collect()
}

/// Forgets a map that is gone.
pub(super) fn forget(map: u64) {
    let mut orders = orders();
    orders.edges.retain(|(outer, inner), _| *outer != map && *inner != map);
    orders.warnings.retain(|(outer, inner, _)| *outer != map && *inner != map);
}

impl Orders {
    /// The call site of the last nesting on a way from one map to another, if there is one.
    fn way(&self, from: u64, to: u64) -> Option<Site> {
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(&outer) = seen.get(next) {
            next += 1;
            for ((_, inner), site) in self.edges.iter().filter(|((start, _), _)| *start == outer) {
                if *inner == to {
                    return Some(site);
                }
                if !seen.contains(inner) {
                    seen.push(*inner);
                }
            }
        }
        None
    }
}
