//! Where a function gives objects away: after that, others may have them.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::facts::Start;
use super::ownership::{object_of, start_of_argument};
use super::parameters::Parameters;
use crate::analysis::models::Effect;
use crate::ir::function::{BodyId, Call, CallMode, Node, Target, Unit, for_each_node};
use crate::ir::place::{Place, Root, Value};
use crate::rules::ProgramContext;

/// A search through one unit.
pub(super) struct Publication<'a> {
    context: &'a ProgramContext<'a>,
    parameters: &'a Parameters,
    unit: &'a Unit,
    published: HashMap<Root, u32>,
}

/// Beginnings of names of library functions that keep what they are given.
const KEEPS: &[&str] = &[
    "Register",
    "MustRegister",
    "Add",
    "Set",
    "Store",
    "Put",
    "Push",
    "Handle",
    "Serve",
    "Run",
    "Start",
    "Subscribe",
    "Watch",
];

impl<'a> Publication<'a> {
    pub(super) fn new(context: &'a ProgramContext<'a>, parameters: &'a Parameters, unit: &'a Unit) -> Self {
        Self { context, parameters, unit, published: HashMap::new() }
    }

    /// Where each object is given away first: the beginning of that expression.
    pub(super) fn published(mut self) -> HashMap<Root, u32> {
        let unit = self.unit;
        for body in &unit.bodies {
            for_each_node(&body.block, &mut |node| match node {
                Node::Assign(assign) => {
                    let local = matches!(assign.place.root, Root::Var(var) if !unit.var(var).shared && assign.place.steps.iter().all(|step| step.is_inline()));
                    if !local {
                        self.value(&assign.value, assign.span.start);
                    }
                }
                Node::Channel(op) => {
                    if let Some(value) = &op.value {
                        self.value(value, op.span.start);
                    }
                }
                Node::Select(select) => {
                    for value in select.arms.iter().filter_map(|(op, _)| op.as_ref()?.value.as_ref()) {
                        self.value(value, select.span.start);
                    }
                }
                Node::Call(call) => self.call(call),
                _ => {}
            });
        }
        self.published
    }

    fn call(&mut self, call: &'a Call) {
        let effect = self.context.models.effect(&call.target);
        let at = call.span.start;
        if call.mode == CallMode::Go {
            call.receiver.iter().chain(&call.args).for_each(|value| self.value(value, at));
            if let Target::Value(value) = &call.target {
                self.value(value, at);
            }
            return;
        }
        let keeps = self.keeps(call, effect);
        for (number, arg) in call.args.iter().enumerate() {
            let elsewhere = match arg {
                Value::Closure(_) | Value::Method(..) => {
                    let start =
                        start_of_argument(self.context, self.parameters, &call.target, effect, number);
                    start != Start::Now
                }
                _ => keeps,
            };
            if elsewhere {
                self.value(arg, at);
            }
        }
    }

    /// Whether a function keeps its arguments, if it is not one whose body shows it.
    fn keeps(&self, call: &Call, effect: Option<Effect>) -> bool {
        match (&call.target, effect) {
            (_, Some(effect)) => matches!(effect, Effect::HandlerObject(_) | Effect::PoolPut),
            (Target::Function(func), None) => {
                let program = self.context.program;
                let name = program.object(program.function(*func)).name;
                self.context.units.get(*func).is_none() && is_keeping(name.as_str())
            }
            (Target::Missing(_, name), None) => is_keeping(name.as_str()),
            // One of many functions that are run over is an option, which sets up what it is given.
            (Target::Value(Value::Load(Place { root: Root::Var(var), .. })), None) => {
                self.unit.var(*var).iteration.is_none()
            }
            (Target::Value(_) | Target::Unknown | Target::Interface(..), None) => true,
        }
    }

    /// Gives away what a value is; for a function, what it captures.
    fn value(&mut self, value: &Value, at: u32) {
        match value {
            Value::Closure(body) => {
                let mut mentioned = HashSet::new();
                mentions(self.unit, *body, &mut mentioned);
                for root in mentioned {
                    self.publish(root, at);
                }
            }
            Value::Method(_, receiver) => self.value(receiver, at),
            _ => {
                if let Some(root) = object_of(value) {
                    self.publish(root, at);
                }
            }
        }
    }

    fn publish(&mut self, root: Root, at: u32) {
        let known = self.published.entry(root).or_insert(at);
        *known = at.min(*known);
    }
}

fn is_keeping(name: &str) -> bool {
    KEEPS.iter().any(|start| name.starts_with(start))
}

/// Objects of the unit that a function literal uses.
fn mentions(unit: &Unit, body: BodyId, found: &mut HashSet<Root>) {
    let mut inner = Vec::new();
    let mut note = |value: &Value| match value {
        Value::Closure(literal) => inner.push(*literal),
        Value::Method(_, receiver) => found.extend(receiver.identity().map(|place| place.root)),
        _ => found.extend(value.identity().map(|place| place.root)),
    };
    for_each_node(&unit.body(body).block, &mut |node| match node {
        Node::Access(access) => note(&Value::Load(access.place.clone())),
        Node::Assign(assign) => {
            note(&Value::Load(assign.place.clone()));
            note(&assign.value);
        }
        Node::Call(call) => {
            call.receiver.iter().chain(&call.args).for_each(&mut note);
            if let Target::Value(value) = &call.target {
                note(value);
            }
        }
        Node::Channel(op) => op.value.iter().for_each(&mut note),
        Node::Return(values, _) => values.iter().for_each(&mut note),
        _ => {}
    });
    for literal in inner {
        if literal != body {
            mentions(unit, literal, found);
        }
    }
}
