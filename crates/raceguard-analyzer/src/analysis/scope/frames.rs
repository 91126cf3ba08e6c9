//! Frames: which variable, object or value a name of a function stands for in the scope.

use std::sync::Arc;

use super::{ClosureObject, Frame, FrameId, Iterations, Scope};
use crate::ir::function::{BodyId, ChannelOp, NodeId, Target};
use crate::ir::place::{CallId, Index, Place, Root, SiteId, Step, Value, VarId};
use crate::syntax::span::Span;
use crate::types::{LocalKind, Type};

/// What happens at the end of a function.
#[derive(Debug, Clone)]
pub(super) enum Deferred<'a> {
    /// A call with its function, receiver and arguments evaluated, and the conditions of the `defer`.
    Call(Box<EvaluatedCall<'a>>, Vec<(u32, u64)>),
    /// `close`
    Channel(&'a ChannelOp, Value, Vec<(u32, u64)>),
}

/// A call whose operands are values of the scope.
#[derive(Debug, Clone)]
pub(super) struct EvaluatedCall<'a> {
    pub(super) id: CallId,
    pub(super) target: &'a Target,
    pub(super) arg_types: &'a [Type],
    pub(super) span: Span,
    pub(super) function: Option<Value>,
    pub(super) receiver: Option<Value>,
    pub(super) args: Vec<Value>,
}

/// What begins after the end of a function.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// A parallel subtest.
    Subtest(Value, Span),
    /// What `t.Cleanup` was given, and what says that it was.
    Cleanup(Value, Span, Place),
}

impl<'a> Scope<'a> {
    pub(super) fn new_frame(
        &mut self,
        unit: usize,
        body: BodyId,
        caller: Option<FrameId>,
        call: Span,
        lexical: Option<(FrameId, Iterations)>,
    ) -> FrameId {
        let depth = caller.map_or(0, |caller| self.frame(caller).depth + 1);
        let id = FrameId(u32::try_from(self.frames.len()).unwrap_or(u32::MAX));
        self.frames.push(Frame {
            unit,
            body,
            caller,
            call,
            lexical,
            iterations: Vec::new(),
            deferred: Vec::new(),
            pending: Vec::new(),
            returns: Vec::new(),
            distance: caller.map_or(0, |caller| self.frame(caller).distance + 1),
            test: false,
            first: self.events.len(),
            exits: Vec::new(),
            breaks: Vec::new(),
            depth,
        });
        id
    }

    pub(super) fn unit_of(&self, frame: FrameId) -> &'a crate::ir::function::Unit {
        let units = self.units;
        &units.units[self.frame(frame).unit]
    }

    /// The frame, this one or one around it, whose body is `body`, and the number there of the iteration of a loop.
    fn owner(&self, frame: FrameId, body: BodyId, wanted: Option<NodeId>) -> (FrameId, u32) {
        let mut current = frame;
        let mut iterations = self.frame(frame).iterations.as_slice();
        while self.frame(current).body != body {
            let Some((outer, around)) = &self.frame(current).lexical else { break };
            current = *outer;
            iterations = around;
        }
        let Some(wanted) = wanted else { return (current, 0) };
        let number = iterations.iter().rev().find(|(id, _)| *id == wanted).map_or(0, |&(_, number)| number);
        (current, number)
    }

    /// The scope's variable for a variable of the frame's unit.
    pub(super) fn var(&mut self, frame: FrameId, var: VarId) -> VarId {
        let known = self.unit_of(frame).var(var);
        let (owner, iteration) = self.owner(frame, known.body, known.iteration);
        let key = (owner, var, iteration);
        if let Some(&id) = self.vars.get(&key) {
            return id;
        }
        let id = VarId(u32::try_from(self.var_origins.len()).unwrap_or(u32::MAX));
        self.var_origins.push((owner, var));
        self.vars.insert(key, id);
        id
    }

    /// Whether a variable has one value wherever it is of use: it is assigned once, or it is a reference that is nil
    /// before its only assignment.
    pub(super) fn is_settled(&self, frame: FrameId, var: VarId) -> bool {
        let known = self.unit_of(frame).var(var);
        // What `return` gives to a result counts as two.
        let own = known.assignments.saturating_sub(if known.kind == LocalKind::Result { 2 } else { 0 });
        known.is_constant()
            || own == 1
                && !known.shared_by_iterations
                && matches!(
                    self.program.underlying(&known.ty),
                    Type::Pointer(_) | Type::Chan(..) | Type::Map(_) | Type::Interface(_)
                )
    }

    /// Whether an assignment here gives a settled variable its value: not if it is made again in each iteration of a
    /// loop that the variable was declared before.
    pub(super) fn is_settled_by(&self, frame: FrameId, var: VarId) -> bool {
        let known = self.unit_of(frame).var(var);
        let here = self.frame(frame);
        let innermost = here.iterations.last().map(|&(id, _)| id);
        known.is_constant()
            || known.body == here.body && known.iteration == innermost && self.is_settled(frame, var)
    }

    fn site(&mut self, frame: FrameId, site: SiteId) -> SiteId {
        let known = self.unit_of(frame).site(site);
        let (owner, iteration) = self.owner(frame, known.body, known.iteration);
        let key = (owner, site, iteration);
        if let Some(&id) = self.sites.get(&key) {
            return id;
        }
        let id = SiteId(u32::try_from(self.site_origins.len()).unwrap_or(u32::MAX));
        self.site_origins.push((owner, site));
        self.sites.insert(key, id);
        if let Some(capacity) = known.capacity {
            self.capacities.insert(Place::new(Root::Site(id)), capacity);
        }
        id
    }

    /// One of the results of a call, made in the frame or in one around it, as far as known.
    fn result(&mut self, frame: FrameId, call: CallId, number: u8) -> (CallId, Option<Value>) {
        let mut current = Some(frame);
        while let Some(id) = current {
            if let Some((known, values)) = self.results.get(&(id, call)) {
                return (*known, values.get(usize::from(number)).cloned());
            }
            current = self.frame(id).lexical.as_ref().map(|(outer, _)| *outer);
        }
        (self.set_result(frame, call, Vec::new()), None)
    }

    pub(super) fn set_result(&mut self, frame: FrameId, call: CallId, values: Vec<Value>) -> CallId {
        self.next_call += 1;
        let id = CallId(self.next_call);
        self.results.insert((frame, call), (id, values));
        id
    }

    /// A place of the frame's unit as a place of the scope.
    pub(super) fn place(&mut self, frame: FrameId, place: &Place) -> Place {
        let steps: Vec<Step> = place.steps.iter().map(|&step| self.step(frame, step)).collect();
        let (root, value) = match place.root {
            Root::Var(var) => {
                let id = self.var(frame, var);
                let constant = self.is_settled(frame, var);
                (Root::Var(id), if constant { self.bindings.get(&id).cloned() } else { None })
            }
            Root::Site(site) => (Root::Site(self.site(frame, site)), None),
            Root::Result(call, number) => {
                let (id, value) = self.result(frame, call, number);
                (Root::Result(id, number), value)
            }
            Root::Opaque(number) => {
                // Not known, but the same unknown each time it is met in this call.
                (Root::Opaque(frame.0.wrapping_mul(4096).wrapping_add(number)), None)
            }
            Root::Global(object) => (Root::Global(object), None),
        };
        let mut steps = steps.into_iter();
        if let Some(value) = value
            && let Some(first) = place.steps.first()
            && !first.is_inline()
            && let Some(step) = steps.next()
        {
            if let Some(mut start) = value.referent(step) {
                steps.for_each(|step| start.push(step));
                return start;
            }
            let mut unknown = Place::new(root).step(step);
            steps.for_each(|step| unknown.push(step));
            return unknown;
        }
        let mut start = Place::new(root);
        steps.for_each(|step| start.push(step));
        start
    }

    fn step(&mut self, frame: FrameId, step: Step) -> Step {
        match step {
            Step::Index(index) => Step::Index(self.index(frame, index)),
            Step::Element(index) => Step::Element(self.index(frame, index)),
            other => other,
        }
    }

    fn index(&mut self, frame: FrameId, index: Index) -> Index {
        let Index::Var(var) = index else { return index };
        let known = self.unit_of(frame).var(var);
        let id = self.var(frame, var);
        match self.bindings.get(&id) {
            Some(Value::Const(number)) => return Index::Const(*number),
            Some(Value::Load(Place { root: Root::Var(outer), steps })) if steps.is_empty() => {
                let (unit, own) = self.variable(*outer);
                // A copy of a variable that changes is an index of its own.
                let stable = self.units.units[unit].var(own).is_stable_index();
                return Index::Var(if stable { *outer } else { id });
            }
            _ => {}
        }
        let here = known.body == self.frame(frame).body;
        let unit = self.frame(frame).unit;
        let unrolled = known.iteration.is_some_and(|node| self.unrolled.get(&(unit, node)) == Some(&true));
        let loop_variable = matches!(known.kind, LocalKind::ForVar | LocalKind::RangeVar);
        if known.covers && here && loop_variable && !unrolled {
            Index::All
        } else if known.is_stable_index() {
            Index::Var(id)
        } else {
            Index::Some
        }
    }

    /// A value of the frame's unit as a value of the scope.
    pub(super) fn value(&mut self, frame: FrameId, value: &Value) -> Value {
        match value {
            Value::Load(place) => self.loaded(frame, place),
            Value::Address(place) => Value::Address(self.place(frame, place)),
            Value::Closure(body) => self.closure(frame, *body),
            Value::Method(func, receiver) => Value::Method(*func, Box::new(self.value(frame, receiver))),
            Value::Unknown | Value::Nil | Value::Const(_) | Value::Function(_) => value.clone(),
        }
    }

    fn loaded(&mut self, frame: FrameId, place: &Place) -> Value {
        if place.steps.is_empty() {
            let known = match place.root {
                Root::Var(var) => {
                    let id = self.var(frame, var);
                    let constant = self.is_settled(frame, var);
                    if constant { self.bindings.get(&id).cloned() } else { None }
                }
                Root::Result(call, number) => self.result(frame, call, number).1,
                _ => None,
            };
            if let Some(known) = known
                && known != Value::Unknown
            {
                return known;
            }
        }
        Value::Load(self.place(frame, place))
    }

    fn closure(&mut self, frame: FrameId, body: BodyId) -> Value {
        let iterations: Iterations = Arc::from(self.frame(frame).iterations.as_slice());
        self.closures.push(ClosureObject { frame, iterations, body });
        Value::Closure(BodyId(u32::try_from(self.closures.len() - 1).unwrap_or(u32::MAX)))
    }

    /// A place that nothing else is.
    pub(super) fn fresh(&mut self) -> Place {
        self.next_opaque += 1;
        Place::new(Root::Opaque(u32::MAX - self.next_opaque))
    }
}
