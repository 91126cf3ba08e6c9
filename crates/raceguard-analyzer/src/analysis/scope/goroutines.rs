//! Goroutines: how they start and end.

use super::frames::{Deferred, Pending};
use super::{AcquireKind, Cursor, EventKind, FrameId, Object, Origin, ReleaseKind, Scope, Thread, ThreadId};
use crate::ir::place::{Place, Value};
use crate::syntax::span::Span;

/// At most this many goroutines are played.
const MAX_THREADS: usize = 200;

/// How a goroutine starts.
pub(super) struct Start {
    /// The arguments.
    pub(super) args: Vec<Value>,
    /// Why it runs beside others.
    pub(super) origin: Origin,
    /// The group whose `Wait` waits for its end.
    pub(super) group: Option<Place>,
    /// The channel of the timer that starts it.
    pub(super) timer: Option<Place>,
}

impl Start {
    /// Without arguments.
    pub(super) const fn new(origin: Origin) -> Self {
        Self { args: Vec::new(), origin, group: None, timer: None }
    }
}

impl Scope<'_> {
    /// Starts a goroutine that calls `function`, and plays it.
    pub(super) fn start(
        &mut self,
        frame: FrameId,
        cursor: &Cursor,
        function: &Value,
        start: Start,
        span: Span,
    ) {
        let Start { args, origin, group, timer } = start;
        if self.threads.len() >= MAX_THREADS || self.exhausted() {
            return;
        }
        let thread = ThreadId(u32::try_from(self.threads.len()).unwrap_or(u32::MAX));
        self.event(frame, cursor, EventKind::Spawn(thread), span);
        let started_by = self.events.len().checked_sub(1);
        self.threads.push(Thread { spawn: started_by, parent: Some(cursor.thread), origin, frame });
        let mut own = Cursor { thread, path: cursor.path.clone(), locks: Vec::new(), once: None };
        if let Some(timer) = timer {
            self.event(frame, &own, EventKind::Acquire(Object::Channel(timer), AcquireKind::Receive), span);
        }
        if self.library_effect(frame, &mut own, function, &args, span) {
            // A goroutine that does just what a library function does.
        } else if let Some(called) = self.enter(frame, function, &args, span) {
            self.threads[thread.0 as usize].frame = called;
            self.frame_mut(called).distance = 0;
            self.run_body(called, &mut own);
        }
        if let Some(group) = group {
            let done = EventKind::Release(Object::Group(group), ReleaseKind::Done);
            self.event(frame, &own, done, span);
        }
        self.event(frame, &own, EventKind::Release(Object::Bubble, ReleaseKind::Done), span);
    }

    /// Plays the body of a frame to its end: deferred calls, then what waits for the end. Whether it comes back to its
    /// caller.
    pub(super) fn run_body(&mut self, frame: FrameId, cursor: &mut Cursor) -> bool {
        let unit = self.unit_of(frame);
        let block = &unit.body(self.frame(frame).body).block;
        let depth = cursor.path.len();
        let flow = self.block(frame, cursor, block);
        if flow.falls {
            self.leave_body(frame, cursor);
        }
        // A deferred call may recover.
        let comes_back = flow.falls || flow.returns || !self.frame(frame).deferred.is_empty();
        cursor.path.truncate(depth);
        let exits = std::mem::take(&mut self.frame_mut(frame).exits);
        self.join_exits(frame, cursor, exits);
        while let Some(deferred) = self.frame_mut(frame).deferred.pop() {
            match deferred {
                Deferred::Call(call, path) => {
                    let outer = std::mem::replace(&mut cursor.path, path);
                    self.perform(frame, cursor, &call);
                    cursor.path = outer;
                }
                Deferred::Channel(op, channel, path) => {
                    let outer = std::mem::replace(&mut cursor.path, path);
                    self.channel_events(frame, cursor, op, &channel);
                    cursor.path = outer;
                }
            }
        }
        self.run_pending(frame, cursor);
        cursor.path.truncate(depth);
        comes_back
    }

    /// What follows the function of a test: its parallel subtests, and when they have ended, what is to be cleaned up.
    fn run_pending(&mut self, frame: FrameId, cursor: &mut Cursor) {
        let pending = std::mem::take(&mut self.frame_mut(frame).pending);
        if pending.is_empty() {
            return;
        }
        let subtests = self.fresh();
        let mut last = Span::default();
        for after in &pending {
            if let Pending::Subtest(function, span) = after {
                let start = Start { group: Some(subtests.clone()), ..Start::new(Origin::Subtest) };
                self.start(frame, cursor, function, start, *span);
                last = *span;
            }
        }
        let ended = EventKind::Acquire(Object::Group(subtests), AcquireKind::Wait);
        self.event(frame, cursor, ended, last);
        for after in pending.iter().rev() {
            if let Pending::Cleanup(function, span, given) = after {
                let given = EventKind::Acquire(Object::Group(given.clone()), AcquireKind::Wait);
                self.event(frame, cursor, given, *span);
                self.invoke(frame, cursor, function, *span);
            }
        }
    }
}
