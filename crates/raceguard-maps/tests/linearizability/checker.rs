//! The search for a legal order of the calls of a history, after Wing and Gong (1993) with Lowe's memory of states that
//! led nowhere (2017).
//!
//! A history is right when its calls can be put into one order that keeps every given "comes before" and in which a
//! sequential map gives every outcome. The search tries each call that has no unplaced predecessor; a pair of placed
//! calls and map state that it has been in before is not tried again. Where all calls are about one key each, keys
//! are searched apart: linearizability is compositional (Herlihy and Wing, 1990).

use hashbrown::HashSet;

use super::model::{Call, KEYS, Outcome, State};

/// One call for the checker.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) call: Call,
    pub(crate) outcome: Outcome,
    /// The calls that come before it, as a set of bits.
    pub(crate) before: u64,
}

/// Whether there is a legal order of all nodes, seen together.
pub(crate) fn has_order(initial: State, nodes: &[Node]) -> bool {
    assert!(nodes.len() < 64, "{} calls are too many for the bits of a word", nodes.len());
    let mut search = Search { nodes, all: (1 << nodes.len()) - 1, tried: HashSet::default() };
    search.from(0, initial)
}

/// Whether there is a legal order for the calls of each key by themselves.
pub(crate) fn has_order_per_key(initial: State, nodes: &[Node]) -> bool {
    (0..KEYS).all(|key| has_order(initial, &about(key, nodes)))
}

/// The nodes about one key, with their order among each other.
fn about(key: usize, nodes: &[Node]) -> Vec<Node> {
    let chosen: Vec<usize> = (0..nodes.len()).filter(|&index| nodes[index].call.key() == Some(key)).collect();
    let renumbered = |before: u64| {
        chosen.iter().enumerate().filter(|(_, old)| before >> **old & 1 == 1).map(|(new, _)| 1 << new).sum()
    };
    chosen
        .iter()
        .map(|&index| Node { before: renumbered(nodes[index].before), ..nodes[index].clone() })
        .collect()
}

struct Search<'a> {
    nodes: &'a [Node],
    all: u64,
    tried: HashSet<(u64, State), foldhash::fast::FixedState>,
}

impl Search<'_> {
    fn from(&mut self, placed: u64, state: State) -> bool {
        if placed == self.all {
            return true;
        }
        if !self.tried.insert((placed, state)) {
            return false;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let bit = 1 << index;
            if placed & bit != 0 || node.before & !placed != 0 {
                continue;
            }
            if let Some(after) = node.call.step(&node.outcome, &state)
                && self.from(placed | bit, after)
            {
                return true;
            }
        }
        false
    }
}
