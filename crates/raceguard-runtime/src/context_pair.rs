//! Pairs of calling contexts: one record for the bytes of a word that a goroutine accessed by different statements in one
//! epoch, such as the two halves of a word in an array of 32-bit values.
//!
//! A pair is a node of the tree of contexts: some bytes were accessed in its second context, all others in its first one,
//! which can be a pair again. Equal pairs are one node. Only records in the shadow refer to pairs: whoever
//! compares an access with a record asks for the parts.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::context::{self, PairNode};

/// Contexts of one record at most.
const MOST_CONTEXTS: u32 = 4;
/// Once there are so many pairs, records are not joined any more.
const MOST_PAIRS: u32 = 1 << 18;

/// The pairs that were asked for last, by a hash; a wrong one is noticed.
static LATELY: [AtomicU32; PLACES] = [const { AtomicU32::new(0) }; PLACES];
const PLACES: usize = 1 << 10;
static PAIRS: AtomicU32 = AtomicU32::new(0);

/// A pair is looked for only, or made if there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Needs no memory.
    Known,
    /// May allocate.
    OrNew,
}

/// What was joined last, for a goroutine to remember: loops join the same contexts again and again.
#[derive(Clone, Copy, Default)]
pub struct Joint {
    first: u32,
    second: u32,
    bytes: u8,
    id: u32,
}

/// How many joints a goroutine remembers.
pub const JOINTS: usize = 2;

/// As [`join`], with what the goroutine remembers.
#[inline(always)]
pub fn join_again(
    lately: &[Cell<Joint>; JOINTS],
    first: u32,
    second: u32,
    bytes: u8,
    lookup: Lookup,
) -> Option<u32> {
    let place = &lately[bytes.trailing_zeros() as usize % JOINTS];
    let known = place.get();
    if (known.first, known.second, known.bytes) == (first, second, bytes) {
        return Some(known.id);
    }
    let id = join(first, second, bytes, lookup)?;
    place.set(Joint { first, second, bytes, id });
    Some(id)
}

/// The context of a record that lies in context `first`, or pair, once it has taken in `bytes` in context `second`.
/// `None` if it is better to leave the two apart.
#[inline(never)]
fn join(first: u32, second: u32, bytes: u8, lookup: Lookup) -> Option<u32> {
    let node = match context::pair_of(first) {
        Some(pair) if pair.second == second => PairNode { bytes: pair.bytes | bytes, ..pair },
        Some(pair) if pair.contexts >= MOST_CONTEXTS => return None,
        Some(pair) => PairNode { first, second, bytes, contexts: pair.contexts + 1 },
        None => PairNode { first, second, bytes, contexts: 2 },
    };
    let place = &LATELY[place_of(&node)];
    // ORDERING: Acquire pairs with the Release store below: the node is written.
    let guess = place.load(Ordering::Acquire);
    if guess != 0 && context::is_pair(guess, &node) {
        return Some(guess);
    }
    if lookup == Lookup::Known {
        return None;
    }
    if PAIRS.load(Ordering::Relaxed) >= MOST_PAIRS {
        return None;
    }
    let id = context::intern_pair(&node, || _ = PAIRS.fetch_add(1, Ordering::Relaxed))?;
    place.store(id, Ordering::Release);
    Some(id)
}

#[inline]
fn place_of(node: &PairNode) -> usize {
    let mixed = (u64::from(node.first) << 32 | u64::from(node.second)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 40) as usize ^ usize::from(node.bytes)) % PLACES
}

/// Calls `action` with each context of a record in context `id`, and the bytes of a word that it stands for.
pub fn for_each_part(id: u32, mut action: impl FnMut(u32, u8)) {
    let (mut at, mut left) = (id, 0xff);
    while let Some(pair) = context::pair_of(at) {
        action(pair.second, pair.bytes & left);
        left &= !pair.bytes;
        at = pair.first;
    }
    action(at, left);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts<const N: usize>() -> [u32; N] {
        context::init();
        core::array::from_fn(|index| context::call(context::ROOT, 0x70_0000 + index as u64))
    }

    fn parts(id: u32) -> Vec<(u32, u8)> {
        let mut parts = Vec::new();
        for_each_part(id, |context, bytes| parts.push((context, bytes)));
        parts
    }

    #[test]
    fn a_pair_is_made_once_and_taken_apart_by_bytes() {
        let [a, b] = contexts();
        assert_eq!(join(a, b, 0xf0, Lookup::Known), None, "nobody has made it");
        let pair = join(a, b, 0xf0, Lookup::OrNew).unwrap();
        assert_eq!(join(a, b, 0xf0, Lookup::Known), Some(pair));
        assert_eq!(parts(pair), [(b, 0xf0), (a, 0x0f)]);
        assert_eq!(parts(a), [(a, 0xff)]);
    }

    #[test]
    fn the_second_context_of_a_pair_takes_more_bytes() {
        let [a, b] = contexts();
        let pair = join(a, b, 0x02, Lookup::OrNew).unwrap();
        let more = join(pair, b, 0x04, Lookup::OrNew).unwrap();
        assert_eq!(parts(more), [(b, 0x06), (a, 0xf9)]);
    }

    #[test]
    fn a_record_has_a_few_contexts_at_most() {
        let [a, b, c, d, further] = contexts();
        let two = join(a, b, 2, Lookup::OrNew).unwrap();
        let four = join(join(two, c, 4, Lookup::OrNew).unwrap(), d, 8, Lookup::OrNew).unwrap();
        assert_eq!(parts(four), [(d, 8), (c, 4), (b, 2), (a, 0xf1)]);
        assert_eq!(join(four, further, 16, Lookup::OrNew), None);
        assert!(join(four, d, 16, Lookup::OrNew).is_some(), "no further context");
    }
}
