//! Pairs of accesses that nothing orders.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::order::Order;
use super::scope::{Event, EventKind, HeldLock, Scope, ThreadId, Touch};
use crate::ir::function::How;
use crate::ir::place::{Index, Place, Root, Step};

/// Two accesses of a scope that may run at the same time: indexes of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// The one that comes first in the source's order of play.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// Whether something that one of the two waits for may order them after all.
    pub may_be_ordered: bool,
}

/// At most this many pairs of one root are looked at.
const MAX_PAIRS: usize = 20_000;
/// At most so many pairs of the same two statements, in other iterations and calls.
const MAX_TRIES: u32 = 16;

/// All conflicts, one for each pair of places in the source.
pub fn conflicts(scope: &Scope<'_>) -> Vec<Conflict> {
    if scope.threads.len() < 2 {
        return Vec::new();
    }
    let mut search = Search {
        scope,
        order: Order::new(scope),
        tried: HashMap::new(),
        seen: HashSet::new(),
        looked: 0,
        found: Vec::new(),
    };
    for group in groups(scope) {
        search.looked = 0;
        search.group(&group);
    }
    search.found
}

/// Accesses that may overlap: of one root, and of one field where they go that far. In the order of their first.
fn groups(scope: &Scope<'_>) -> Vec<Vec<usize>> {
    let mut whole: HashMap<Root, Vec<usize>> = HashMap::new();
    let mut parts: HashMap<(Root, Step), usize> = HashMap::new();
    let mut groups: Vec<(Root, Vec<usize>)> = Vec::new();
    for (index, event) in scope.events.iter().enumerate() {
        let Some(touch) = touch(event) else { continue };
        let root = touch.place.root;
        let Some(&step) = touch.place.steps.first() else {
            whole.entry(root).or_default().push(index);
            continue;
        };
        let part = match step {
            Step::Index(_) => Step::Index(Index::All),
            Step::Element(_) => Step::Element(Index::All),
            other => other,
        };
        let group = *parts.entry((root, part)).or_insert_with(|| {
            groups.push((root, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(index);
    }
    // What touches the whole goes with each of its parts.
    for (root, group) in &mut groups {
        group.extend(whole.get(root).into_iter().flatten());
        group.sort_unstable();
    }
    let mut groups: Vec<Vec<usize>> = groups.into_iter().map(|(_, group)| group).collect();
    groups.extend(whole.into_values());
    groups.retain(|group| {
        let thread = scope.events[group[0]].thread;
        let writes = group.iter().any(|&index| touch(&scope.events[index]).is_some_and(|touch| touch.write));
        writes && group.iter().any(|&index| scope.events[index].thread != thread)
    });
    groups.sort_unstable();
    groups
}

type Key = (usize, u32, usize, u32);

struct Search<'s, 'a> {
    scope: &'s Scope<'a>,
    order: Order<'s, 'a>,
    tried: HashMap<Key, u32>,
    seen: HashSet<Key>,
    looked: usize,
    found: Vec<Conflict>,
}

impl Search<'_, '_> {
    /// Compares the accesses of each two goroutines.
    fn group(&mut self, accesses: &[usize]) {
        let mut threads: Vec<(ThreadId, Vec<usize>)> = Vec::new();
        for &index in accesses {
            let thread = self.scope.events[index].thread;
            match threads.iter_mut().find(|(known, _)| *known == thread) {
                Some((_, own)) => own.push(index),
                None => threads.push((thread, vec![index])),
            }
        }
        for (position, (_, ours)) in threads.iter().enumerate() {
            for (_, theirs) in &threads[position + 1..] {
                for &first in ours {
                    for &second in theirs {
                        if self.looked > MAX_PAIRS {
                            return;
                        }
                        self.pair(first, second);
                    }
                }
            }
        }
    }

    fn pair(&mut self, first: usize, second: usize) {
        let (one, other) = (&self.scope.events[first], &self.scope.events[second]);
        let (Some(a), Some(b)) = (touch(one), touch(other)) else { return };
        if !(a.write || b.write) || !overlap(&a.place, &b.place) || is_safe(a, b, one, other) {
            return;
        }
        self.looked += 1;
        let key = key(self.scope, one, other);
        if self.seen.contains(&key) {
            return;
        }
        let tries = self.tried.entry(key).or_insert(0);
        *tries += 1;
        if *tries > MAX_TRIES
            || a.how == How::GroupAdd && self.order.adds_while_counted(first)
            || b.how == How::GroupAdd && self.order.adds_while_counted(second)
            || self.order.exclusive(first, second)
            || self.order.before(first, second)
            || self.order.before(second, first)
        {
            return;
        }
        self.seen.insert(key);
        // A close that comes before the send is no better than one beside it.
        let may_be_ordered = a.how != How::Close && self.order.possibly_before(first, second)
            || b.how != How::Close && self.order.possibly_before(second, first)
            || share_keyed_lock(one, other);
        self.found.push(Conflict { first, second, may_be_ordered });
    }
}

/// What identifies a pair in the source.
fn key(scope: &Scope<'_>, one: &Event<'_>, other: &Event<'_>) -> Key {
    let a = (scope.frame(one.frame).unit, one.span.start);
    let b = (scope.frame(other.frame).unit, other.span.start);
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    (a.0, a.1, b.0, b.1)
}

fn touch<'s, 'a>(event: &'s Event<'a>) -> Option<&'s Touch<'a>> {
    match &event.kind {
        EventKind::Access(touch) => Some(touch),
        _ => None,
    }
}

/// Whether something other than order keeps the two apart: a lock, a `sync.Once`, or that both are atomic.
fn is_safe(a: &Touch<'_>, b: &Touch<'_>, one: &Event<'_>, other: &Event<'_>) -> bool {
    if a.how == b.how && matches!(a.how, How::Atomic | How::GroupWait) {
        return true;
    }
    if a.once.is_some() && a.once == b.once {
        return true;
    }
    one.locks.iter().any(|lock| {
        other
            .locks
            .iter()
            .any(|held| excludes(lock, held) || excludes_by_index(lock, &a.place, held, &b.place))
    })
}

/// Whether two locks of an array of locks exclude holders that access the elements of the same number: `locks[i]` for
/// `parts[i]` and `locks[j]` for `parts[j]`.
fn excludes_by_index(a: &HeldLock, part: &Place, b: &HeldLock, other: &Place) -> bool {
    if !(a.exclusive || b.exclusive)
        || a.place.root != b.place.root
        || a.place.steps.len() != b.place.steps.len()
    {
        return false;
    }
    let mut by_index = false;
    let same = a.place.steps.iter().zip(&b.place.steps).all(|(&left, &right)| {
        let (Some(i), Some(j)) = (index(left), index(right)) else { return left == right };
        if i == j && !matches!(i, Index::All | Index::Some) {
            return true;
        }
        // Both parts are taken by the number of their lock.
        let position = part.steps.iter().position(|&step| index(step) == Some(i));
        by_index = i != Index::Some
            && j != Index::Some
            && position.is_some_and(|at| other.steps.get(at).copied().and_then(index) == Some(j));
        by_index
    });
    same && by_index
}

const fn index(step: Step) -> Option<Index> {
    match step {
        Step::Index(index) | Step::Element(index) => Some(index),
        _ => None,
    }
}

/// Whether holders of the two can't run at once.
fn excludes(a: &HeldLock, b: &HeldLock) -> bool {
    a.place == b.place && (a.exclusive || b.exclusive) && !a.keyed
}

/// Whether both hold a lock of the same object that may exclude the other: it depends on what it was given.
fn share_keyed_lock(one: &Event<'_>, other: &Event<'_>) -> bool {
    let keyed = |lock: &HeldLock, held: &HeldLock| {
        lock.keyed && lock.place == held.place && (lock.exclusive || held.exclusive)
    };
    one.locks.iter().any(|lock| other.locks.iter().any(|held| keyed(lock, held)))
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
