//! What functions do with parameters that are functions: call them now, in a goroutine, or keep them.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::facts::Start;
use crate::analysis::models::Effect;
use crate::ir::function::{Body, BodyId, Call, CallMode, Node, Target, Unit, for_each_node};
use crate::ir::place::{Place, Root, Value, VarId};
use crate::rules::ProgramContext;
use crate::types::{FuncId, Type};

/// For each function with function parameters, what it does with them.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    starts: HashMap<(FuncId, usize), Start>,
    /// Those that run inside a transaction of a library.
    transactions: HashSet<(FuncId, usize)>,
}

/// Parts of names of library functions that run what they are given as a transaction: whatever excludes others there, it
/// is not in the source at hand.
const TRANSACTIONS: &[&str] =
    &["Update", "View", "Tx", "Txn", "Transact", "Atomic", "Locked", "WithLock", "Batch", "Exclusive"];

impl Parameters {
    /// Looks at each function; twice, so that one that only hands its parameter on is known too.
    pub(super) fn new(context: &ProgramContext<'_>) -> Self {
        let mut known = Self { starts: HashMap::new(), transactions: HashSet::new() };
        for _ in 0..2 {
            let mut found = Vec::new();
            let mut transactions = Vec::new();
            for unit in &context.units.units {
                let (Some(func), Some(body)) = (unit.func, unit.bodies.first()) else { continue };
                for (number, &param) in body.params.iter().enumerate() {
                    let ty = context.program.underlying_of(&unit.var(param).ty).into_owned();
                    if let Type::Func(_) = ty
                        && let Some(start) = known.look(context, unit, param)
                    {
                        let key = (func, number - usize::from(body.has_receiver));
                        found.push((key, start));
                        if known.hands_to_transaction(context, unit, param) {
                            transactions.push(key);
                        }
                    }
                }
            }
            known.starts.extend(found);
            known.transactions.extend(transactions);
        }
        known
    }

    /// Whether a call runs its argument of this number inside a transaction.
    pub(super) fn is_transaction(&self, context: &ProgramContext<'_>, call: &Call, number: usize) -> bool {
        let named = |name: &str| TRANSACTIONS.iter().any(|mark| name.contains(mark));
        if context.models.effect(&call.target).is_some() {
            return false;
        }
        match &call.target {
            Target::Function(func) => {
                let id = context.program.function(*func);
                let library = context.units.get(*func).is_none();
                self.transactions.contains(&(*func, number))
                    || library && call.receiver.is_some() && named(context.program.object(id).name.as_str())
            }
            Target::Interface(_, name, _) => named(name.as_str()),
            Target::Missing(path, name) => path.as_str().is_empty() && named(name.as_str()),
            _ => false,
        }
    }

    fn hands_to_transaction(&self, context: &ProgramContext<'_>, unit: &Unit, param: VarId) -> bool {
        let mut found = false;
        for body in &unit.bodies {
            for_each_node(&body.block, &mut |node| {
                if let Node::Call(call) = node {
                    let own = |(_, arg): &(usize, &Value)| is_param(arg, param);
                    let mut numbers = call.args.iter().enumerate().filter(own).map(|(number, _)| number);
                    found |= numbers.any(|number| self.is_transaction(context, call, number));
                }
            });
        }
        found
    }

    /// What a function does with its parameter of this number, the receiver not counted.
    pub(super) fn start(&self, func: FuncId, number: usize) -> Option<Start> {
        self.starts.get(&(func, number)).copied()
    }

    fn look(&self, context: &ProgramContext<'_>, unit: &Unit, param: VarId) -> Option<Start> {
        let mut strongest: Option<Start> = None;
        for (index, body) in unit.bodies.iter().enumerate() {
            let place = runs(context, unit, BodyId(u32::try_from(index).unwrap_or(u32::MAX)));
            self.look_in(context, body, param, place, &mut strongest);
        }
        strongest
    }

    fn look_in(
        &self,
        context: &ProgramContext<'_>,
        body: &Body,
        param: VarId,
        place: Start,
        strongest: &mut Option<Start>,
    ) {
        let own = |value: &Value| is_param(value, param);
        let mut note = |start: Start| {
            let start = if start == Start::Now { place } else { start };
            if strongest.is_none_or(|known| weight(start) > weight(known)) {
                *strongest = Some(start);
            }
        };
        for_each_node(&body.block, &mut |node| match node {
            Node::Call(call) => {
                if let Target::Value(value) = &call.target
                    && own(value)
                {
                    note(if call.mode == CallMode::Go { Start::Goroutine(false) } else { Start::Now });
                }
                for (number, _) in call.args.iter().enumerate().filter(|(_, arg)| own(arg)) {
                    note(self.handed_on(context, &call.target, number));
                }
            }
            Node::Channel(op) if op.value.as_ref().is_some_and(own) => note(Start::Goroutine(true)),
            Node::Assign(assign) if own(&assign.value) => note(Start::Later),
            Node::Return(values, _) if values.iter().any(own) => note(Start::Later),
            _ => {}
        });
    }

    fn handed_on(&self, context: &ProgramContext<'_>, target: &Target, number: usize) -> Start {
        if let Some(effect) = context.models.effect(target) {
            return start_of(effect).unwrap_or(Start::Now);
        }
        match target {
            Target::Function(func) => self.start(*func, number).unwrap_or(Start::Now),
            _ => Start::Now,
        }
    }
}

fn is_param(value: &Value, param: VarId) -> bool {
    matches!(value, Value::Load(Place { root: Root::Var(var), steps }) if *var == param && steps.is_empty())
}

/// What a library function does with the function it is given.
pub(super) const fn start_of(effect: Effect) -> Option<Start> {
    match effect {
        Effect::Spawn(_) | Effect::Timer(_) | Effect::GroupGo(_) => Some(Start::Goroutine(false)),
        Effect::RunParallel(_) => Some(Start::Goroutine(true)),
        Effect::Handler(_) | Effect::HandlerObject(_) => Some(Start::Handler),
        Effect::CallsNow(_) | Effect::OnceDo | Effect::Subtest(_) | Effect::Cleanup(_) => Some(Start::Now),
        _ => None,
    }
}

const fn weight(start: Start) -> u8 {
    match start {
        Start::Later => 0,
        Start::Now => 1,
        Start::Goroutine(false) => 2,
        Start::Goroutine(true) => 3,
        Start::Handler => 4,
    }
}

/// How a body of the unit runs: now, as part of the function; in a goroutine; or later, where a function literal
/// around it is kept.
fn runs(context: &ProgramContext<'_>, unit: &Unit, body: BodyId) -> Start {
    let mut next = Some(body);
    while let Some(current) = next {
        let parent = unit.body(current).parent;
        if let Some(parent) = parent {
            let literal = |value: &Value| matches!(value, Value::Closure(id) if *id == current);
            let mut start = Start::Now;
            for_each_node(&unit.body(parent).block, &mut |node| match node {
                Node::Call(call) => {
                    let called = matches!(&call.target, Target::Value(value) if literal(value));
                    let given = call.args.iter().any(literal);
                    let spawns = context.models.effect(&call.target).and_then(start_of);
                    let spawned = matches!(spawns, Some(Start::Goroutine(_) | Start::Handler));
                    if called && call.mode == CallMode::Go || given && spawned {
                        start = Start::Goroutine(false);
                    }
                }
                Node::Assign(assign) if literal(&assign.value) && start == Start::Now => start = Start::Later,
                Node::Return(values, _) if values.iter().any(literal) && start == Start::Now => {
                    start = Start::Later;
                }
                _ => {}
            });
            if start != Start::Now {
                return start;
            }
        }
        next = parent;
    }
    Start::Now
}
