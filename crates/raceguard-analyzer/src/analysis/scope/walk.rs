//! Blocks: the order of events, the conditions on the way, and loops.

use super::{AcquireKind, Cursor, EventKind, FrameId, HeldLock, Join, Object, ReleaseKind, Scope, Touch};
use crate::ir::function::{Access, Assign, Block, Branch, Condition, How, Jump, Loop, Node, NodeId, Select};
use crate::ir::place::{Index, Place, Root, Step, Value};
use crate::syntax::span::Span;

/// How a block is left.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Whether its end may be reached.
    pub(super) falls: bool,
    /// Whether it may return to the caller.
    pub(super) returns: bool,
    /// Whether it may stop: by a panic, or with the goroutine or the process.
    stops: bool,
    /// Statements around it that it may leave, or continue.
    jumps: Vec<(NodeId, Onward)>,
}

/// What a jump does to the statement around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    Leave,
    Continue,
}

impl Flow {
    fn falling() -> Self {
        Self { falls: true, ..Self::default() }
    }

    fn absorb(&mut self, other: Self) {
        self.returns |= other.returns;
        self.stops |= other.stops;
        self.jumps.extend(other.jumps);
    }

    fn exits(&self) -> bool {
        self.returns || self.stops || !self.jumps.is_empty()
    }
}

impl<'a> Scope<'a> {
    pub(super) fn block(&mut self, frame: FrameId, cursor: &mut Cursor, block: &'a Block) -> Flow {
        let depth = cursor.path.len();
        let mut flow = Flow::falling();
        for node in block {
            self.steps += 1;
            if self.must_stop() {
                break;
            }
            match node {
                Node::Access(access) => self.access(frame, cursor, access),
                Node::Assign(assign) => self.assign(frame, assign),
                Node::Call(call) => {
                    if !self.call(frame, cursor, call) {
                        flow.falls = false;
                        flow.stops = true;
                    }
                }
                Node::Channel(op) => self.channel(frame, cursor, op),
                Node::Branch(branch) => {
                    let inner = self.branch(frame, cursor, branch);
                    flow.falls = inner.falls;
                    flow.absorb(inner);
                }
                Node::Select(select) => {
                    let inner = self.select(frame, cursor, select);
                    flow.falls = inner.falls;
                    flow.absorb(inner);
                }
                Node::Loop(inner) => {
                    let inner = self.a_loop(frame, cursor, inner);
                    flow.falls = inner.falls;
                    flow.absorb(inner);
                }
                Node::Return(values, _) => {
                    let values = self.returned(frame, values);
                    self.frame_mut(frame).returns.push(values);
                    self.leave_body(frame, cursor);
                    flow.falls = false;
                    flow.returns = true;
                }
                Node::Jump(jump) => {
                    flow.falls = false;
                    // Where `goto` leads is not followed.
                    flow.returns |= jump.target.is_none();
                    self.jump(frame, cursor, *jump, &mut flow);
                }
                Node::Stop => {
                    flow.falls = false;
                    flow.stops = true;
                }
            }
            if !flow.falls {
                break;
            }
        }
        cursor.path.truncate(depth);
        flow
    }

    /// What a `return` gives back: without values, what the results hold.
    fn returned(&mut self, frame: FrameId, values: &[Value]) -> Vec<Value> {
        let unit = self.unit_of(frame);
        let results = &unit.body(self.frame(frame).body).results;
        if values.is_empty() {
            let held = results.iter().map(|&result| Value::Load(Place::new(Root::Var(result))));
            return held.map(|value| self.value(frame, &value)).collect();
        }
        values.iter().map(|value| self.value(frame, value)).collect()
    }

    fn access(&mut self, frame: FrameId, cursor: &Cursor, access: &'a Access) {
        let place = self.place(frame, &access.place);
        if access.how == How::Append {
            self.copy_elements(frame, cursor, access, &place);
        }
        let touch = Touch {
            place,
            write: access.write,
            how: access.how,
            field: access.field.as_ref(),
            once: cursor.once.clone(),
        };
        if touch.write && !cursor.locks.is_empty() {
            // A flag that is set under a lock tells those who see it, under the lock too, what came before.
            let flag = EventKind::Release(Object::Flag(touch.place.clone()), ReleaseKind::Store);
            self.event(frame, cursor, flag, access.span);
        }
        self.event(frame, cursor, EventKind::Access(touch), access.span);
    }

    /// An `append` that has no room left copies the elements that are there.
    fn copy_elements(&mut self, frame: FrameId, cursor: &Cursor, access: &'a Access, end: &Place) {
        let mut all = end.clone();
        if let Some(last @ Step::Element(Index::End)) = all.steps.last_mut() {
            *last = Step::Element(Index::All);
            let once = cursor.once.clone();
            let touch =
                Touch { place: all, write: false, how: How::Plain, field: access.field.as_ref(), once };
            self.event(frame, cursor, EventKind::Access(touch), access.span);
        }
    }

    /// A variable that is given its only value after its declaration.
    fn assign(&mut self, frame: FrameId, assign: &'a Assign) {
        if let Root::Var(var) = assign.place.root
            && assign.place.steps.is_empty()
            && self.is_settled_by(frame, var)
        {
            let value = self.value(frame, &assign.value);
            let id = self.var(frame, var);
            if value != Value::Unknown {
                self.bindings.insert(id, value);
            }
        }
    }

    fn branch(&mut self, frame: FrameId, cursor: &mut Cursor, branch: &'a Branch) -> Flow {
        let arms: Vec<&'a Block> = branch.arms.iter().collect();
        self.arms(frame, cursor, branch.id, &arms, |scope, cursor, number| {
            scope.enter_arm(frame, cursor, branch, number);
        })
    }

    /// What the condition says in an arm: a lock that was tried is held, an atomic was seen.
    fn enter_arm(&mut self, frame: FrameId, cursor: &mut Cursor, branch: &'a Branch, number: usize) {
        if let Some((call, negated)) = branch.condition.call
            && let Some(lock) = self.try_locks.get(&(frame, call)).cloned()
            && (number == 0) != negated
        {
            cursor.locks.push(lock);
        }
        self.see_flags(frame, cursor, &branch.condition, branch.span);
    }

    /// What was looked at in a condition: whoever wrote it last did so before.
    fn see_flags(&mut self, frame: FrameId, cursor: &Cursor, condition: &'a Condition, span: Span) {
        for call in &condition.calls {
            if let Some(place) = self.atomics.get(&(frame, *call)).cloned() {
                self.event(frame, cursor, EventKind::Acquire(Object::Atomic(place), AcquireKind::Load), span);
            }
        }
        if cursor.locks.is_empty() {
            return;
        }
        for place in &condition.reads {
            let place = self.place(frame, place);
            self.event(frame, cursor, EventKind::Acquire(Object::Flag(place), AcquireKind::Load), span);
        }
    }

    fn select(&mut self, frame: FrameId, cursor: &mut Cursor, select: &'a Select) -> Flow {
        let arms: Vec<&'a Block> = select.arms.iter().map(|(_, block)| block).collect();
        self.arms(frame, cursor, select.id, &arms, |scope, cursor, number| {
            if let Some(op) = &select.arms[number].0 {
                scope.channel(frame, cursor, op);
            }
        })
    }

    /// Plays the arms of a branch, each under its own condition.
    fn arms(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        id: NodeId,
        arms: &[&'a Block],
        enter: impl Fn(&mut Self, &mut Cursor, usize),
    ) -> Flow {
        let node = self.node();
        let before = cursor.locks.clone();
        let mut after: Option<Vec<HeldLock>> = None;
        let mut falling = 0_u64;
        let mut flow = Flow::default();
        let mut partial = false;
        let mut joined = Vec::new();
        for (number, arm) in arms.iter().enumerate() {
            let first = self.events.len();
            let mask = 1_u64 << number.min(63);
            cursor.locks.clone_from(&before);
            cursor.path.push((node, mask));
            enter(self, cursor, number);
            let mut inner = self.block(frame, cursor, arm);
            cursor.path.pop();
            let left = inner.jumps.contains(&(id, Onward::Leave));
            inner.jumps.retain(|&(target, _)| target != id);
            if inner.falls || left {
                joined.push(self.acquires_of_arm(cursor, first, node, mask));
                falling |= mask;
                partial |= inner.exits();
                after = Some(match after {
                    None => cursor.locks.clone(),
                    Some(held) => held.into_iter().filter(|lock| cursor.locks.contains(lock)).collect(),
                });
            }
            flow.absorb(inner);
        }
        let all = if arms.len() >= 64 { u64::MAX } else { (1_u64 << arms.len()) - 1 };
        flow.falls = falling != 0 || arms.is_empty();
        cursor.locks = after.unwrap_or(before);
        if falling != all {
            cursor.path.push((node, falling));
        }
        if partial {
            let passed = self.node();
            cursor.path.push((passed, 1));
        }
        if !joined.is_empty() && joined.iter().all(|arm| !arm.is_empty()) {
            self.event(frame, cursor, EventKind::Join(Join { arms: joined }), Span::default());
        }
        flow
    }

    /// The waits that an arm can't be passed without.
    fn acquires_of_arm(&self, cursor: &Cursor, first: usize, node: u32, mask: u64) -> Vec<usize> {
        let depth = cursor.path.len() + 1;
        let own = |path: &[(u32, u64)]| path.len() == depth && path[depth - 1] == (node, mask);
        let events = self.events.iter().enumerate().skip(first);
        events
            .filter(|(_, event)| {
                event.thread == cursor.thread
                    && matches!(event.kind, EventKind::Acquire(..) | EventKind::Join(_))
                    && own(&event.path)
            })
            .map(|(index, _)| index)
            .collect()
    }

    fn jump(&mut self, frame: FrameId, cursor: &Cursor, jump: Jump, flow: &mut Flow) {
        let Some(target) = jump.target else { return self.leave_body(frame, cursor) };
        flow.jumps.push((target, if jump.again { Onward::Continue } else { Onward::Leave }));
        if !jump.again {
            let first = self.frame(frame).first;
            let waits = self.waits_on_the_way(cursor, first);
            self.frame_mut(frame).breaks.push((target, waits));
        }
    }

    /// Notes what was waited for before an end of the body.
    pub(super) fn leave_body(&mut self, frame: FrameId, cursor: &Cursor) {
        let first = self.frame(frame).first;
        let waits = self.waits_on_the_way(cursor, first);
        self.frame_mut(frame).exits.push(waits);
    }

    /// The waits since an event that the goroutine can't have come to this point without.
    fn waits_on_the_way(&self, cursor: &Cursor, first: usize) -> Vec<usize> {
        let from = self.waits.partition_point(|&wait| wait < first);
        let passed = |wait: usize| {
            let event = &self.events[wait];
            event.thread == cursor.thread
                && event.path.len() <= cursor.path.len()
                && event.path[..] == cursor.path[..event.path.len()]
        };
        self.waits[from..].iter().copied().filter(|&wait| passed(wait)).collect()
    }

    /// The end of a loop or function each of whose ways out waited for something.
    pub(super) fn join_exits(&mut self, frame: FrameId, cursor: &Cursor, exits: Vec<Vec<usize>>) {
        let deeper =
            |waits: &Vec<usize>| waits.iter().any(|&wait| self.events[wait].path.len() > cursor.path.len());
        if !exits.is_empty() && exits.iter().all(|waits| !waits.is_empty()) && exits.iter().any(deeper) {
            self.event(frame, cursor, EventKind::Join(Join { arms: exits }), Span::default());
        }
    }

    fn a_loop(&mut self, frame: FrameId, cursor: &mut Cursor, inner: &'a Loop) -> Flow {
        let unit = self.frame(frame).unit;
        let concurrent = self.units.is_concurrent(unit, inner.id);
        self.unrolled.insert((unit, inner.id), concurrent && self.loop_depth < 3);
        let rounds = if concurrent && self.loop_depth < 3 && !inner.at_most_once { 2 } else { 1 };
        self.loop_depth += u32::from(rounds > 1);
        let mut flow = Flow::default();
        let before = cursor.locks.clone();
        for _ in 0..rounds {
            self.next_iteration += 1;
            let iteration = self.next_iteration;
            self.frame_mut(frame).iterations.push((inner.id, iteration));
            let body = self.block(frame, cursor, &inner.body);
            self.frame_mut(frame).iterations.pop();
            flow.absorb(body);
            // A round that leaves with other locks than it came with is a rare loop; the next one begins as the first did.
            cursor.locks.clone_from(&before);
        }
        self.loop_depth -= u32::from(rounds > 1);
        let left = flow.jumps.contains(&(inner.id, Onward::Leave));
        flow.jumps.retain(|&(target, _)| target != inner.id);
        flow.falls = !inner.endless || left;
        self.see_flags(frame, cursor, &inner.condition, inner.span);
        if let Some(channel) = &inner.range_channel {
            let channel = self.value(frame, channel);
            if let Some(place) = channel.identity() {
                let object = Object::Channel(place.clone());
                self.event(frame, cursor, EventKind::Acquire(object, AcquireKind::Closed), inner.span);
            }
        }
        let breaks = &mut self.frame_mut(frame).breaks;
        let own = breaks.extract_if(.., |(target, _)| *target == inner.id).map(|(_, waits)| waits).collect();
        if inner.endless {
            self.join_exits(frame, cursor, own);
        }
        if flow.exits() {
            let passed = self.node();
            cursor.path.push((passed, 1));
        }
        flow
    }
}
