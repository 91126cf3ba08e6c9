//! A walk through one function that knows which locks are held.

use super::facts::{CallFact, CallTarget, Facts, FieldAccess, NodeFacts, Start};
use super::formatted::printed_interface;
use super::handlers::{is_handler_type, served_methods};
use super::hidden::inner_maps;
use super::key::{Held, LockKey, MemoryKey};
use super::lock_state::LockState;
use super::ownership::{Ownership, start_of_argument};
use super::parameters::Parameters;
use crate::analysis::models::Effect;
use crate::ir::function::{
    Access, Block, BodyId, Branch, Call, CallMode, FieldKey, How, Node, NodeId, Target, Unit,
};
use crate::ir::place::{CallId, Place, Root, Step, Value};
use crate::rules::ProgramContext;
use crate::syntax::span::Span;
use crate::types::{FuncId, LocalKind, Type};

/// The walk.
pub(super) struct LockWalk<'a> {
    context: &'a ProgramContext<'a>,
    facts: &'a Facts,
    parameters: &'a Parameters,
    ownership: &'a Ownership,
    unit: &'a Unit,
    index: usize,
    /// Whether it is at what was deferred.
    at_end: bool,
    /// Finished nodes.
    nodes: Vec<NodeFacts>,
    /// Literals that are nodes of their own, and those still to walk.
    literal_nodes: Vec<(BodyId, usize)>,
    /// The node being walked.
    node: usize,
    position: u32,
    loops: u32,
    /// Conditions around.
    conditions: u32,
    once: bool,
    inlined: Vec<BodyId>,
    tried: Vec<(CallId, Held)>,
    /// Locks that the node takes somewhere, perhaps only on one way.
    taken: Vec<Held>,
    /// Calls that give back a new object.
    made: Vec<CallId>,
    /// Locks at the returns so far.
    exits: Vec<LockState>,
}

/// A call of an interface's method is followed to so many methods.
const MAX_CANDIDATES: usize = 12;

/// Locks held; none where the end of a block is not reached.
type State = Option<LockState>;

impl<'a> LockWalk<'a> {
    /// Walks all bodies of a unit.
    pub(super) fn nodes(
        context: &'a ProgramContext<'a>,
        facts: &'a Facts,
        parameters: &'a Parameters,
        ownership: &'a Ownership,
        index: usize,
    ) -> Vec<NodeFacts> {
        let unit = &context.units.units[index];
        if unit.test {
            return Vec::new();
        }
        let mut walk = Self {
            context,
            facts,
            parameters,
            ownership,
            unit,
            index,
            at_end: false,
            nodes: Vec::new(),
            literal_nodes: Vec::new(),
            node: 0,
            position: 0,
            loops: 0,
            conditions: 0,
            once: false,
            inlined: Vec::new(),
            tried: Vec::new(),
            taken: Vec::new(),
            made: Vec::new(),
            exits: Vec::new(),
        };
        walk.add_node(BodyId(0));
        let mut next = 0;
        while next < walk.nodes.len() {
            walk.walk_node(next);
            next += 1;
        }
        walk.nodes
    }

    fn add_node(&mut self, body: BodyId) -> usize {
        let node = self.nodes.len();
        let (accesses, calls) = (Vec::new(), Vec::new());
        let (formatted, acquires, releases, gives_up, takes) = Default::default();
        self.nodes.push(NodeFacts { body, accesses, calls, formatted, acquires, releases, gives_up, takes });
        self.literal_nodes.push((body, node));
        node
    }

    fn walk_node(&mut self, node: usize) {
        self.node = node;
        self.position = 0;
        self.loops = 0;
        self.taken.clear();
        self.exits.clear();
        self.inlined.clear();
        let body = self.nodes[node].body;
        let end = self.body(body, LockState::default());
        self.exits.extend(end);
        // What it unlocks without having locked it, it was given: it holds that from its beginning.
        let facts = &mut self.nodes[node];
        for (held, until) in &facts.releases {
            for access in facts.accesses.iter_mut().filter(|access| access.position < *until) {
                access.locks.push(held.clone());
            }
        }
        let mut exits = std::mem::take(&mut self.exits).into_iter();
        if let Some(first) = exits.next() {
            let always = exits.fold(first, |known, other| known.join(&other));
            self.nodes[node].acquires = always.held.into_iter().filter(Held::is_certain).collect();
            self.nodes[node].gives_up = always.given_up;
        }
        self.nodes[node].takes = std::mem::take(&mut self.taken);
    }

    /// Walks a body; what it defers happens at its end.
    fn body(&mut self, body: BodyId, locks: LockState) -> State {
        let unit = self.unit;
        let mut deferred = Vec::new();
        let outer = std::mem::take(&mut self.exits);
        let end = self.block(&unit.body(body).block, Some(locks), body, &mut deferred);
        let mut ends = std::mem::replace(&mut self.exits, outer);
        ends.extend(end);
        let mut merged: State = None;
        for mut held in ends {
            let outer = std::mem::replace(&mut self.at_end, true);
            for call in deferred.iter().rev() {
                held = self.perform(call, held, body);
            }
            self.at_end = outer;
            merged = merge(merged, Some(held));
        }
        merged
    }

    fn block(&mut self, block: &'a Block, state: State, body: BodyId, deferred: &mut Vec<&'a Call>) -> State {
        let mut state = state;
        for node in block {
            state = self.node_of_block(node, state?, body, deferred);
        }
        state
    }

    fn node_of_block(
        &mut self,
        node: &'a Node,
        mut locks: LockState,
        body: BodyId,
        deferred: &mut Vec<&'a Call>,
    ) -> State {
        match node {
            Node::Access(access) => self.access(access, &locks.held, body),
            Node::Assign(assign) => self.escape(&assign.value, &locks, assign.span, Start::Later),
            Node::Channel(op) => {
                if let Some(value) = &op.value {
                    self.escape(value, &locks, op.span, Start::Goroutine(true));
                }
            }
            Node::Call(call) => match call.mode {
                CallMode::Defer => deferred.push(call),
                _ => locks = self.perform(call, locks, body),
            },
            Node::Branch(branch) => return self.branch(branch, &locks, body, deferred),
            Node::Select(select) => {
                let mut ends = Vec::new();
                for (op, arm) in &select.arms {
                    if let Some(value) = op.as_ref().and_then(|op| op.value.as_ref()) {
                        self.escape(value, &locks, select.span, Start::Goroutine(true));
                    }
                    ends.extend(self.block(arm, Some(locks.clone()), body, deferred));
                }
                return join_arms(ends, &locks.held);
            }
            Node::Loop(inner) => {
                self.loops += 1;
                let end = self.block(&inner.body, Some(locks.clone()), body, deferred);
                self.loops -= 1;
                if inner.endless && !leaves(&inner.body, inner.id) {
                    return None;
                }
                // The loop may also be passed without a round.
                if let Some(end) = end
                    && !inner.endless
                {
                    locks = locks.join(&end);
                }
            }
            Node::Return(values, span) => {
                for value in values {
                    self.escape(value, &locks, *span, Start::Later);
                }
                self.exits.push(locks);
                return None;
            }
            Node::Jump(_) | Node::Stop => return None,
        }
        Some(locks)
    }

    fn branch(
        &mut self,
        branch: &'a Branch,
        locks: &LockState,
        body: BodyId,
        deferred: &mut Vec<&'a Call>,
    ) -> State {
        let mut ends = Vec::new();
        for (number, arm) in branch.arms.iter().enumerate() {
            let mut own = locks.clone();
            if let Some((call, negated)) = branch.condition.call
                && (number == 0) != negated
                && let Some((_, lock)) = self.tried.iter().find(|(tried, _)| *tried == call)
            {
                own.take(lock.clone());
            }
            self.conditions += 1;
            ends.extend(self.block(arm, Some(own), body, deferred));
            self.conditions -= 1;
        }
        join_arms(ends, &locks.held)
    }

    fn access(&mut self, access: &Access, locks: &[Held], body: BodyId) {
        self.position += 1;
        let Some(key) = MemoryKey::of(&access.place, access.field.as_ref()) else { return };
        let fact = FieldAccess {
            key,
            write: access.write,
            how: access.how,
            locks: locks.to_vec(),
            span: access.span,
            body,
            fresh: self.is_fresh(&access.place, access.span),
            once: self.once,
            position: self.position,
            conditions: self.conditions,
        };
        self.nodes[self.node].accesses.push(fact);
    }

    /// Whether the object was made here: no other goroutine has it yet, as far as this function shows.
    fn is_fresh(&self, place: &Place, at: Span) -> bool {
        match place.root {
            Root::Var(var) if matches!(self.unit.var(var).kind, LocalKind::Param | LocalKind::Receiver) => {
                let references = place.steps.iter().filter(|step| !step.is_inline()).count();
                self.node == 0 && references <= 2 && self.ownership.owns(self.unit, var, at.start)
            }
            Root::Site(_) => true,
            Root::Result(call, 0) => self.made.contains(&call),
            Root::Var(_) => place.steps.iter().take(1).all(|step| step.is_inline()),
            _ => false,
        }
    }

    /// Does what a call does; gives the locks held after it.
    fn perform(&mut self, call: &'a Call, mut locks: LockState, body: BodyId) -> LockState {
        self.position += 1;
        let effect = self.context.models.effect(&call.target);
        if let Some(effect) = effect {
            self.lock_effect(call, effect, &mut locks);
            self.walks(call, effect, &locks.held, body);
        }
        let many = self.loops > 0;
        let how = if call.mode == CallMode::Go { Start::Goroutine(many) } else { Start::Now };
        self.arguments(call, effect, &locks);
        if effect.is_none() {
            self.call_back(call, how, &locks);
        }
        for method in served_methods(self.context, call, effect) {
            self.note_call(CallTarget::Function(method), Start::Handler, &locks, call.span);
        }
        match &call.target {
            Target::Function(func) if effect.is_none() => {
                self.note_call(CallTarget::Function(*func), how, &locks, call.span);
                self.mark_fresh(call);
                if self.ownership.makes(*func) {
                    self.made.push(call.id);
                }
                if how == Start::Now {
                    locks = self.after_helper(*func, locks);
                }
            }
            Target::Interface(_, _, candidates) if effect.is_none() => {
                for &func in candidates.iter().take(MAX_CANDIDATES) {
                    self.note_call(CallTarget::Function(func), how, &locks, call.span);
                    self.last_call().dispatched = true;
                }
            }
            Target::Value(Value::Closure(literal)) => {
                if how == Start::Now && !self.inlined.contains(literal) {
                    self.inlined.push(*literal);
                    locks = self.body(*literal, locks.clone()).unwrap_or(locks);
                    self.inlined.pop();
                } else {
                    self.escape(&Value::Closure(*literal), &locks, call.span, how);
                }
            }
            Target::Value(value @ (Value::Function(_) | Value::Method(..))) => {
                self.escape(value, &locks, call.span, how);
            }
            _ => {}
        }
        locks
    }

    /// The methods that a function of container/heap or sort calls on what it is given: they run as part of the call.
    fn call_back(&mut self, call: &Call, how: Start, locks: &LockState) {
        let Target::Function(func) = &call.target else { return };
        let program = self.context.program;
        let path = program.package(program.function(*func).package).path;
        if !matches!(path.as_str(), "container/heap" | "sort") {
            return;
        }
        let Some(ty) = call.arg_types.first().filter(|ty| ty.strip_pointer().named().is_some()) else {
            return;
        };
        for method in program.methods(ty) {
            if matches!(method.name.as_str(), "Len" | "Less" | "Swap" | "Push" | "Pop") {
                self.note_call(CallTarget::Function(method.func), how, locks, call.span);
            }
        }
    }

    /// Functions among the arguments: called now, in a goroutine, or kept.
    fn arguments(&mut self, call: &'a Call, effect: Option<Effect>, locks: &LockState) {
        for (number, arg) in call.args.iter().enumerate() {
            if !matches!(arg, Value::Closure(_) | Value::Function(_) | Value::Method(..)) {
                continue;
            }
            let start = start_of_argument(self.context, self.parameters, &call.target, effect, number);
            let start = match start {
                Start::Now | Start::Later if self.is_handler(call, number) => Start::Handler,
                Start::Goroutine(many) => Start::Goroutine(many || self.loops > 0),
                Start::Now if call.mode == CallMode::Go => Start::Goroutine(self.loops > 0),
                other => other,
            };
            let mut locks = locks.clone();
            if self.parameters.is_transaction(self.context, call, number) {
                locks.held.push(Held { key: LockKey::Unknown, exclusive: true });
            }
            let locks = &locks;
            let once = self.once;
            self.once |= effect == Some(Effect::OnceDo);
            match (arg, start) {
                (Value::Closure(literal), Start::Now) if !self.inlined.contains(literal) => {
                    self.inlined.push(*literal);
                    self.body(*literal, locks.clone());
                    self.inlined.pop();
                }
                _ => self.escape(arg, locks, call.span, start),
            }
            self.once = once;
        }
    }

    /// Whether an argument is a handler that a library, which does not show what it does with it, is given.
    fn is_handler(&self, call: &Call, number: usize) -> bool {
        let library = match &call.target {
            Target::Function(func) => self.context.units.get(*func).is_none(),
            Target::Missing(..) | Target::Interface(..) => true,
            _ => false,
        };
        library && call.arg_types.get(number).is_some_and(|ty| is_handler_type(self.context.program, ty))
    }

    /// A function that runs on its own from here on.
    fn escape(&mut self, value: &Value, locks: &LockState, span: Span, start: Start) {
        let target = match value {
            Value::Closure(literal) => {
                let known =
                    self.literal_nodes.iter().find(|(body, _)| body == literal).map(|(_, node)| *node);
                CallTarget::Literal(known.unwrap_or_else(|| self.add_node(*literal)))
            }
            Value::Function(func) | Value::Method(func, _) => CallTarget::Function(*func),
            _ => return,
        };
        self.note_call(target, start, locks, span);
    }

    fn note_call(&mut self, target: CallTarget, start: Start, locks: &LockState, span: Span) {
        self.nodes[self.node].calls.push(CallFact {
            target,
            start,
            locks: locks.held.clone(),
            dropped: locks.dropped.clone(),
            fresh: false,
            owned: false,
            dispatched: false,
            once: self.once,
            span,
        });
    }

    /// Notes that the last call was a method of an object that nobody else has yet.
    fn mark_fresh(&mut self, call: &Call) {
        let object = call.receiver.as_ref().and_then(Value::identity);
        let fresh = object.is_some_and(|place| self.is_fresh(place, call.span));
        let position = if self.at_end { u32::MAX } else { call.span.start };
        let owned =
            fresh && object.is_some_and(|place| self.ownership.keeps(self.index, place.root, position));
        let made_here = fresh && object.is_some_and(|place| matches!(place.root, Root::Site(_)));
        let last = self.last_call();
        last.fresh = made_here && last.start == Start::Now;
        last.owned = owned && last.start == Start::Now;
    }

    fn last_call(&mut self) -> &mut CallFact {
        self.nodes[self.node].calls.last_mut().expect("a call was noted")
    }

    fn lock_effect(&mut self, call: &Call, effect: Effect, locks: &mut LockState) {
        let (exclusive, takes) = match effect {
            Effect::Lock | Effect::TryLock => (true, true),
            Effect::ReadLock | Effect::TryReadLock => (false, true),
            Effect::Unlock => (true, false),
            Effect::ReadUnlock => (false, false),
            _ => return,
        };
        let held = Held { key: lock_key(call), exclusive };
        match (takes, effect) {
            (true, Effect::TryLock | Effect::TryReadLock) => self.tried.push((call.id, held)),
            (true, _) => {
                self.taken.push(held.clone());
                locks.take(held);
            }
            // What was taken on another way through the function is not the caller's.
            (false, _) => {
                if !locks.release(&held) && !self.taken.contains(&held) {
                    self.release_callers(&held, locks);
                }
            }
        }
    }

    /// Notes that the function releases a lock that it was called with.
    fn release_callers(&mut self, held: &Held, locks: &mut LockState) {
        locks.give_up(held);
        let releases = &mut self.nodes[self.node].releases;
        if !releases.iter().any(|(known, _)| known == held) {
            releases.push((held.clone(), self.position));
        }
    }

    /// The locks after a function that may take or release some for its caller.
    fn after_helper(&mut self, func: FuncId, mut locks: LockState) -> LockState {
        let Some(callee) = self.facts.function(self.context, func) else { return locks };
        for held in &callee.gives_up {
            if !locks.release(held) {
                self.release_callers(held, &mut locks);
            }
        }
        for held in &callee.acquires {
            if !locks.held.contains(held) {
                locks.take(held.clone());
            }
        }
        locks
    }

    /// A library function that walks the maps it is given, or those in the structs it is given.
    fn walks(&mut self, call: &Call, effect: Effect, locks: &[Held], body: BodyId) {
        let (first, write) = match effect {
            Effect::Walks(first) => (usize::from(first), false),
            Effect::CloneMap => (0, false),
            Effect::CopyMap => (0, true),
            _ => return,
        };
        for (number, (value, ty)) in call.args.iter().zip(&call.arg_types).enumerate().skip(first) {
            self.walks_inner(call, effect, number, locks, body);
            let printed = printed_interface(self.context, self.unit, call, effect, number, body);
            self.nodes[self.node].formatted.extend(printed);
            let Type::Map(_) = self.context.program.underlying(ty) else { continue };
            let Some(place) = value.referent(Step::Map) else { continue };
            let field = call.arg_fields.get(number).cloned().flatten().map(|mut key| {
                key.steps += u32::from(!key.contents);
                key.contents = true;
                key
            });
            let write = write && number == 0;
            let how = if write { How::MapInsert } else { How::HiddenIterate };
            self.access(&Access { place, write, how, field, span: call.span }, locks, body);
        }
    }

    fn walks_inner(&mut self, call: &Call, effect: Effect, number: usize, locks: &[Held], body: BodyId) {
        let pointer = matches!(self.context.program.underlying(&call.arg_types[number]), Type::Pointer(_));
        let value = &call.args[number];
        let whole = if pointer { value.referent(Step::Deref) } else { value.identity().cloned() };
        let Some(whole) = whole else { return };
        for inner in inner_maps(self.context, self.unit, call, effect, number) {
            let mut place = whole.clone();
            inner.fields.into_iter().for_each(|step| place.push(step));
            place.push(Step::Map);
            let field =
                Some(FieldKey { owner: inner.owner, fields: vec![inner.name], steps: 2, contents: true });
            let how = How::HiddenIterate;
            self.access(&Access { place, write: false, how, field, span: call.span }, locks, body);
        }
    }
}

/// The key of the lock that a call is about.
fn lock_key(call: &Call) -> LockKey {
    let place = call.receiver.as_ref().and_then(|value| value.referent(Step::Deref));
    match place.and_then(|place| MemoryKey::of(&place, call.field.as_ref())) {
        // A pointer to a lock and the lock itself go by the same name.
        Some(MemoryKey::Field(owner, fields, _)) => LockKey::Known(MemoryKey::Field(owner, fields, false)),
        Some(MemoryKey::Global(object, fields, _)) => {
            LockKey::Known(MemoryKey::Global(object, fields, false))
        }
        None => LockKey::Unknown,
    }
}

/// What holds after any of the ways.
fn merge(a: State, b: State) -> State {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.join(&b)),
        (one, None) | (None, one) => one,
    }
}

/// What holds after any of the arms that began with the locks `before`.
fn join_arms(ends: Vec<LockState>, before: &[Held]) -> State {
    ends.into_iter().reduce(|one, other| one.join_arms(&other, before))
}

/// Whether a loop's body leaves it by a jump.
fn leaves(block: &Block, id: NodeId) -> bool {
    let mut found = false;
    crate::ir::function::for_each_node(block, &mut |node| {
        if let Node::Jump(jump) = node {
            found |= jump.target == Some(id) && !jump.again || jump.target.is_none();
        }
    });
    found
}
