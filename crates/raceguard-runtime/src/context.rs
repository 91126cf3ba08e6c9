//! Calling contexts: a tree of program counters in which a whole stack is one u32.
//!
//! A node is a program counter (a return address) under its caller's node; node 0 is the empty stack. *Spawn* nodes form
//! a second tree: a goroutine's spawn node is the stack of its `go` statement under its parent's spawn node, so that it
//! gives the creation stacks of the goroutine and of all ancestors. The two are apart because a function's stack is the
//! same whoever started the goroutine.
//!
//! Nodes are never removed. Their number is bounded by the program's distinct stacks: recursion deeper than
//! [`FOLD_DEPTH`] frames, and chains of goroutines that start each other longer than [`FOLD_SPAWNS`], are folded
//! onto an earlier occurrence, so they cost no new nodes.
//!
//! Lookups take no lock. Insertion takes one, and puts a larger table in the place of one that is nearly full: a reader who
//! searches the old one does not find its node and asks again under the lock.
//!
//! Programs come to their stacks in the same order again and again. Each node therefore remembers which one was asked
//! for after it ([`call_after`]), which saves most searches, and those would be cache misses.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::lock::SpinLock;
use crate::{memory, sys};

/// Beyond this many frames a repeated program counter folds onto its previous occurrence.
pub const FOLD_DEPTH: u32 = 48;
/// Beyond this many generations a goroutine started by the same `go` statement folds onto its ancestor's.
pub const FOLD_SPAWNS: u32 = 12;
/// How many ancestors are searched for an earlier occurrence.
const FOLD_WINDOW: usize = 24;

const MAX_NODES: usize = 1 << 28;
const PC_BITS: u64 = (1 << 48) - 1;
const SPAWN: u64 = 1 << 63;
/// No program counter of a program has this bit.
const PAIR: u64 = 1 << 47;
/// Where the bytes of a pair lie, above its second context.
const BYTES_SHIFT: u32 = 32;
const DEPTH_SHIFT: u32 = 48;
const MAX_DEPTH: u64 = (1 << 15) - 1;

/// A stack, or rather its innermost frame, which knows the frame that called it.
#[repr(C)]
struct Node {
    parent: AtomicU32,
    /// The node that somebody asked for after this one: a guess at the next one, never more.
    after: AtomicU32,
    /// Program counter in the low 48 bits, then 15 bits of depth. With the spawn bit: the context of a `go` statement. With
    /// the pair bit: the second context and the bytes of a [`PairNode`], whose first context is the parent.
    word: AtomicU64,
}

struct Tree {
    nodes: AtomicPtr<Node>,
    /// Node ids by hash, open addressing; the low six bits of the address hold the binary logarithm of their number.
    places: AtomicU64,
    insertion: SpinLock<u32>,
}

static TREE: Tree = Tree {
    nodes: AtomicPtr::new(core::ptr::null_mut()),
    places: AtomicU64::new(0),
    insertion: SpinLock::new(0),
};

/// The root of all stacks: a node without a frame, so that no context is 0.
pub const ROOT: u32 = 1;

/// Reserves the tree. Called once.
pub fn init() {
    let mut count = TREE.insertion.lock();
    if *count != 0 {
        return;
    }
    let nodes = sys::map(MAX_NODES * size_of::<Node>());
    if nodes == 0 {
        sys::fatal(
            "cannot reserve address space for calling contexts",
            "lift the limit on address space (ulimit -v)",
        );
    }
    // ORDERING: Release pairs with the Acquire in `node`.
    TREE.nodes.store(nodes as *mut Node, Ordering::Release);
    *count = ROOT + 1;
    let shift = 10;
    TREE.places.store(new_places(shift), Ordering::Release);
}

fn new_places(shift: u32) -> u64 {
    let bytes = 4usize << shift;
    let at = memory::allocate(bytes).as_ptr();
    // SAFETY: fresh memory of this size, at least 64-byte aligned because its class is at least 4 KB.
    unsafe { at.write_bytes(0, bytes) };
    at as u64 | u64::from(shift)
}

/// How many contexts there are.
pub fn count() -> u32 {
    *TREE.insertion.lock()
}

#[inline]
fn node(id: u32) -> &'static Node {
    // SAFETY: ids are given out only after their node is written, inside the reserved range, never unmapped.
    unsafe { &*TREE.nodes.load(Ordering::Acquire).add(id as usize) }
}

/// The places where a node of this hash can be, in order; at least a quarter of all places is empty.
#[inline]
fn places_of(places: u64, hash: u64) -> impl Iterator<Item = &'static AtomicU32> {
    let shift = places & 63;
    let start = (hash >> (64 - shift)) as usize;
    let mask = (1usize << shift) - 1;
    // SAFETY: indices are below the number of places; tables are never freed (readers may hold them).
    (start..).map(move |index| unsafe { &*((places & !63) as *const AtomicU32).add(index & mask) })
}

#[inline]
fn hash(parent: u32, word: u64) -> u64 {
    let mixed = (word & (PC_BITS | SPAWN)) ^ (u64::from(parent) << 40).rotate_left(17);
    (mixed ^ (mixed >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline]
fn is(id: u32, parent: u32, word: u64) -> bool {
    let node = node(id);
    (node.word.load(Ordering::Relaxed) ^ word) & (PC_BITS | SPAWN) == 0
        && node.parent.load(Ordering::Relaxed) == parent
}

#[inline]
fn find(places: u64, parent: u32, word: u64) -> Option<u32> {
    // ORDERING: Acquire pairs with the Release store that publishes a node in its place.
    places_of(places, hash(parent, word))
        .map(|place| place.load(Ordering::Acquire))
        .find(|&id| id == 0 || is(id, parent, word))
        .filter(|&id| id != 0)
}

fn intern(parent: u32, word: u64) -> u32 {
    // ORDERING: Acquire pairs with the Release store of a new table.
    let places = TREE.places.load(Ordering::Acquire);
    match find(places, parent, word) {
        Some(id) => id,
        None => insert(parent, word),
    }
}

#[cold]
fn insert(parent: u32, word: u64) -> u32 {
    let mut count = TREE.insertion.lock();
    let mut places = TREE.places.load(Ordering::Acquire);
    if let Some(id) = find(places, parent, word) {
        return id;
    }
    let id = *count;
    if id as usize >= MAX_NODES {
        // Every further stack is shown without its innermost frames; none is lost altogether.
        return parent;
    }
    *count += 1;
    if u64::from(id) > 3 << (places & 63) >> 2 {
        places = grow(places, id);
    }
    let node = node(id);
    node.parent.store(parent, Ordering::Relaxed);
    node.word.store(word, Ordering::Relaxed);
    put(places, id);
    id
}

/// Puts a node that is written into its place.
fn put(places: u64, id: u32) {
    let node = node(id);
    let hash = hash(node.parent.load(Ordering::Relaxed), node.word.load(Ordering::Relaxed));
    if let Some(place) = places_of(places, hash).find(|place| place.load(Ordering::Relaxed) == 0) {
        // ORDERING: Release publishes the node to `find`.
        place.store(id, Ordering::Release);
    }
}

/// A table twice as large with all `count` nodes.
fn grow(old: u64, count: u32) -> u64 {
    let places = new_places((old & 63) as u32 + 1);
    (ROOT + 1..count).for_each(|id| put(places, id));
    TREE.places.store(places, Ordering::Release);
    places
}

fn depth_of(id: u32) -> u64 {
    if id <= ROOT { 0 } else { (node(id).word.load(Ordering::Relaxed) >> DEPTH_SHIFT) & MAX_DEPTH }
}

/// The context of a frame with return address `pc` called from context `parent`.
#[inline]
pub fn call(parent: u32, pc: u64) -> u32 {
    let depth = (depth_of(parent) + 1).min(MAX_DEPTH);
    let word = (pc & PC_BITS) | depth << DEPTH_SHIFT;
    if depth > u64::from(FOLD_DEPTH) {
        return fold(parent, pc & PC_BITS).unwrap_or_else(|| intern(parent, word));
    }
    intern(parent, word)
}

/// As [`call`], if it is what somebody asked for after `latest` before.
#[inline(always)]
pub fn after(latest: u32, parent: u32, pc: u64) -> Option<u32> {
    // ORDERING: Acquire pairs with the Release store in `call_after`: the node that the guess is, is written.
    let guess = node(latest).after.load(Ordering::Acquire);
    is(guess, parent, pc & PC_BITS).then_some(guess)
}

/// As [`call`], for somebody who asked for `latest` before.
#[inline]
pub fn call_after(latest: u32, parent: u32, pc: u64) -> u32 {
    after(latest, parent, pc).unwrap_or_else(|| {
        let id = call(parent, pc);
        node(latest).after.store(id, Ordering::Release);
        id
    })
}

/// Two contexts that a record has, see [`crate::context_pair`].
#[derive(Clone, Copy)]
pub struct PairNode {
    /// The context of all other bytes, or a pair again.
    pub first: u32,
    /// The context of `bytes`.
    pub second: u32,
    /// A bit for each byte of a word.
    pub bytes: u8,
    /// How many contexts the pair has, with those of its first.
    pub contexts: u32,
}

impl PairNode {
    fn word(&self) -> u64 {
        let contexts = u64::from(self.contexts) << DEPTH_SHIFT;
        contexts | PAIR | u64::from(self.bytes) << BYTES_SHIFT | u64::from(self.second)
    }
}

/// The pair that `id` is, if it is one.
#[inline]
pub fn pair_of(id: u32) -> Option<PairNode> {
    let node = node(id);
    let word = node.word.load(Ordering::Relaxed);
    if word & (PAIR | SPAWN) != PAIR {
        return None;
    }
    Some(PairNode {
        first: node.parent.load(Ordering::Relaxed),
        second: word as u32,
        bytes: (word >> BYTES_SHIFT) as u8,
        contexts: (word >> DEPTH_SHIFT) as u32,
    })
}

/// Whether `id` is this pair.
#[inline]
pub fn is_pair(id: u32, pair: &PairNode) -> bool {
    is(id, pair.first, pair.word())
}

/// The id of a pair; `count` is called if it is a new one, or may be. `None` if there is no room for more nodes.
pub fn intern_pair(pair: &PairNode, count: impl FnOnce()) -> Option<u32> {
    // ORDERING: as in `intern`.
    let places = TREE.places.load(Ordering::Acquire);
    let id = find(places, pair.first, pair.word()).unwrap_or_else(|| {
        count();
        insert(pair.first, pair.word())
    });
    is_pair(id, pair).then_some(id)
}

/// The spawn node of a goroutine that the goroutine of spawn node `parent` (0 for none) started in context `statement`.
pub fn spawn(parent: u32, statement: u32) -> u32 {
    let generations = spawns(parent).count() as u32;
    if generations >= FOLD_SPAWNS {
        let pc = innermost(statement);
        if let Some((known, _)) = spawns(parent).find(|&(_, statement)| innermost(statement) == pc) {
            return known;
        }
    }
    intern(parent, SPAWN | u64::from(statement))
}

/// The spawn nodes from `id` up to the first goroutine, each with the context of its `go` statement.
pub fn spawns(id: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = id;
    core::iter::from_fn(move || {
        let id = at;
        if id == 0 {
            return None;
        }
        at = node(id).parent.load(Ordering::Relaxed);
        Some((id, node(id).word.load(Ordering::Relaxed) as u32))
    })
}

fn innermost(context: u32) -> Option<u64> {
    frames(context).next()
}

/// The nearest of some ancestors, from `start` on, with this program counter.
fn fold(start: u32, pc: u64) -> Option<u32> {
    let mut at = start;
    for _ in 0..FOLD_WINDOW {
        if at <= ROOT {
            return None;
        }
        if node(at).word.load(Ordering::Relaxed) & PC_BITS == pc {
            return Some(at);
        }
        at = node(at).parent.load(Ordering::Relaxed);
    }
    None
}

/// The return addresses of context `id`, innermost first.
pub fn frames(id: u32) -> impl Iterator<Item = u64> {
    let mut at = id;
    core::iter::from_fn(move || {
        if at <= ROOT {
            return None;
        }
        let node = node(at);
        at = node.parent.load(Ordering::Relaxed);
        Some(node.word.load(Ordering::Relaxed) & PC_BITS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(pcs: &[u64]) -> u32 {
        init();
        pcs.iter().fold(ROOT, |parent, &pc| call(parent, pc))
    }

    #[test]
    fn equal_stacks_are_one_context() {
        let (a, b) = (stack(&[1, 2, 3]), stack(&[1, 2, 3]));
        assert_eq!(a, b);
        assert_ne!(a, stack(&[1, 2, 4]));
        assert_ne!(a, stack(&[2, 1, 3]));
        assert_eq!(frames(a).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn a_spawn_node_gives_the_go_statements_of_all_ancestors() {
        let parent = spawn(0, stack(&[10, 11]));
        let child = spawn(parent, stack(&[20, 21]));
        assert_eq!(child, spawn(parent, stack(&[20, 21])));
        let statements: Vec<Vec<u64>> =
            spawns(child).map(|(_, statement)| frames(statement).collect()).collect();
        assert_eq!(statements, [[21, 20], [11, 10]]);
    }

    #[test]
    fn deep_recursion_folds() {
        let mut at = stack(&[100]);
        for _ in 0..FOLD_DEPTH {
            at = call(call(at, 101), 102);
        }
        let before = *TREE.insertion.lock();
        for _ in 0..100_000 {
            at = call(call(at, 101), 102);
        }
        // Other tests insert at the same time, but not a hundred thousand nodes.
        assert!(*TREE.insertion.lock() - before < 50_000);
    }

    #[test]
    fn chains_of_goroutines_fold() {
        let statement = stack(&[200, 201]);
        let last = (0..100).fold(0, |parent, _| spawn(parent, statement));
        assert_eq!(last, spawn(last, statement), "the same go statement again adds nothing");
        assert!(spawns(last).count() <= FOLD_SPAWNS as usize + 1);
    }

    #[test]
    fn concurrent_interning_agrees() {
        init();
        let ids: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..20_000u64).map(|i| call(call(ROOT, 7_000 + i % 97), i)).collect())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
