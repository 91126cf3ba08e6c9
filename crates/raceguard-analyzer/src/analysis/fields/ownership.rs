//! Objects that nobody else has yet: made here, or by every caller, and not given away so far.
//!
//! A method that fills a new object writes memory that no other goroutine can reach, whatever locks guard it later. Such
//! methods are found from their callers: if all of them pass an object that they have just made, or that they own
//! themselves, the parameter is *owned*. An object is given away (published) where it is stored, sent, captured by a
//! function that runs elsewhere, handed to a goroutine, or passed to a function that does one of these.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use rayon::prelude::*;

use super::facts::Start;
use super::parameters::{Parameters, start_of};
use super::publication::Publication;
use crate::analysis::models::Effect;
use crate::ir::function::{CallMode, Node, Target, Unit, for_each_node};
use crate::ir::place::{CallId, Place, Root, Value, VarId};
use crate::rules::ProgramContext;
use crate::types::{FuncId, LocalKind};

/// Who owns what.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// Functions whose first result is a new object.
    makers: HashSet<FuncId>,
    /// Parameters, the receiver being the first, that are owned, and where the function gives them away.
    owned: HashMap<(FuncId, usize), u32>,
    /// For each unit, where it gives its objects away.
    published: Vec<HashMap<Root, u32>>,
}

/// What one unit does with objects.
#[derive(Debug, Default)]
pub(super) struct Handling {
    /// Where each object is given away first.
    pub(super) published: HashMap<Root, u32>,
    /// Objects that are passed to functions with bodies.
    passed: Vec<Passed>,
}

/// An object that is passed to a function.
#[derive(Debug)]
struct Passed {
    to: FuncId,
    parameter: usize,
    /// The object; none if it is not one of the function's own or of its parameters.
    object: Option<Root>,
    position: u32,
}

/// A place that is reached never.
const NEVER: u32 = u32::MAX;
/// Rounds in which functions that hand objects on make others ones that do.
const ROUNDS: usize = 4;

impl Ownership {
    /// Finds makers and owned parameters.
    pub(super) fn new(context: &ProgramContext<'_>, parameters: &Parameters) -> Self {
        let mut ownership = Self { makers: makers(context), ..Self::default() };
        let units = &context.units.units;
        let mut handlings: Vec<Handling> = units
            .par_iter()
            .map(|unit| Handling {
                published: Publication::new(context, parameters, unit).published(),
                passed: passed(context, unit),
            })
            .collect();
        spread_publications(context, &mut handlings);
        ownership.find_owned(context, &handlings);
        ownership.published = handlings.into_iter().map(|handling| handling.published).collect();
        ownership
    }

    /// Whether the first result of a function is an object that it has just made.
    pub(super) fn makes(&self, func: FuncId) -> bool {
        self.makers.contains(&func)
    }

    /// Whether the object that a parameter refers to is the caller's own as far as a place in the function.
    pub(super) fn owns(&self, unit: &Unit, param: VarId, position: u32) -> bool {
        let (Some(func), Some(number)) = (unit.func, number_of(unit, param)) else { return false };
        self.owned.get(&(func, number)).is_some_and(|given_away| position < *given_away)
    }

    /// Whether a unit has not given an object of its own away before a place in it.
    pub(super) fn keeps(&self, unit: usize, object: Root, position: u32) -> bool {
        self.published[unit].get(&object).is_none_or(|given_away| position < *given_away)
    }

    /// Takes all parameters for owned that are ever passed, and drops those that are not, until nothing changes.
    fn find_owned(&mut self, context: &ProgramContext<'_>, handlings: &[Handling]) {
        let units = &context.units.units;
        let mut calls: HashMap<(FuncId, usize), Vec<(usize, &Passed)>> = HashMap::new();
        for (index, handling) in handlings.iter().enumerate() {
            for passed in &handling.passed {
                calls.entry((passed.to, passed.parameter)).or_default().push((index, passed));
            }
        }
        // What tests do says nothing of the program.
        calls.retain(|_, calls| {
            calls.retain(|(unit, _)| !units[*unit].test);
            !calls.is_empty()
        });
        let free = referred(context);
        for key in calls.keys().filter(|(func, _)| !free.contains(func)) {
            let given_away = context.units.get(key.0).map_or(NEVER, |unit| {
                let param = units[unit].bodies[0].params.get(key.1);
                param
                    .and_then(|param| handlings[unit].published.get(&Root::Var(*param)))
                    .copied()
                    .unwrap_or(NEVER)
            });
            self.owned.insert(*key, given_away);
        }
        loop {
            let lost: Vec<(FuncId, usize)> = self
                .owned
                .keys()
                .copied()
                .filter(|key| {
                    !calls[key]
                        .iter()
                        .all(|(unit, passed)| self.is_own(&units[*unit], &handlings[*unit], passed))
                })
                .collect();
            if lost.is_empty() {
                break;
            }
            for key in lost {
                self.owned.remove(&key);
            }
        }
    }

    /// Whether a caller owns what it passes.
    fn is_own(&self, unit: &Unit, handling: &Handling, passed: &Passed) -> bool {
        let Some(object) = passed.object else { return false };
        let kept = handling.published.get(&object).is_none_or(|given_away| passed.position < *given_away);
        kept && match object {
            Root::Site(_) => true,
            Root::Result(call, 0) => self.is_made(unit, call),
            Root::Var(var) => is_local(unit, var) || self.owns(unit, var, passed.position),
            _ => false,
        }
    }

    fn is_made(&self, unit: &Unit, call: CallId) -> bool {
        unit.call(call)
            .is_some_and(|call| matches!(&call.target, Target::Function(func) if self.makes(*func)))
    }
}

/// The object that a value is, or refers to: a variable that holds a struct, a new object, a result, a parameter.
pub(super) fn object_of(value: &Value) -> Option<Root> {
    let place = match value {
        Value::Address(place) => place,
        Value::Load(place) if place.steps.is_empty() => place,
        _ => return None,
    };
    let own = matches!(place.root, Root::Site(_) | Root::Result(_, 0) | Root::Var(_));
    (own && place.steps.iter().all(|step| step.is_inline())).then_some(place.root)
}

/// The number of a parameter of the function, the receiver being the first.
pub(super) fn number_of(unit: &Unit, param: VarId) -> Option<usize> {
    unit.bodies.first()?.params.iter().position(|known| *known == param)
}

fn is_local(unit: &Unit, var: VarId) -> bool {
    let known = unit.var(var);
    let pointer = matches!(known.ty, crate::types::Type::Pointer(_));
    !pointer && !matches!(known.kind, LocalKind::Param | LocalKind::Receiver)
}

/// What a unit passes to functions.
fn passed(context: &ProgramContext<'_>, unit: &Unit) -> Vec<Passed> {
    let mut passed = Vec::new();
    for body in &unit.bodies {
        for_each_node(&body.block, &mut |node| {
            let Node::Call(call) = node else { return };
            let Target::Function(func) = &call.target else { return };
            if context.units.get(*func).is_none() {
                return;
            }
            for (parameter, value) in call.receiver.iter().chain(&call.args).enumerate() {
                let own = body.parent.is_none() && call.mode != CallMode::Go;
                let object = object_of(value).filter(|_| own);
                // What is deferred happens behind all the rest.
                let position = if call.mode == CallMode::Defer { NEVER - 1 } else { call.span.start };
                passed.push(Passed { to: *func, parameter, object, position });
            }
        });
    }
    passed
}

/// Functions that are used as values, or called through interfaces: whoever calls them may pass anything.
fn referred(context: &ProgramContext<'_>) -> HashSet<FuncId> {
    let mut found = HashSet::new();
    let mut note = |value: &Value| {
        if let Value::Function(func) | Value::Method(func, _) = value {
            found.insert(*func);
        }
    };
    for unit in &context.units.units {
        for body in &unit.bodies {
            for_each_node(&body.block, &mut |node| match node {
                Node::Call(call) => {
                    call.args.iter().for_each(&mut note);
                    match &call.target {
                        Target::Value(value) => note(value),
                        Target::Interface(_, _, candidates) => {
                            candidates.iter().for_each(|func| note(&Value::Function(*func)));
                        }
                        _ => {}
                    }
                }
                Node::Assign(assign) => note(&assign.value),
                Node::Return(values, _) => values.iter().for_each(&mut note),
                Node::Channel(op) => op.value.iter().for_each(&mut note),
                _ => {}
            });
        }
    }
    found
}

/// An object is given away by passing it to a function that gives it away.
fn spread_publications(context: &ProgramContext<'_>, handlings: &mut [Handling]) {
    let units = &context.units.units;
    for _ in 0..ROUNDS {
        let mut found: Vec<(usize, Root, u32)> = Vec::new();
        for (index, handling) in handlings.iter().enumerate() {
            for passed in &handling.passed {
                let (Some(object), Some(callee)) = (passed.object, context.units.get(passed.to)) else {
                    continue;
                };
                let Some(param) = units[callee].bodies[0].params.get(passed.parameter) else { continue };
                if handlings[callee].published.contains_key(&Root::Var(*param))
                    && handling.published.get(&object).is_none_or(|known| passed.position + 1 < *known)
                {
                    // The call itself still gets an object of its own.
                    found.push((index, object, passed.position + 1));
                }
            }
        }
        if found.is_empty() {
            break;
        }
        for (index, object, position) in found {
            let known = handlings[index].published.entry(object).or_insert(position);
            *known = position.min(*known);
        }
    }
}

/// Functions that return a new object, or nothing.
fn makers(context: &ProgramContext<'_>) -> HashSet<FuncId> {
    let mut makers = HashSet::new();
    // Twice, so that one that returns what another one makes is found too.
    for _ in 0..2 {
        let found: Vec<FuncId> = context
            .units
            .units
            .par_iter()
            .filter(|unit| makes(unit, &makers))
            .filter_map(|unit| unit.func)
            .collect();
        makers.extend(found);
    }
    makers
}

fn makes(unit: &Unit, makers: &HashSet<FuncId>) -> bool {
    let Some(body) = unit.bodies.first() else { return false };
    let (mut returns, mut made) = (0, 0);
    for_each_node(&body.block, &mut |node| {
        let Node::Return(values, _) = node else { return };
        let Some(first) = values.first().filter(|value| **value != Value::Nil) else { return };
        returns += 1;
        made += u32::from(match first {
            Value::Address(Place { root: Root::Site(_), steps }) => steps.is_empty(),
            Value::Address(Place { root: Root::Var(var), steps }) => steps.is_empty() && is_local(unit, *var),
            Value::Load(Place { root: Root::Result(call, 0), steps }) if steps.is_empty() => {
                let target = unit.call(*call).map(|call| &call.target);
                matches!(target, Some(Target::Function(func)) if makers.contains(func))
            }
            _ => false,
        });
    });
    made > 0 && made == returns
}

/// How an argument that is a function is run by what it is given to.
pub(super) fn start_of_argument(
    context: &ProgramContext<'_>,
    parameters: &Parameters,
    target: &Target,
    effect: Option<Effect>,
    number: usize,
) -> Start {
    match (effect.and_then(start_of), target) {
        (Some(start), _) => start,
        (None, Target::Function(func)) if effect.is_none() => {
            let known = context.units.get(*func).is_some();
            parameters.start(*func, number).unwrap_or(if known { Start::Later } else { Start::Now })
        }
        _ => Start::Now,
    }
}
