//! The entries of a vector clock beyond the first few: a persistent radix tree.
//!
//! Nodes are reference-counted and changed only by the holder of their single reference; a change of a shared tree
//! copies the path from the root. Joining two clocks that descend from each other visits only the paths in which they
//! differ, and takes over the other's nodes wherever those say at least as much, so that thousands of goroutines that
//! pass the same lock share nearly all of their clocks.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::memory;

/// Entries of a leaf: with its header 256 bytes.
const LEAF: usize = 62;
/// Children of an inner node: with its header 248 bytes.
const FAN: usize = 30;

/// A leaf's entries, or an inner node's children: which of the two follows from the height.
#[repr(C)]
struct Node {
    references: AtomicU32,
    _reserved: u32,
    body: Body,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Body {
    values: [u32; LEAF],
    children: [*mut Node; FAN],
}
const _: () = assert!(size_of::<Node>() == 256);

/// How two nodes compared before they were joined.
#[derive(Clone, Copy)]
struct Compared {
    /// An entry of theirs was greater than mine.
    theirs_says_more: bool,
    /// An entry of mine was greater than theirs.
    mine_says_more: bool,
}

impl Compared {
    const EQUAL: Self = Self { theirs_says_more: false, mine_says_more: false };
}

/// A tree: null, or a leaf at height 0, or an inner node above.
pub struct Tree {
    root: *mut Node,
    height: u32,
}

// SAFETY: nodes are changed only by the holder of their single reference; counts are atomic.
unsafe impl Send for Tree {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for Tree {}

/// How many entries a tree of this height spans.
fn span(height: u32) -> usize {
    LEAF * FAN.pow(height)
}

impl Tree {
    /// All entries zero.
    pub const fn new() -> Self {
        Self { root: null_mut(), height: 0 }
    }

    /// Whether all entries are zero.
    pub fn is_empty(&self) -> bool {
        self.root.is_null()
    }

    /// Whether two trees are one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.root == other.root && self.height == other.height
    }

    /// Another reference to the same entries.
    pub fn share(&self) -> Self {
        // SAFETY: the root is live or null.
        Self { root: unsafe { Node::share(self.root) }, height: self.height }
    }

    /// The entry at `index`.
    pub fn get(&self, index: usize) -> u32 {
        let (mut node, mut height, mut index) = (self.root, self.height, index);
        if index >= span(height) {
            return 0;
        }
        while !node.is_null() && height > 0 {
            let below = span(height - 1);
            // SAFETY: a live node above the leaves has children.
            node = unsafe { (*node).body.children[index / below] };
            index %= below;
            height -= 1;
        }
        // SAFETY: a live node at height 0 has values.
        if node.is_null() { 0 } else { unsafe { (*node).body.values[index] } }
    }

    /// Sets the entry at `index`.
    pub fn set(&mut self, index: usize, value: u32) {
        while index >= span(self.height) {
            self.grow();
        }
        let (mut place, mut height, mut index) = (&raw mut self.root, self.height, index);
        // SAFETY: each place is in a node that is exclusively ours, the first one in the tree itself.
        unsafe {
            loop {
                Node::own(place, height);
                if height == 0 {
                    (**place).body.values[index] = value;
                    return;
                }
                let below = span(height - 1);
                place = &raw mut (**place).body.children[index / below];
                index %= below;
                height -= 1;
            }
        }
    }

    /// Puts a level on top.
    fn grow(&mut self) {
        if !self.root.is_null() {
            let mut children = [null_mut(); FAN];
            children[0] = self.root;
            self.root = Node::new(Body { children });
        }
        self.height += 1;
    }

    /// Takes the greater of each pair of entries. True if one of `other`'s was greater.
    pub fn join(&mut self, other: &Self) -> bool {
        let mut theirs = other.share();
        while self.height < theirs.height {
            self.grow();
        }
        while theirs.height < self.height {
            theirs.grow();
        }
        // SAFETY: both roots are live or null and of the same height; `self.root` is ours.
        unsafe { Node::join(&mut self.root, theirs.root, self.height) }.theirs_says_more
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: the tree gives up its reference.
        unsafe { Node::release(self.root, self.height) };
    }
}

impl Node {
    fn new(body: Body) -> *mut Self {
        let node = memory::allocate(size_of::<Self>()).as_ptr().cast::<Self>();
        // SAFETY: fresh memory of this size.
        unsafe { node.write(Self { references: AtomicU32::new(1), _reserved: 0, body }) };
        node
    }

    /// # Safety
    /// `node` is live or null.
    unsafe fn share(node: *mut Self) -> *mut Self {
        // SAFETY: passed on.
        if let Some(node) = unsafe { node.as_ref() } {
            node.references.fetch_add(1, Ordering::Relaxed);
        }
        node
    }

    /// # Safety
    /// `node` is live or null, of this height, and the caller gives up one reference.
    unsafe fn release(node: *mut Self, height: u32) {
        // SAFETY: the last holder frees the node after its children.
        unsafe {
            // ORDERING: Release so that our reads are done before another holder changes or frees the node; Acquire
            // for the one who frees it.
            if node.is_null() || (*node).references.fetch_sub(1, Ordering::AcqRel) != 1 {
                return;
            }
            if height > 0 {
                for child in (*node).body.children {
                    Self::release(child, height - 1);
                }
            }
            memory::free(NonNull::new_unchecked(node.cast()), size_of::<Self>());
        }
    }

    /// Makes the node at `place` exclusively ours: a new one if there is none, a copy if it is shared.
    ///
    /// # Safety
    /// `place` is ours and holds null or a live node of this height.
    unsafe fn own(place: *mut *mut Self, height: u32) {
        // SAFETY: passed on; children of a copied node get one more reference.
        unsafe {
            let old = *place;
            if old.is_null() {
                let children = Body { children: [null_mut(); FAN] };
                *place = Self::new(if height == 0 { Body { values: [0; LEAF] } } else { children });
                return;
            }
            // ORDERING: Acquire pairs with the Release decrement of whoever shared the node until now.
            if (*old).references.load(Ordering::Acquire) == 1 {
                return;
            }
            if height > 0 {
                for child in (*old).body.children {
                    Self::share(child);
                }
            }
            *place = Self::new((*old).body);
            Self::release(old, height);
        }
    }

    /// Joins `theirs` into the node at `place`, and shares `theirs` wherever it says all that mine does: of two clocks that
    /// agree but were made apart, the next join compares only what has changed since.
    ///
    /// # Safety
    /// Both are live or null and of this height; `place` is ours, `theirs` is kept alive by the caller.
    unsafe fn join(place: &mut *mut Self, theirs: *mut Self, height: u32) -> Compared {
        if theirs == *place {
            return Compared::EQUAL;
        }
        if theirs.is_null() {
            return Compared { theirs_says_more: false, mine_says_more: true };
        }
        // SAFETY: passed on. Children of a node that is exclusively ours are our places.
        unsafe {
            if place.is_null() {
                *place = Self::share(theirs);
                return Compared { theirs_says_more: true, mine_says_more: false };
            }
            // ORDERING: as in `own`.
            let is_ours = (**place).references.load(Ordering::Acquire) == 1;
            let compared = if height > 0 && is_ours {
                Self::join_children(*place, theirs, height)
            } else {
                Compared {
                    theirs_says_more: Self::says_more(theirs, *place, height),
                    mine_says_more: Self::says_more(*place, theirs, height),
                }
            };
            if !compared.mine_says_more {
                Self::release(core::mem::replace(place, Self::share(theirs)), height);
            } else if compared.theirs_says_more && height == 0 {
                Self::own(place, height);
                let (mine, theirs) = (&mut (**place).body.values, &(*theirs).body.values);
                mine.iter_mut().zip(theirs).for_each(|(mine, &theirs)| *mine = (*mine).max(theirs));
            } else if compared.theirs_says_more && !is_ours {
                Self::own(place, height);
                Self::join_children(*place, theirs, height);
            }
            compared
        }
    }

    /// Joins the children of `theirs` into those of `mine`.
    ///
    /// # Safety
    /// Both are live and of this height, above the leaves; `mine` is exclusively ours.
    unsafe fn join_children(mine: *mut Self, theirs: *mut Self, height: u32) -> Compared {
        let mut all = Compared::EQUAL;
        // SAFETY: passed on.
        unsafe {
            let (mine, theirs) = (&mut (*mine).body.children, &(*theirs).body.children);
            for (mine, &theirs) in mine.iter_mut().zip(theirs) {
                let one = Self::join(mine, theirs, height - 1);
                all.theirs_says_more |= one.theirs_says_more;
                all.mine_says_more |= one.mine_says_more;
            }
        }
        all
    }

    /// Whether an entry of `theirs` is greater than the one of `mine`.
    ///
    /// # Safety
    /// Both are live or null and of this height.
    unsafe fn says_more(theirs: *mut Self, mine: *mut Self, height: u32) -> bool {
        if theirs == mine || theirs.is_null() {
            return false;
        }
        if mine.is_null() {
            return true;
        }
        // SAFETY: passed on.
        unsafe {
            if height == 0 {
                let (theirs, mine) = (&(*theirs).body.values, &(*mine).body.values);
                return theirs.iter().zip(mine).any(|(theirs, mine)| theirs > mine);
            }
            let (theirs, mine) = (&(*theirs).body.children, &(*mine).body.children);
            theirs.iter().zip(mine).any(|(&theirs, &mine)| Self::says_more(theirs, mine, height - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_at_every_height() {
        let mut tree = Tree::new();
        let places = [0, 61, 62, 1859, 1860, 55_799, 55_800, 4_194_247];
        for (value, &place) in places.iter().enumerate() {
            tree.set(place, value as u32 + 1);
        }
        for (value, &place) in places.iter().enumerate() {
            assert_eq!(tree.get(place), value as u32 + 1);
        }
        assert_eq!((tree.get(1), tree.get(100_000_000)), (0, 0));
    }

    #[test]
    fn a_descendant_is_taken_over_whole() {
        let mut old = Tree::new();
        (0..5000).for_each(|index| old.set(index, 1));
        let mut new = old.share();
        new.set(77, 2);
        assert!(old.join(&new));
        assert!(old.is_same(&new), "nothing of its own is left");
        assert!(!old.join(&new));
    }

    #[test]
    fn trees_that_agree_share_their_nodes_after_a_join() {
        let make = |own: usize| {
            let mut tree = Tree::new();
            (0..5000).for_each(|index| tree.set(index, 1));
            tree.set(own, 2);
            tree
        };
        let (mut left, right) = (make(7), make(4000));
        assert!(left.join(&right));
        assert_eq!((left.get(7), left.get(4000)), (2, 2));
        // SAFETY: both trees have two levels above their leaves.
        let children = |tree: &Tree| unsafe { (*tree.root).body.children };
        assert_ne!(children(&left)[0], children(&right)[0], "left says more here");
        assert_eq!(children(&left)[1..], children(&right)[1..]);
        // SAFETY: as above.
        let leaves = |tree: &Tree| unsafe { (*children(tree)[0]).body.children };
        assert_eq!(leaves(&left)[1..], leaves(&right)[1..], "all leaves but the one that differs");
    }

    #[test]
    fn a_join_leaves_the_clocks_alone_that_share_its_nodes() {
        let mut mine = Tree::new();
        (0..5000).for_each(|index| mine.set(index, 3));
        let kept = mine.share();
        let mut theirs = Tree::new();
        (0..5000).for_each(|index| theirs.set(index, if index % 100 == 0 { 4 } else { 2 }));
        assert!(mine.join(&theirs));
        assert!(!mine.join(&theirs));
        for index in 0..5000 {
            assert_eq!(mine.get(index), if index % 100 == 0 { 4 } else { 3 });
            assert_eq!((kept.get(index), theirs.get(index)), (3, if index % 100 == 0 { 4 } else { 2 }));
        }
    }

    #[test]
    fn joins_keep_what_only_one_side_knows() {
        let (mut left, mut right) = (Tree::new(), Tree::new());
        left.set(3, 5);
        left.set(70_000, 1);
        right.set(4, 6);
        assert!(left.join(&right));
        assert_eq!((left.get(3), left.get(4), left.get(70_000)), (5, 6, 1));
        assert_eq!((right.get(3), right.get(4)), (0, 6), "the other is unchanged");
        assert!(right.join(&left));
        assert_eq!((right.get(3), right.get(70_000)), (5, 1));
    }
}
