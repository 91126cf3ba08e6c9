//! What library functions do to the events of a scope.

use super::frames::{EvaluatedCall, Pending};
use super::goroutines::Start;
use super::{AcquireKind, Cursor, EventKind, FrameId, Object, Origin, ReleaseKind, Scope, Touch};
use crate::analysis::models::Effect;
use crate::ir::function::{ChannelOp, ChannelOpKind, How, Node, Target};
use crate::ir::place::{Place, Root, Step, Value};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::Type;

impl<'a> Scope<'a> {
    pub(super) fn effect(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        made: &EvaluatedCall<'a>,
        effect: Effect,
    ) {
        let span = made.span;
        let receiver = made.receiver.as_ref();
        let argument = |number: u8| made.args.get(usize::from(number)).cloned().unwrap_or(Value::Unknown);
        match effect {
            Effect::Lock
            | Effect::Unlock
            | Effect::ReadLock
            | Effect::ReadUnlock
            | Effect::TryLock
            | Effect::TryReadLock => self.lock_effect(frame, cursor, made, effect),
            Effect::GroupAdd => {
                let group = self.target(receiver);
                self.touch_state(frame, cursor, group, How::GroupAdd, span);
                self.release(frame, cursor, receiver, Object::Group, ReleaseKind::Add, span);
            }
            Effect::GroupDone => {
                self.release(frame, cursor, receiver, Object::Group, ReleaseKind::Done, span);
            }
            Effect::GroupWait => {
                let group = self.target(receiver);
                self.touch_state(frame, cursor, group, How::GroupWait, span);
                self.acquire(frame, cursor, receiver, Object::Group, AcquireKind::Wait, span);
            }
            Effect::GroupGo(number) => {
                let group = self.target(receiver);
                let start = Start { group: Some(group), ..Start::new(Origin::Group) };
                self.start(frame, cursor, &argument(number), start, span);
            }
            Effect::OnceDo => self.once(frame, cursor, receiver, &argument(0), span),
            Effect::Signal => self.release(frame, cursor, receiver, Object::Cond, ReleaseKind::Signal, span),
            Effect::CondWait => self.acquire(frame, cursor, receiver, Object::Cond, AcquireKind::Cond, span),
            Effect::Timer(_)
            | Effect::TimerReset
            | Effect::BubbleWait
            | Effect::RunParallel(_)
            | Effect::Handler(_)
            | Effect::Spawn(_) => self.start_effects(frame, cursor, made, effect),
            Effect::CallsNow(number) => self.invoke(frame, cursor, &argument(number), span),
            Effect::Cleanup(number) => self.cleanup(frame, cursor, argument(number), span),
            Effect::Subtest(number) => self.subtest(frame, cursor, argument(number), span),
            Effect::AtomicLoad | Effect::AtomicStore => self.atomic(frame, cursor, made, effect),
            Effect::Walks(first) => self.walk_arguments(frame, cursor, made, first),
            Effect::CloneMap => self.touch_map(frame, cursor, &argument(0), false, span),
            Effect::CopyMap => {
                self.touch_map(frame, cursor, &argument(0), true, span);
                self.touch_map(frame, cursor, &argument(1), false, span);
            }
            Effect::HandlerObject(number) => self.handler_object(frame, cursor, made, number),
            Effect::Parallel | Effect::PoolGet | Effect::PoolPut => {}
        }
    }

    /// A function that runs when the test around has ended.
    fn cleanup(&mut self, frame: FrameId, cursor: &mut Cursor, function: Value, span: Span) {
        let test = self.test_around(frame);
        let given = self.fresh();
        let done = EventKind::Release(Object::Group(given.clone()), ReleaseKind::Done);
        self.event(frame, cursor, done, span);
        self.frame_mut(test).pending.push(Pending::Cleanup(function, span, given));
    }

    /// Functions that start goroutines, or wait for all of them.
    fn start_effects(&mut self, frame: FrameId, cursor: &Cursor, made: &EvaluatedCall<'a>, effect: Effect) {
        let span = made.span;
        let receiver = made.receiver.as_ref();
        let argument = |number: u8| made.args.get(usize::from(number)).cloned().unwrap_or(Value::Unknown);
        match effect {
            Effect::Spawn(number) => {
                self.start(frame, cursor, &argument(number), Start::new(Origin::Callback), span);
            }
            Effect::Timer(number) => {
                let timer = self.set_result(frame, made.id, Vec::new());
                let channel = timer_channel(Place::new(Root::Result(timer, 0)).step(Step::Deref));
                let start = Start { timer: Some(channel), ..Start::new(Origin::Callback) };
                self.start(frame, cursor, &argument(number), start, span);
            }
            Effect::TimerReset => {
                let channel = timer_channel(self.target(receiver));
                let fires = EventKind::Release(Object::Channel(channel), ReleaseKind::Send);
                self.event(frame, cursor, fires, span);
            }
            Effect::BubbleWait => {
                self.event(frame, cursor, EventKind::Acquire(Object::Bubble, AcquireKind::Wait), span);
            }
            Effect::RunParallel(number) => {
                for _ in 0..2 {
                    self.start(frame, cursor, &argument(number), Start::new(Origin::Go), span);
                }
                self.event(frame, cursor, EventKind::Acquire(Object::Bubble, AcquireKind::Wait), span);
            }
            Effect::Handler(number) => {
                for _ in 0..2 {
                    self.start(frame, cursor, &argument(number), Start::new(Origin::Handler), span);
                }
            }
            _ => {}
        }
    }

    /// Looks at, or changes, the state of a channel or WaitGroup.
    fn touch_state(&mut self, frame: FrameId, cursor: &Cursor, place: Place, how: How, span: Span) {
        let write = matches!(how, How::Close | How::GroupWait);
        let touch =
            Touch { place: place.step(Step::State), write, how, field: None, once: cursor.once.clone() };
        self.event(frame, cursor, EventKind::Access(touch), span);
    }

    fn release(
        &mut self,
        frame: FrameId,
        cursor: &Cursor,
        receiver: Option<&Value>,
        object: fn(Place) -> Object,
        kind: ReleaseKind,
        span: Span,
    ) {
        let object = object(self.target(receiver));
        self.event(frame, cursor, EventKind::Release(object, kind), span);
    }

    fn acquire(
        &mut self,
        frame: FrameId,
        cursor: &Cursor,
        receiver: Option<&Value>,
        object: fn(Place) -> Object,
        kind: AcquireKind,
        span: Span,
    ) {
        let object = object(self.target(receiver));
        self.event(frame, cursor, EventKind::Acquire(object, kind), span);
    }

    fn once(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        receiver: Option<&Value>,
        function: &Value,
        span: Span,
    ) {
        let once = self.target(receiver);
        let outer = cursor.once.replace(once.clone());
        self.invoke(frame, cursor, function, span);
        let object = Object::Once(once);
        self.event(frame, cursor, EventKind::Release(object.clone(), ReleaseKind::Once), span);
        cursor.once = outer;
        self.event(frame, cursor, EventKind::Acquire(object, AcquireKind::Once), span);
    }

    fn atomic(&mut self, frame: FrameId, cursor: &Cursor, made: &EvaluatedCall<'a>, effect: Effect) {
        let pointer = made.receiver.as_ref().or(made.args.first());
        let place = self.target(pointer);
        let write = effect == Effect::AtomicStore;
        let span = made.span;
        self.atomics.insert((frame, made.id), place.clone());
        if write {
            let object = Object::Atomic(place.clone());
            self.event(frame, cursor, EventKind::Release(object, ReleaseKind::Store), span);
        }
        let touch = Touch { place, write, how: How::Atomic, field: None, once: cursor.once.clone() };
        self.event(frame, cursor, EventKind::Access(touch), span);
    }

    /// A function that looks at all of its arguments: maps, and the memory that pointers and slices refer to.
    fn walk_arguments(&mut self, frame: FrameId, cursor: &Cursor, made: &EvaluatedCall<'a>, first: u8) {
        for (value, ty) in made.args.iter().zip(made.arg_types).skip(usize::from(first)) {
            match self.program.underlying(ty) {
                Type::Map(_) => self.touch_map(frame, cursor, value, false, made.span),
                Type::Struct(fields) => {
                    let Value::Load(holder) = value else { continue };
                    for field in &fields.fields {
                        if let Type::Map(_) = self.program.underlying(&field.ty) {
                            let map = Value::Load(holder.clone().step(Step::Field(field.name)));
                            self.touch_map(frame, cursor, &map, false, made.span);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn touch_map(&mut self, frame: FrameId, cursor: &Cursor, map: &Value, write: bool, span: Span) {
        let Some(place) = map.referent(Step::Map) else { return };
        let how = if write { How::MapInsert } else { How::HiddenIterate };
        let touch = Touch { place, write, how, field: None, once: cursor.once.clone() };
        self.event(frame, cursor, EventKind::Access(touch), span);
    }

    /// `t.Run`: a test that says it is parallel goes on when the function around it has ended.
    fn subtest(&mut self, frame: FrameId, cursor: &mut Cursor, function: Value, span: Span) {
        if self.is_parallel(&function) {
            self.frame_mut(frame).pending.push(Pending::Subtest(function, span));
        } else {
            let tested = self.enter(frame, &function, &[], span);
            if let Some(called) = tested {
                self.frame_mut(called).test = true;
                self.run_body(called, cursor);
            }
        }
    }

    /// The function of the test that a call belongs to, in whatever goroutine.
    fn test_around(&self, frame: FrameId) -> FrameId {
        let mut current = frame;
        while let (false, Some(caller)) = (self.frame(current).test, self.frame(current).caller) {
            current = caller;
        }
        current
    }

    fn is_parallel(&self, function: &Value) -> bool {
        let (unit, body) = match function {
            Value::Closure(closure) => {
                let object = &self.closures[closure.0 as usize];
                (self.frame(object.frame).unit, object.body)
            }
            Value::Function(func) => match self.units.get(*func) {
                Some(unit) => (unit, crate::ir::function::BodyId(0)),
                None => return false,
            },
            _ => return false,
        };
        self.units.units[unit].body(body).block.iter().any(|node| match node {
            Node::Call(call) => {
                matches!(&call.target, Target::Function(_))
                    && self.models.effect(&call.target) == Some(Effect::Parallel)
            }
            _ => false,
        })
    }

    pub(super) fn channel(&mut self, frame: FrameId, cursor: &mut Cursor, op: &'a ChannelOp) {
        let channel = self.value(frame, &op.channel);
        if op.deferred {
            let path = cursor.path.clone();
            let deferred = super::frames::Deferred::Channel(op, channel, path);
            self.frame_mut(frame).deferred.push(deferred);
            return;
        }
        let sent = op.value.as_ref().map(|value| self.value(frame, value));
        if let Some(function @ Value::Closure(_)) = sent {
            self.start(frame, cursor, &function, Start::new(Origin::Sent), op.span);
        }
        self.channel_events(frame, cursor, op, &channel);
    }

    /// The events of a channel operation.
    pub(super) fn channel_events(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        op: &'a ChannelOp,
        channel: &Value,
    ) {
        let Some(place) = channel.identity().cloned() else { return };
        if !self.elements.contains_key(&place) {
            self.elements.insert(place.clone(), op.element.clone());
        }
        let object = Object::Channel(place.clone());
        let (acquire, release) = match op.kind {
            ChannelOpKind::Send => (Some(AcquireKind::Send), ReleaseKind::Send),
            ChannelOpKind::Receive | ChannelOpKind::Range => {
                (Some(AcquireKind::Receive), ReleaseKind::Receive)
            }
            ChannelOpKind::Close => (None, ReleaseKind::Close),
        };
        if matches!(op.kind, ChannelOpKind::Send | ChannelOpKind::Close) {
            let how = if op.kind == ChannelOpKind::Close { How::Close } else { How::Send };
            self.touch_state(frame, cursor, place.clone(), how, op.span);
        }
        self.semaphore(cursor, op.kind, &place);
        self.event(frame, cursor, EventKind::Release(object.clone(), release), op.span);
        if let Some(acquire) = acquire {
            self.event(frame, cursor, EventKind::Acquire(object, acquire), op.span);
        }
    }

    /// A channel of capacity one that a goroutine sends to and then receives from is a lock.
    fn semaphore(&self, cursor: &mut Cursor, kind: ChannelOpKind, place: &Place) {
        if self.capacities.get(place) != Some(&1) {
            return;
        }
        let lock = super::HeldLock { place: place.clone(), exclusive: true, keyed: false };
        match kind {
            ChannelOpKind::Send => cursor.locks.push(lock),
            ChannelOpKind::Receive => cursor.locks.retain(|held| *held != lock),
            _ => {}
        }
    }
}

/// The channel of a `time.Timer` or `time.Ticker`.
fn timer_channel(timer: Place) -> Place {
    timer.step(Step::Field(Name::new("C")))
}
