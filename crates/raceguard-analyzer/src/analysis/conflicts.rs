//! Pairs of accesses that nothing orders.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::order::Order;
use super::scope::{Event, EventKind, HeldLock, Scope, Touch};
use crate::ir::function::How;
use crate::ir::place::{Index, Place, Root, Step};

/// Two accesses of a scope that may run at the same time: indexes of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// The one that comes first in the source's order of play.
    pub first: usize,
    /// The other.
    pub second: usize,
}

/// At most this many pairs of one root are looked at.
const MAX_PAIRS: usize = 20_000;

/// All conflicts, one for each pair of places in the source.
pub fn conflicts(scope: &Scope<'_>) -> Vec<Conflict> {
    if scope.threads.len() < 2 {
        return Vec::new();
    }
    let mut order = Order::new(scope);
    let mut by_root: HashMap<Root, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (index, event) in scope.events.iter().enumerate() {
        if let EventKind::Access(touch) = &event.kind {
            let known = by_root.entry(touch.place.root).or_insert_with(|| {
                roots.push(touch.place.root);
                Vec::new()
            });
            known.push(index);
        }
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for root in roots {
        let accesses = &by_root[&root];
        let shared = accesses.iter().any(|&index| scope.events[index].thread != scope.events[accesses[0]].thread);
        let written = accesses.iter().any(|&index| touch(&scope.events[index]).is_some_and(|touch| touch.write));
        if shared && written {
            pairs(scope, &mut order, accesses, &mut seen, &mut found);
        }
    }
    found
}

type Seen = HashSet<(usize, u32, usize, u32)>;

fn pairs(scope: &Scope<'_>, order: &mut Order<'_, '_>, accesses: &[usize], seen: &mut Seen, found: &mut Vec<Conflict>) {
    let mut looked = 0;
    for (position, &first) in accesses.iter().enumerate() {
        let one = &scope.events[first];
        let Some(a) = touch(one) else { continue };
        for &second in &accesses[position + 1..] {
            let other = &scope.events[second];
            let Some(b) = touch(other) else { continue };
            if one.thread == other.thread || !(a.write || b.write) || !overlap(&a.place, &b.place) {
                continue;
            }
            looked += 1;
            if looked > MAX_PAIRS {
                return;
            }
            let key = key(scope, one, other);
            if seen.contains(&key) || is_safe(a, b, one, other) {
                continue;
            }
            if order.exclusive(first, second) || order.before(first, second) || order.before(second, first) {
                continue;
            }
            seen.insert(key);
            found.push(Conflict { first, second });
        }
    }
}

/// What identifies a pair in the source.
fn key(scope: &Scope<'_>, one: &Event, other: &Event) -> (usize, u32, usize, u32) {
    let a = (scope.frame(one.frame).unit, one.span.start);
    let b = (scope.frame(other.frame).unit, other.span.start);
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (a.0, a.1, b.0, b.1)
}

fn touch(event: &Event) -> Option<&Touch> {
    match &event.kind {
        EventKind::Access(touch) => Some(touch),
        _ => None,
    }
}

/// Whether something other than order keeps the two apart: a lock, a `sync.Once`, or that both are atomic.
fn is_safe(a: &Touch, b: &Touch, one: &Event, other: &Event) -> bool {
    if a.how == b.how && matches!(a.how, How::Atomic | How::GroupWait) {
        return true;
    }
    if a.once.is_some() && a.once == b.once {
        return true;
    }
    one.locks.iter().any(|lock| other.locks.iter().any(|held| excludes(lock, held)))
}

/// Whether holders of the two can't run at once.
fn excludes(a: &HeldLock, b: &HeldLock) -> bool {
    a.place == b.place && (a.exclusive || b.exclusive)
}

/// Whether two places share memory: one lies in the other.
fn overlap(a: &Place, b: &Place) -> bool {
    if a.root != b.root || matches!(a.root, Root::Opaque(_)) {
        return false;
    }
    let common = a.steps.len().min(b.steps.len());
    let same = a.steps[..common].iter().zip(&b.steps[..common]).all(|(&a, &b)| same_step(a, b));
    let longer = if a.steps.len() > common { &a.steps } else { &b.steps };
    same && longer[common..].iter().all(|step| step.is_inline())
}

fn same_step(a: Step, b: Step) -> bool {
    match (a, b) {
        (Step::Index(a), Step::Index(b)) | (Step::Element(a), Step::Element(b)) => match (a, b) {
            (Index::End, Index::All) | (Index::All, Index::End) => false,
            (Index::All, _) | (_, Index::All) => true,
            (Index::Some, _) | (_, Index::Some) => false,
            (a, b) => a == b,
        },
        (a, b) => a == b,
    }
}
