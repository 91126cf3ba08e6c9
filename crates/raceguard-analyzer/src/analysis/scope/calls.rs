//! Calls: what is called, and with what.

use super::frames::{Deferred, EvaluatedCall};
use super::goroutines::Start;
use super::{Cursor, FAR, FrameId, MAX_DEPTH, Origin, Scope};
use crate::analysis::models::Effect;
use crate::analysis::units::is_callable;
use crate::ir::function::{BodyId, Call, CallMode, Target};
use crate::ir::place::{CallId, Value, VarId};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::FuncId;

/// What is called by a value has no name at the call.
static NOT_NAMED: Target = Target::Unknown;

impl<'a> Scope<'a> {
    /// Does what a call does, or sees to it that it is done; whether it comes back.
    pub(super) fn call(&mut self, frame: FrameId, cursor: &mut Cursor, call: &'a Call) -> bool {
        let made = self.evaluate(frame, call);
        match call.mode {
            CallMode::Now => return self.perform(frame, cursor, &made),
            CallMode::Defer => {
                let deferred = Deferred::Call(Box::new(made), cursor.path.clone());
                self.frame_mut(frame).deferred.push(deferred);
            }
            CallMode::Go => self.go(frame, cursor, &made),
        }
        true
    }

    fn evaluate(&mut self, frame: FrameId, call: &'a Call) -> EvaluatedCall<'a> {
        let receiver = call.receiver.as_ref().map(|value| self.value(frame, value));
        let args = call.args.iter().map(|value| self.value(frame, value)).collect();
        let function = match &call.target {
            Target::Function(func) => Some(match &receiver {
                Some(receiver) => Value::Method(*func, Box::new(receiver.clone())),
                None => Value::Function(*func),
            }),
            Target::Interface(_, _, candidates) => match (candidates.as_slice(), &receiver) {
                ([only], Some(receiver)) => Some(Value::Method(*only, Box::new(receiver.clone()))),
                _ => None,
            },
            Target::Value(value) => Some(self.value(frame, value)),
            Target::Missing(..) | Target::Unknown => None,
        };
        EvaluatedCall {
            id: call.id,
            target: &call.target,
            arg_types: &call.arg_types,
            span: call.span,
            function,
            receiver,
            args,
        }
    }

    fn go(&mut self, frame: FrameId, cursor: &mut Cursor, made: &EvaluatedCall<'a>) {
        let effect = self.models.effect(made.target);
        let function = made.function.clone().unwrap_or(Value::Unknown);
        if let Some(effect) = effect {
            // `go wg.Wait()`, `go once.Do(f)`: a goroutine that does just that.
            self.start_effect(frame, cursor, made, effect);
            return;
        }
        let start = Start { args: made.args.clone(), ..Start::new(Origin::Go) };
        self.start(frame, cursor, &function, start, made.span);
    }

    /// A goroutine that calls a library function.
    fn start_effect(&mut self, frame: FrameId, cursor: &Cursor, made: &EvaluatedCall<'a>, effect: Effect) {
        self.start(frame, cursor, &Value::Unknown, Start::new(Origin::Go), made.span);
        let Some(thread) = self.threads.len().checked_sub(1).and_then(|last| u32::try_from(last).ok()) else {
            return;
        };
        let mut own = Cursor {
            thread: super::ThreadId(thread),
            path: cursor.path.clone(),
            locks: Vec::new(),
            once: None,
        };
        self.effect(frame, &mut own, made, effect);
    }

    /// Does what a call does, now; whether it comes back.
    pub(super) fn perform(&mut self, frame: FrameId, cursor: &mut Cursor, made: &EvaluatedCall<'a>) -> bool {
        if let Some(effect) = self.models.effect(made.target) {
            self.set_result(frame, made.id, Vec::new());
            self.effect(frame, cursor, made, effect);
            return true;
        }
        let span = made.span;
        if let Some((library, effect)) =
            made.function.as_ref().and_then(|it| self.library(it, &made.args, span))
        {
            self.set_result(frame, made.id, Vec::new());
            self.effect(frame, cursor, &library, effect);
            return true;
        }
        let unseen = self.threads.len() == 1 || self.frame(frame).distance + 1 >= FAR;
        if unseen && self.is_quiet(made) {
            // Nothing runs beside it yet, or it is too far away; and it starts and waits for nothing.
            self.set_result(frame, made.id, Vec::new());
            return true;
        }
        let entered =
            made.function.as_ref().and_then(|function| self.enter(frame, function, &made.args, span));
        if let Some(called) = entered {
            let comes_back = self.run_body(called, cursor);
            let results = self.results_of(called);
            self.set_result(frame, made.id, results);
            self.own_lock(cursor, made);
            return comes_back;
        }
        let result = self.set_result(frame, made.id, Vec::new());
        if self.is_clock_function(made.target) {
            self.clocks.insert(result);
        }
        if self.waits(made.target) {
            self.effect(frame, cursor, made, Effect::BubbleWait);
        }
        // Something without a body at hand: what it is given to call, it calls.
        for arg in made.args.iter().filter(|arg| matches!(arg, Value::Closure(_))) {
            self.invoke(frame, cursor, arg, span);
        }
        !self.is_fatal(made.target)
    }

    /// A call of a library function by a value: a method value such as `wg.Done`, with its receiver.
    fn library(&self, function: &Value, args: &[Value], span: Span) -> Option<(EvaluatedCall<'a>, Effect)> {
        let (func, receiver) = match function {
            Value::Function(func) => (*func, None),
            Value::Method(func, receiver) => (*func, Some(Value::clone(receiver))),
            _ => return None,
        };
        let effect = self.models.of(func)?;
        let call = EvaluatedCall {
            id: CallId(u32::MAX),
            target: &NOT_NAMED,
            arg_types: &[],
            span,
            function: None,
            receiver,
            args: args.to_vec(),
        };
        Some((call, effect))
    }

    /// Does what a library function does that is called by a value; whether the value is one.
    pub(super) fn library_effect(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        function: &Value,
        args: &[Value],
        span: Span,
    ) -> bool {
        let Some((made, effect)) = self.library(function, args, span) else { return false };
        self.effect(frame, cursor, &made, effect);
        true
    }

    /// The name of the function or method that a call without a body at hand is of.
    fn name_without_body(&self, target: &Target) -> Option<Name> {
        match target {
            Target::Function(func) if self.units.get(*func).is_none() => {
                Some(self.program.object(self.program.function(*func)).name)
            }
            Target::Interface(_, name, candidates) if candidates.is_empty() => Some(*name),
            Target::Missing(_, name) => Some(*name),
            _ => None,
        }
    }

    /// Whether a function without a body at hand says by its name that it ends the goroutine or the process: `Fatal` of
    /// a logger or test.
    fn is_fatal(&self, target: &Target) -> bool {
        self.name_without_body(target).is_some_and(|name| {
            let name = name.as_str();
            name.starts_with("Fatal") || matches!(name, "FailNow" | "SkipNow" | "Goexit")
        })
    }

    /// Whether a call gives a channel that only time or a cancelled context makes ready.
    fn is_clock_function(&self, target: &Target) -> bool {
        match target {
            Target::Interface(_, name, _) => name.as_str() == "Done",
            Target::Function(func) => {
                let object = self.program.function(*func);
                self.program.package(object.package).path.as_str() == "time"
            }
            Target::Missing(path, _) => path.as_str() == "time",
            _ => false,
        }
    }

    /// Whether a call neither starts goroutines nor synchronises with any.
    fn is_quiet(&self, made: &EvaluatedCall<'a>) -> bool {
        let (Some(Value::Function(func) | Value::Method(func, _)), false) =
            (&made.function, made.args.iter().any(is_callable))
        else {
            return false;
        };
        self.units.get(*func).is_some_and(|unit| !self.units.spawns(unit) && !self.units.synchronises(unit))
    }

    /// Whether a function without a body at hand says by its name that it waits: for what was started before, as far as
    /// can be told.
    fn waits(&self, target: &Target) -> bool {
        self.name_without_body(target).is_some_and(|name| {
            let name = name.as_str();
            name.starts_with("Wait") || name.starts_with("Join")
        })
    }

    /// Calls a function value now.
    pub(super) fn invoke(&mut self, frame: FrameId, cursor: &mut Cursor, function: &Value, span: Span) {
        if self.library_effect(frame, cursor, function, &[], span) {
            return;
        }
        if let Some(called) = self.enter(frame, function, &[], span) {
            self.run_body(called, cursor);
        }
    }

    /// The frame of a call of a function value, its parameters bound; none if it has no body at hand, or calls nest too
    /// deep.
    pub(super) fn enter(
        &mut self,
        frame: FrameId,
        function: &Value,
        args: &[Value],
        span: Span,
    ) -> Option<FrameId> {
        if self.frame(frame).depth >= MAX_DEPTH || self.exhausted() {
            return None;
        }
        match function {
            Value::Closure(closure) => {
                let object = self.closures[closure.0 as usize].clone();
                let unit = self.frame(object.frame).unit;
                if self.is_running(frame, unit, object.body, 2) {
                    return None;
                }
                let lexical = Some((object.frame, object.iterations));
                let called = self.new_frame(unit, object.body, Some(frame), span, lexical);
                self.bind(called, None, args);
                Some(called)
            }
            Value::Function(func) => self.enter_declared(frame, *func, None, args, span),
            Value::Method(func, receiver) => self.enter_declared(frame, *func, Some(receiver), args, span),
            _ => None,
        }
    }

    fn enter_declared(
        &mut self,
        frame: FrameId,
        func: FuncId,
        receiver: Option<&Value>,
        args: &[Value],
        span: Span,
    ) -> Option<FrameId> {
        let unit = self.units.get(func)?;
        if self.is_running(frame, unit, BodyId(0), 1) {
            return None;
        }
        let called = self.new_frame(unit, BodyId(0), Some(frame), span, None);
        self.bind(called, receiver, args);
        Some(called)
    }

    /// Whether a body runs `times` times or more already: recursion is not followed further.
    fn is_running(&self, frame: FrameId, unit: usize, body: BodyId, times: usize) -> bool {
        let mut found = 0;
        let mut current = Some(frame);
        while let Some(id) = current {
            let running = self.frame(id);
            found += usize::from(running.unit == unit && running.body == body);
            current = running.caller;
        }
        found >= times
    }

    /// Gives the parameters their values.
    fn bind(&mut self, frame: FrameId, receiver: Option<&Value>, args: &[Value]) {
        let unit = self.unit_of(frame);
        let body = unit.body(self.frame(frame).body);
        let mut params: &[VarId] = &body.params;
        if body.has_receiver
            && let [first, rest @ ..] = params
        {
            params = rest;
            let value = match receiver {
                Some(value) => value,
                // A method expression: the receiver is the first argument.
                None => args.first().unwrap_or(&Value::Unknown),
            };
            self.bind_one(frame, *first, value);
        }
        let args = if body.has_receiver && receiver.is_none() { args.get(1..).unwrap_or(&[]) } else { args };
        for (param, value) in params.iter().zip(args) {
            self.bind_one(frame, *param, value);
        }
    }

    fn bind_one(&mut self, frame: FrameId, param: VarId, value: &Value) {
        let id = self.var(frame, param);
        if *value != Value::Unknown {
            self.bindings.insert(id, value.clone());
        }
    }

    /// What a call gave back, where all its returns agree.
    fn results_of(&mut self, frame: FrameId) -> Vec<Value> {
        let returns = std::mem::take(&mut self.frame_mut(frame).returns);
        let Some(first) = returns.first() else { return Vec::new() };
        (0..first.len())
            .map(|number| {
                let mut values = returns
                    .iter()
                    .map(|values| values.get(number).cloned().unwrap_or(Value::Unknown))
                    .filter(|value| *value != Value::Nil);
                let Some(value) = values.next() else { return Value::Nil };
                if values.all(|other| other == value) { value } else { Value::Unknown }
            })
            .collect()
    }
}
