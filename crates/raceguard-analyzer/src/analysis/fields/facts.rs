//! What each function accesses and calls, with the locks held.

use rayon::prelude::*;

use super::formatted::Formatted;
use super::key::{Held, MemoryKey};
use super::lock_walk::LockWalk;
use super::ownership::Ownership;
use super::parameters::Parameters;
use crate::ir::function::{BodyId, How, Unit};
use crate::rules::ProgramContext;
use crate::syntax::span::Span;
use crate::types::FuncId;

/// A body that runs on its own: a declared function, or a function literal that is not just called where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeRef {
    /// Index of the unit.
    pub(super) unit: usize,
    /// Index among the unit's nodes.
    pub(super) node: usize,
}

/// An access to memory that has a key.
#[derive(Debug, Clone)]
pub(super) struct FieldAccess {
    /// Which memory.
    pub(super) key: MemoryKey,
    /// Whether it writes.
    pub(super) write: bool,
    /// How.
    pub(super) how: How,
    /// Locks held, those of callers left out.
    pub(super) locks: Vec<Held>,
    /// The expression.
    pub(super) span: Span,
    /// The body it stands in.
    pub(super) body: BodyId,
    /// Whether the object was made by this very function, and is not shared yet.
    pub(super) fresh: bool,
    /// Whether it happens inside a `sync.Once`.
    pub(super) once: bool,
    /// Its place in the order of the node's accesses and calls.
    pub(super) position: u32,
    /// How many conditions decide about it.
    pub(super) conditions: u32,
}

/// How a call runs what it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Start {
    /// Now, in the same goroutine.
    Now,
    /// In a goroutine of its own; true if one such call starts many.
    Goroutine(bool),
    /// For each request, many at a time.
    Handler,
    /// Some time, by someone: it was stored, returned, or handed to code that is not known.
    Later,
}

/// A call, or a start.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct CallFact {
    /// What is called.
    pub(super) target: CallTarget,
    /// How.
    pub(super) start: Start,
    /// Locks held.
    pub(super) locks: Vec<Held>,
    /// Locks that the caller took and has released again before the call.
    pub(super) dropped: Vec<Held>,
    /// Whether it is a method of an object that was made in the same function, and is not shared yet.
    pub(super) fresh: bool,
    /// Whether it is a method of an object that is not shared yet, made by this function or by all its callers.
    pub(super) owned: bool,
    /// Whether it is the call of an interface's method that this function may be.
    pub(super) dispatched: bool,
    /// Whether it happens at most once, by a `sync.Once`.
    pub(super) once: bool,
    /// The call.
    pub(super) span: Span,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CallTarget {
    /// A declared function.
    Function(FuncId),
    /// A function literal of the same unit: index of its node.
    Literal(usize),
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub(super) struct NodeFacts {
    /// The body where it begins.
    pub(super) body: BodyId,
    /// Its accesses.
    pub(super) accesses: Vec<FieldAccess>,
    /// Its calls.
    pub(super) calls: Vec<CallFact>,
    /// Interface values that it prints.
    pub(super) formatted: Vec<Formatted>,
    /// Locks that it holds when it returns, and did not when it was called.
    pub(super) acquires: Vec<Held>,
    /// Locks that it releases on some way, and did not take, and where in its order: it was called with them.
    pub(super) releases: Vec<(Held, u32)>,
    /// Locks that it was called with, and has released whenever it returns.
    pub(super) gives_up: Vec<Held>,
    /// Locks that it takes itself, on some way.
    pub(super) takes: Vec<Held>,
}

/// What is known of all nodes, by unit.
#[derive(Debug)]
pub(super) struct Facts {
    units: Vec<Vec<NodeFacts>>,
}

/// Rounds in which lock helpers call lock helpers.
const ROUNDS: usize = 3;

impl Facts {
    /// Looks at each function; again as long as functions turn out to return with other locks than they were called
    /// with, since that changes what their callers hold.
    pub(super) fn collect(context: &ProgramContext<'_>) -> Self {
        let parameters = Parameters::new(context);
        let ownership = Ownership::new(context, &parameters);
        let mut facts = Self { units: vec![Vec::new(); context.units.units.len()] };
        let all: Vec<usize> = (0..context.units.units.len()).collect();
        facts.look_at(context, &parameters, &ownership, &all);
        for _ in 0..ROUNDS {
            let helpers: foldhash::HashSet<FuncId> = all
                .iter()
                .filter(|&&unit| facts.units[unit].first().is_some_and(is_helper))
                .filter_map(|&unit| context.units.units[unit].func)
                .collect();
            let callers: Vec<usize> = all
                .iter()
                .copied()
                .filter(|&unit| {
                    facts.units[unit].iter().flat_map(|node| &node.calls).any(|call| match call.target {
                        CallTarget::Function(func) => helpers.contains(&func),
                        CallTarget::Literal(_) => false,
                    })
                })
                .collect();
            facts.look_at(context, &parameters, &ownership, &callers);
        }
        facts
    }

    fn look_at(
        &mut self,
        context: &ProgramContext<'_>,
        parameters: &Parameters,
        ownership: &Ownership,
        units: &[usize],
    ) {
        let found: Vec<(usize, Vec<NodeFacts>)> = units
            .par_iter()
            .map(|&unit| (unit, LockWalk::nodes(context, self, parameters, ownership, unit)))
            .collect();
        for (unit, nodes) in found {
            self.units[unit] = nodes;
        }
    }

    /// What is known of a declared function.
    pub(super) fn function(&self, context: &ProgramContext<'_>, func: FuncId) -> Option<&NodeFacts> {
        self.units[context.units.get(func)?].first()
    }

    /// What is known of a node.
    pub(super) fn node(&self, node: NodeRef) -> &NodeFacts {
        &self.units[node.unit][node.node]
    }

    /// All nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (NodeRef, &NodeFacts)> {
        self.units.iter().enumerate().flat_map(|(unit, nodes)| {
            nodes.iter().enumerate().map(move |(node, facts)| (NodeRef { unit, node }, facts))
        })
    }
}

fn is_helper(node: &NodeFacts) -> bool {
    !node.acquires.is_empty() || !node.gives_up.is_empty()
}

/// The unit of a node.
pub(super) fn unit_of<'a>(context: &ProgramContext<'a>, node: NodeRef) -> &'a Unit {
    &context.units.units[node.unit]
}
