//! What functions do whenever they are called, themselves or through what they call: take a lock, or block.

use foldhash::HashMap;
use rayon::prelude::*;

use super::calls::resolve;
use super::summaries::{Summary, Taken, relative};
use crate::ir::function::{Call, CallMode, Node, Target, Unit};
use crate::rules::ProgramContext;
use crate::rules::rg305_blocking_under_lock::blocking_function;
use crate::syntax::span::Span;
use crate::types::FuncId;

/// A call that blocks for long.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Blocking {
    /// The function that is called, as people write it.
    pub(in crate::rules) what: String,
    /// The function that calls it.
    pub(in crate::rules) by: FuncId,
    /// The call.
    pub(in crate::rules) at: Span,
}

/// A function, and the calls that it makes whenever it is called.
type Caller<'a> = (FuncId, &'a Unit, Vec<(&'a Call, FuncId)>);

/// Through this many calls effects are followed.
const MAX_CALLS: usize = 4;

/// Adds to the summaries what functions do through the functions that they always call.
pub(super) fn spread(context: &ProgramContext<'_>, summaries: &mut HashMap<FuncId, Summary>) {
    let calls: Vec<Caller<'_>> = context
        .units
        .units
        .par_iter()
        .filter_map(|unit| Some((unit.func?, unit, always_called(unit))))
        .filter(|(_, _, calls)| !calls.is_empty())
        .collect();
    for (func, _, calls) in &calls {
        let blocking = calls.iter().find_map(|(call, called)| {
            let what = blocking_function(context.program, *called)?;
            Some(Blocking { what, by: *func, at: call.span })
        });
        if blocking.is_some() {
            summaries.entry(*func).or_default().blocks = blocking;
        }
    }
    for _ in 0..MAX_CALLS {
        let found: Vec<(FuncId, Vec<Taken>, Option<Blocking>)> =
            calls.par_iter().filter_map(|(func, unit, calls)| step(summaries, *func, unit, calls)).collect();
        if found.is_empty() {
            break;
        }
        for (func, taken, blocks) in found {
            let summary = summaries.entry(func).or_default();
            summary.always_takes.extend(taken);
            summary.blocks = summary.blocks.take().or(blocks);
        }
    }
}

/// What a function does through its calls that is not known yet.
fn step(
    summaries: &HashMap<FuncId, Summary>,
    func: FuncId,
    unit: &Unit,
    calls: &[(&Call, FuncId)],
) -> Option<(FuncId, Vec<Taken>, Option<Blocking>)> {
    let own = summaries.get(&func);
    let mut taken: Vec<Taken> = Vec::new();
    let mut blocks = None;
    for (call, called) in calls {
        let Some(summary) = summaries.get(called) else { continue };
        for inner in &summary.always_takes {
            let Some(lock) = resolve(call, &inner.lock).and_then(|place| relative(unit, &place)) else {
                continue;
            };
            let is_known = |known: &Taken| known.lock == lock;
            let known = own.is_some_and(|own| own.always_takes.iter().any(is_known));
            let released = own.is_some_and(|own| own.may_release.contains(&lock));
            if !known && !released && !taken.iter().any(is_known) {
                taken.push(Taken { lock, ..inner.clone() });
            }
        }
        // Who releases a lock before it blocks means well.
        let releases = |summary: &Summary| !summary.may_release.is_empty();
        if own.is_none_or(|own| own.blocks.is_none() && !releases(own)) && !releases(summary) {
            blocks = blocks.or_else(|| summary.blocks.clone());
        }
    }
    (!taken.is_empty() || blocks.is_some()).then_some((func, taken, blocks))
}

/// The functions that a function calls whenever it is called.
fn always_called(unit: &Unit) -> Vec<(&Call, FuncId)> {
    let Some(body) = unit.bodies.first() else { return Vec::new() };
    certain_calls(&body.block)
        .filter_map(|call| match (call.mode, &call.target) {
            (CallMode::Now, Target::Function(func)) => Some((call, *func)),
            _ => None,
        })
        .collect()
}

/// The calls of a block that happen whenever it is entered.
pub(super) fn certain_calls(block: &[Node]) -> impl Iterator<Item = &Call> {
    block.iter().take_while(|node| !leaves(node)).filter_map(|node| match node {
        Node::Call(call) => Some(&**call),
        _ => None,
    })
}

/// Whether what follows a statement may not happen.
fn leaves(node: &Node) -> bool {
    match node {
        Node::Return(..) | Node::Stop | Node::Jump(_) => true,
        Node::Branch(branch) => branch.arms.iter().flatten().any(leaves),
        Node::Select(select) => select.arms.iter().flat_map(|(_, arm)| arm).any(leaves),
        Node::Loop(inner) => inner.endless || inner.body.iter().any(leaves),
        _ => false,
    }
}
