//! What calls do to the facts.

use super::arguments::{Fate, values};
use super::summaries::{Relative, Summary};
use super::walk::{Walk, is_shared};
use super::{Facts, Held, Mark, Marked, is_lock_effect, is_stable, lock_place};
use crate::analysis::models::Effect;
use crate::ir::function::{BodyId, Call, CallMode, FieldKey, Node, Target, for_each_call};
use crate::ir::place::{Place, Root, Step, Value};

impl Walk<'_> {
    pub(super) fn call(&mut self, call: &Call, facts: &mut Facts) {
        let effect = self.walked.models.effect(&call.target);
        match (call.mode, effect) {
            (CallMode::Go, _) => {}
            // The locks of other packages may have keys: `locker.Lock(id)`.
            (_, Some(effect)) if is_lock_effect(effect) && !call.args.is_empty() => {}
            (CallMode::Now, Some(effect)) if is_lock_effect(effect) => self.lock_now(call, effect, facts),
            (CallMode::Now, Some(Effect::PoolPut)) => {
                self.mark(call, call.args.first(), Mark::Put, facts);
            }
            (CallMode::Now, Some(Effect::AtomicStore)) => {
                self.mark(call, call.args.last(), Mark::Published, facts);
            }
            (CallMode::Now, Some(_)) => {}
            (CallMode::Now, None) => self.unlisted(call, facts),
            (CallMode::Defer, _) => self.defer(call, effect, facts),
        }
    }

    fn mark(&mut self, call: &Call, argument: Option<&Value>, mark: Mark, facts: &mut Facts) {
        if let Some(place) = argument.and_then(Value::identity)
            && is_stable(self.walked.unit, place)
        {
            let by_helper = self.walked.models.effect(&call.target).is_none();
            facts.marked.push(Marked { mark, place: place.clone(), at: call.span, by_helper });
            self.changed();
        }
    }

    fn lock_now(&mut self, call: &Call, effect: Effect, facts: &mut Facts) {
        let Some(lock) = self.lock_of(call, effect, true) else {
            facts.unsure = true;
            return self.changed();
        };
        match effect {
            Effect::Lock | Effect::ReadLock => facts.held.push(lock),
            Effect::Unlock | Effect::ReadUnlock => {
                facts.unsure |= facts.lock(&lock.place).is_none();
                release(facts, &lock.place, lock.exclusive);
            }
            _ => {
                self.tried.insert(call.id, lock);
            }
        }
        self.changed();
    }

    /// A call of a function that no model lists.
    fn unlisted(&mut self, call: &Call, facts: &mut Facts) {
        if let Target::Value(Value::Closure(body)) = &call.target {
            self.forget_unlocked(*body, facts);
        }
        for argument in &call.args {
            match argument {
                Value::Closure(body) => self.forget_unlocked(*body, facts),
                // A function that is given the mutex itself, or its `Unlock`, may do anything with it.
                Value::Address(place) => facts.held.retain(|lock| lock.place != *place),
                Value::Method(_, receiver) => {
                    if let Some(place) = receiver.referent(Step::Deref) {
                        facts.held.retain(|lock| lock.place != place);
                    }
                }
                _ => {}
            }
        }
        match &call.target {
            Target::Function(func) => match self.walked.summaries.get(*func) {
                Some(summary) => {
                    self.apply(call, summary, facts);
                    self.put_by(call, summary, Mark::Put, facts);
                }
                None if self.walked.summaries.is_analysed(*func) => Self::forget_shared(facts),
                None => {}
            },
            _ => Self::forget_shared(facts),
        }
        self.changed();
    }

    /// A function that puts what it is given into a pool.
    fn put_by(&mut self, call: &Call, summary: &Summary, mark: Mark, facts: &mut Facts) {
        for argument in summary.arguments.iter().filter(|argument| argument.fate == Fate::Put) {
            self.mark(call, values(call).nth(argument.parameter), mark, facts);
        }
    }

    /// What may be replaced by code elsewhere.
    fn forget_shared(facts: &mut Facts) {
        facts.marked.retain(|marked| !is_shared(&marked.place));
    }

    /// A function literal that is called, or may be: the locks that it releases may be released.
    fn forget_unlocked(&self, body: BodyId, facts: &mut Facts) {
        let models = self.walked.models;
        for_each_call(&self.walked.unit.body(body).block, &mut |call| {
            let releases = matches!(models.effect(&call.target), Some(Effect::Unlock | Effect::ReadUnlock));
            if let (true, Some(place)) = (releases, lock_place(call)) {
                facts.held.retain(|lock| lock.place != place);
            }
        });
    }

    fn apply(&self, call: &Call, summary: &Summary, facts: &mut Facts) {
        Self::forget_shared(facts);
        facts.unsure |= !summary.may_release.is_empty();
        for released in &summary.may_release {
            if let Some(place) = resolve(call, released) {
                facts.held.retain(|lock| lock.place != place);
            }
        }
        for (relative, exclusive, field) in &summary.acquires {
            self.take(call, relative, *exclusive, field.as_ref(), facts);
        }
    }

    fn take(
        &self,
        call: &Call,
        relative: &Relative,
        exclusive: bool,
        field: Option<&FieldKey>,
        facts: &mut Facts,
    ) {
        if let Some(place) = resolve(call, relative)
            && is_stable(self.walked.unit, &place)
        {
            facts.held.push(Held { place, field: field.cloned(), exclusive, at: call.span, own: false });
        }
    }

    fn defer(&mut self, call: &Call, effect: Option<Effect>, facts: &mut Facts) {
        match (effect, &call.target) {
            (Some(Effect::Unlock | Effect::ReadUnlock), _) => facts.released_at_end.extend(lock_place(call)),
            (Some(Effect::PoolPut), _) => {
                self.mark(call, call.args.first(), Mark::PutAtEnd, facts);
            }
            (None, Target::Value(Value::Closure(body))) => self.deferred_literal(*body, facts),
            (None, Target::Function(func)) => {
                let summary = self.walked.summaries.get(*func);
                for released in summary.iter().flat_map(|summary| &summary.may_release) {
                    facts.released_at_end.extend(resolve(call, released));
                }
                if let Some(summary) = summary {
                    self.put_by(call, summary, Mark::PutAtEnd, facts);
                }
                for argument in &call.args {
                    if let Value::Address(place) = argument {
                        facts.released_at_end.push(place.clone());
                    }
                }
            }
            // A function value may release anything: `unlock := s.lock(); defer unlock()`.
            (None, _) => {
                let held: Vec<Place> = facts.held.iter().map(|lock| lock.place.clone()).collect();
                facts.released_at_end.extend(held);
            }
            _ => {}
        }
        self.changed();
    }

    fn deferred_literal(&mut self, body: BodyId, facts: &mut Facts) {
        let walked = self.walked;
        let block = &walked.unit.body(body).block;
        for_each_call(block, &mut |call| match (walked.models.effect(&call.target), &call.target) {
            (Some(Effect::Unlock | Effect::ReadUnlock), _) => facts.released_at_end.extend(lock_place(call)),
            (None, Target::Function(func)) => {
                let summary = walked.summaries.get(*func);
                for released in summary.iter().flat_map(|summary| &summary.may_release) {
                    facts.released_at_end.extend(resolve(call, released));
                }
            }
            _ => {}
        });
        for node in block {
            if let Node::Call(call) = node
                && walked.models.effect(&call.target) == Some(Effect::PoolPut)
            {
                self.mark(call, call.args.first(), Mark::PutAtEnd, facts);
            }
        }
    }
}

/// The place in the caller that a place of the called function is.
pub(in crate::rules) fn resolve(call: &Call, relative: &Relative) -> Option<Place> {
    let (parameter, steps) = match relative {
        Relative::Global(place) => return Some(place.clone()),
        Relative::Parameter(parameter, steps) => (*parameter, steps),
    };
    let values: Vec<&Value> = call.receiver.iter().chain(&call.args).collect();
    let value = values.get(parameter)?;
    let (first, rest) = steps.split_first()?;
    let mut place = match (value, first) {
        (_, Step::Deref) => value.referent(Step::Deref)?,
        _ => return None,
    };
    for &step in rest {
        place.push(step);
    }
    (!matches!(place.root, Root::Opaque(_))).then_some(place)
}

/// Takes a lock out of those held.
fn release(facts: &mut Facts, place: &Place, exclusive: bool) {
    let held = |lock: &Held| lock.place == *place && lock.exclusive == exclusive;
    if let Some(position) = facts.held.iter().rposition(held) {
        facts.held.remove(position);
    } else {
        facts.held.retain(|lock| lock.place != *place);
    }
}
