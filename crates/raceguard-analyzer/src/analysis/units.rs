//! All functions of a run, lowered.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use rayon::prelude::*;

use super::models::{Effect, Models};
use crate::ir::function::{Call, CallMode, Node, NodeId, Target, Unit, for_each_node};
use crate::ir::place::Value;
use crate::types::FuncId;

/// The functions of the analysed packages.
#[derive(Debug)]
pub struct Units {
    /// All units, in the order of their functions; initialisers last.
    pub units: Vec<Unit>,
    /// By the number of the function.
    by_func: Vec<Option<u32>>,
    /// Loops that start goroutines or wait for some: unit and loop.
    concurrent: HashSet<(usize, NodeId)>,
    /// How many calls each unit is away from a start of a goroutine: none for those that never lead to one.
    spawns: Vec<Option<u32>>,
    /// Whether each unit locks, waits, or uses channels, itself or through what it calls.
    synchronises: Vec<bool>,
}

/// Functions further away from a start of a goroutine are not played for its sake: those nearer to it are.
const NEAR: u32 = 2;

impl Units {
    /// Collects units.
    pub fn new(units: Vec<Unit>, models: &Models) -> Self {
        let functions = units.iter().filter_map(|unit| unit.func).map(|func| func.0 as usize + 1).max();
        let mut by_func = vec![None; functions.unwrap_or(0)];
        for (index, unit) in (0_u32..).zip(&units) {
            if let Some(func) = unit.func {
                by_func[func.0 as usize] = Some(index);
            }
        }
        let count = units.len();
        let mut collected = Self {
            spawns: vec![None; count],
            synchronises: vec![false; count],
            units,
            by_func,
            concurrent: HashSet::new(),
        };
        collected.find_spawns(models);
        collected.find_concurrent(models);
        collected
    }

    /// The unit of a function, if it is among the analysed ones.
    pub fn get(&self, func: FuncId) -> Option<usize> {
        self.by_func.get(func.0 as usize).copied().flatten().map(|unit| unit as usize)
    }

    /// Whether a loop of a unit starts goroutines or waits for some.
    pub fn is_concurrent(&self, unit: usize, of: NodeId) -> bool {
        self.concurrent.contains(&(unit, of))
    }

    fn find_concurrent(&mut self, models: &Models) {
        let found = self.units.par_iter().enumerate().map(|(unit, lowered)| {
            let mut loops = Vec::new();
            for body in &lowered.bodies {
                self.concurrent_loops(&body.block, models, &mut loops);
            }
            loops.into_iter().map(move |it| (unit, it)).collect::<Vec<_>>()
        });
        self.concurrent = found.flatten_iter().collect();
    }

    /// Lists the loops of a block that start goroutines or wait for some; whether the block does.
    fn concurrent_loops(&self, block: &[Node], models: &Models, loops: &mut Vec<NodeId>) -> bool {
        let mut concurrent = false;
        for node in block {
            concurrent |= match node {
                Node::Channel(_) => true,
                Node::Call(call) => self.call_spawns(call, models),
                Node::Branch(branch) => branch
                    .arms
                    .iter()
                    .fold(false, |found, arm| self.concurrent_loops(arm, models, loops) | found),
                Node::Select(select) => {
                    let waits = select.arms.iter().any(|(op, _)| op.is_some());
                    let arms = select.arms.iter().map(|(_, arm)| arm);
                    arms.fold(waits, |found, arm| self.concurrent_loops(arm, models, loops) | found)
                }
                Node::Loop(inner) => {
                    let found = self.concurrent_loops(&inner.body, models, loops);
                    if found {
                        loops.push(inner.id);
                    }
                    found
                }
                _ => false,
            };
        }
        concurrent
    }

    /// Whether the unit starts goroutines, itself or through what it calls.
    pub fn spawns(&self, unit: usize) -> bool {
        self.spawns[unit].is_some()
    }

    /// Whether the unit starts goroutines, itself or through few calls.
    pub fn spawns_near(&self, unit: usize) -> bool {
        self.spawns[unit].is_some_and(|calls| calls <= NEAR)
    }

    /// Whether the unit locks, waits, or uses channels, itself or through what it calls.
    pub fn synchronises(&self, unit: usize) -> bool {
        self.synchronises[unit]
    }

    /// Whether a call starts goroutines, or may.
    pub fn call_spawns(&self, call: &Call, models: &Models) -> bool {
        if call.mode == CallMode::Go {
            return true;
        }
        if let Some(effect) = models.effect(&call.target) {
            return matches!(
                effect,
                Effect::Spawn(_)
                    | Effect::Timer(_)
                    | Effect::GroupGo(_)
                    | Effect::Handler(_)
                    | Effect::RunParallel(_)
                    | Effect::Subtest(_)
                    | Effect::HandlerObject(_)
            );
        }
        match &call.target {
            Target::Function(func) => self.get(*func).is_some_and(|unit| self.spawns(unit)),
            Target::Interface(_, _, candidates) => match candidates.as_slice() {
                [only] => self.get(*only).is_some_and(|unit| self.spawns(unit)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Spreads "starts goroutines" from callees to callers until nothing changes.
    fn find_spawns(&mut self, models: &Models) {
        let mut callers: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut queue = VecDeque::new();
        let mut noisy = Vec::new();
        for index in 0..self.units.len() {
            let mut direct = false;
            let mut loud = false;
            for body in &self.units[index].bodies {
                for_each_node(&body.block, &mut |node| {
                    loud |= matches!(node, Node::Channel(_) | Node::Select(_));
                    let Node::Call(call) = node else { return };
                    loud |=
                        models.effect(&call.target).is_some_and(|effect| !matches!(effect, Effect::Walks(_)));
                    direct |= self.call_spawns(call, models);
                    let callee = match &call.target {
                        Target::Function(func) => self.get(*func),
                        Target::Interface(_, _, candidates) if candidates.len() == 1 => {
                            self.get(candidates[0])
                        }
                        _ => None,
                    };
                    if let Some(callee) = callee {
                        callers.entry(callee).or_default().push(index);
                    }
                });
            }
            if direct {
                queue.push_back((index, 0));
            }
            if loud || direct {
                self.synchronises[index] = true;
                noisy.push(index);
            }
        }
        while let Some(index) = noisy.pop() {
            for &caller in callers.get(&index).into_iter().flatten() {
                if !std::mem::replace(&mut self.synchronises[caller], true) {
                    noisy.push(caller);
                }
            }
        }
        for &(index, _) in &queue {
            self.spawns[index] = Some(0);
        }
        while let Some((index, distance)) = queue.pop_front() {
            for &caller in callers.get(&index).into_iter().flatten() {
                if self.spawns[caller].is_none() {
                    self.spawns[caller] = Some(distance + 1);
                    queue.push_back((caller, distance + 1));
                }
            }
        }
    }
}

/// Whether a value is something that can be called.
pub const fn is_callable(value: &Value) -> bool {
    matches!(value, Value::Closure(_) | Value::Function(_) | Value::Method(..))
}
